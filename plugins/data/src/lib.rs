//! What the step types `data.*` have in common: where a value is, as users write it.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use shiro_step::{Failure, Text, store};

/// How far a value reaches.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Scope {
    /// One run.
    Run,
    /// All runs of one CI pipeline; outside of CI, all that use this state.
    #[default]
    Pipeline,
    /// All runs for one branch, or for one tag.
    Branch,
    /// All runs that use this state.
    Project,
}

impl From<Scope> for store::Scope {
    fn from(scope: Scope) -> Self {
        match scope {
            Scope::Run => Self::Run,
            Scope::Pipeline => Self::Pipeline,
            Scope::Branch => Self::Branch,
            Scope::Project => Self::Project,
        }
    }
}

impl std::fmt::Display for Scope {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        store::Scope::from(*self).fmt(f)
    }
}

/// Which value is meant: the whole config of the step types that need nothing else.
// The description is for who reads this; a step type's own summary says what its config is of.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(description = "")]
pub struct Entry {
    /// What the value is stored as.
    #[schemars(extend("minLength" = 1))]
    pub key: Text,
    /// The first part of the key, for keys that belong together: `deploy` and `version` are the key `deploy/version`.
    pub namespace: Option<Text>,
    /// How far the value reaches: one run, all runs of the pipeline, of the branch or tag, or of the project.
    #[serde(default)]
    pub scope: Scope,
}

impl Entry {
    /// The key that is stored.
    pub fn full_key(&self) -> Result<String, Failure> {
        full_key(self.namespace.as_ref(), &self.key)
    }

    /// What a step returns of it.
    pub fn output<T>(self, result: T) -> Output<T> {
        let (key, namespace) = (self.key.into_string(), shown(self.namespace));
        Output { success: true, key, namespace, scope: self.scope, result }
    }
}

/// What a step returns: of which value, and what became of it.
#[derive(Serialize, JsonSchema)]
#[schemars(description = "")]
pub struct Output<T> {
    /// Always true.
    success: bool,
    /// The key, as the config has it.
    key: String,
    /// The namespace, as the config has it; empty without one.
    namespace: String,
    /// The scope.
    scope: Scope,
    #[serde(flatten)]
    result: T,
}

/// The key that is stored: the namespace is its first part. An empty namespace is none.
pub fn full_key(namespace: Option<&Text>, key: &str) -> Result<String, Failure> {
    match namespace.map(|namespace| &**namespace) {
        None | Some("") => Ok(key.to_owned()),
        Some(namespace) if namespace.starts_with('/') || namespace.ends_with('/') => {
            let message = format!("namespace: `{namespace}` begins or ends with a `/`: write it without");
            Err(Failure::invalid_config(message))
        }
        Some(namespace) => Ok(format!("{namespace}/{key}")),
    }
}

/// A namespace as outputs have it: empty for none.
pub fn shown(namespace: Option<Text>) -> String {
    namespace.map(Text::into_string).unwrap_or_default()
}

/// The first keys of a scope, for a message about one that is not there. Without any, why not.
pub fn known_keys(scope: Scope) -> String {
    const SHOWN: usize = 10;
    match store::list(scope.into(), "") {
        Ok(keys) if keys.is_empty() => format!("the scope {scope} has no keys"),
        Ok(keys) => {
            let shown: Vec<_> = keys.iter().take(SHOWN).map(|key| format!("`{key}`")).collect();
            let more = keys.len().saturating_sub(SHOWN);
            let more = if more > 0 { format!(" and {more} more") } else { String::new() };
            format!("the scope {scope} has: {}{more}", shown.join(", "))
        }
        Err(error) => format!("what the scope {scope} has can't be said: {error}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_namespace_is_the_first_part_of_a_key() {
        let key = |namespace: &str| full_key(Some(&Text::from(namespace)), "version");
        assert_eq!(key("deploy").unwrap(), "deploy/version");
        assert_eq!(key("deploy/eu").unwrap(), "deploy/eu/version");
        assert_eq!(key("").unwrap(), "version");
        assert_eq!(full_key(None, "a/b").unwrap(), "a/b");
        for wrong in ["/", "deploy/", "/deploy"] {
            assert!(key(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn every_scope_has_the_name_of_the_interface() {
        for scope in [Scope::Run, Scope::Pipeline, Scope::Branch, Scope::Project] {
            assert_eq!(serde_json_name(scope), store::Scope::from(scope).name());
        }
        assert_eq!(Scope::default(), Scope::Pipeline);
    }

    fn serde_json_name(scope: Scope) -> String {
        format!("{scope:?}").to_lowercase()
    }
}
