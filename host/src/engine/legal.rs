//! Which records may follow which: what is said of one that can't.

use super::state::End;
use crate::event::Event;
use crate::outcome::Outcome;

/// A record that can't follow the ones before it: the journal was not written by a run, or shiro has a bug.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("record {record} ({what}) can't follow the ones before it: {why}")]
pub struct IllegalRecord {
    /// Which record, from 1.
    pub record: u64,
    /// Its event, and the step it is about.
    pub what: String,
    /// What it contradicts.
    pub why: String,
}

/// What may be recorded once a process has ended like this: that another one goes on, and what humans decide in between.
pub(super) fn may_follow(event: &Event, end: &End) -> bool {
    let refused = matches!(end, End::Finished { outcome: Outcome::Rejected | Outcome::Expired, .. });
    let succeeded = matches!(end, End::Finished { outcome: Outcome::Succeeded, .. });
    match event {
        Event::RunResumed { .. } | Event::ChangesAccepted { .. } | Event::ReworkRequested { .. } => {
            !refused && !succeeded
        }
        Event::ApprovalExpired { .. } => !refused && !succeeded,
        Event::ApprovalDecided { .. } => matches!(end, End::Paused(_)),
        _ => false,
    }
}

/// Reads after "the run has".
pub(super) fn finished_word(outcome: Outcome) -> &'static str {
    match outcome {
        Outcome::Rejected => "been rejected",
        Outcome::Expired => "expired",
        _ => "succeeded",
    }
}

/// An event and the step it is about, for messages.
pub(super) fn name(event: &Event) -> String {
    let name = match event {
        Event::RunStarted(_) => "run_started",
        Event::RunResumed { .. } => "run_resumed",
        Event::ChangesAccepted { .. } => "changes_accepted",
        Event::StepStarted { .. } => "step_started",
        Event::StepExpanded { .. } => "step_expanded",
        Event::AttemptFailed { .. } => "attempt_failed",
        Event::StepSucceeded { .. } => "step_succeeded",
        Event::StepFailed { .. } => "step_failed",
        Event::StepSkipped { .. } => "step_skipped",
        Event::StepInterrupted { .. } => "step_interrupted",
        Event::InterruptionResolved { .. } => "interruption_resolved",
        Event::ApprovalRequested { .. } => "approval_requested",
        Event::ApprovalDecided { .. } => "approval_decided",
        Event::ApprovalExpired { .. } => "approval_expired",
        Event::WaitStarted { .. } => "wait_started",
        Event::WaitEnded { .. } => "wait_ended",
        Event::ReworkRequested { .. } => "rework_requested",
        Event::RunPaused { .. } => "run_paused",
        Event::RunInterrupted { .. } => "run_interrupted",
        Event::RunFinished { .. } => "run_finished",
    };
    match event.step() {
        Some(step) => format!("{name} of `{step}`"),
        None => name.to_owned(),
    }
}
