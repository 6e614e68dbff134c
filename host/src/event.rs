//! What happened in a run: the closed set of events, in past tense.
//!
//! The journal stores them, the reporters show them, resume folds them. Their order within a run:
//!
//! ```text
//! RunStarted (ChangesAccepted? RunResumed)* then, in each process:
//!   per step:  StepSkipped
//!            | StepStarted (AttemptFailed StepStarted)* (StepSucceeded | StepFailed | StepInterrupted)
//!            | StepExpanded, the attempts of its items, (StepSucceeded | StepFailed | StepSkipped)
//!   per gate:  StepSucceeded ApprovalRequested ... (ApprovalDecided* | ApprovalExpired)
//!   per wait:  StepSucceeded WaitStarted ... WaitEnded
//!   the end:   RunPaused | RunFinished | RunInterrupted
//! after RunPaused, by `shiro approve`, `reject` and `rework`: (ApprovalDecided | ReworkRequested)*
//! ```
//!
//! A gate is asked for again, with a new request, after changes were accepted or after rework: decisions on the request
//! before it are void. A wait is begun again, for the same time, after changes were accepted: something else may stand behind it.
//!
//! A `StepStarted` with nothing after it belongs to a process that died: the step is interrupted. No event holds a secret's
//! value, an environment, or a resolved config.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::approval::Request;
use crate::id::{Digest, RunId, StepId, StepType};
use crate::outcome::{Failure, Outcome};

pub use crate::approval::{Approver, Decision};

/// An event and when it happened.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Record {
    /// Milliseconds since 1970-01-01 UTC, by this machine's clock.
    pub at: u64,
    /// What happened.
    #[serde(flatten)]
    pub event: Event,
}

