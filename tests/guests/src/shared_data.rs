//! Does everything that can be done with shared data, and returns what came of it.

use std::time::Duration;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use shiro_step::store::{self, Scope};
use shiro_step::{Failure, Permissions, Step};

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Config {
    scope: String,
    key: String,
}

#[derive(Serialize, JsonSchema)]
struct Output {
    before: Option<Value>,
    value: Option<Value>,
    exists: bool,
    keys: Vec<String>,
    expires: bool,
    stays: bool,
    deleted: bool,
    again: bool,
}

struct Example;

impl Step for Example {
    const NAME: &'static str = "example.store";
    const SUMMARY: &'static str = "Uses shared data.";
    const IDEMPOTENT: bool = true;
    type Config = Config;
    type Output = Output;

    fn permissions() -> Permissions {
        Permissions::default().store("*", "*")
    }

    fn run(config: Config) -> Result<Output, Failure> {
        let (key, short) = (config.key.as_str(), format!("{}/short", config.key));
        let scope = if config.scope == "project" { Scope::Project } else { Scope::Run };
        let before = store::get(scope, key)?;
        store::set(scope, key, &json!({ "by": "step", "list": [1, "é"] }))?;
        store::set_for(scope, &short, &1, Duration::from_secs(3600))?;
        let output = Output {
            before,
            value: store::get(scope, key)?,
            exists: store::exists(scope, key)?,
            keys: store::list(scope, key)?,
            expires: store::expires_at(scope, &short)?.is_some(),
            stays: store::expires_at(scope, key)?.is_none(),
            deleted: store::delete(scope, &short)?,
            again: store::delete(scope, &short)?,
        };
        shiro_step::log::info("done");
        Ok(output)
    }
}

shiro_step::export!(Example);
