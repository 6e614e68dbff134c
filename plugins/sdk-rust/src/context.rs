//! What a step may know of the run it is part of.

use std::time::Duration;

use crate::bindings::shiro::step::context as host;

const NATIVE: bool = cfg!(not(target_family = "wasm"));

/// The workflow's name.
pub fn workflow() -> String {
    if NATIVE { "workflow".to_owned() } else { host::workflow() }
}

/// The run's id: unique everywhere, the same after a pause.
pub fn run_id() -> String {
    if NATIVE { "run".to_owned() } else { host::run_id() }
}

/// The step's id in the workflow.
pub fn step_id() -> String {
    if NATIVE { "step".to_owned() } else { host::step_id() }
}

/// Which attempt this is: 1 on the first.
pub fn attempt() -> u32 {
    if NATIVE { 1 } else { host::attempt() }
}

/// The same for every attempt of this step in this run, on any machine: pass it to services that deduplicate.
pub fn idempotency_key() -> String {
    if NATIVE { "run/step".to_owned() } else { host::idempotency_key() }
}

/// How long until the host ends this attempt, if it has a limit.
pub fn time_left() -> Option<Duration> {
    if NATIVE { None } else { host::time_left_ms().map(Duration::from_millis) }
}
