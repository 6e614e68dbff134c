//! Does what it is told with shared data, and fails with the first thing that is refused.

use std::time::Duration;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use shiro_step::store::{self, Scope};
use shiro_step::{Failure, Permissions, Step};

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Config {
    /// What it does, in this order.
    #[serde(rename = "do")]
    acts: Vec<Act>,
    /// Goes on after an error, and tells of it.
    #[serde(default)]
    tolerate: bool,
}

#[derive(Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
enum Act {
    /// Scope and key.
    Get(String, String),
    /// Scope and key.
    Exists(String, String),
    /// Scope, key and value.
    Set(String, String, Value),
    /// Scope, key, value, and for how many milliseconds.
    SetFor(String, String, Value, u64),
    /// Scope, key, and how many bytes.
    Fill(String, String, usize),
    /// Scope and key.
    Delete(String, String),
    /// Scope and prefix.
    List(String, String),
    /// Scope and key.
    ExpiresAt(String, String),
}

#[derive(Serialize, JsonSchema)]
struct Output {
    /// What each act gave.
    results: Vec<Value>,
}

struct Keeper;

impl Step for Keeper {
    const NAME: &'static str = "keeper";
    const SUMMARY: &'static str = "Does what it is told with shared data.";
    type Config = Config;
    type Output = Output;

    fn permissions() -> Permissions {
        Permissions::default().store("*", "*").secret("DEPLOY_TOKEN")
    }

    fn run(config: Config) -> Result<Output, Failure> {
        let mut results = Vec::new();
        for act in &config.acts {
            match act.carry_out() {
                Ok(value) => results.push(value),
                Err(failure) if config.tolerate => results.push(json!(failure.message())),
                Err(failure) => return Err(failure),
            }
        }
        Ok(Output { results })
    }
}

shiro_step::export!(Keeper);

impl Act {
    fn carry_out(&self) -> Result<Value, Failure> {
        Ok(match self {
            Self::Get(at, key) => store::get(scope(at)?, key)?.unwrap_or_default(),
            Self::Exists(at, key) => json!(store::exists(scope(at)?, key)?),
            Self::Set(at, key, value) => {
                store::set(scope(at)?, key, value)?;
                json!("stored")
            }
            Self::SetFor(at, key, value, ttl) => {
                store::set_for(scope(at)?, key, value, Duration::from_millis(*ttl))?;
                json!("stored")
            }
            Self::Fill(at, key, length) => {
                store::set(scope(at)?, key, &"x".repeat(*length))?;
                json!("stored")
            }
            Self::Delete(at, key) => json!(store::delete(scope(at)?, key)?),
            Self::List(at, prefix) => json!(store::list(scope(at)?, prefix)?),
            Self::ExpiresAt(at, key) => json!(store::expires_at(scope(at)?, key)?.is_some()),
        })
    }
}

fn scope(name: &str) -> Result<Scope, Failure> {
    [Scope::Run, Scope::Pipeline, Scope::Branch, Scope::Project]
        .into_iter()
        .find(|scope| scope.name() == name)
        .ok_or_else(|| Failure::invalid_config(format!("no scope {name}")))
}
