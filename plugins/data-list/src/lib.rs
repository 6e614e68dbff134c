//! The step type `data.list`: lists the keys of the shared data.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use shiro_plugin_data::{Scope, full_key, shown};
use shiro_step::{Failure, Permissions, Step, Text, store};

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Config {
    /// What the keys begin with; all of them without it.
    prefix: Option<Text>,
    /// The first part of the key, for keys that belong together: `deploy` and `version` are the key `deploy/version`.
    namespace: Option<Text>,
    /// How far the values reach: one run, all runs of the pipeline, of the branch or tag, or of the project.
    #[serde(default)]
    scope: Scope,
}

#[derive(Serialize, JsonSchema)]
struct Output {
    /// Always true.
    success: bool,
    /// The prefix, as the config has it; empty without one.
    prefix: String,
    /// The namespace, as the config has it; empty without one.
    namespace: String,
    /// The scope.
    scope: Scope,
    /// The keys that have a value, sorted. With a namespace, without it in front.
    keys: Vec<String>,
    /// How many they are.
    count: usize,
}

struct List;

impl Step for List {
    const NAME: &'static str = "data.list";
    const SUMMARY: &'static str = "Lists the keys that have a value.";
    type Config = Config;
    type Output = Output;

    fn permissions() -> Permissions {
        Permissions::default().load("*", "*")
    }

    fn run(config: Config) -> Result<Output, Failure> {
        let prefix = shown(config.prefix);
        let full_prefix = full_key(config.namespace.as_ref(), &prefix)?;
        let in_front = full_prefix.len() - prefix.len();
        let keys = store::list(config.scope.into(), &full_prefix)?;
        let keys: Vec<String> = keys.into_iter().map(|key| key[in_front..].to_owned()).collect();
        let (namespace, count) = (shown(config.namespace), keys.len());
        Ok(Output { success: true, prefix, namespace, scope: config.scope, keys, count })
    }
}

shiro_step::export!(List);
