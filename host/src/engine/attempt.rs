//! One attempt of one step, in a task of its own: fills in the config, runs the step, and makes what came of it fit to be
//! recorded. It tells live output and returns everything else.

use std::io;
use std::panic::AssertUnwindSafe;
use std::sync::Arc;

use futures_util::FutureExt as _;
use serde_json::Value;
use tokio::sync::{Semaphore, watch};
use tokio::time::Instant;

use super::failures;
use super::output::Output;
use super::scope::{Seen, StepScope, Surroundings};
use super::secrets::register;
use crate::event::Tell;
use crate::outcome::Failure;
use crate::plan::StepIndex;
use crate::step::{StepRequest, StepRunner};
use crate::workflow::StepTypes;
use crate::workflow::template;

/// What all attempts of a run share.
pub(super) struct Shared<R> {
    pub(super) surroundings: Surroundings,
    pub(super) runner: Arc<R>,
    pub(super) types: Arc<StepTypes>,
    pub(super) tell: Arc<dyn Tell>,
    pub(super) terminal: bool,
    pub(super) max_output: usize,
    /// As many as attempts may run at once.
    pub(super) slots: Semaphore,
    pub(super) cancel: watch::Receiver<bool>,
}

/// An attempt that is about to start.
pub(super) struct Launch {
    pub(super) step: StepIndex,
    pub(super) attempt: u32,
    pub(super) seen: Vec<Seen>,
}

/// An attempt that has ended.
pub(super) struct Ended {
    pub(super) step: StepIndex,
    pub(super) duration_ms: u64,
    /// The output, sealed (`null` if it is not saved), or why it failed, masked.
    pub(super) result: Result<Value, Box<Failure>>,
}

/// Runs the attempt to its end. A panic is a failure of the step.
pub(super) async fn run<R: StepRunner>(shared: Arc<Shared<R>>, launch: Launch) -> Ended {
    let step = launch.step;
    let _slot = shared.slots.acquire().await;
    let began = Instant::now();
    if *shared.cancel.borrow() {
        return Ended { step, duration_ms: 0, result: Err(failures::not_begun()) };
    }
    let result = AssertUnwindSafe(attempt(&shared, launch)).catch_unwind().await;
    let result = result.unwrap_or_else(|payload| Err(failures::panic(&*payload)));
    let duration_ms = u64::try_from(began.elapsed().as_millis()).unwrap_or(u64::MAX);
    Ended { step, duration_ms, result: result.map_err(|failure| shared.clean(failure)) }
}

async fn attempt<R: StepRunner>(shared: &Shared<R>, launch: Launch) -> Result<Value, Box<Failure>> {
    let Surroundings { plan, secrets, .. } = &shared.surroundings;
    let definition = plan.step(launch.step);
    let sink =
        Arc::new(Output::new(definition.id.clone(), definition.quiet, Arc::clone(secrets), Arc::clone(&shared.tell)));
    let request = shared.request(&launch, Arc::clone(&sink))?;
    let result = shared.runner.run(request).await;
    sink.finish();
    let output = result.map_err(Box::new)?.output;
    if !definition.save_output {
        return Ok(Value::Null);
    }
    let output = secrets.seal(output);
    if is_longer(&output, shared.max_output) { Err(failures::large_output(shared.max_output)) } else { Ok(output) }
}

impl<R: StepRunner> Shared<R> {
    fn request(&self, launch: &Launch, sink: Arc<Output>) -> Result<StepRequest, Box<Failure>> {
        let surroundings = &self.surroundings;
        let step = surroundings.plan.step(launch.step);
        let info = self.types.loaded.get(&step.step_type);
        let scripts = info.map_or(&[][..], |info| &info.scripts);
        let scope = StepScope::open(surroundings, launch.step, &launch.seen)?;
        let rendered = template::render(&step.config, scripts, &scope)
            .map_err(|error| failures::template(&step.pointer("config"), &error))?;
        if let Some(info) = info {
            register(&surroundings.secrets, step, &info.description, &rendered.value);
            // Without templates it was checked before the run.
            if rendered.value != step.config
                && let Some(failure) =
                    failures::config(&step.pointer("config"), info.config.check_resolved(&rendered.value))
            {
                return Err(failure);
            }
        }
        Ok(StepRequest {
            workflow: Arc::clone(&surroundings.workflow),
            run: surroundings.run.clone(),
            step: step.id.clone(),
            step_type: step.step_type.clone(),
            attempt: launch.attempt,
            config: rendered.value,
            bindings: rendered.bindings,
            derived: rendered.derived,
            permissions: step.permissions.clone(),
            timeout: step.timeout,
            terminal: self.terminal,
            sink,
            cancel: self.cancel.clone(),
        })
    }

    /// Without secrets, and without an output that is too large to be kept.
    fn clean(&self, mut failure: Box<Failure>) -> Box<Failure> {
        let secrets = &self.surroundings.secrets;
        let output = failure.output.take().map(|output| secrets.seal(output));
        secrets.mask_failure(&mut failure);
        failure.output = output.filter(|output| !is_longer(output, self.max_output));
        failure
    }
}

/// Whether a value's JSON text has more bytes than this.
fn is_longer(value: &Value, limit: usize) -> bool {
    struct Room(usize);

    impl io::Write for Room {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0 = self.0.checked_sub(bytes.len()).ok_or(io::ErrorKind::FileTooLarge)?;
            Ok(bytes.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    serde_json::to_writer(Room(limit), value).is_err()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn an_output_is_as_long_as_its_json() {
        let value = json!({ "a": ["\n", 1] });
        let length = value.to_string().len();
        assert!(!is_longer(&value, length));
        assert!(is_longer(&value, length - 1));
    }
}
