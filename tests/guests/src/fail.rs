//! Fails as it is told.

use std::time::Duration;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use shiro_step::{Failure, Step, context};

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Config {
    /// The kind of failure.
    #[serde(default)]
    kind: Kind,
    /// Its code.
    #[serde(default = "default_code")]
    code: String,
    /// Its message.
    #[serde(default = "default_message")]
    message: String,
    /// No attempt before this many milliseconds.
    retry_after_ms: Option<u64>,
    /// What there is to show all the same.
    output: Option<Value>,
    /// Succeed from this attempt on.
    until_attempt: Option<u32>,
}

#[derive(Default, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
enum Kind {
    InvalidConfig,
    #[default]
    Permanent,
    Transient,
}

fn default_code() -> String {
    "told_to".to_owned()
}

fn default_message() -> String {
    "failed as it was told".to_owned()
}

#[derive(Serialize, JsonSchema)]
struct Output {
    attempt: u32,
}

struct Fail;

impl Step for Fail {
    const NAME: &'static str = "fail";
    const SUMMARY: &'static str = "Fails as it is told.";
    type Config = Config;
    type Output = Output;

    fn run(config: Config) -> Result<Output, Failure> {
        let attempt = context::attempt();
        if config.until_attempt.is_some_and(|until| attempt >= until) {
            return Ok(Output { attempt });
        }
        let mut failure = match config.kind {
            Kind::InvalidConfig => Failure::invalid_config(config.message),
            Kind::Permanent => Failure::permanent(config.code, config.message),
            Kind::Transient => Failure::transient(config.code, config.message),
        };
        if let Some(wait) = config.retry_after_ms {
            failure = failure.retry_after(Duration::from_millis(wait));
        }
        if let Some(output) = &config.output {
            failure = failure.output(output);
        }
        Err(failure)
    }
}

shiro_step::export!(Fail);
