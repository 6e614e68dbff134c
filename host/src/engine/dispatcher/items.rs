//! Steps that are run for each item of a list (`foreach`, `matrix`): the list is made out and recorded, then each item is run
//! like a step, and the end of the last one is the end of the step.

use std::sync::Arc;
use std::time::Duration;

use serde_json::Value;
use tokio::time::Instant;

use super::Dispatcher;
use crate::engine::EngineError;
use crate::engine::attempt::Launch;
use crate::engine::failures;
use crate::engine::fan_out::Fan;
use crate::engine::frame::Frame;
use crate::engine::scope::{self, ItemOf, Seen, StepScope};
use crate::engine::secrets;
use crate::engine::state::{Status, StepState};
use crate::engine::unit::Unit;
use crate::event::Event;
use crate::id::StepId;
use crate::outcome::Failure;
use crate::plan::StepIndex;
use crate::step::StepRunner;
use crate::workflow::fan_out::FanOut;
use crate::workflow::size::length;
use crate::workflow::template;

/// A step whose items are being run.
pub(super) struct Expanded {
    /// With references where secrets stand.
    values: Arc<[Value]>,
    /// What all of them see of other steps.
    seen: Arc<Seen>,
    frame: Arc<Frame>,
    /// When this process began with them.
    began: Instant,
}

impl<R: StepRunner> Dispatcher<R> {
    /// The step's turn has come: records what its items are, unless an earlier process has, and goes on with those that are
    /// left.
    pub(super) fn expand(&mut self, step: StepIndex) -> Result<(), EngineError> {
        let definition = self.plan.step(step);
        let Some(fan_out) = definition.fan_out.clone() else { return Ok(()) };
        let seen = Arc::new(scope::look(&self.state, &self.plan, step));
        let frame = self.frame(step);
        let recorded = self.state.items_at(step).filter(|items| !items.is_stale()).map(|items| items.values());
        let values = match recorded.map(Arc::clone) {
            Some(values) => {
                self.register_recorded(step, &frame, &seen, &values);
                values
            }
            None => match self.make_out(step, &fan_out, &frame, &seen) {
                Ok(values) => values,
                Err(failure) => return self.failed_before_it_ran(step, *failure),
            },
        };
        if self.state.at(step).status() != &Status::Expanded {
            self.push(Event::StepExpanded { step: self.id(Unit::whole(step)), items: Arc::clone(&values) })?;
        }
        let states = || self.state.items_at(step).into_iter().flat_map(|items| items.iter());
        // What the workflow around it tolerates is final, and so no further item starts, as none did then.
        let is_over = !self.options.keep_going && !self.plan.step(step).continue_on_error && states().any(has_failed);
        let open = (0..).zip(states()).filter(|(_, (_, state))| !is_over && !state.is_done()).map(|(index, _)| index);
        let fan = Fan::new(open, fan_out.max_parallel.unwrap_or(usize::MAX));
        self.expanded.insert(step, Expanded { values, seen, frame, began: Instant::now() });
        self.scheduler.expanded(step, fan);
        Ok(())
    }

    /// What the config makes secret of items that an earlier process has recorded.
    fn register_recorded(&self, step: StepIndex, frame: &Frame, seen: &Seen, values: &[Value]) {
        let surroundings = &self.shared.surroundings;
        // What can't be opened is reported by the items, when they start.
        if let Ok(scope) = StepScope::open(surroundings, frame, step, seen) {
            secrets::register_items(surroundings, &self.shared.types, self.plan.step(step), scope, || {
                secrets::opened(surroundings, values)
            });
        }
    }

