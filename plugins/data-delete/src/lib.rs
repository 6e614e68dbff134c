//! The step type `data.delete`: deletes a value of the shared data.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use shiro_plugin_data::{Scope, full_key, shown};
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
}

#[derive(Serialize, JsonSchema)]
struct Output {
    /// Always true.
    success: bool,
    /// The key, as the config has it.
    key: String,
    /// The namespace, as the config has it; empty without one.
    namespace: String,
    /// The scope.
    scope: Scope,
    /// There was a value, and now there is none.
    deleted: bool,
}

struct Delete;

impl Step for Delete {
    const NAME: &'static str = "data.delete";
    const SUMMARY: &'static str = "Deletes a value that was stored, if there is one.";
    const IDEMPOTENT: bool = true;
    type Config = Config;
    type Output = Output;

    fn permissions() -> Permissions {
        Permissions::default().store("*", "*")
    }

    fn run(config: Config) -> Result<Output, Failure> {
        let full_key = full_key(config.namespace.as_ref(), &config.key)?;
        let deleted = store::delete(config.scope.into(), &full_key)?;
        let (key, namespace) = (config.key.into_string(), shown(config.namespace));
        Ok(Output { success: true, key, namespace, scope: config.scope, deleted })
    }
}

shiro_step::export!(Delete);
