//! Returns its config, after `sleep_ms` milliseconds if there is such a key, and what it knows of its run.

use std::time::Duration;

use schemars::JsonSchema;
use serde::Serialize;
use serde_json::Value;
use shiro_step::{Failure, Step, context};

#[derive(Serialize, JsonSchema)]
struct Output {
    config: Value,
    workflow: String,
    run_id: String,
    step_id: String,
    attempt: u32,
    idempotency_key: String,
    time_left_ms: Option<u64>,
}

struct Echo;

impl Step for Echo {
    const NAME: &'static str = "echo";
    const SUMMARY: &'static str = "Returns its config.";
    type Config = Value;
    type Output = Output;

    fn run(config: Value) -> Result<Output, Failure> {
        if let Some(pause) = config.get("sleep_ms").and_then(Value::as_u64) {
            std::thread::sleep(Duration::from_millis(pause));
        }
        Ok(Output {
            config,
            workflow: context::workflow(),
            run_id: context::run_id(),
            step_id: context::step_id(),
            attempt: context::attempt(),
            idempotency_key: context::idempotency_key(),
            time_left_ms: context::time_left().and_then(|left| u64::try_from(left.as_millis()).ok()),
        })
    }
}

shiro_step::export!(Echo);
