//! The ends of workflows that run as steps.

use super::Dispatcher;
use crate::engine::EngineError;
use crate::engine::failures;
use crate::engine::state::Status;
use crate::engine::unit::Unit;
use crate::event::SkipReason;
use crate::plan::{Group, StepIndex};
use crate::step::StepRunner;

impl<R: StepRunner> Dispatcher<R> {
    /// The step ends a workflow in which `cause` failed.
    pub(super) fn failed_within(&mut self, step: StepIndex, cause: StepIndex) -> Result<(), EngineError> {
        let mut failure = failures::inside(&self.id(Unit::whole(cause)), self.state.failure_at(cause));
        self.shared.surroundings.secrets.mask_failure(&mut failure);
        self.start(Unit::whole(step), 1)?;
        let duration_ms = self.since(step);
        let is_tolerable = self.state.at(cause).status() == &Status::Failed { tolerated: true };
        match self.plan.tolerates(step) && !is_tolerable {
            true => self.failed_for_good(step, *failure, duration_ms),
            false => self.step_failed(step, *failure, duration_ms),
        }
    }

    /// Why a step of a workflow that did not begin is skipped; its end is for the reason that its beginning was.
    pub(super) fn not_begun(&self, step: StepIndex, group: Group) -> SkipReason {
        let begin = self.plan.ends(group).map(|ends| self.state.at(ends.begin).status());
        match (begin, self.plan.subworkflow(group)) {
            (Some(Status::Skipped(reason)), _) if self.plan.concludes(step) == Some(group) => (**reason).clone(),
            (_, Some(inner)) => SkipReason::NotBegun(inner.id.clone()),
            (_, None) => SkipReason::EarlierFailure,
        }
    }

    /// How long this process has been at the workflow that the step ends, in milliseconds.
    pub(super) fn since(&mut self, step: StepIndex) -> u64 {
        u64::try_from(self.frame(step).since.elapsed().as_millis()).unwrap_or(u64::MAX)
    }
}
