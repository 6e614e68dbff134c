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
//! * Nothing here does work for each step that grows with the size of the run.

mod attempt;
mod failures;
mod output;
pub mod resume;
mod retry;
mod scheduler;
mod scope;
mod secrets;
pub mod signals;
mod state;

#[cfg(test)]
mod tests;

use std::cmp::Reverse;
use std::collections::{BTreeMap, BinaryHeap};
use std::error::Error;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use tokio::sync::{mpsc, watch};
use tokio::task::JoinSet;
use tokio::time::Instant;

use crate::event::{Event, Notice, Record, SkipReason, Tell};
use crate::id::StepId;
use crate::outcome::{Failure, Outcome};
use crate::plan::{Plan, StepIndex};
use crate::secret::Secrets;
use crate::step::StepRunner;
use crate::workflow::StepTypes;
use attempt::{Ended, Launch, Shared};
use scheduler::{Decision, Scheduler, Standing};
use scope::Surroundings;
use signals::Signal;

pub use state::{Approval, End, Gate, IllegalRecord, RunState, Status, StepState};

/// How long after the grace period attempts may take to come to their end.
const MARGIN: Duration = Duration::from_secs(2);

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
}

impl Default for Options {
    fn default() -> Self {
        Self { jobs: 4, keep_going: false, terminal: false, grace: Duration::from_secs(5), max_output: 16 << 20 }
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
    /// What is left waits for a human.
    Paused {
        /// The steps whose gates are closed, in file order.
        waiting: Vec<StepId>,
    },
    /// A signal stopped it.
    Interrupted {
        /// Which.
        signal: Signal,
    },
}

impl Finish {
    /// The exit code, 0 for a pause.
    pub fn exit_code(&self) -> u8 {
        match self {
            Self::Succeeded | Self::Paused { .. } => 0,
            Self::Failed { exit_code } => *exit_code,
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
    /// Nothing runs, nothing may start, and nothing waits: a bug in shiro (exit code 70).
    #[error("the run stands still: {0}")]
    Stuck(String),
}

/// Runs a plan until it is finished, paused or stopped.
///
/// Blocks in `record`, so it belongs on a thread of its own: `block_on` it on the main thread of a multi-threaded runtime.
///
/// # Errors
/// When the state can't be written, or shiro has a bug. Attempts that run are stopped first.
pub async fn run<R: StepRunner>(setup: Setup<R>) -> Result<Finish, EngineError> {
    let mut engine = Engine::new(setup)?;
    let result = engine.drive().await;
    if result.is_err() {
        engine.abandon().await;
    }
    result
}

/// Everything that can happen while the engine waits.
enum Input {
    Ended(Ended),
    RetryIsDue,
    Stop(Signal),
}

struct Engine<R> {
    shared: Arc<Shared<R>>,
    plan: Arc<Plan>,
    state: RunState,
    scheduler: Scheduler,
    record: RecordFn,
    options: Options,
    stop: mpsc::UnboundedReceiver<Signal>,
    /// No more signals can come.
    stop_closed: bool,
    cancel: watch::Sender<bool>,
    /// Folded into the state, not yet durable.
    batch: Vec<Record>,
    /// To be started once the batch is durable.
    launches: Vec<Launch>,
    attempts: JoinSet<Ended>,
    /// Steps that wait for their next attempt, and until when.
    retries: BinaryHeap<Reverse<(Instant, StepIndex)>>,
}

impl<R: StepRunner> Engine<R> {
    fn new(setup: Setup<R>) -> Result<Self, EngineError> {
        let Setup { plan, mut state, begin, runner, record, tell, secrets, env, types, options, stop } = setup;
        let mut batch = Vec::new();
        for event in begin {
            push(&mut state, &mut batch, event)?;
        }
        let Some(started) = state.started() else {
            return Err(EngineError::Stuck("it was never started".to_owned()));
        };
        let surroundings = Surroundings::new(Arc::clone(&plan), started.run.clone(), env, secrets, &started.inputs);
        secrets::register_known(&surroundings, &types, &*tell);
        complete_what_humans_did(&plan, &mut state, &mut batch)?;
        let scheduler = Scheduler::new(Arc::clone(&plan), options.keep_going, |step| standing(&plan, &state, step));
        let (cancel, cancelled) = watch::channel(false);
        let shared = Shared {
            surroundings,
            runner,
            types,
            tell,
            terminal: options.terminal,
            max_output: options.max_output,
            cancel: cancelled,
        };
        Ok(Self {
            shared: Arc::new(shared),
            plan,
            state,
            scheduler,
            record,
            options,
            stop,
            stop_closed: false,
            cancel,
            batch,
            launches: Vec::new(),
            attempts: JoinSet::new(),
            retries: BinaryHeap::new(),
        })
    }

    async fn drive(&mut self) -> Result<Finish, EngineError> {
        loop {
            self.advance()?;
            let finish = self.conclude()?;
            self.commit()?;
            if let Some(finish) = finish {
                return Ok(finish);
            }
            match self.next_input().await {
                Input::Ended(ended) => self.ended(ended)?,
                Input::RetryIsDue => {}
                Input::Stop(signal) => return self.stop(signal).await,
            }
            while let Some(ended) = self.attempts.try_join_next() {
                self.ended(unwrap(ended))?;
            }
            while let Some(step) = self.next_due_retry() {
                self.scheduler.retry(step);
            }
        }
    }

    async fn next_input(&mut self) -> Input {
        loop {
            let wake = self.retries.peek().map(|Reverse((at, _))| *at);
            tokio::select! {
                biased;
                signal = self.stop.recv(), if !self.stop_closed => match signal {
                    Some(signal) => return Input::Stop(signal),
                    None => self.stop_closed = true,
                },
                Some(ended) = self.attempts.join_next() => return Input::Ended(unwrap(ended)),
                () = tokio::time::sleep_until(wake.unwrap_or_else(Instant::now)), if wake.is_some() => {
                    return Input::RetryIsDue;
                }
            }
        }
    }

    fn next_due_retry(&mut self) -> Option<StepIndex> {
        let Reverse((at, step)) = *self.retries.peek()?;
        if at > Instant::now() {
            return None;
        }
        self.retries.pop();
        Some(step)
    }

    /// Decides and starts whatever can be, into the batch.
    fn advance(&mut self) -> Result<(), EngineError> {
        loop {
            while let Some(decision) = self.scheduler.decide() {
                self.decided(decision)?;
            }
            if self.attempts.len() + self.launches.len() >= self.options.jobs.max(1) {
                return Ok(());
            }
            let Some(step) = self.scheduler.start() else { return Ok(()) };
            let attempt = match self.state.at(step).status() {
                Status::Retrying => self.state.at(step).attempts() + 1,
                _ => 1,
            };
            self.start(step, attempt)?;
            let seen = scope::look(&self.state, &self.plan, step);
            self.launches.push(Launch { step, attempt, seen });
        }
    }

    fn decided(&mut self, decision: Decision) -> Result<(), EngineError> {
        match decision {
            Decision::Skip { step, cause } => {
                let reason = match cause {
                    Some(cause) => SkipReason::Dependency(self.id(cause)),
                    None => SkipReason::EarlierFailure,
                };
                self.push(Event::StepSkipped { step: self.id(step), reason })
            }
            Decision::Evaluate { step, after_failure } => {
                let answer = scope::evaluate(&self.shared.surroundings, &self.state, step, after_failure);
                match answer {
                    Ok(runs) => {
                        self.scheduler.evaluated(step, runs);
                        match runs {
                            true => Ok(()),
                            false => {
                                self.push(Event::StepSkipped { step: self.id(step), reason: SkipReason::Condition })
                            }
                        }
                    }
                    Err(mut failure) => {
                        self.shared.surroundings.secrets.mask_failure(&mut failure);
                        self.start(step, 1)?;
                        self.failed(step, failure, 0)
                    }
                }
            }
        }
    }

    fn start(&mut self, step: StepIndex, attempt: u32) -> Result<(), EngineError> {
        let definition = self.plan.step(step);
        let idempotent = definition.idempotent || self.shared.runner.is_pure(&definition.step_type);
        self.push(Event::StepStarted { step: self.id(step), attempt, idempotent })
    }

    fn ended(&mut self, ended: Ended) -> Result<(), EngineError> {
        let Ended { step, duration_ms, result } = ended;
        let attempt = self.state.at(step).attempts();
        let failure = match result {
            Ok(output) => return self.succeeded(step, output, duration_ms),
            Err(failure) => failure,
        };
        let retry = &self.plan.step(step).retry;
        match retry::next_delay(retry, attempt, &failure, fastrand::f64()) {
            Some(delay) => {
                let retry_in_ms = u64::try_from(delay.as_millis()).unwrap_or(u64::MAX);
                // A wait beyond what a clock can hold never ends.
                let far = Duration::from_secs(u64::from(u32::MAX));
                self.retries.push(Reverse((Instant::now() + delay.min(far), step)));
                self.push(Event::AttemptFailed { step: self.id(step), attempt, failure, duration_ms, retry_in_ms })
            }
            None => self.failed(step, failure, duration_ms),
        }
    }

    fn succeeded(&mut self, step: StepIndex, output: serde_json::Value, duration_ms: u64) -> Result<(), EngineError> {
        let attempt = self.state.at(step).attempts();
        self.push(Event::StepSucceeded { step: self.id(step), attempt, output, duration_ms })?;
        self.done(step)
    }

    fn failed(&mut self, step: StepIndex, failure: Failure, duration_ms: u64) -> Result<(), EngineError> {
        let attempt = self.state.at(step).attempts();
        let tolerated = self.plan.step(step).continue_on_error;
        self.push(Event::StepFailed { step: self.id(step), attempt, failure, duration_ms, tolerated })?;
        if tolerated {
            return self.done(step);
        }
        self.scheduler.failed(step);
        Ok(())
    }

    /// What depends on the step may go on, after a decision if it pauses. That holds for a failure that is tolerated too: an
    /// approval that could not be asked for is not one that was given.
    fn done(&mut self, step: StepIndex) -> Result<(), EngineError> {
        self.scheduler.done(step);
        if self.plan.step(step).pause {
            self.push(Event::ApprovalRequested { step: self.id(step) })?;
        }
        Ok(())
    }

    /// How this process ends, if nothing is left that could happen by itself. A failure comes before a pause.
    fn conclude(&mut self) -> Result<Option<Finish>, EngineError> {
        loop {
            if !self.attempts.is_empty() || !self.launches.is_empty() || !self.retries.is_empty() {
                return Ok(None);
            }
            if self.scheduler.is_complete() {
                return self.finish().map(Some);
            }
            let gates = self.scheduler.gates();
            if gates.is_empty() {
                let left = self.plan.steps().find(|step| self.state.at(*step).status() == &Status::Pending);
                let left = left.map_or_else(String::new, |step| format!("`{}` never becomes ready", self.id(step)));
                return Err(EngineError::Stuck(left));
            }
            if self.scheduler.first_failure().is_none() {
                let waiting: Vec<StepId> = gates.into_iter().map(|step| self.id(step)).collect();
                self.push(Event::RunPaused { waiting: waiting.clone() })?;
                return Ok(Some(Finish::Paused { waiting }));
            }
            self.scheduler.give_up_gates();
            self.advance()?;
        }
    }

    fn finish(&mut self) -> Result<Finish, EngineError> {
        let exit_code = self.state.first_failure().map(|(_, failure)| failure.class.exit_code());
        let (outcome, finish) = match exit_code {
            None => (Outcome::Succeeded, Finish::Succeeded),
            Some(exit_code) => (Outcome::Failed, Finish::Failed { exit_code }),
        };
        self.push(Event::RunFinished { outcome, exit_code: exit_code.unwrap_or(0) })?;
        Ok(finish)
    }

    /// Ends what runs, politely first. What came to a good end all the same has succeeded; the rest is interrupted.
    async fn stop(&mut self, signal: Signal) -> Result<Finish, EngineError> {
        self.launches.clear();
        self.cancel.send_replace(true);
        let mut deadline = Instant::now() + self.options.grace + MARGIN;
        while !self.attempts.is_empty() {
            tokio::select! {
                biased;
                Some(ended) = self.attempts.join_next() => {
                    let Ended { step, duration_ms, result } = unwrap(ended);
                    match result {
                        Ok(output) => self.succeeded(step, output, duration_ms)?,
                        Err(_) => self.interrupted(step)?,
                    }
                    self.commit()?;
                }
                signal = self.stop.recv(), if !self.stop_closed => match signal {
                    Some(_) => deadline = deadline.min(Instant::now() + MARGIN / 4),
                    None => self.stop_closed = true,
                },
                () = tokio::time::sleep_until(deadline) => break,
            }
        }
        self.attempts.abort_all();
        let plan = Arc::clone(&self.plan);
        for step in plan.steps() {
            if matches!(self.state.at(step).status(), Status::Running { .. }) {
                self.interrupted(step)?;
            }
        }
        self.push(Event::RunInterrupted { signal: signal.to_string() })?;
        self.commit()?;
        Ok(Finish::Interrupted { signal })
    }

    fn interrupted(&mut self, step: StepIndex) -> Result<(), EngineError> {
        let attempt = self.state.at(step).attempts();
        self.push(Event::StepInterrupted { step: self.id(step), attempt })
    }

    /// The run ended with an error: nothing that it started may outlive it.
    async fn abandon(&mut self) {
        self.cancel.send_replace(true);
        let deadline = Instant::now() + self.options.grace + MARGIN;
        let all_ended = async { while self.attempts.join_next().await.is_some() {} };
        // What has not ended by then is dropped with the engine.
        let _ = tokio::time::timeout_at(deadline, all_ended).await;
    }

    /// Makes the batch durable, tells of it, and starts what it starts.
    fn commit(&mut self) -> Result<(), EngineError> {
        if self.batch.is_empty() {
            return Ok(());
        }
        (self.record)(&self.batch).map_err(EngineError::Record)?;
        for record in self.batch.drain(..) {
            self.shared.tell.tell(Notice::Recorded(&record));
        }
        for launch in self.launches.drain(..) {
            self.attempts.spawn(attempt::run(Arc::clone(&self.shared), launch));
        }
        Ok(())
    }

    fn push(&mut self, event: Event) -> Result<(), EngineError> {
        push(&mut self.state, &mut self.batch, event)
    }

    fn id(&self, step: StepIndex) -> StepId {
        self.plan.step(step).id.clone()
    }
}

fn push(state: &mut RunState, batch: &mut Vec<Record>, event: Event) -> Result<(), EngineError> {
    let since_1970 = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    let record = Record { at: u64::try_from(since_1970.as_millis()).unwrap_or(u64::MAX), event };
    state.apply(&record)?;
    batch.push(record);
    Ok(())
}

/// A task only ends without a result when it is aborted or when it panics, and attempts catch panics.
fn unwrap(ended: Result<Ended, tokio::task::JoinError>) -> Ended {
    ended.expect("an attempt catches its panics and is aborted only when nobody waits for it any more")
}

/// Records what follows from a `-skip`, and asks for the approvals that nobody has asked for yet.
fn complete_what_humans_did(plan: &Plan, state: &mut RunState, batch: &mut Vec<Record>) -> Result<(), EngineError> {
    for step in plan.steps() {
        let id = &plan.step(step).id;
        if state.at(step).status() == &Status::TakenAsDone {
            push(state, batch, Event::StepSkipped { step: id.clone(), reason: SkipReason::Human })?;
        }
        if plan.step(step).pause && state.at(step).is_done() && state.at(step).gate() == Gate::None {
            push(state, batch, Event::ApprovalRequested { step: id.clone() })?;
        }
    }
    Ok(())
}

fn standing(plan: &Plan, state: &RunState, step: StepIndex) -> Standing {
    let seen = state.at(step);
    match seen.status() {
        Status::Skipped(reason) if **reason == SkipReason::Condition => Standing::ConditionFalse,
        _ if !seen.is_done() => Standing::Open,
        _ if plan.step(step).pause && seen.gate() != Gate::Approved => Standing::Waiting,
        _ => Standing::Done,
    }
}
