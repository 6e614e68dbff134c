//! Making it happen: the loop that owns a run.
//!
//! ```text
//!            +--> state (fold) --> scheduler (pure): what may start
//!            |                        |
//!  input --> events --> record --> tell, then start attempts --> input
//!            (one batch, one fsync)
//! ```
//!
//! One task takes in everything that happens (an attempt ended, a wait is over, a signal came) and is the only one to decide,
//! record and tell. Attempts run in tasks of their own and report back; they tell nothing but live output.
//!
//! * Everything that is ready at once goes into one batch: what ended, and what starts because of it. A batch is recorded
//!   before anyone hears of it and before anything in it starts.
//! * A batch that can't be recorded ends the run: nothing further starts, and what runs is stopped. Keeping the state is what
//!   shiro is for, so this is never a mere warning. Telling can't fail.
//! * Where writing to the disk takes longer than running, it is the disk that limits the run: then steps that have no
//!   effect beyond their output are recorded as started before there is a slot for them, so that a batch holds more of them
//!   and slots don't stand empty during a write. Should the process die, they simply run again.
//! * Nothing here does work for each step that grows with the size of the run.

pub mod approval;
mod attempt;
mod dispatcher;
mod failures;
mod fan_out;
mod frame;
mod groups;
mod legal;
mod nesting;
mod output;
pub mod resume;
mod retry;
mod scheduler;
mod scope;
mod secrets;
pub mod signals;
mod state;
mod unit;
mod wait;

#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::error::Error;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use tokio::sync::mpsc;

use crate::event::{Event, Record, Tell};
use crate::id::StepId;
use crate::outcome::Failure;
use crate::plan::Plan;
use crate::secret::Secrets;
use crate::step::StepRunner;
use crate::workflow::StepTypes;
use dispatcher::Dispatcher;
use signals::Signal;

pub use approval::{CheckFn, Gate, GateState, RequestFn};
pub use legal::IllegalRecord;
pub use state::{End, Items, RunState, Status, StepState};
pub use wait::WaitState;

/// Why a record could not be made durable.
pub type RecordError = Box<dyn Error + Send + Sync>;

/// Makes records durable, all or none. It may block: the engine waits for it.
pub type RecordFn = Box<dyn FnMut(&[Record]) -> Result<(), RecordError> + Send>;

/// All that a run needs.
pub struct Setup<R> {
    /// What is to happen.
    pub plan: Arc<Plan>,
    /// Where the run stands: [`RunState::for_plan`] of this plan, with the journal's records folded in.
    pub state: RunState,
    /// What this process records first: `RunStarted` for a new run; for one that goes on, [`resume::events`].
    pub begin: Vec<Event>,
    /// Runs the attempts.
    pub runner: Arc<R>,
    /// Makes events durable.
    pub record: RecordFn,
    /// Makes the request of a step that asks humans.
    pub request: RequestFn,
    /// Whether what was approved is what is there.
    pub check: CheckFn,
    /// Hears of events that are durable, and of live output.
    pub tell: Arc<dyn Tell>,
    /// The secrets of the environment. Those of the config are added.
    pub secrets: Arc<Secrets>,
    /// The job's environment.
    pub env: Arc<BTreeMap<String, String>>,
    /// The step types of the plan.
    pub types: Arc<StepTypes>,
    /// How to run.
    pub options: Options,
    /// Signals that stop the run; a second one cuts the grace period short.
    pub stop: mpsc::UnboundedReceiver<Signal>,
}

/// How long a process stays for nothing but a wait, unless it is told otherwise.
pub const HOLD: Duration = Duration::from_secs(60);

/// How to run.
#[derive(Clone, Copy, Debug)]
pub struct Options {
    /// At most this many attempts at once; 0 counts as 1.
    pub jobs: usize,
    /// After a failure, steps that don't depend on it start all the same.
    pub keep_going: bool,
    /// Standard output is a terminal.
    pub terminal: bool,
    /// How long attempts have for ending politely once they are told to stop. The runner keeps to it; the engine waits
    /// for it and a little longer.
    pub grace: Duration,
    /// A step whose output is longer as JSON, in bytes, fails.
    pub max_output: usize,
    /// When nothing is left to do but to wait, and no longer than this, the process stays and waits; else the run pauses.
    pub hold: Duration,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            jobs: 4,
            keep_going: false,
            terminal: false,
            grace: Duration::from_secs(5),
            max_output: 16 << 20,
            hold: HOLD,
        }
    }
}

/// How a process's work on a run ended. All of it is recorded.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Finish {
    /// Every step was settled, and none failed the run.
    Succeeded,
    /// A step failed.
    Failed {
        /// That of the first failure.
        exit_code: u8,
    },
    /// An approval was rejected.
    Rejected,
    /// An approval was not given in time.
    Expired,
    /// What is left waits for a human, or for a time.
    Paused {
        /// The steps whose gates are closed, in file order.
        waiting: Vec<StepId>,
        /// When the first of the waits is over, if there are any: milliseconds since 1970-01-01 UTC.
        until: Option<u64>,
    },
    /// A signal stopped it.
    Interrupted {
        /// Which.
        signal: Signal,
    },
}

/// The exit code of a run whose approval was refused.
const REFUSED: u8 = 6;

impl Finish {
    /// The exit code, 0 for a pause.
    pub fn exit_code(&self) -> u8 {
        match self {
            Self::Succeeded | Self::Paused { .. } => 0,
            Self::Failed { exit_code } => *exit_code,
            Self::Rejected | Self::Expired => REFUSED,
            Self::Interrupted { signal } => signal.exit_code(),
        }
    }
}

/// The run could not go on. What was recorded stays.
#[derive(Debug, thiserror::Error)]
pub enum EngineError {
    /// The state could not be written (exit code 7).
    #[error("the state of the run could not be written, so nothing further was started")]
    Record(#[source] RecordError),
    /// What was to be recorded contradicts the state: a bug in shiro (exit code 70).
    #[error(transparent)]
    Illegal(#[from] IllegalRecord),
    /// What is to be approved could not be made out. Nothing was started.
    #[error("{}", .0.message)]
    Ask(Box<Failure>),
    /// Nothing runs, nothing may start, and nothing waits: a bug in shiro (exit code 70).
    #[error("the run stands still: {0}")]
    Stuck(String),
}

/// Milliseconds since 1970-01-01 UTC, by this machine's clock.
fn now() -> u64 {
    let since_1970 = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since_1970.as_millis()).unwrap_or(u64::MAX)
}

/// Runs a plan until it is finished, paused or stopped.
///
/// Blocks in `record`, so it belongs on a thread of its own: `block_on` it on the main thread of a multi-threaded runtime.
///
/// # Errors
/// When the state can't be written, or shiro has a bug. Attempts that run are stopped first.
pub async fn run<R: StepRunner>(setup: Setup<R>) -> Result<Finish, EngineError> {
    let mut dispatcher = Dispatcher::new(setup)?;
    let result = dispatcher.drive().await;
    if result.is_err() {
        dispatcher.abandon().await;
    }
    result
}