/// What happened.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "event", rename_all = "snake_case")]
pub enum Event {
    /// A new run began. Always the first event.
    RunStarted(RunStarted),
    /// Another process went on with the run.
    RunResumed {
        /// The job it runs in.
        job: Job,
        /// The version of shiro that goes on.
        shiro: String,
    },
    /// The workflow, the inputs or the plugins differ from what the journal has, and the user said that this is intended.
    ChangesAccepted {
        /// What the digests are from now on.
        digests: Digests,
        /// Who said so.
        approver: Approver,
    },
    /// An attempt of a step began. Durable before the attempt does anything.
    StepStarted {
        /// The step.
        step: StepId,
        /// From 1.
        attempt: u32,
        /// It may run again if this process dies: the step or its type says so, or it has no capability and so no effect.
        idempotent: bool,
    },
    /// A step with `foreach` or `matrix` is run once for each of these items. Durable before any of them starts, so that the
    /// list never changes under those that ran. What follows is told of the items: they have the ids `STEP[INDEX]`, from 0,
    /// and start in order. Of the step itself only its end is told: its one attempt.
    StepExpanded {
        /// The step.
        step: StepId,
        /// What the items are, with references where secrets stood.
        items: Arc<[Value]>,
    },
    /// An attempt failed and another one follows.
    AttemptFailed {
        /// The step.
        step: StepId,
        /// The attempt that failed.
        attempt: u32,
        /// Why.
        failure: Failure,
        /// How long it took, in milliseconds.
        duration_ms: u64,
        /// How long until the next attempt, in milliseconds.
        retry_in_ms: u64,
    },
    /// A step succeeded. It never runs again.
    StepSucceeded {
        /// The step.
        step: StepId,
        /// The attempt that succeeded.
        attempt: u32,
        /// Its output, with references where secrets stood; `null` when `save_output` is false, and for a step whose items
        /// were run: its output is the list of theirs.
        output: Value,
        /// How long the attempt took, in milliseconds.
        duration_ms: u64,
    },
    /// A step's last attempt failed.
    StepFailed {
        /// The step.
        step: StepId,
        /// The attempt.
        attempt: u32,
        /// Why.
        failure: Failure,
        /// How long the attempt took, in milliseconds.
        duration_ms: u64,
        /// `continue_on_error`: what depends on it goes on.
        tolerated: bool,
    },
    /// A step did not run.
    StepSkipped {
        /// The step.
        step: StepId,
        /// Why not.
        reason: SkipReason,
    },
    /// An attempt was ended by a signal to shiro, or had no end in the journal when the run was resumed.
    StepInterrupted {
        /// The step.
        step: StepId,
        /// The attempt.
        attempt: u32,
    },
    /// A human said what to do with an interrupted step: run it again (`-rerun`) or take it as done (`-skip`).
    InterruptionResolved {
        /// The step.
        step: StepId,
        /// True to run it again.
        rerun: bool,
        /// Who said so.
        approver: Approver,
    },
    /// A step with a gate succeeded: what depends on it waits for decisions. Again, with another request, when what is to
    /// be approved has changed.
    ApprovalRequested {
        /// The step.
        step: StepId,
        /// What is asked for.
        request: Box<Request>,
    },
    /// Someone decided.
    ApprovalDecided {
        /// The step.
        step: StepId,
        /// The id of the request that this answers.
        request: String,
        /// What they decided.
        decision: Decision,
        /// How many approvals are missing after this one; 0 opens the gate.
        missing: u32,
        /// Who, and how that is known.
        approver: Approver,
        /// The job that carried the decision.
        job: Job,
        /// Why, in their own words.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        reason: Option<String>,
        /// What they filled in: an object that matches the request's form.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        form: Option<Value>,
    },
    /// Nobody decided in time, or what was approved was not made use of in time.
    ApprovalExpired {
        /// The step.
        step: StepId,
        /// The id of the request.
        request: String,
    },
    /// A step succeeded after which time has to pass: what stands behind it starts no earlier.
    WaitStarted {
        /// The step.
        step: StepId,
        /// Until when: milliseconds since 1970-01-01 UTC.
        until: u64,
        /// What stands behind it.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        guards: Vec<StepId>,
    },
    /// The time has come, or a human said not to wait for it (`-skip`).
    WaitEnded {
        /// The step.
        step: StepId,
        /// Who cut it short.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        skipped_by: Option<Approver>,
    },
    /// Someone wants a step, and all that comes after it, to be done again.
    ReworkRequested {
        /// The step.
        step: StepId,
        /// It and what comes after it: none of it counts as done any more, and decisions on it are void.
        again: Vec<StepId>,
        /// What is to be different: `{{rework.note}}`.
        note: String,
        /// Who wants it, and how that is known.
        approver: Approver,
        /// The job that carried the wish.
        job: Job,
    },
    /// Nothing can go on before someone decides, or before a time has come. The process ends with 0.
    RunPaused {
        /// The steps whose gates are closed.
        waiting: Vec<StepId>,
        /// When the first of the waits is over, if there are any: milliseconds since 1970-01-01 UTC.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        until: Option<u64>,
    },
    /// A signal ended the process; the run can go on.
    RunInterrupted {
        /// `SIGINT` or `SIGTERM`.
        signal: String,
    },
    /// Nothing is left to do.
    RunFinished {
        /// Succeeded, failed, rejected or expired.
        outcome: Outcome,
        /// The exit code: that of the first failure, 6 after a rejection or an expiry, or 0.
        exit_code: u8,
    },
}

impl Event {
    /// The step, or the item (`STEP[INDEX]`), that it is about; `None` for what is about the run.
    pub fn step(&self) -> Option<&StepId> {
        match self {
            Self::StepStarted { step, .. }
            | Self::StepExpanded { step, .. }
            | Self::AttemptFailed { step, .. }
            | Self::StepSucceeded { step, .. }
            | Self::StepFailed { step, .. }
            | Self::StepSkipped { step, .. }
            | Self::StepInterrupted { step, .. }
            | Self::InterruptionResolved { step, .. }
            | Self::ApprovalRequested { step, .. }
            | Self::ApprovalDecided { step, .. }
            | Self::ApprovalExpired { step, .. }
            | Self::WaitStarted { step, .. }
            | Self::WaitEnded { step, .. }
            | Self::ReworkRequested { step, .. } => Some(step),
            Self::RunStarted(_)
            | Self::RunResumed { .. }
            | Self::ChangesAccepted { .. }
            | Self::RunPaused { .. }
            | Self::RunInterrupted { .. }
            | Self::RunFinished { .. } => None,
        }
    }
}

