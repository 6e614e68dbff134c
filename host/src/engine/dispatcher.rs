//! The one task that takes in what happens, decides, records and tells.

mod ended;
mod items;
mod nested;
mod waits;

use std::cmp::Reverse;
use std::collections::{BinaryHeap, HashMap, HashSet};
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{Semaphore, mpsc, watch};
use tokio::task::{JoinError, JoinSet};
use tokio::time::Instant;

use super::approval::{CheckFn, Gate, RequestFn};
use super::attempt::{self, Ended, Launch, Shared};
use super::frame::{Frame, Frames};
use super::scheduler::{Cause, Decision, Scheduler, Standing};
use super::scope::{self, Surroundings};
use super::secrets;
use super::signals::Signal;
use super::state::{Items, RunState, Status, StepState};
use super::unit::Unit;
use super::wait::WaitState;
use super::{EngineError, Finish, Options, RecordFn, Setup, now};
use crate::event::{Event, Notice, Record, SkipReason};
use crate::id::StepId;
use crate::outcome::{Failure, Outcome};
use crate::plan::{Plan, StepIndex};
use crate::step::StepRunner;
use crate::workflow::model::{Role, Step};
use items::Expanded;

/// How long after the grace period attempts may take to come to their end.
const MARGIN: Duration = Duration::from_secs(2);

/// At most this many steps are recorded as started before there is a slot for them.
const MAX_AHEAD: usize = 64;

/// Everything that can happen while the engine waits.
enum Input {
    Ended(Ended),
    /// A step may be due for its next attempt, or a wait over.
    TimeHasPassed,
    Stop(Signal),
}

/// The state of the loop.
pub(super) struct Dispatcher<R> {
    shared: Arc<Shared<R>>,
    plan: Arc<Plan>,
    state: RunState,
    scheduler: Scheduler,
    frames: Frames,
    record: RecordFn,
    request: RequestFn,
    check: CheckFn,
    /// The gates behind which this process has started something, after a check of what was approved there.
    checked: HashSet<StepId>,
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
    /// Attempts that ended during the last write.
    ended_meanwhile: Vec<Ended>,
    /// How many steps without effects may be started ahead of the slots.
    ahead: usize,
    /// Steps and items that wait for their next attempt, and until when.
    retries: BinaryHeap<Reverse<(Instant, Unit)>>,
    /// The steps whose items are being run.
    expanded: HashMap<StepIndex, Expanded>,
    /// Steps behind which nothing starts yet, and until when: milliseconds since 1970-01-01 UTC.
    waits: BinaryHeap<Reverse<(u64, StepIndex)>>,
}

impl<R: StepRunner> Dispatcher<R> {
    pub(super) fn new(setup: Setup<R>) -> Result<Self, EngineError> {
        let Setup {
            plan,
            mut state,
            begin,
            runner,
            record,
            mut request,
            check,
            tell,
            secrets,
            env,
            types,
            options,
            stop,
        } = setup;
        let mut batch = Vec::new();
        for event in begin {
            push(&mut state, &mut batch, event)?;
        }
        let Some(started) = state.started() else {
            return Err(EngineError::Stuck("it was never started".to_owned()));
        };
        let (run, rework) = (started.run.clone(), state.rework().view());
        let mut frames = Frames::new(&plan, &started.inputs, &secrets);
        let surroundings = Surroundings::new(Arc::clone(&plan), run, env, secrets, rework);
        secrets::register_known(&surroundings, &mut frames, &state, &types, &*tell);
        complete_what_humans_did(&plan, &mut state, &mut batch, &mut request)?;
        let waits = waits::complete(&plan, &mut state, &mut batch)?;
        let scheduler = Scheduler::new(Arc::clone(&plan), options.keep_going, |step| standing(&plan, &state, step));
        let (cancel, cancelled) = watch::channel(false);
        let shared = Shared {
            surroundings,
            runner,
            types,
            tell,
            terminal: options.terminal,
            max_output: options.max_output,
            slots: Semaphore::new(options.jobs.clamp(1, Semaphore::MAX_PERMITS)),
            cancel: cancelled,
        };
        Ok(Self {
            shared: Arc::new(shared),
            plan,
            state,
            scheduler,
            frames,
            record,
            request,
            check,
            checked: HashSet::new(),
            options,
            stop,
            stop_closed: false,
            cancel,
            batch,
            launches: Vec::new(),
            attempts: JoinSet::new(),
            ended_meanwhile: Vec::new(),
            ahead: 0,
            retries: BinaryHeap::new(),
            expanded: HashMap::new(),
            waits,
        })
    }

