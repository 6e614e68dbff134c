//! One attempt of one step, in a task of its own: fills in the config, runs the step, and makes what came of it fit to be
//! recorded. It tells live output and returns everything else.

use std::panic::AssertUnwindSafe;
use std::sync::Arc;

use futures_util::FutureExt as _;
use serde_json::Value;
use tokio::sync::{Semaphore, watch};
use tokio::time::Instant;

use super::failures;
use super::frame::Frame;
use super::nesting;
use super::output::Output;
use super::scope::{ItemOf, Seen, StepScope, Surroundings};
use super::secrets::register;
use super::unit::Unit;
use super::{now, wait};
use crate::event::Tell;
use crate::id::StepId;
use crate::outcome::Failure;
use crate::step::{StepRequest, StepRunner};
use crate::workflow::StepTypes;
use crate::workflow::size::length_within;
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
    pub(super) unit: Unit,
    /// The step's, or the item's.
    pub(super) id: StepId,
    pub(super) attempt: u32,
    pub(super) seen: Arc<Seen>,
    pub(super) frame: Arc<Frame>,
    pub(super) item: Option<ItemOf>,
}

/// An attempt that has ended.
pub(super) struct Ended {
    pub(super) unit: Unit,
    pub(super) duration_ms: u64,
    /// What stands behind the step starts no earlier, if its type says so: milliseconds since 1970-01-01 UTC.
    pub(super) not_before: Option<u64>,
    /// The output, sealed (`null` if it is not saved), or why it failed, masked.
    pub(super) result: Result<Value, Box<Failure>>,
}

/// Runs the attempt to its end. A panic is a failure of the step.
pub(super) async fn run<R: StepRunner>(shared: Arc<Shared<R>>, launch: Launch) -> Ended {
    let unit = launch.unit;
    let _slot = shared.slots.acquire().await;
    let began = Instant::now();
    if *shared.cancel.borrow() {
        return Ended { unit, duration_ms: 0, not_before: None, result: Err(failures::not_begun()) };
    }
    let result = AssertUnwindSafe(attempt(&shared, launch)).catch_unwind().await;
    let result = result.unwrap_or_else(|payload| Err(failures::panic(&*payload)));
    let duration_ms = u64::try_from(began.elapsed().as_millis()).unwrap_or(u64::MAX);
    let (result, not_before) = match result {
        Ok((output, not_before)) => (Ok(output), not_before),
        Err(failure) => (Err(shared.clean(failure)), None),
    };
    Ended { unit, duration_ms, not_before, result }
}

/// The output, and the time that it names if the type says that it names one.
async fn attempt<R: StepRunner>(shared: &Shared<R>, launch: Launch) -> Result<(Value, Option<u64>), Box<Failure>> {
    let Surroundings { plan, secrets, .. } = &shared.surroundings;
    let definition = plan.step(launch.unit.step);
    let sink = Output::new(launch.id.clone(), definition.quiet, Arc::clone(secrets), Arc::clone(&shared.tell));
    let sink = Arc::new(sink);
    let mut scope = StepScope::open(&shared.surroundings, &launch.frame, launch.unit.step, &launch.seen)?;
    let output = match nesting::attempt(&shared.surroundings, launch.unit.step, &scope) {
        Some(result) => result?,
        None => {
            if let Some(item) = &launch.item {
                scope.at_item(item)?;
            }
            let request = shared.request(&launch, &scope, Arc::clone(&sink))?;
            drop(scope);
            let result = shared.runner.run(request).await;
            sink.finish();
            result.map_err(Box::new)?.output
        }
    };
    let property = shared.types.loaded.get(&definition.step_type).and_then(|info| info.not_before.as_deref());
    let not_before = property.map(|property| wait::not_before(&output, property, now())).transpose()?;
    if !definition.save_output {
        return Ok((Value::Null, not_before));
    }
    let output = secrets.seal(output);
    match length_within(&output, shared.max_output) {
        Some(_) => Ok((output, not_before)),
        None => Err(failures::large_output(shared.max_output)),
    }
}

impl<R: StepRunner> Shared<R> {
    fn request(&self, launch: &Launch, scope: &StepScope<'_>, sink: Arc<Output>) -> Result<StepRequest, Box<Failure>> {
        let surroundings = &self.surroundings;
        let step = surroundings.plan.step(launch.unit.step);
        let info = self.types.loaded.get(&step.step_type);
        let scripts = info.map_or(&[][..], |info| &info.scripts);
        let rendered = template::render(&step.config, scripts, scope)
            .map_err(|error| failures::template(&step.pointer("config"), &error))?;
        if let Some(info) = info {
            register(&surroundings.secrets, &launch.id, &info.description, &rendered.value);
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
            step: launch.id.clone(),
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
        failure.output = output.filter(|output| length_within(output, self.max_output).is_some());
        failure
    }
}
