//! What names a component in a registry: `oci://HOST/PATH:TAG`, `oci://HOST/PATH@sha256:...`, or both.
//!
//! The grammar is that of the OCI distribution specification, except that the registry is always named and that nothing
//! stands for `:latest`: what is meant is written down.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::error::PackageError;
use crate::id::Digest;
use crate::net::is_loopback_name;

/// What stands before a reference.
pub const SCHEME: &str = "oci://";

/// A component in a registry.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Reference {
    host: String,
    path: String,
    tag: Option<String>,
    digest: Option<Digest>,
}

impl Reference {
    /// The registry's host, with its port if one was named.
    pub fn host(&self) -> &str {
        &self.host
    }

    /// The repository within the registry, e.g. `team/semver-bump`.
    pub fn path(&self) -> &str {
        &self.path
    }

    /// The tag, if one was named.
    pub fn tag(&self) -> Option<&str> {
        self.tag.as_deref()
    }

    /// The manifest's digest, if it was named: the reference then always means the same.
    pub fn digest(&self) -> Option<Digest> {
        self.digest
    }

    /// Requests to this registry stay on this machine.
    pub fn is_loopback(&self) -> bool {
        let name = match self.host.rsplit_once(':') {
            Some((name, port)) if port.bytes().all(|byte| byte.is_ascii_digit()) => name,
            _ => &self.host,
        };
        is_loopback_name(name)
    }
}

impl fmt::Display for Reference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{SCHEME}{}/{}", self.host, self.path)?;
        if let Some(tag) = &self.tag {
            write!(f, ":{tag}")?;
        }
        if let Some(digest) = &self.digest {
            write!(f, "@{digest}")?;
        }
        Ok(())
    }
}

impl FromStr for Reference {
    type Err = PackageError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let bad = |what: &str| {
            PackageError::usage("bad-reference", format!("`{text}` names no component in a registry: {what}"))
                .hint("write it as oci://registry.example.com/team/name:1.0.0")
        };
        let rest = text.strip_prefix(SCHEME).ok_or_else(|| bad("it does not begin with `oci://`"))?;
        let (rest, digest) = match rest.split_once('@') {
            Some((rest, digest)) => {
                let digest = digest.parse().map_err(|_| bad("after `@` comes `sha256:` and 64 hexadecimal digits"))?;
                (rest, Some(digest))
            }
            None => (rest, None),
        };
        let (host, rest) = rest.split_once('/').ok_or_else(|| bad("after the registry comes a path"))?;
        let (path, tag) = match rest.split_once(':') {
            Some((path, tag)) => (path, Some(tag)),
            None => (rest, None),
        };
        if !is_host(host) {
            return Err(bad("the registry is a host name, in lower case, with a port if it needs one"));
        }
        if path.len() > 255 || !path.split('/').all(is_path_component) {
            return Err(bad("a path is lower-case letters and digits, with `.`, `_`, `-` and `/` between them"));
        }
        if !tag.is_none_or(is_tag) {
            return Err(bad("a tag is at most 128 letters, digits, `_`, `.` and `-`"));
        }
        if tag.is_none() && digest.is_none() {
            return Err(bad("it has neither a tag nor a digest"));
        }
        Ok(Self { host: host.to_owned(), path: path.to_owned(), tag: tag.map(str::to_owned), digest })
    }
}

/// A host as a URL has it, and nothing besides (no user, no escapes), so that what is shown is what is dialled.
fn is_host(host: &str) -> bool {
    let url = url::Url::parse(&format!("https://{host}/"));
    let spelled = |url: &url::Url| match (url.host_str(), url.port()) {
        (Some(name), Some(port)) => format!("{name}:{port}"),
        (Some(name), None) => name.to_owned(),
        (None, _) => String::new(),
    };
    // Port 443 is what `https` means, so a URL forgets it.
    url.is_ok_and(|url| spelled(&url) == host.strip_suffix(":443").unwrap_or(host))
}

fn is_path_component(component: &str) -> bool {
    let bytes = component.as_bytes();
    let alphanumeric = |byte: &u8| byte.is_ascii_lowercase() || byte.is_ascii_digit();
    bytes.first().is_some_and(alphanumeric)
        && bytes.last().is_some_and(alphanumeric)
        && bytes.iter().all(|byte| alphanumeric(byte) || b"._-".contains(byte))
        && !component.contains("..")
}

fn is_tag(tag: &str) -> bool {
    let word = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_';
    tag.len() <= 128
        && tag.bytes().next().is_some_and(word)
        && tag.bytes().all(|byte| word(byte) || byte == b'.' || byte == b'-')
}

impl Serialize for Reference {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Reference {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(serde::de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reference_reads_back_what_it_prints() {
        let digest = Digest::of(b"x");
        for text in [
            "oci://registry.example.com/team/semver-bump:1.0.0".to_owned(),
            "oci://localhost:5000/a:b".to_owned(),
            "oci://[::1]:5000/a/b/c:v1_2-x.y".to_owned(),
            "oci://example.com:443/a:1".to_owned(),
            format!("oci://example.com/a@{digest}"),
            format!("oci://example.com/a:1@{digest}"),
        ] {
            let reference: Reference = text.parse().unwrap_or_else(|error| panic!("{text}: {error}"));
            assert_eq!(reference.to_string(), text);
        }
    }

    #[test]
    fn what_is_no_reference_is_refused_with_a_form_that_is() {
        for text in [
            "registry.example.com/a:1",
            "oci://a:1",
            "oci:///a:1",
            "oci://user:pw@example.com/a:1",
            "oci://Example.com/a:1",
            "oci://exa mple.com/a:1",
            "oci://example.com:99999/a:1",
            "oci://example.com/A:1",
            "oci://example.com/../a:1",
            "oci://example.com/a//b:1",
            "oci://example.com/-a:1",
            "oci://example.com/a?b:1",
            "oci://example.com/a:",
            "oci://example.com/a:-1",
            "oci://example.com/a",
            "oci://example.com/a@sha256:12",
            "oci://example.com/a@md5:12",
        ] {
            let error = text.parse::<Reference>().expect_err(text);
            assert_eq!(error.code, "bad-reference", "{text}");
            assert!(error.hint.is_some());
        }
    }

    #[test]
    fn loopback_is_known_with_and_without_a_port() {
        let loopback = |text: &str| text.parse::<Reference>().unwrap().is_loopback();
        assert!(
            loopback("oci://localhost/a:1") && loopback("oci://127.0.0.1:5000/a:1") && loopback("oci://[::1]:1/a:1")
        );
        assert!(loopback("oci://[::1]/a:1"));
        assert!(!loopback("oci://localhost.example.com/a:1") && !loopback("oci://10.0.0.1:5000/a:1"));
    }
}
