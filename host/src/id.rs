//! Names of things: steps, step types, runs, and digests of bytes.

use std::borrow::Borrow;
use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use serde::{Deserialize, Deserializer, Serialize, Serializer};
use sha2::{Digest as _, Sha256};

macro_rules! name {
    ($(#[$doc:meta])* $type:ident) => {
        $(#[$doc])*
        #[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(transparent)]
        pub struct $type(Arc<str>);

        impl $type {
            /// Wraps the text as it is: whoever parses user input checks it first.
            pub fn new(text: impl Into<Arc<str>>) -> Self {
                Self(text.into())
            }

            /// The text.
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl Borrow<str> for $type {
            fn borrow(&self) -> &str {
                &self.0
            }
        }

        impl fmt::Display for $type {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.pad(&self.0)
            }
        }

        impl fmt::Debug for $type {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                fmt::Debug::fmt(&*self.0, f)
            }
        }
    };
}

name! {
    /// The `id` of a step: unique within its workflow.
    StepId
}
name! {
    /// What a step's `type` names, e.g. `slack.notify`.
    StepType
}
name! {
    /// One execution of a plan, unique everywhere (a UUID, version 7).
    RunId
}

impl StepId {
    /// The id under which one item of a step with `foreach` or `matrix` runs: `STEP[INDEX]`, from 0. No step of a workflow
    /// has an id with a bracket in it.
    pub fn item(&self, index: u32) -> Self {
        Self::new(format!("{self}[{index}]"))
    }

    /// The step's id and the index that an item's id is made of; `None` for any other text.
    pub fn split_item(id: &str) -> Option<(&str, u32)> {
        let (step, index) = id.strip_suffix(']')?.split_once('[')?;
        let is_plain = index.bytes().all(|byte| byte.is_ascii_digit()) && (index == "0" || !index.starts_with('0'));
        Some((step, index.parse().ok().filter(|_| is_plain)?))
    }
}

/// Ids of what stands within a step: a workflow that runs as one. Such an id is a path, and no author can write one.
impl StepId {
    /// The id of a step within this one.
    pub fn inside(&self, id: &str) -> Self {
        Self::new(format!("{self}/{id}"))
    }

    /// The id of what begins this step.
    pub fn begin(&self) -> Self {
        self.inside(BEGIN)
    }

    /// This is what begins a step: shown only where it fails.
    pub fn is_begin(&self) -> bool {
        self.0.ends_with(BEGIN) && self.local() == BEGIN
    }

    /// What its author calls it: the last part of the path.
    pub fn local(&self) -> &str {
        self.0.rsplit('/').next().unwrap_or_default()
    }

    /// The ids of the steps that it stands in, innermost first.
    pub fn around(&self) -> impl Iterator<Item = &str> {
        std::iter::successors(self.0.rsplit_once('/'), |(outer, _)| outer.rsplit_once('/')).map(|(outer, _)| outer)
    }
}

/// No step can be called so.
const BEGIN: &str = ".begin";

/// What a step type's name may be, for people.
pub const TYPE_NAMES: &str =
    "a step type's name is lower-case letters and digits, with dots, dashes and underscores after the first of them";

/// Whether this can be the name of a step type.
pub fn is_type_name(name: &str) -> bool {
    let mut bytes = name.bytes();
    let first = bytes.next().is_some_and(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit());
    first && bytes.all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || b"._-".contains(&byte))
}

/// A SHA-256 digest, written `sha256:<64 hex digits>`.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Digest([u8; 32]);

impl Digest {
    /// The digest of these bytes.
    pub fn of(bytes: &[u8]) -> Self {
        Self(Sha256::digest(bytes).into())
    }

    /// The 32 bytes.
    pub fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }

    /// The first 12 hex digits, for people.
    pub fn short(&self) -> String {
        self.to_string()["sha256:".len()..][..12].to_owned()
    }
}

impl From<[u8; 32]> for Digest {
    fn from(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }
}

impl fmt::Display for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        const DIGITS: &[u8; 16] = b"0123456789abcdef";
        let mut hex = [0; 64];
        for (pair, byte) in hex.chunks_exact_mut(2).zip(self.0) {
            pair[0] = DIGITS[usize::from(byte >> 4)];
            pair[1] = DIGITS[usize::from(byte & 15)];
        }
        f.write_str("sha256:")?;
        f.write_str(std::str::from_utf8(&hex).expect("hexadecimal digits are ASCII"))
    }
}

impl fmt::Debug for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// A text that is not `sha256:` and 64 hex digits.
#[derive(Debug, thiserror::Error)]
#[error("not a digest: expected `sha256:` and 64 hexadecimal digits")]
pub struct ParseDigestError;

impl FromStr for Digest {
    type Err = ParseDigestError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let hex = text.strip_prefix("sha256:").ok_or(ParseDigestError)?;
        if hex.len() != 64 || !hex.bytes().all(|b| b.is_ascii_hexdigit()) {
            return Err(ParseDigestError);
        }
        let mut bytes = [0; 32];
        for (index, byte) in bytes.iter_mut().enumerate() {
            *byte = u8::from_str_radix(&hex[2 * index..2 * index + 2], 16).map_err(|_| ParseDigestError)?;
        }
        Ok(Self(bytes))
    }
}

impl Serialize for Digest {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Digest {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(serde::de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_digest_reads_back_what_it_prints() {
        let digest = Digest::of(b"shiro");
        assert_eq!(digest.to_string().parse::<Digest>().unwrap(), digest);
        assert_eq!(digest.short().len(), 12);
        assert!("sha256:+f".parse::<Digest>().is_err());
        assert!("md5:00".parse::<Digest>().is_err());
    }

    #[test]
    fn an_item_s_id_is_read_as_it_was_made_and_in_no_other_way() {
        assert_eq!(StepId::split_item(StepId::new("build").item(10).as_str()), Some(("build", 10)));
        assert_eq!(StepId::split_item("build[0]"), Some(("build", 0)));
        for other in [
            "build",
            "build[]",
            "build[01]",
            "build[+1]",
            "build[-1]",
            "build[x]",
            "build[1",
            "build[1] ",
            "a[4294967296]",
        ] {
            assert_eq!(StepId::split_item(other), None, "{other}");
        }
    }

    #[test]
    fn what_stands_within_a_step_has_a_path() {
        let inner = StepId::new("a").inside("b-1").inside("c");
        assert_eq!((inner.as_str(), inner.local(), StepId::new("a").local()), ("a/b-1/c", "c", "a"));
        assert_eq!(inner.around().collect::<Vec<_>>(), ["a/b-1", "a"]);
        assert_eq!(StepId::new("a").around().count(), 0);
        assert_eq!(inner.begin().as_str(), "a/b-1/c/.begin");
        assert!(inner.begin().is_begin() && !inner.is_begin());
    }

    #[test]
    fn names_of_types() {
        for name in ["shell", "slack.notify", "a", "0", "git-diff_2"] {
            assert!(is_type_name(name), "{name}");
        }
        for name in ["", ".", "..", "../x", "-x", "Shell", "she\u{2113}l", "a/b", "a:b", "a b", "a@1"] {
            assert!(!is_type_name(name), "{name}");
        }
    }
}