    /// What the items are: with references where secrets stand.
    fn make_out(
        &self,
        step: StepIndex,
        fan_out: &FanOut,
        frame: &Frame,
        seen: &Seen,
    ) -> Result<Arc<[Value]>, Box<Failure>> {
        let surroundings = &self.shared.surroundings;
        let field = self.plan.step(step).pointer(fan_out.kind.field());
        let scope = StepScope::open(surroundings, frame, step, seen)?;
        let filled_in =
            template::render_value(&fan_out.over, &scope).map_err(|error| failures::template(&field, &error))?;
        let items = fan_out.items(filled_in).map_err(|error| failures::items(&field, &error))?;
        // What the config makes secret of them is so before they are recorded.
        secrets::register_items(surroundings, &self.shared.types, self.plan.step(step), scope, || {
            items.iter().cloned().map(Some).collect()
        });
        Ok(items.into_iter().map(|item| surroundings.secrets.seal(item)).collect())
    }

    pub(super) fn launch_of_item(&self, step: StepIndex, item: u32, attempt: u32) -> Launch {
        let Expanded { values, seen, frame, .. } = &self.expanded[&step];
        let unit = Unit::item(step, item);
        let item = Some(ItemOf { index: item, values: Arc::clone(values) });
        Launch { unit, id: self.id(unit), attempt, seen: Arc::clone(seen), frame: Arc::clone(frame), item }
    }

    pub(super) fn item_succeeded(&mut self, unit: Unit, output: Value, duration_ms: u64) -> Result<(), EngineError> {
        let limit = self.options.max_output;
        if self.plan.is_referenced(unit.step)
            && self.state.items_at(unit.step).is_some_and(|items| items.output_bytes() + length(&output) > limit)
        {
            return self.item_failed(unit, *failures::large_outputs(limit), duration_ms);
        }
        let attempt = self.state.unit(unit).attempts();
        self.push(Event::StepSucceeded { step: self.id(unit), attempt, output, duration_ms })?;
        self.scheduler.item_done(unit.step);
        Ok(())
    }

    pub(super) fn item_failed(&mut self, unit: Unit, failure: Failure, duration_ms: u64) -> Result<(), EngineError> {
        self.push_failed(unit, failure, duration_ms, self.plan.tolerates(unit.step))?;
        match self.plan.step(unit.step).continue_on_error {
            true => self.scheduler.item_done(unit.step),
            false => self.scheduler.item_failed(unit.step),
        }
        Ok(())
    }

    /// An item that has started may not: what it would act on is not what was approved. Nor may the others.
    pub(super) fn item_refused(&mut self, unit: Unit, failure: Failure) -> Result<(), EngineError> {
        self.push_failed(unit, failure, 0, false)?;
        self.scheduler.failed_run(unit.step);
        self.scheduler.stop_items(unit.step);
        self.scheduler.item_failed(unit.step);
        Ok(())
    }

    /// No item of the step runs any more, and none will start. It failed as the item that failed first. Where items are left
    /// for another reason than that, the run failed elsewhere, and the rest of the step is skipped.
    pub(super) fn conclude_items(&mut self, step: StepIndex) -> Result<(), EngineError> {
        let took = self.expanded.remove(&step).map_or(Duration::ZERO, |expanded| expanded.began.elapsed());
        let duration_ms = u64::try_from(took.as_millis()).unwrap_or(u64::MAX);
        let Some(items) = self.state.items_at(step) else { return Ok(()) };
        let all_done = items.iter().all(|(_, state)| state.is_done());
        let for_good = items.iter().any(|(_, state)| state.status() == &Status::Failed { tolerated: false });
        let all_done = all_done || !self.plan.step(step).continue_on_error && items.iter().any(has_failed);
        let failures = items.failures().filter(|_| all_done || for_good);
        match failures.map(|failures| failures::failed_items(failures, items.len())) {
            Some(failure) if for_good && self.plan.tolerates(step) => self.failed_for_good(step, *failure, duration_ms),
            Some(failure) => self.step_failed(step, *failure, duration_ms),
            None if all_done => {
                let attempt = self.state.at(step).attempts();
                self.step_succeeded(step, attempt, Value::Null, None, duration_ms)
            }
            None => {
                let cause = self.scheduler.abandoned(step);
                self.skipped(step, cause)
            }
        }
    }
}

fn has_failed((_, item): (&StepId, &StepState)) -> bool {
    matches!(item.status(), Status::Failed { .. })
}
