//! `shiro:step/context`: what a step may know of the run it is part of.

use std::sync::Arc;

use tokio::time::Instant;

use crate::id::{Digest, RunId, StepId};
use crate::plugin::attempt::Attempt;
use crate::plugin::bindings::shiro::step::context::Host;

/// What an attempt's guest may know.
#[derive(Clone, Debug)]
pub(in crate::plugin) struct RunContext {
    pub(in crate::plugin) workflow: Arc<str>,
    pub(in crate::plugin) run: RunId,
    pub(in crate::plugin) step: StepId,
    pub(in crate::plugin) attempt: u32,
    pub(in crate::plugin) deadline: Option<Instant>,
}

impl RunContext {
    /// The same for every attempt of this step in this run, on any machine. Says nothing of what it is made of.
    fn idempotency_key(&self) -> String {
        let made_of = format!("shiro idempotency key\0{}\0{}", self.run, self.step);
        Digest::of(made_of.as_bytes()).to_string()["sha256:".len()..][..32].to_owned()
    }
}

impl Host for Attempt {
    fn workflow(&mut self) -> String {
        self.context.workflow.to_string()
    }

    fn run_id(&mut self) -> String {
        self.context.run.to_string()
    }

    fn step_id(&mut self) -> String {
        self.context.step.to_string()
    }

    fn attempt(&mut self) -> u32 {
        self.context.attempt
    }

    fn idempotency_key(&mut self) -> String {
        self.context.idempotency_key()
    }

    fn time_left_ms(&mut self) -> Option<u64> {
        let left = self.context.deadline?.saturating_duration_since(Instant::now());
        Some(u64::try_from(left.as_millis()).unwrap_or(u64::MAX))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_key_is_that_of_the_step_in_the_run() {
        let context = |run: &str, step: &str, attempt| RunContext {
            workflow: "w".into(),
            run: RunId::new(run),
            step: StepId::new(step),
            attempt,
            deadline: None,
        };
        let key = context("r", "s", 1).idempotency_key();
        assert_eq!(key.len(), 32);
        assert_eq!(key, context("r", "s", 2).idempotency_key());
        assert_ne!(key, context("r", "t", 1).idempotency_key());
        assert_ne!(key, context("q", "s", 1).idempotency_key());
    }
}
