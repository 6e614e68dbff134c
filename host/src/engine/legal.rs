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
    let (name, step) = match event {
        Event::RunStarted(_) => ("run_started", None),
        Event::RunResumed { .. } => ("run_resumed", None),
        Event::ChangesAccepted { .. } => ("changes_accepted", None),
        Event::StepStarted { step, .. } => ("step_started", Some(step)),
        Event::AttemptFailed { step, .. } => ("attempt_failed", Some(step)),
        Event::StepSucceeded { step, .. } => ("step_succeeded", Some(step)),
        Event::StepFailed { step, .. } => ("step_failed", Some(step)),
        Event::StepSkipped { step, .. } => ("step_skipped", Some(step)),
        Event::StepInterrupted { step, .. } => ("step_interrupted", Some(step)),
        Event::InterruptionResolved { step, .. } => ("interruption_resolved", Some(step)),
        Event::ApprovalRequested { step, .. } => ("approval_requested", Some(step)),
        Event::ApprovalDecided { step, .. } => ("approval_decided", Some(step)),
        Event::ApprovalExpired { step, .. } => ("approval_expired", Some(step)),
        Event::ReworkRequested { step, .. } => ("rework_requested", Some(step)),
        Event::RunPaused { .. } => ("run_paused", None),
        Event::RunInterrupted { .. } => ("run_interrupted", None),
        Event::RunFinished { .. } => ("run_finished", None),
    };
    match step {
        Some(step) => format!("{name} of `{step}`"),
        None => name.to_owned(),
    }
}
