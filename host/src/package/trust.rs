//! Whose signatures are required: `.shiro/trust.json`, and `/etc/shiro/trust.json` for what an operator requires.
//!
//! ```json
//! {
//!   "version": 1,
//!   "require": [
//!     { "source": "oci://registry.example.com/team/*", "keys": ["RW..."] }
//!   ]
//! }
//! ```
//!
//! A component whose source a rule matches must be signed with one of the rule's keys; where several rules match, each of
//! them must be satisfied. Components that are built in are signed with the binary that they are part of.

use std::path::Path;

use serde::{Deserialize, Serialize};

use super::error::PackageError;
use super::files;
use super::signature::{PublicKey, Signed};

/// The largest such file.
const TRUST_BYTES: u64 = 1 << 20;

const VERSION: u64 = 1;

/// Whose signatures are required. Empty: nobody's.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Trust {
    rules: Vec<Rule>,
}

/// Whose signature components from some source need.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Rule {
    /// A source as the lock file has it (`oci://...` with its tag, or `plugins/TYPE.wasm`), or its beginning and `*`.
    pub source: String,
    /// Any of these keys will do.
    pub keys: Vec<PublicKey>,
}

impl Rule {
    fn covers(&self, source: &str) -> bool {
        match self.source.strip_suffix('*') {
            Some(beginning) => source.starts_with(beginning),
            None => source == self.source,
        }
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct TrustText {
    version: u64,
    require: Vec<Rule>,
}

impl Trust {
    /// Reads the file. Where there is none, no signature is required.
    pub fn read(path: &Path) -> Result<Self, PackageError> {
        let Some(bytes) = files::read(path, TRUST_BYTES)? else { return Ok(Self::default()) };
        let bad = |what: String| {
            PackageError::refused("bad-trust", format!("{}: {what}", path.display())).hint(
                r#"it looks like {"version": 1, "require": [{"source": "oci://registry.example.com/*", "keys": ["RW..."]}]}"#,
            )
        };
        let text: TrustText = serde_json::from_slice(&bytes).map_err(|error| bad(error.to_string()))?;
        if text.version != VERSION {
            return Err(bad(format!("its format is {}, and this version of shiro knows {VERSION}", text.version)));
        }
        if let Some(rule) = text.require.iter().find(|rule| rule.source.trim_end_matches('*').contains('*')) {
            return Err(bad(format!("`{}`: a `*` can only stand at the end", rule.source)));
        }
        Ok(Self { rules: text.require })
    }

    /// The rules of both, each of which must be satisfied.
    pub fn and(mut self, other: Self) -> Self {
        self.rules.extend(other.rules);
        self
    }

    /// Keys that satisfy every rule that covers this source; `None` if none does.
    pub fn keys(&self, source: &str) -> Option<Vec<&PublicKey>> {
        let mut rules = self.rules.iter().filter(|rule| rule.covers(source)).peekable();
        rules.peek()?;
        let rules: Vec<&Rule> = rules.collect();
        let all = |key: &&PublicKey| rules.iter().all(|rule| rule.keys.contains(key));
        Some(rules[0].keys.iter().filter(all).collect())
    }

    /// Whether what is signed so may be used. The signature itself is checked elsewhere.
    pub fn check(&self, source: &str, signed: Option<&Signed>, name: &str) -> Result<(), PackageError> {
        let Some(keys) = self.keys(source) else { return Ok(()) };
        let refused = |what: String| PackageError::refused("not-signed", format!("{name}: {what}"));
        match signed {
            Some(signed) if keys.contains(&&signed.key) => Ok(()),
            Some(signed) => {
                Err(refused(format!("signed with {}, which trust.json does not name for {source}", signed.key))
                    .hint("have it signed with a key that is required, or add the key to trust.json"))
            }
            None => Err(refused(format!("trust.json requires a signature of {source}, and none is on record"))
                .hint(format!("sign it (`minisign -Sm FILE`) and add it again: shiro plugin add {source}"))),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::minisign::KeyPair;
    use super::*;

    fn key() -> PublicKey {
        PublicKey::parse(&KeyPair::new().public()).unwrap()
    }

    fn requiring<const N: usize>(rules: [Rule; N]) -> Trust {
        Trust { rules: rules.into() }
    }

    fn rule(source: &str, keys: &[&PublicKey]) -> Rule {
        Rule { source: source.to_owned(), keys: keys.iter().map(|key| (*key).clone()).collect() }
    }

    fn code(trust: &Trust, source: &str, key: Option<&PublicKey>) -> Option<&'static str> {
        let signed = key.map(|key| Signed { key: key.clone(), minisign: String::new() });
        trust.check(source, signed.as_ref(), "x").err().map(|error| error.code)
    }

    #[test]
    fn a_rule_covers_what_begins_as_it_says() {
        let (ours, other) = (key(), key());
        let trust = requiring([rule("oci://example.com/team/*", &[&ours])]);
        assert_eq!(code(&trust, "oci://example.com/team/a:1", Some(&ours)), None);
        assert_eq!(code(&trust, "oci://example.com/team/a:1", Some(&other)), Some("not-signed"));
        assert_eq!(code(&trust, "oci://example.com/team/a:1", None), Some("not-signed"));
        assert_eq!(code(&trust, "oci://example.com/teams/a:1", None), None);
        assert_eq!(code(&trust, "plugins/a.wasm", None), None);
        let all = requiring([rule("*", &[&ours])]);
        assert_eq!(code(&all, "plugins/a.wasm", None), Some("not-signed"));
    }

    #[test]
    fn every_rule_has_to_be_satisfied() {
        let (ours, other) = (key(), key());
        let trust = requiring([rule("*", &[&ours, &other]), rule("oci://*", &[&other])]);
        assert_eq!(code(&trust, "oci://example.com/a:1", Some(&ours)), Some("not-signed"));
        assert_eq!(code(&trust, "oci://example.com/a:1", Some(&other)), None);
        let nobody = requiring([rule("*", &[])]);
        assert_eq!(code(&nobody, "plugins/a.wasm", Some(&ours)), Some("not-signed"));
    }

    #[test]
    fn the_file_is_read_strictly() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("trust.json");
        assert_eq!(Trust::read(&path).unwrap(), Trust::default());
        let read = |text: String| {
            std::fs::write(&path, text).unwrap();
            Trust::read(&path)
        };
        assert!(read(format!(r#"{{"version":1,"require":[{{"source":"*","keys":["{}"]}}]}}"#, key())).is_ok());
        for text in [
            r#"{"version":2,"require":[]}"#,
            r#"{"version":1}"#,
            r#"{"version":1,"require":[{"source":"*","keys":["nokey"]}]}"#,
            r#"{"version":1,"require":[{"source":"a*b","keys":[]}]}"#,
            r#"{"version":1,"require":[],"more":1}"#,
        ] {
            assert_eq!(read(text.to_owned()).unwrap_err().code, "bad-trust", "{text}");
        }
    }
}
