//! The step type `data.load`: reads a value of the shared data.

use std::time::SystemTime;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use shiro_plugin_data::{Entry, Output, Scope, known_keys};
use shiro_step::{Failure, Permissions, Step, Text, store};

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Config {
    /// What the value is stored as.
    #[schemars(extend("minLength" = 1))]
    key: Text,
    /// The first part of the key, for keys that belong together: `deploy` and `version` are the key `deploy/version`.
    namespace: Option<Text>,
    /// How far the value reaches: one run, all runs of the pipeline, of the branch or tag, or of the project.
    #[serde(default)]
    scope: Scope,
    /// The value where there is none, or none any more. Without it, the step fails then. What is there and can't be read
    /// fails all the same.
    fallback: Option<Value>,
}

#[derive(Serialize, JsonSchema)]
struct Loaded {
    /// The value, or the fallback.
    value: Value,
    /// There is a value.
    exists: bool,
    /// `value` is the fallback.
    fallback: bool,
    /// There was a value, and its time is over.
    expired: bool,
}

struct Load;

impl Step for Load {
    const NAME: &'static str = "data.load";
    const SUMMARY: &'static str = "Loads a value that another step, job or pipeline has stored.";
    type Config = Config;
    type Output = Output<Loaded>;

    fn permissions() -> Permissions {
        Permissions::default().load("*", "*")
    }

    fn run(config: Config) -> Result<Self::Output, Failure> {
        let Config { key, namespace, scope, fallback } = config;
        let entry = Entry { key, namespace, scope };
        let full_key = entry.full_key()?;
        let found: Option<Value> = store::get(scope.into(), &full_key)?;
        let expired = match found {
            Some(_) => false,
            None => is_over(store::expires_at(scope.into(), &full_key)?, SystemTime::now()),
        };
        let exists = found.is_some();
        let Some(value) = found.or(fallback) else { return Err(missing(&full_key, scope, expired)) };
        Ok(entry.output(Loaded { value, exists, fallback: !exists, expired }))
    }
}

shiro_step::export!(Load);

fn is_over(at: Option<SystemTime>, now: SystemTime) -> bool {
    at.is_some_and(|at| at <= now)
}

fn missing(key: &str, scope: Scope, expired: bool) -> Failure {
    let what = if expired { "the value is gone, its time is over" } else { "there is no value" };
    let message = format!("`{key}`: {what} ({}); `fallback` gives one for this case", known_keys(scope));
    Failure::permanent(if expired { "expired" } else { "not_found" }, message)
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn what_is_missing_says_so_and_what_helps() {
        let failure = missing("deploy/version", Scope::Project, false);
        assert_eq!(failure.code(), "not_found");
        assert!(failure.message().contains("`deploy/version`: there is no value"), "{failure}");
        assert!(failure.message().contains("`fallback`"), "{failure}");
        assert_eq!(missing("a", Scope::Run, true).code(), "expired");
    }

    #[test]
    fn time_is_over_when_it_is_reached() {
        let now = SystemTime::now();
        assert!(is_over(Some(now), now) && !is_over(Some(now + Duration::from_secs(1)), now) && !is_over(None, now));
    }
}
