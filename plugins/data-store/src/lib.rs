//! The step type `data.store`: stores a value in the shared data.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use shiro_plugin_data::{Entry, Output, Scope};
use shiro_step::{Failure, Permissions, Step, Text, Timeout, store};

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Config {
    /// What the value is stored as: up to 512 bytes, without `*`.
    #[schemars(extend("minLength" = 1))]
    key: Text,
    /// The value: anything but `null`. A template that stands alone keeps its type.
    #[schemars(extend("not" = { "type": "null" }))]
    value: Value,
    /// The first part of the key, for keys that belong together: `deploy` and `version` are the key `deploy/version`.
    namespace: Option<Text>,
    /// How far the value reaches: one run, all runs of the pipeline, of the branch or tag, or of the project.
    #[serde(default)]
    scope: Scope,
    /// For how long it is there, by the wall clock: `"24h"`, `"1h30m"`, or seconds. For ever without it.
    ttl: Option<Timeout>,
}

#[derive(Serialize, JsonSchema)]
struct Stored {
    /// Always true.
    stored: bool,
}

struct Store;

impl Step for Store {
    const NAME: &'static str = "data.store";
    const SUMMARY: &'static str = "Stores a value that later steps, jobs or pipelines can load.";
    const IDEMPOTENT: bool = true;
    type Config = Config;
    type Output = Output<Stored>;

    fn permissions() -> Permissions {
        Permissions::default().store("*", "*")
    }

    fn run(config: Config) -> Result<Self::Output, Failure> {
        let Config { key, value, namespace, scope, ttl } = config;
        if value.is_null() {
            return Err(Failure::invalid_config("value: there is nothing to store: `null` is no value"));
        }
        let entry = Entry { key, namespace, scope };
        let full_key = entry.full_key()?;
        match ttl.map(Timeout::limit) {
            None => store::set(scope.into(), &full_key, &value)?,
            Some(Some(ttl)) => store::set_for(scope.into(), &full_key, &value, ttl)?,
            Some(None) => {
                return Err(Failure::invalid_config("ttl: the value would be gone at once: leave it out to keep it"));
            }
        }
        Ok(entry.output(Stored { stored: true }))
    }
}

shiro_step::export!(Store);

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn what_can_not_be_stored_is_refused() {
        for (config, what) in [
            (json!({ "key": "a", "value": null }), "nothing to store"),
            (json!({ "key": "a", "value": 1, "ttl": 0 }), "gone at once"),
            (json!({ "key": "a", "value": 1, "namespace": "x/" }), "without"),
        ] {
            let failure = Store::run(serde_json::from_value(config).unwrap()).err().unwrap();
            assert!(failure.message().contains(what), "{failure}");
        }
        for config in [json!({ "key": "a" }), json!({ "value": 1 }), json!({ "key": "a", "value": 1, "scop": "run" })] {
            assert!(serde_json::from_value::<Config>(config).is_err());
        }
    }
}
