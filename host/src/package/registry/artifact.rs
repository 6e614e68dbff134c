//! What a component looks like in a registry: the CNCF Wasm OCI Artifact layout
//! (<https://tag-runtime.cncf.io/wgs/wasm/deliverables/wasm-oci-artifact/>). One manifest, one config, one layer; the
//! signature, where there is one, is an annotation of the manifest, since that is what every registry keeps.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::super::COMPONENT_BYTES;
use super::super::error::PackageError;
use crate::id::Digest;

pub(super) const MANIFEST: &str = "application/vnd.oci.image.manifest.v1+json";
/// Manifests of whatever kind.
pub(super) const ANY_MANIFEST: &str = "application/vnd.oci.image.manifest.v1+json, application/vnd.oci.image.index.v1+json, \
     application/vnd.docker.distribution.manifest.v2+json, application/vnd.docker.distribution.manifest.list.v2+json";
const INDEX: &str = "application/vnd.oci.image.index.v1+json";
const CONFIG: &str = "application/vnd.wasm.config.v0+json";
const LAYER: &str = "application/wasm";

/// The annotation that holds the content of the component's `.minisig` file.
const SIGNATURE: &str = "shiro.signature.minisign";

/// The largest manifest and config.
pub(super) const MANIFEST_BYTES: u64 = 1 << 20;

/// A manifest, as far as it matters here.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Manifest {
    schema_version: u64,
    #[serde(default)]
    media_type: Option<String>,
    config: Descriptor,
    layers: Vec<Descriptor>,
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    annotations: BTreeMap<String, String>,
}

/// What a manifest says of a blob.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Descriptor {
    media_type: String,
    pub(super) digest: String,
    pub(super) size: u64,
}

/// A component in a registry: where its bytes are, and how they are signed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Artifact {
    /// The digest of the manifest.
    pub manifest: Digest,
    /// The digest of the component's bytes.
    pub component: Digest,
    /// The component's size in bytes.
    pub size: u64,
    /// Its signature in minisign's format, if it was published with one.
    pub minisign: Option<String>,
}

impl Artifact {
    /// Reads a manifest that came from `name`. Refuses whatever is not one component.
    pub(super) fn read(manifest: &[u8], name: &str) -> Result<Self, PackageError> {
        let bad = |what: String| PackageError::refused("not-a-component", format!("{name}: {what}"));
        let digest = Digest::of(manifest);
        let Manifest { schema_version, media_type, config, layers, annotations } = parse(manifest, name)?;
        if schema_version != 2 || media_type.as_deref().is_some_and(|media_type| media_type != MANIFEST) {
            return Err(bad(format!("not an OCI image manifest: {}", media_type.unwrap_or_default())));
        }
        let [layer] = layers.as_slice() else {
            return Err(bad(format!("a component is one layer, and this has {}", layers.len())));
        };
        if config.media_type != CONFIG || layer.media_type != LAYER {
            let found = format!("config {}, layer {}", config.media_type, layer.media_type);
            return Err(bad(format!("not a WebAssembly component: {found}"))
                .hint(format!("a component has the config {CONFIG} and one layer {LAYER}")));
        }
        let component = layer.digest.parse().map_err(|_| bad(format!("its layer has the digest {}", layer.digest)))?;
        if layer.size > COMPONENT_BYTES {
            let what = format!("the component has {} bytes, more than {} MiB", layer.size, COMPONENT_BYTES >> 20);
            return Err(PackageError { code: "too-large", ..bad(what) });
        }
        Ok(Self { manifest: digest, component, size: layer.size, minisign: annotations.get(SIGNATURE).cloned() })
    }
}

fn parse(manifest: &[u8], name: &str) -> Result<Manifest, PackageError> {
    #[derive(Deserialize)]
    #[serde(rename_all = "camelCase")]
    struct Index {
        #[serde(default)]
        media_type: Option<String>,
        manifests: Vec<serde::de::IgnoredAny>,
    }
    serde_json::from_slice(manifest).map_err(|error| {
        let refused = |what: String| PackageError::refused("not-a-component", format!("{name}: {what}"));
        if manifest.trim_ascii_start().starts_with(b"<") {
            return refused("the answer is an HTML page, not a manifest".to_owned())
                .hint("is this the registry's own address, and not that of a web page in front of it?");
        }
        match serde_json::from_slice::<Index>(manifest) {
            Ok(index) => refused(format!(
                "an index of {} manifests ({}), not a component",
                index.manifests.len(),
                index.media_type.unwrap_or_else(|| INDEX.to_owned())
            )),
            Err(_) => refused(format!("not a manifest: {error}")),
        }
    })
}