    /// Runs until the run is finished, paused or stopped.
    pub(super) async fn drive(&mut self) -> Result<Finish, EngineError> {
        loop {
            self.advance()?;
            let finish = self.conclude()?;
            self.commit()?;
            if let Some(finish) = finish {
                return Ok(finish);
            }
            if let Ok(signal) = self.stop.try_recv() {
                return self.stop(signal).await;
            }
            if self.ended_meanwhile.is_empty() {
                match self.next_input().await {
                    Input::Ended(ended) => self.ended(ended)?,
                    Input::TimeHasPassed => {}
                    Input::Stop(signal) => return self.stop(signal).await,
                }
            }
            self.all_ended()?;
            while let Some(unit) = self.next_due_retry() {
                self.scheduler.retry(unit);
            }
            self.open_waits()?;
        }
    }

    /// Takes in every attempt that has ended by now.
    fn all_ended(&mut self) -> Result<(), EngineError> {
        self.collect_ended();
        let mut ended = std::mem::take(&mut self.ended_meanwhile);
        ended.drain(..).try_for_each(|ended| self.ended(ended))?;
        self.ended_meanwhile = ended;
        Ok(())
    }

    fn collect_ended(&mut self) {
        while let Some(ended) = self.attempts.try_join_next() {
            self.ended_meanwhile.push(unwrap(ended));
        }
    }

    async fn next_input(&mut self) -> Input {
        loop {
            let wake = self.retries.peek().map(|Reverse((at, _))| *at).into_iter().chain(self.next_look()).min();
            tokio::select! {
                biased;
                signal = self.stop.recv(), if !self.stop_closed => match signal {
                    Some(signal) => return Input::Stop(signal),
                    None => self.stop_closed = true,
                },
                Some(ended) = self.attempts.join_next() => return Input::Ended(unwrap(ended)),
                () = tokio::time::sleep_until(wake.unwrap_or_else(Instant::now)), if wake.is_some() => {
                    return Input::TimeHasPassed;
                }
            }
        }
    }

    fn next_due_retry(&mut self) -> Option<Unit> {
        let Reverse((at, unit)) = *self.retries.peek()?;
        if at > Instant::now() {
            return None;
        }
        self.retries.pop();
        Some(unit)
    }

    /// Decides and starts whatever can be, into the batch.
    fn advance(&mut self) -> Result<(), EngineError> {
        loop {
            while let Some(decision) = self.scheduler.decide() {
                self.decided(decision)?;
            }
            let Some(step) = self.scheduler.peek().filter(|step| self.has_room(*step)) else { return Ok(()) };
            let Some(unit) = self.scheduler.start() else { return Ok(()) };
            let attempt = match self.state.unit(unit).status() {
                Status::Retrying => self.state.unit(unit).attempts() + 1,
                _ => 1,
            };
            self.start(unit, attempt)?;
            if let Err(failure) = self.check(step) {
                self.refused(unit, *failure)?;
                continue;
            }
            let launch = match unit.item {
                Some(item) => self.launch_of_item(step, item, attempt),
                None => {
                    let seen = Arc::new(scope::look(&self.state, &self.plan, step));
                    Launch { unit, id: self.id(unit), attempt, seen, frame: self.frame(step), item: None }
                }
            };
            self.launches.push(launch);
        }
    }

    /// There is a slot for the step, or it may start ahead of one.
    fn has_room(&self, step: StepIndex) -> bool {
        let jobs = self.options.jobs.max(1);
        let in_flight = self.attempts.len() + self.launches.len();
        in_flight < jobs || in_flight < jobs + self.ahead && self.is_pure(step)
    }

    /// Running it twice has no effect beyond its output.
    fn is_pure(&self, step: StepIndex) -> bool {
        let Step { role, step_type, .. } = self.plan.step(step);
        *role != Role::Plain || self.shared.runner.is_pure(step_type)
    }

    /// The workflow around a step.
    fn frame(&mut self, step: StepIndex) -> Arc<Frame> {
        self.frames.of(&self.plan, &self.state, &self.shared.surroundings.secrets, step)
    }

    fn decided(&mut self, decision: Decision) -> Result<(), EngineError> {
        match decision {
            Decision::Skip { step, cause } => self.skipped(step, cause),
            Decision::Fail { step, cause } => self.failed_within(step, cause),
            Decision::Expand { step } => self.expand(step),
            Decision::Conclude { step } => self.conclude_items(step),
            Decision::Evaluate { step, before } => {
                let frame = self.frame(step);
                let answer = scope::evaluate(&self.shared.surroundings, &frame, &self.state, step, before);
                match answer {
                    Ok(true) if self.plan.step(step).fan_out.is_some() => self.expand(step),
                    Ok(runs) => {
                        self.scheduler.evaluated(step, runs);
                        match runs {
                            true => Ok(()),
                            false => self.push(Event::StepSkipped {
                                step: self.id(Unit::whole(step)),
                                reason: SkipReason::Condition,
                            }),
                        }
                    }
                    Err(failure) => self.failed_before_it_ran(step, *failure),
                }
            }
        }
    }

