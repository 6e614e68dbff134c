//! How a step ended, and what a failure is.

use serde::{Deserialize, Serialize};
use serde_json::Value;

/// How a step (or a run) ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Outcome {
    /// It ran and said yes.
    Succeeded,
    /// It ran and said no, or could not run.
    Failed,
    /// Its condition said no, or what it depends on did not succeed.
    Skipped,
    /// It was ended from outside (a signal, the end of the run) before it said anything.
    Cancelled,
    /// It ran, and a human said no to what comes after it.
    Rejected,
    /// It ran, and no human said yes to what comes after it in time.
    Expired,
}

/// Whose failure it is. Decides the exit code (see `docs/exit-codes.md`).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum FailureClass {
    /// The step ran and said no.
    Step,
    /// The step's config turned out wrong once its templates had values.
    Config,
    /// The component could not be loaded, trapped, or broke its own contract.
    Plugin,
    /// The step failed after it was refused a capability.
    Denied,
    /// A limit or a timeout was hit.
    Limit,
    /// A value that the journal refers to (a secret's variable) is missing now, or what was approved is not what is there.
    State,
    /// A bug in shiro.
    Internal,
}

impl FailureClass {
    /// The exit code of a run whose first failure is of this class.
    pub fn exit_code(self) -> u8 {
        match self {
            Self::Step => 1,
            Self::Config => 2,
            Self::Plugin => 3,
            Self::Denied => 4,
            Self::Limit => 5,
            Self::State => 6,
            Self::Internal => 70,
        }
    }
}

/// Why an attempt failed. Holds no secret value once it is in an event.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Failure {
    /// Whose failure it is.
    pub class: FailureClass,
    /// Another attempt may succeed: `retry` applies.
    pub transient: bool,
    /// For machines, e.g. `slack.channel_not_found`, `timeout`, `trap`.
    pub code: String,
    /// What happened, for people: one sentence, more lines only for details.
    pub message: String,
    /// What to do next.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub hint: Option<String>,
    /// No attempt before this many milliseconds (a service's `Retry-After`).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub retry_after_ms: Option<u64>,
    /// What there is to show all the same, e.g. a shell's captured output.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub output: Option<Value>,
}

impl Failure {
    /// A permanent failure with nothing but its class, code and message.
    pub fn new(class: FailureClass, code: impl Into<String>, message: impl Into<String>) -> Self {
        Self {
            class,
            transient: false,
            code: code.into(),
            message: message.into(),
            hint: None,
            retry_after_ms: None,
            output: None,
        }
    }

    /// The same with a hint.
    pub fn with_hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }

    /// The same, worth another attempt.
    pub fn transient(mut self) -> Self {
        self.transient = true;
        self
    }
}
