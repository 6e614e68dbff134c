//! Waits: what stands behind a step starts when a time has come.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::time::Duration;

use tokio::time::Instant;

use super::{Dispatcher, push, standing};
use crate::engine::scheduler::Standing;
use crate::engine::state::RunState;
use crate::engine::unit::Unit;
use crate::engine::{EngineError, now};
use crate::event::{Event, Record};
use crate::plan::{Plan, StepIndex};
use crate::step::StepRunner;

/// How long at most before the clock is looked at again: it may be set, and a machine may sleep.
const LONGEST_NAP: Duration = Duration::from_secs(10);

impl<R: StepRunner> Dispatcher<R> {
    /// Nothing behind the step starts before this time.
    pub(super) fn wait(&mut self, step: StepIndex, until: u64) -> Result<(), EngineError> {
        self.scheduler.wait(step);
        self.waits.push(Reverse((until, step)));
        let event = wait_started(&self.plan, step, until);
        self.push(event)
    }

    /// When to look whether a wait is over.
    pub(super) fn next_look(&self) -> Option<Instant> {
        let Reverse((until, _)) = *self.waits.peek()?;
        Some(Instant::now() + Duration::from_millis(until.saturating_sub(now())).min(LONGEST_NAP))
    }

    /// Ends the waits that are over.
    pub(super) fn open_waits(&mut self) -> Result<(), EngineError> {
        while let Some(Reverse((until, step))) = self.waits.peek().copied() {
            if until > now().max(self.state.latest()) {
                break;
            }
            self.waits.pop();
            self.push(Event::WaitEnded { step: self.id(Unit::whole(step)), skipped_by: None })?;
            // It may wait for a human as well.
            if standing(&self.plan, &self.state, step) == Standing::Done {
                self.scheduler.open(step);
            }
        }
        Ok(())
    }

    /// The time is near enough for staying.
    pub(super) fn holds(&self, until: u64) -> bool {
        let hold = u64::try_from(self.options.hold.as_millis()).unwrap_or(u64::MAX);
        until <= now().max(self.state.latest()).saturating_add(hold)
    }
}

fn wait_started(plan: &Plan, step: StepIndex, until: u64) -> Event {
    let guards = plan.behind(step).into_iter().map(|step| plan.step(step).id.clone()).collect();
    Event::WaitStarted { step: plan.step(step).id.clone(), until, guards }
}

/// The waits that are not over, and ends those that are. Where changes were accepted, each begins again: it holds back what
/// stands behind it now.
pub(super) fn complete(
    plan: &Plan,
    state: &mut RunState,
    batch: &mut Vec<Record>,
) -> Result<BinaryHeap<Reverse<(u64, StepIndex)>>, EngineError> {
    let mut waits = BinaryHeap::new();
    for step in plan.steps() {
        let Some(wait) = state.wait_at(step).filter(|wait| wait.is_pending()) else { continue };
        let (until, is_loose) = (wait.until(), wait.is_loose());
        if until <= now().max(state.latest()) {
            push(state, batch, Event::WaitEnded { step: plan.step(step).id.clone(), skipped_by: None })?;
            continue;
        }
        if is_loose {
            push(state, batch, wait_started(plan, step, until))?;
        }
        waits.push(Reverse((until, step)));
    }
    Ok(waits)
}