/// The first event of a run.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct RunStarted {
    /// The run.
    pub run: RunId,
    /// The workflow's name.
    pub workflow: String,
    /// The version of shiro.
    pub shiro: String,
    /// What runs.
    pub digests: Digests,
    /// The resolved inputs, with references where secrets stood. Resume uses these.
    pub inputs: Value,
    /// The job it runs in.
    pub job: Job,
    /// Who started it, where a gate asks for someone else.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub starter: Option<Approver>,
}

/// Digests of everything that decides what runs.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Digests {
    /// The workflow's meaning: spaces and the order of keys don't count.
    pub workflow: Digest,
    /// The resolved inputs.
    pub inputs: Digest,
    /// The component of each step type the workflow uses, but for those that are built in.
    pub plugins: BTreeMap<StepType, Digest>,
    /// The built-in ones: another version of shiro has others.
    pub builtins: BTreeMap<StepType, Digest>,
    /// Per step, the digest of its definition, so that a change can be named.
    pub steps: BTreeMap<StepId, Digest>,
}

/// The CI job that runs shiro, from its environment, which whoever starts a job can set: evidence, not proof. All `None`
/// outside CI.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Job {
    /// `gitlab` or `github`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ci: Option<String>,
    /// The project, e.g. `group/name`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub project: Option<String>,
    /// The project's number, which stays when the path is another project's: where the CI system says it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub project_id: Option<String>,
    /// The pipeline (GitLab) or workflow run (GitHub).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub pipeline: Option<String>,
    /// The job's name.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// The job's id.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub id: Option<String>,
    /// Which attempt of the workflow run it is, from 1, where the CI system counts them (GitHub).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub attempt: Option<u32>,
    /// Where to look at it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub url: Option<String>,
    /// The commit.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub commit: Option<String>,
}

/// Why a step did not run.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SkipReason {
    /// Its `if` was false.
    Condition,
    /// This step, which it depends on, failed or was skipped for a failure.
    Dependency(StepId),
    /// An independent step had failed before it could start (`-keep-going` runs it).
    EarlierFailure,
    /// The approval that this step asked for was rejected or expired, and its `if` does not say what to do then.
    Refused(StepId),
    /// This step, which it stands in, did not begin.
    NotBegun(StepId),
    /// A human said `-skip` after an interruption.
    Human,
}

impl SkipReason {
    /// A condition was false, of the step or of one that it stands in: it is asked again if what is before that runs again.
    pub fn may_change(&self) -> bool {
        matches!(self, Self::Condition | Self::NotBegun(_))
    }
}

/// Which of a step's streams.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Stream {
    /// Standard output.
    Stdout,
    /// Standard error.
    Stderr,
}

/// How much a log line matters.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Level {
    /// For whoever looks for a fault.
    Debug,
    /// Worth knowing.
    Info,
    /// Something may be wrong.
    Warn,
    /// Something is wrong.
    Error,
}

/// What the reporters hear: the events, once they are in the journal, and what is shown but not stored. All text in it is
/// masked already.
#[derive(Clone, Copy, Debug)]
pub enum Notice<'a> {
    /// An event, now durable.
    Recorded(&'a Record),
    /// A line (without its end) that a step wrote.
    Output {
        /// The step.
        step: &'a StepId,
        /// Which stream.
        stream: Stream,
        /// The line.
        line: &'a str,
    },
    /// A line that a step logged.
    Log {
        /// The step.
        step: &'a StepId,
        /// How much it matters.
        level: Level,
        /// What it says.
        message: &'a str,
    },
    /// Something the user should know that changes no result.
    Warning {
        /// The step it is about, if one.
        step: Option<&'a StepId>,
        /// What, and what to do about it.
        message: &'a str,
    },
}

/// Hears what happens. Called from many threads; cannot fail and cannot change a run's result.
pub trait Tell: Send + Sync {
    /// Hears one notice.
    fn tell(&self, notice: Notice<'_>);
}
