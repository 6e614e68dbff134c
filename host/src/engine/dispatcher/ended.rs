//! What follows when an attempt has ended: another one, or the end of the step or item.

use std::cmp::Reverse;
use std::time::Duration;

use serde_json::Value;
use tokio::time::Instant;

use super::Dispatcher;
use crate::approval::Request;
use crate::engine::attempt::Ended;
use crate::engine::retry::{self, Next};
use crate::engine::unit::Unit;
use crate::engine::{EngineError, now};
use crate::event::Event;
use crate::outcome::Failure;
use crate::plan::StepIndex;
use crate::step::StepRunner;
use crate::workflow::model::Step;

impl<R: StepRunner> Dispatcher<R> {
    pub(super) fn ended(&mut self, ended: Ended) -> Result<(), EngineError> {
        let Ended { unit, mut duration_ms, not_before, result } = ended;
        if self.plan.concludes(unit.step).is_some() {
            duration_ms = self.since(unit.step);
        }
        let attempt = self.state.unit(unit).attempts();
        let mut failure = match result {
            Ok(output) => return self.succeeded(unit, output, not_before, duration_ms),
            Err(failure) => *failure,
        };
        let retry = &self.plan.step(unit.step).retry;
        match retry::next(retry, attempt, &failure, fastrand::f64()) {
            Next::After(delay) => {
                let retry_in_ms = u64::try_from(delay.as_millis()).unwrap_or(u64::MAX);
                // A wait beyond what a clock can hold never ends.
                let far = Duration::from_secs(u64::from(u32::MAX));
                self.retries.push(Reverse((Instant::now() + delay.min(far), unit)));
                self.push(Event::AttemptFailed { step: self.id(unit), attempt, failure, duration_ms, retry_in_ms })
            }
            Next::Never => self.failed(unit, failure, duration_ms),
            Next::TooLate => {
                let wait = Duration::from_millis(failure.retry_after_ms.unwrap_or(0)).as_secs();
                failure.hint.get_or_insert_with(|| {
                    format!("it asks to be left alone for {wait} s: with `retry.max_delay` at least that long, shiro would wait")
                });
                self.failed(unit, failure, duration_ms)
            }
        }
    }

    /// `not_before`: what stands behind the step starts no earlier. No step whose type says so has items.
    pub(super) fn succeeded(
        &mut self,
        unit: Unit,
        output: Value,
        not_before: Option<u64>,
        duration_ms: u64,
    ) -> Result<(), EngineError> {
        match unit.item {
            Some(_) => self.item_succeeded(unit, output, duration_ms),
            None => {
                let attempt = self.state.unit(unit).attempts();
                self.step_succeeded(unit.step, attempt, output, not_before, duration_ms)
            }
        }
    }

    fn failed(&mut self, unit: Unit, failure: Failure, duration_ms: u64) -> Result<(), EngineError> {
        match unit.item {
            Some(_) => self.item_failed(unit, failure, duration_ms),
            None => self.step_failed(unit.step, failure, duration_ms),
        }
    }

    pub(super) fn step_succeeded(
        &mut self,
        step: StepIndex,
        attempt: u32,
        output: Value,
        not_before: Option<u64>,
        duration_ms: u64,
    ) -> Result<(), EngineError> {
        let request = match self.ask(step) {
            Ok(request) => request,
            Err(failure) => return self.failed_for_good(step, *failure, duration_ms),
        };
        self.push(Event::StepSucceeded { step: self.id(Unit::whole(step)), attempt, output, duration_ms })?;
        match not_before.filter(|until| *until > now().max(self.state.latest())) {
            Some(until) => self.wait(step, until)?,
            None => self.scheduler.done(step),
        }
        self.ask_for(step, request)
    }

    pub(super) fn step_failed(
        &mut self,
        step: StepIndex,
        failure: Failure,
        duration_ms: u64,
    ) -> Result<(), EngineError> {
        if !self.plan.step(step).continue_on_error {
            self.push_failed(Unit::whole(step), failure, duration_ms, self.plan.tolerates(step))?;
            self.scheduler.failed(step);
            return Ok(());
        }
        let request = match self.ask(step) {
            Ok(request) => request,
            Err(failure) => return self.failed_for_good(step, *failure, duration_ms),
        };
        self.push_failed(Unit::whole(step), failure, duration_ms, true)?;
        self.scheduler.done(step);
        self.ask_for(step, request)
    }

    /// Its condition, or the list of its items, can't be made out.
    pub(super) fn failed_before_it_ran(&mut self, step: StepIndex, mut failure: Failure) -> Result<(), EngineError> {
        self.shared.surroundings.secrets.mask_failure(&mut failure);
        self.start(Unit::whole(step), 1)?;
        self.step_failed(step, failure, 0)
    }

    /// It has started and may not, whatever it tolerates: what it would act on is not what was approved.
    pub(super) fn refused(&mut self, unit: Unit, failure: Failure) -> Result<(), EngineError> {
        match unit.item {
            Some(_) => self.item_refused(unit, failure),
            None => self.failed_for_good(unit.step, failure, 0),
        }
    }

    /// The run has failed, whatever the step and those that it stands in tolerate.
    pub(super) fn failed_for_good(
        &mut self,
        step: StepIndex,
        failure: Failure,
        duration_ms: u64,
    ) -> Result<(), EngineError> {
        self.push_failed(Unit::whole(step), failure, duration_ms, false)?;
        self.scheduler.failed_run(step);
        self.scheduler.failed(step);
        Ok(())
    }

    pub(super) fn push_failed(
        &mut self,
        unit: Unit,
        failure: Failure,
        duration_ms: u64,
        tolerated: bool,
    ) -> Result<(), EngineError> {
        let attempt = self.state.unit(unit).attempts();
        self.push(Event::StepFailed { step: self.id(unit), attempt, failure, duration_ms, tolerated })
    }

    /// What the step asks humans for, if it has a gate.
    fn ask(&mut self, step: StepIndex) -> Result<Option<Request>, Box<Failure>> {
        let Step { id, approval, .. } = self.plan.step(step);
        approval.as_ref().map(|approval| (self.request)(id, approval)).transpose()
    }

    /// Asks for the decision after which what depends on the step may go on, if it takes one. That holds for a failure that
    /// is tolerated too: an approval that could not be asked for is not one that was given.
    fn ask_for(&mut self, step: StepIndex, request: Option<Request>) -> Result<(), EngineError> {
        match request {
            Some(request) => {
                self.push(Event::ApprovalRequested { step: self.id(Unit::whole(step)), request: Box::new(request) })
            }
            None => Ok(()),
        }
    }
}
