//! Whose signatures components need, as policies say it: see `signatures` in `docs/policy.schema.json`.
//!
//! A component whose source a rule matches must be signed by one of the rule's signers; where several rules match, each of
//! them must be satisfied. Components that are built in are signed with the binary that they are part of.

use serde::Serialize;

use super::error::PackageError;
use super::reference::SCHEME;
use super::signature::{PublicKey, Signed};

/// Every source.
const ANY: &str = "*";

/// Whose signature components from some source need.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Rule {
    /// The policy that it stands in.
    #[serde(skip)]
    pub by: String,
    /// A source as the lock file has it (`oci://...` with its tag, or `plugins/TYPE.wasm`), or its beginning and `*`.
    pub source: String,
    /// Any of these will do.
    pub signers: Vec<PublicKey>,
}

impl Rule {
    /// What is wrong with this as a rule's source.
    pub fn source_problem(source: &str) -> Option<&'static str> {
        match source.strip_suffix(ANY).unwrap_or(source) {
            beginning if beginning.contains(ANY) => Some("a `*` can only stand at the end of a source"),
            beginning if source == ANY || beginning.starts_with(SCHEME) || beginning.starts_with("plugins/") => None,
            _ => Some("a source is `oci://...` or `plugins/TYPE.wasm`, or its beginning and `*`; `*` alone is any"),
        }
    }

    fn covers(&self, source: &str) -> bool {
        match self.source.strip_suffix(ANY) {
            Some(beginning) => source.starts_with(beginning),
            None => source == self.source,
        }
    }
}

/// Whose signatures are required. Empty: nobody's.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Trust {
    rules: Vec<Rule>,
}

impl Trust {
    /// All these rules, each of which must be satisfied.
    pub fn new(rules: impl IntoIterator<Item = Rule>) -> Self {
        Self { rules: rules.into_iter().collect() }
    }

    fn rules(&self, source: &str) -> Vec<&Rule> {
        self.rules.iter().filter(|rule| rule.covers(source)).collect()
    }

    /// The policies that require a signature of what comes from here, for people; `None` if none does.
    pub fn required_by(&self, source: &str) -> Option<String> {
        let mut files: Vec<&str> = self.rules(source).iter().map(|rule| rule.by.as_str()).collect();
        files.dedup();
        (!files.is_empty()).then(|| files.join(" and "))
    }

    /// Signers that satisfy every rule that covers this source; `None` if none does.
    pub fn signers(&self, source: &str) -> Option<Vec<&PublicKey>> {
        let rules = self.rules(source);
        let (first, others) = rules.split_first()?;
        let all = |signer: &&PublicKey| others.iter().all(|rule| rule.signers.contains(signer));
        Some(first.signers.iter().filter(all).collect())
    }

    /// Whether what is signed so may be used. The signature itself is checked elsewhere.
    pub fn check(&self, source: &str, signed: Option<&Signed>, name: &str) -> Result<(), PackageError> {
        let (Some(signers), Some(by)) = (self.signers(source), self.required_by(source)) else { return Ok(()) };
        let refused = |what: String| PackageError::refused("not-signed", format!("{name}: {what}"));
        let listed = signers.iter().map(ToString::to_string).collect::<Vec<_>>().join(" or ");
        match signed {
            Some(signed) if signers.contains(&&signed.key) => Ok(()),
            _ if signers.is_empty() => Err(refused(format!("{by}: no signer satisfies all that require a signature"))
                .hint("name one in each of these policies whose signature is good for it")),
            Some(signed) => Err(refused(format!("signed by {}, and {by} requires {listed}", signed.key))
                .hint("have it signed by one that is required, or have the policy name its signer under `signatures`")),
            None => {
                let add = if source.starts_with(SCHEME) { source } else { "FILE" };
                Err(refused(format!("{by} requires a signature by {listed}, and shiro.lock has none")).hint(format!(
                    "have it signed (`minisign -Sm FILE`), and pin it with its signature: shiro plugin add {add}"
                )))
            }
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

    fn rule(by: &str, source: &str, signers: &[&PublicKey]) -> Rule {
        let signers = signers.iter().map(|key| (*key).clone()).collect();
        Rule { by: by.to_owned(), source: source.to_owned(), signers }
    }

    fn code(trust: &Trust, source: &str, key: Option<&PublicKey>) -> Option<&'static str> {
        let signed = key.map(|key| Signed { key: key.clone(), minisign: String::new() });
        trust.check(source, signed.as_ref(), "x").err().map(|error| error.code)
    }

    #[test]
    fn a_rule_covers_what_begins_as_it_says() {
        let (ours, other) = (key(), key());
        let trust = Trust::new([rule("p", "oci://example.com/team/*", &[&ours])]);
        assert_eq!(code(&trust, "oci://example.com/team/a:1", Some(&ours)), None);
        assert_eq!(code(&trust, "oci://example.com/team/a:1", Some(&other)), Some("not-signed"));
        assert_eq!(code(&trust, "oci://example.com/team/a:1", None), Some("not-signed"));
        assert_eq!(code(&trust, "oci://example.com/teams/a:1", None), None);
        assert_eq!(code(&trust, "plugins/a.wasm", None), None);
        let all = Trust::new([rule("p", "*", &[&ours])]);
        assert_eq!(code(&all, "plugins/a.wasm", None), Some("not-signed"));
    }

    #[test]
    fn every_rule_has_to_be_satisfied_and_is_named() {
        let (ours, other) = (key(), key());
        let trust = Trust::new([rule("one", "*", &[&ours, &other]), rule("two", "oci://*", &[&other])]);
        let source = "oci://example.com/a:1";
        assert_eq!(code(&trust, source, Some(&ours)), Some("not-signed"));
        assert_eq!(code(&trust, source, Some(&other)), None);
        assert_eq!(trust.required_by(source).unwrap(), "one and two");
        assert_eq!(trust.required_by("plugins/a.wasm").unwrap(), "one");
        assert_eq!(Trust::default().required_by(source), None);
        let contradictory = Trust::new([rule("one", "*", &[&ours]), rule("two", "*", &[&other])]);
        let message = contradictory.check(source, None, "x").unwrap_err().message;
        assert!(message.contains("one and two: no signer satisfies all"), "{message}");
    }

    #[test]
    fn sources_are_those_of_lock_files() {
        for good in ["*", "oci://*", "oci://example.com/team/*", "oci://example.com/a:1", "plugins/a.wasm", "plugins/*"]
        {
            assert_eq!(Rule::source_problem(good), None, "{good}");
        }
        for bad in ["", "example.com/a:1", "oci://*/a:1", "o*", "**"] {
            assert!(Rule::source_problem(bad).is_some(), "{bad}");
        }
    }
}
