//! Where one step stands, and which events take it from there to where: a step's, or an item's.

use std::fmt;
use std::sync::Arc;

use serde_json::Value;

use super::items::Items;
use crate::engine::approval::Gate;
use crate::event::{Event, SkipReason};

/// Where one step stands.
#[derive(Clone, Debug, Default)]
pub struct StepState {
    pub(super) status: Status,
    attempt: u32,
    duration_ms: u64,
    pub(super) output: Option<Arc<Value>>,
    pub(super) gate: Gate,
}

/// What became of a step.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Status {
    /// It has not started, or a resumed run starts it anew.
    #[default]
    Pending,
    /// It runs; after the end of the process, it died with it.
    Running {
        /// It may run again by itself.
        idempotent: bool,
    },
    /// An attempt failed, and it waits for the next one.
    Retrying,
    /// It is run for each of its items (`foreach`, `matrix`), and where they stand says how far it got.
    Expanded,
    /// It succeeded.
    Succeeded,
    /// Its last attempt failed.
    Failed {
        /// What depends on it goes on (`continue_on_error`).
        tolerated: bool,
    },
    /// It did not run.
    Skipped(Box<SkipReason>),
    /// Its attempt was ended from outside.
    Interrupted {
        /// It may run again: it says so, or a human did.
        may_run: bool,
    },
    /// A human said that it counts as done; [`SkipReason::Human`] follows.
    TakenAsDone,
}

impl StepState {
    /// What became of it.
    pub fn status(&self) -> &Status {
        &self.status
    }

    /// How often it was tried in the last process that tried it.
    pub fn attempts(&self) -> u32 {
        self.attempt
    }

    /// How long its last attempt took, in milliseconds; 0 while it has not ended.
    pub fn duration_ms(&self) -> u64 {
        self.duration_ms
    }

    /// Its output as the journal has it, with references where secrets stand; `None` if there is none or nothing asks for it.
    pub fn output(&self) -> Option<&Arc<Value>> {
        self.output.as_ref()
    }

    /// Whether something waits for a human.
    pub fn gate(&self) -> Gate {
        self.gate
    }

    /// It ended, and what depends on it may go on, but for its gate.
    pub fn is_done(&self) -> bool {
        match &self.status {
            Status::Succeeded | Status::Failed { tolerated: true } => true,
            Status::Skipped(reason) => **reason == SkipReason::Human,
            _ => false,
        }
    }

    /// It runs, or waits for its next attempt.
    pub(super) fn is_active(&self) -> bool {
        matches!(self.status, Status::Running { .. } | Status::Retrying)
    }

    /// Takes in an event of its attempts. Whoever holds the states keeps the failures.
    pub(super) fn take_in(&mut self, event: &Event, keeps_output: bool) -> Result<(), String> {
        match event {
            Event::StepStarted { attempt, idempotent, .. } => self.start(*attempt, *idempotent)?,
            Event::AttemptFailed { attempt, .. } => {
                self.end_attempt(*attempt)?;
                self.status = Status::Retrying;
            }
            Event::StepSucceeded { attempt, output, duration_ms, .. } => {
                self.end_attempt(*attempt)?;
                self.status = Status::Succeeded;
                self.duration_ms = *duration_ms;
                self.output = (keeps_output && !output.is_null()).then(|| Arc::new(output.clone()));
            }
            Event::StepFailed { attempt, duration_ms, tolerated, .. } => {
                self.end_attempt(*attempt)?;
                self.status = Status::Failed { tolerated: *tolerated };
                self.duration_ms = *duration_ms;
            }
            Event::StepSkipped { reason, .. } => self.skip(reason)?,
            Event::StepInterrupted { attempt, .. } => {
                let idempotent = self.status == Status::Running { idempotent: true };
                self.end_attempt(*attempt)?;
                self.status = Status::Interrupted { may_run: idempotent };
            }
            Event::InterruptionResolved { rerun, .. } => match self.status {
                Status::Interrupted { .. } if *rerun => self.status = Status::Interrupted { may_run: true },
                Status::Interrupted { .. } => self.status = Status::TakenAsDone,
                _ => return Err(format!("it {}, so there is nothing to decide", self.status)),
            },
            _ => return Err("it is no event of an attempt".into()),
        }
        Ok(())
    }

    /// It is run for each of its items from now on.
    pub(super) fn expand(&mut self) -> Result<(), String> {
        self.start(1, true)?;
        self.status = Status::Expanded;
        Ok(())
    }

    /// Its items were recorded by an earlier process, and those that are left are to be run.
    pub(super) fn go_on_expanded(&mut self) {
        self.status = Status::Expanded;
        self.attempt = 1;
    }

    /// Takes in the event that ends a step whose items are over. Its output is the list of theirs.
    pub(super) fn end_expanded(&mut self, items: &mut Items, event: &Event, keeps_output: bool) -> Result<(), String> {
        items.check_end(event)?;
        match event {
            Event::StepSucceeded { duration_ms, .. } => {
                (self.status, self.duration_ms) = (Status::Succeeded, *duration_ms)
            }
            Event::StepFailed { duration_ms, tolerated, .. } => {
                (self.status, self.duration_ms) = (Status::Failed { tolerated: *tolerated }, *duration_ms);
            }
            event => return self.take_in(event, keeps_output),
        }
        // What has failed may be gone on with, and needs what it has then.
        if keeps_output && self.is_done() {
            self.output = Some(Arc::new(items.take_outputs()));
        }
        Ok(())
    }

    fn start(&mut self, attempt: u32, idempotent: bool) -> Result<(), String> {
        let (expected, may) = match &self.status {
            Status::Pending | Status::Interrupted { may_run: true } => (1, true),
            Status::Skipped(reason) => (1, reason.may_change()),
            Status::Retrying => (self.attempt + 1, true),
            _ => (0, false),
        };
        if !may {
            return Err(format!("it {}", self.status));
        }
        if attempt != expected {
            return Err(format!("its next attempt is {expected}, not {attempt}"));
        }
        self.status = Status::Running { idempotent };
        self.attempt = attempt;
        self.duration_ms = 0;
        Ok(())
    }

    fn end_attempt(&self, attempt: u32) -> Result<(), String> {
        match self.status {
            Status::Running { .. } if attempt == self.attempt => Ok(()),
            Status::Running { .. } => Err(format!("attempt {} runs, not {attempt}", self.attempt)),
            _ => Err(format!("it {}", self.status)),
        }
    }

    fn skip(&mut self, reason: &SkipReason) -> Result<(), String> {
        let may = match &self.status {
            Status::Pending | Status::Expanded | Status::Interrupted { may_run: true } => *reason != SkipReason::Human,
            Status::Skipped(earlier) => earlier.may_change() && *reason != SkipReason::Human,
            Status::TakenAsDone => *reason == SkipReason::Human,
            _ => false,
        };
        if !may {
            return Err(format!("it {}", self.status));
        }
        self.status = Status::Skipped(Box::new(reason.clone()));
        Ok(())
    }
}

/// Reads after "the step", e.g. "has succeeded already".
impl fmt::Display for Status {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Pending => "has not started",
            Self::Running { .. } => "is running",
            Self::Retrying => "waits for its next attempt",
            Self::Expanded => "is run for each of its items",
            Self::Succeeded => "has succeeded already",
            Self::Failed { .. } => "has failed already",
            Self::Skipped(_) => "was skipped",
            Self::Interrupted { may_run: true } => "was interrupted",
            Self::Interrupted { may_run: false } => "was interrupted, and nobody has said what to do about it",
            Self::TakenAsDone => "was taken as done",
        })
    }
}
