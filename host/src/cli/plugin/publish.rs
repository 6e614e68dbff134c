//! `shiro plugin publish`: a component into a registry.

use std::collections::BTreeMap;
use std::io::Write;
use std::time::{Duration, SystemTime};

use super::super::Exit;
use super::super::args::plugin::PublishArgs;
use super::super::error::{CliError, PLUGIN};
use super::super::project::{package_error, plugin_error};
use super::shown;
use crate::id::StepType;
use crate::package::reference::Reference;
use crate::package::registry::{Access, Contents, Published, Registry};
use crate::package::signature::{self, PublicKey, Signed};
use crate::plugin::{Catalog, LoadedType, Source};

/// Publishes what is a step type, and nothing else.
pub(super) fn publish(args: &PublishArgs, out: &mut dyn Write) -> Exit {
    let reference: Reference = args.reference.parse().map_err(package_error)?;
    let catalog = Catalog::new(Vec::new());
    let bytes = catalog.read_file(&args.file).map_err(plugin_error)?;
    let name = args.file.file_stem().unwrap_or_default().to_string_lossy();
    let loaded = catalog.load_bytes(&StepType::new(&*name), &bytes, Source::File(args.file.clone()));
    let loaded = loaded.map_err(plugin_error)?;
    let minisign = signature::beside(&args.file).map_err(package_error)?;
    if let Some(key) = &args.key {
        let key = PublicKey::given(key).map_err(package_error)?;
        let place = args.file.display().to_string();
        let Some(minisign) = minisign.clone() else {
            return Err(CliError::new(PLUGIN, format!("{place}: it has no signature"))
                .hint(format!("sign it: minisign -Sm {place}")));
        };
        Signed { key, minisign }.check(&bytes, &place).map_err(package_error)?;
    }
    let options = super::options(args.registry);
    let contents = contents(&loaded);
    let published = super::wait(async {
        let mut registry = Registry::open(&reference, Access::Push, &options)?;
        registry.publish(bytes, &contents, minisign.as_deref(), args.replace).await
    })?;
    let (artifact, how) = match &published {
        Published::Now(artifact) => (artifact, "published"),
        Published::Already(artifact) => (artifact, "published already, nothing was changed"),
    };
    writeln!(out, "{} {}: {how}", shown(&loaded.description().name), shown(&loaded.description().version))?;
    writeln!(out, "  manifest   {}", artifact.manifest)?;
    writeln!(out, "  component  {}", artifact.component)?;
    if minisign.is_none() {
        writeln!(out, "  not signed (`minisign -Sm {}` before publishing signs it)", args.file.display())?;
    }
    writeln!(out, "to use it: shiro plugin add {reference}")?;
    Ok(0)
}

fn contents(loaded: &LoadedType) -> Contents {
    let description = loaded.description();
    let annotation = |name: &str, value: &str| (format!("org.opencontainers.image.{name}"), value.to_owned());
    Contents {
        imports: loaded.imports().to_vec(),
        exports: loaded.exports().to_vec(),
        annotations: BTreeMap::from([
            annotation("title", &description.name),
            annotation("version", &description.version),
            annotation("description", &description.summary),
        ]),
        created: humantime::format_rfc3339_seconds(created()).to_string(),
    }
}

/// Now, or `SOURCE_DATE_EPOCH` (seconds), with which the same component is published as the same bytes
/// (<https://reproducible-builds.org/specs/source-date-epoch/>).
fn created() -> SystemTime {
    let given = std::env::var("SOURCE_DATE_EPOCH").ok().and_then(|seconds| seconds.parse().ok());
    given
        .and_then(|seconds| SystemTime::UNIX_EPOCH.checked_add(Duration::from_secs(seconds)))
        .unwrap_or_else(SystemTime::now)
}