/// What is published: everything that is sent, ready.
pub(super) struct Upload {
    pub(super) manifest: Vec<u8>,
    pub(super) config: Vec<u8>,
}

/// What a component's config says of it.
#[derive(Clone, Debug, Default)]
pub struct Contents {
    /// The interfaces that it imports.
    pub imports: Vec<String>,
    /// What it exports.
    pub exports: Vec<String>,
    /// Its type's name, version and summary, as the manifest's annotations `org.opencontainers.image.*`.
    pub annotations: BTreeMap<String, String>,
    /// When it was made: RFC 3339.
    pub created: String,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Config<'a> {
    created: &'a str,
    architecture: &'static str,
    os: &'static str,
    layer_digests: [Digest; 1],
    component: Component<'a>,
}

#[derive(Serialize)]
struct Component<'a> {
    exports: &'a [String],
    imports: &'a [String],
    target: Option<String>,
}

impl Upload {
    /// The manifest and config of this component.
    pub(super) fn new(component: &[u8], contents: &Contents, minisign: Option<&str>) -> Self {
        let digest = Digest::of(component);
        let config = Config {
            created: &contents.created,
            architecture: "wasm",
            os: "wasip2",
            layer_digests: [digest],
            component: Component { exports: &contents.exports, imports: &contents.imports, target: None },
        };
        let config = serde_json::to_vec(&config).expect("texts are JSON");
        let mut annotations = contents.annotations.clone();
        annotations.extend(minisign.map(|signature| (SIGNATURE.to_owned(), signature.to_owned())));
        let describe = |media_type: &str, bytes: &[u8]| Descriptor {
            media_type: media_type.to_owned(),
            digest: Digest::of(bytes).to_string(),
            size: bytes.len() as u64,
        };
        let manifest = Manifest {
            schema_version: 2,
            media_type: Some(MANIFEST.to_owned()),
            config: describe(CONFIG, &config),
            layers: vec![describe(LAYER, component)],
            annotations,
        };
        Self { manifest: serde_json::to_vec(&manifest).expect("texts are JSON"), config }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn upload() -> Upload {
        let contents = Contents { created: "2026-01-01T00:00:00Z".into(), ..Contents::default() };
        Upload::new(b"component", &contents, Some("signature"))
    }

    fn error(change: impl FnOnce(&mut Value)) -> PackageError {
        let mut manifest: Value = serde_json::from_slice(&upload().manifest).unwrap();
        change(&mut manifest);
        Artifact::read(manifest.to_string().as_bytes(), "x").unwrap_err()
    }

    #[test]
    fn what_is_published_is_read_again() {
        let upload = upload();
        let artifact = Artifact::read(&upload.manifest, "x").unwrap();
        assert_eq!(artifact.component, Digest::of(b"component"));
        assert_eq!(artifact.manifest, Digest::of(&upload.manifest));
        assert_eq!((artifact.size, artifact.minisign.as_deref()), (9, Some("signature")));
        let config: Value = serde_json::from_slice(&upload.config).unwrap();
        assert_eq!(config["layerDigests"], json!([Digest::of(b"component")]));
        assert_eq!((&config["os"], &config["architecture"]), (&json!("wasip2"), &json!("wasm")));
    }

    #[test]
    fn what_is_not_one_component_is_refused() {
        assert!(error(|m| m["layers"] = json!([])).message.contains("this has 0"));
        assert!(
            error(|m| m["layers"][0]["mediaType"] = json!("application/x")).message.contains("layer application/x")
        );
        assert!(error(|m| m["config"]["mediaType"] = json!("application/x")).message.contains("config application/x"));
        assert!(error(|m| m["layers"][0]["digest"] = json!("sha512:00")).message.contains("sha512:00"));
        assert_eq!(error(|m| m["layers"][0]["size"] = json!(1u64 << 30)).code, "too-large");
        assert!(error(|m| m["mediaType"] = json!("application/x")).message.contains("application/x"));
        let read = |text: &str| Artifact::read(text.as_bytes(), "x").unwrap_err().message;
        assert!(read("\n<!DOCTYPE html>").contains("an HTML page"));
        assert!(read(r#"{"schemaVersion":2,"manifests":[{},{}]}"#).contains("an index of 2"));
        assert!(read("{").contains("not a manifest"));
    }
}