    fn skipped(&mut self, step: StepIndex, cause: Cause) -> Result<(), EngineError> {
        let id = |step| self.id(Unit::whole(step));
        let reason = match cause {
            Cause::Failed(step) => SkipReason::Dependency(id(step)),
            Cause::Elsewhere => SkipReason::EarlierFailure,
            Cause::Refused(step) => SkipReason::Refused(id(step)),
            Cause::NotBegun(group) => self.not_begun(step, group),
        };
        self.push(Event::StepSkipped { step: id(step), reason })
    }

    fn start(&mut self, unit: Unit, attempt: u32) -> Result<(), EngineError> {
        let definition = self.plan.step(unit.step);
        let idempotent = definition.idempotent
            || definition.role != Role::Plain
            || self.shared.runner.may_repeat(&definition.step_type);
        self.push(Event::StepStarted { step: self.id(unit), attempt, idempotent })
    }

    /// What this step is behind was approved for what is there. Once something behind a gate has started, it may change that.
    fn check(&mut self, step: StepIndex) -> Result<(), Box<Failure>> {
        let gates = self.state.gates_before(&self.plan.step(step).id);
        let new: Vec<_> = gates.filter(|(gate, _)| !self.checked.contains(*gate)).collect();
        new.iter().try_for_each(|(gate, state)| (self.check)(gate, state.request()))?;
        let new: Vec<StepId> = new.into_iter().map(|(gate, _)| gate.clone()).collect();
        self.checked.extend(new);
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
                let left = left.map(|step| self.id(Unit::whole(step)));
                let left = left.map_or_else(String::new, |id| format!("`{id}` never becomes ready"));
                return Err(EngineError::Stuck(left));
            }
            if !self.scheduler.has_gone_wrong() {
                let until = self.state.next_wait();
                if until.is_some_and(|until| self.holds(until)) {
                    return Ok(None);
                }
                let asks = |step: &StepIndex| self.state.at(*step).gate() == Gate::Waiting;
                let waiting: Vec<StepId> =
                    gates.into_iter().filter(asks).map(|step| self.id(Unit::whole(step))).collect();
                self.push(Event::RunPaused { waiting: waiting.clone(), until })?;
                return Ok(Some(Finish::Paused { waiting, until }));
            }
            self.scheduler.give_up_gates();
            self.advance()?;
        }
    }

    fn finish(&mut self) -> Result<Finish, EngineError> {
        let failure = self.state.first_failure().map(|(_, failure)| failure.class.exit_code());
        let refused: Vec<_> = self.state.gates().filter(|(_, gate)| gate.standing().is_refused()).collect();
        let (outcome, finish) = match failure {
            _ if refused.iter().any(|(_, gate)| gate.is_rejected()) => (Outcome::Rejected, Finish::Rejected),
            _ if !refused.is_empty() => (Outcome::Expired, Finish::Expired),
            None => (Outcome::Succeeded, Finish::Succeeded),
            Some(exit_code) => (Outcome::Failed, Finish::Failed { exit_code }),
        };
        self.push(Event::RunFinished { outcome, exit_code: finish.exit_code() })?;
        Ok(finish)
    }

    /// Ends what runs, politely first. What came to a good end all the same has succeeded; the rest is interrupted.
    async fn stop(&mut self, signal: Signal) -> Result<Finish, EngineError> {
        // What ended before the signal ended by itself.
        self.all_ended()?;
        self.cancel.send_replace(true);
        let mut deadline = Instant::now() + self.options.grace + MARGIN;
        while !self.attempts.is_empty() {
            tokio::select! {
                biased;
                Some(ended) = self.attempts.join_next() => {
                    let Ended { unit, duration_ms, not_before, result } = unwrap(ended);
                    match result {
                        Ok(output) => self.succeeded(unit, output, not_before, duration_ms)?,
                        Err(_) => self.interrupted(unit)?,
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
        for unit in self.running() {
            self.interrupted(unit)?;
        }
        self.push(Event::RunInterrupted { signal: signal.to_string() })?;
        self.commit()?;
        Ok(Finish::Interrupted { signal })
    }

    fn interrupted(&mut self, unit: Unit) -> Result<(), EngineError> {
        let attempt = self.state.unit(unit).attempts();
        self.push(Event::StepInterrupted { step: self.id(unit), attempt })
    }

    /// What runs, as far as the records say.
    fn running(&self) -> Vec<Unit> {
        let items = |step| {
            (0..)
                .zip(self.state.items_at(step).into_iter().flat_map(Items::iter))
                .map(move |(item, (_, state))| (Unit::item(step, item), state))
        };
        let units = self
            .plan
            .steps()
            .flat_map(|step| std::iter::once((Unit::whole(step), self.state.at(step))).chain(items(step)));
        let running = units.filter(|(_, state)| matches!(state.status(), Status::Running { .. }));
        running.map(|(unit, _)| unit).collect()
    }

    /// The run ended with an error: nothing that it started may outlive it.
    pub(super) async fn abandon(&mut self) {
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
        let in_flight = self.attempts.len();
        (self.record)(&self.batch).map_err(EngineError::Record)?;
        self.collect_ended();
        self.ahead = next_ahead(self.ahead, self.options.jobs, in_flight, self.attempts.len());
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

    fn id(&self, unit: Unit) -> StepId {
        match unit.item.zip(self.state.items_at(unit.step)) {
            Some((item, items)) => items.id(item).clone(),
            None => self.plan.step(unit.step).id.clone(),
        }
    }
}

/// How many steps may start ahead of the slots, after a write during which `in_flight` attempts became `left`. If all of
/// them ended, slots stood empty: more may. If most of them did not, less has to. One slot means one step after the other,
/// so nothing starts ahead.
fn next_ahead(ahead: usize, jobs: usize, in_flight: usize, left: usize) -> usize {
    if jobs <= 1 || in_flight == 0 {
        ahead
    } else if left == 0 {
        (2 * ahead).clamp(jobs.min(MAX_AHEAD), MAX_AHEAD)
    } else if left > in_flight / 2 {
        ahead / 2
    } else {
        ahead
    }
}

fn push(state: &mut RunState, batch: &mut Vec<Record>, event: Event) -> Result<(), EngineError> {
    let record = Record { at: now(), event };
    state.apply(&record)?;
    batch.push(record);
    Ok(())
}

/// A task only ends without a result when it is aborted or when it panics, and attempts catch panics.
fn unwrap(ended: Result<Ended, JoinError>) -> Ended {
    ended.expect("an attempt catches its panics and is aborted only when nobody waits for it any more")
}

/// Records what follows from a `-skip`, and asks for the approvals that nobody has asked for yet.
fn complete_what_humans_did(
    plan: &Plan,
    state: &mut RunState,
    batch: &mut Vec<Record>,
    request: &mut RequestFn,
) -> Result<(), EngineError> {
    let taken = state.attempted().filter(|(_, step)| step.status() == &Status::TakenAsDone);
    let taken: Vec<StepId> = taken.map(|(id, _)| id.clone()).collect();
    for step in taken {
        push(state, batch, Event::StepSkipped { step, reason: SkipReason::Human })?;
    }
    for step in plan.steps() {
        let id = &plan.step(step).id;
        let approval = plan.step(step).approval.as_ref();
        let is_unasked = || state.at(step).gate() == Gate::None && standing(plan, state, step) == Standing::Waiting;
        if let Some(approval) = approval.filter(|_| is_unasked()) {
            let request = request(id, approval).map_err(EngineError::Ask)?;
            push(state, batch, Event::ApprovalRequested { step: id.clone(), request: Box::new(request) })?;
        }
    }
    Ok(())
}

fn standing(plan: &Plan, state: &RunState, step: StepIndex) -> Standing {
    let seen = state.at(step);
    let definition = plan.step(step);
    // Once what it stands in is over, nothing more happens to it.
    if definition.id.around().any(|outer| state.step(outer).is_some_and(StepState::is_done)) {
        return Standing::Done;
    }
    let passed = match state.wait_at(step).is_some_and(WaitState::is_pending) {
        true => Standing::Waiting,
        false => Standing::Done,
    };
    match seen.status() {
        Status::Skipped(reason) if reason.may_change() => Standing::ConditionFalse,
        Status::Failed { tolerated: true } if !definition.continue_on_error => Standing::Failed,
        _ if !seen.is_done() => Standing::Open,
        _ if definition.approval.is_none() => passed,
        _ => match (seen.gate(), state.gate_at(step)) {
            (Gate::Approved, _) => passed,
            (Gate::Rejected | Gate::Expired, Some(gate)) => {
                Standing::Refused { rejected: gate.is_rejected(), expired: seen.gate() == Gate::Expired }
            }
            _ => Standing::Waiting,
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn starts_ahead_only_as_far_as_the_disk_is_the_limit() {
        for (ahead, jobs, in_flight, left, expected) in [
            (0, 4, 4, 0, 4),
            (4, 4, 8, 0, 8),
            (48, 4, 52, 0, 64),
            (0, 100, 100, 0, 64),
            (8, 4, 12, 3, 8),
            (8, 4, 12, 7, 4),
            (1, 4, 5, 5, 0),
            (0, 4, 0, 0, 0),
            (0, 1, 1, 0, 0),
        ] {
            assert_eq!(next_ahead(ahead, jobs, in_flight, left), expected, "{ahead} {jobs} {in_flight} {left}");
        }
    }
}
