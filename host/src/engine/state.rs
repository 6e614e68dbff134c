//! Where a run stands: the fold of its events. A live run and one read back from a journal go through the same
//! [`RunState::apply`], and nothing else changes the state.

mod items;
mod step;

use std::collections::HashMap;
use std::sync::Arc;

use super::approval::{Decided, Gate, GateState, Gates, Rework};
use super::legal::{IllegalRecord, finished_word, may_follow, name};
use super::unit::Unit;
use super::wait::{WaitState, Waits};
use crate::approval::{Approver, Request, time};
use crate::event::{Event, Job, Record, RunStarted, SkipReason};
use crate::id::StepId;
use crate::outcome::{Failure, Outcome};
use crate::plan::{Plan, StepIndex};

pub use items::Items;
pub use step::{Status, StepState};

/// Where a run stands after some of its records.
#[derive(Debug, Default)]
pub struct RunState {
    records: u64,
    started: Option<Box<RunStarted>>,
    /// The job of the process that wrote the last records.
    job: Job,
    /// The jobs of all processes that worked on the run, by name and pipeline.
    jobs: Vec<(String, Option<String>)>,
    /// The time of the latest record.
    latest: u64,
    end: Option<End>,
    ids: Vec<StepId>,
    index: HashMap<StepId, u32>,
    steps: Vec<StepState>,
    /// Of the steps that are run for each item of a list.
    items: HashMap<u32, Items>,
    gates: Gates,
    waits: Waits,
    /// Since the last process ended, someone opened or refused a gate, or asked for rework: something can go on.
    acted: bool,
    rework: Rework,
    failures: HashMap<u32, Box<Failure>>,
    first_failure: Option<u32>,
    /// Only outputs that a template or a condition of this plan asks for are kept; without one, all are.
    plan: Option<Arc<Plan>>,
}

/// How the last process ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum End {
    /// It waits for decisions on these steps, or for a time.
    Paused(Vec<StepId>),
    /// A signal ended it.
    Interrupted(String),
    /// Nothing is left to do, or it failed.
    Finished {
        /// Succeeded or failed.
        outcome: Outcome,
        /// The process's exit code.
        exit_code: u8,
    },
}

impl RunState {
    /// Before the first record. Learns the steps from the records, and keeps every output.
    pub fn new() -> Self {
        Self::default()
    }

    /// Before the first record, for running this plan: keeps only outputs that something in it asks for.
    pub fn for_plan(plan: Arc<Plan>) -> Self {
        let ids: Vec<StepId> = plan.steps().map(|step| plan.step(step).id.clone()).collect();
        let index = ids.iter().cloned().zip(0..).collect();
        Self { steps: vec![StepState::default(); ids.len()], ids, index, plan: Some(plan), ..Self::default() }
    }

    /// The state after these records.
    pub fn fold<'a>(mut self, records: impl IntoIterator<Item = &'a Record>) -> Result<Self, IllegalRecord> {
        records.into_iter().try_for_each(|record| self.apply(record))?;
        Ok(self)
    }

    /// Takes in what happened next. On an error the state is as it was, but for the count of records.
    pub fn apply(&mut self, record: &Record) -> Result<(), IllegalRecord> {
        self.records += 1;
        if !matches!(record.event, Event::ApprovalDecided { .. }) {
            self.gates.other_record();
        }
        self.latest = self.latest.max(record.at);
        self.apply_event(record).map_err(|why| IllegalRecord { record: self.records, what: name(&record.event), why })
    }

    /// The first event and, in it, the digests and inputs that hold now; `None` before it.
    pub fn started(&self) -> Option<&RunStarted> {
        self.started.as_deref()
    }

    /// How the last process ended; `None` while it runs or when it died.
    pub fn end(&self) -> Option<&End> {
        self.end.as_ref()
    }

    /// The job of the last process that worked on the run.
    pub fn job(&self) -> &Job {
        &self.job
    }

    /// The step that failed first in the last process, and why: this decides the exit code.
    pub fn first_failure(&self) -> Option<(&StepId, &Failure)> {
        let index = self.first_failure?;
        Some((&self.ids[index as usize], self.failures.get(&index)?))
    }

    /// Every step that the plan or a record names: those of the plan first, in file order.
    pub fn steps(&self) -> impl Iterator<Item = (&StepId, &StepState)> {
        self.ids.iter().zip(&self.steps)
    }

    /// Where a step stands, or an item (`STEP[INDEX]`); `None` if neither the plan nor a record names it.
    pub fn step(&self, id: &str) -> Option<&StepState> {
        match StepId::split_item(id) {
            Some((step, item)) => self.items(step)?.get(item),
            None => self.index.get(id).map(|&index| &self.steps[index as usize]),
        }
    }

    /// The items of a step, once it was made out what they are.
    pub fn items(&self, id: &str) -> Option<&Items> {
        self.items.get(self.index.get(id)?)
    }

    /// All that has attempts: every step, and after it its items.
    pub fn attempted(&self) -> impl Iterator<Item = (&StepId, &StepState)> {
        (0..).zip(self.steps()).flat_map(|(index, step)| {
            std::iter::once(step).chain(self.items.get(&index).into_iter().flat_map(Items::iter))
        })
    }

    /// Why a step, or an item, failed.
    pub fn failure(&self, id: &str) -> Option<&Failure> {
        match StepId::split_item(id) {
            Some((step, item)) => self.items(step)?.failure(item),
            None => self.failures.get(self.index.get(id)?).map(|failure| &**failure),
        }
    }

    /// The last decision on a step's gate, once it is open.
    pub fn approval(&self, id: &str) -> Option<&Decided> {
        let gate = self.gate(id).filter(|gate| gate.standing() == Gate::Approved)?;
        gate.decisions().last()
    }

    /// What a step asked for, and what came of it.
    pub fn gate(&self, id: &str) -> Option<&GateState> {
        self.gates.get(*self.index.get(id)?)
    }

    /// Every gate that was asked for and is not void, in the order of [`Self::steps`].
    pub fn gates(&self) -> impl Iterator<Item = (&StepId, &GateState)> {
        (0..).zip(&self.ids).filter_map(|(index, id)| Some((id, self.gates.get(index)?)))
    }

    /// What steps that are to be done again asked for, until they ask anew. Not of the short form.
    pub fn voided(&self) -> impl Iterator<Item = (&StepId, &Request)> {
        (0..).zip(&self.ids).filter_map(|(index, id)| Some((id, self.gates.voided(index)?)))
    }

    /// The wait that a step began, over or not.
    pub fn wait(&self, id: &str) -> Option<&WaitState> {
        self.waits.get(*self.index.get(id)?)
    }

    /// Every wait that is not over, in the order of [`Self::steps`].
    pub fn waits(&self) -> impl Iterator<Item = (&StepId, &WaitState)> {
        let waits = (0..).zip(&self.ids).filter_map(|(index, id)| Some((id, self.waits.get(index)?)));
        waits.filter(|(_, wait)| wait.is_pending())
    }

    /// When the first of the waits is over, if there are any: milliseconds since 1970-01-01 UTC.
    pub fn next_wait(&self) -> Option<u64> {
        self.waits.earliest()
    }

    /// Since the last process ended, someone decided on a gate for good, or asked for rework.
    pub fn has_acted(&self) -> bool {
        self.acted
    }

    /// The proof of who this is was used by an earlier decision, or by whoever started the run.
    pub fn has_seen(&self, approver: &Approver) -> bool {
        self.gates.has_seen(approver)
    }

    /// A job of this name in this pipeline has worked on the run: started again, it is nobody's approval.
    pub fn has_worked(&self, job: &Job) -> bool {
        job.name
            .as_ref()
            .is_some_and(|name| self.jobs.iter().any(|(had, pipeline)| had == name && *pipeline == job.pipeline))
    }

    /// The time of the latest record, in milliseconds since 1970-01-01 UTC. By no clock it is earlier now.
    pub fn latest(&self) -> u64 {
        self.latest
    }

    /// What was asked to be done again, last.
    pub fn rework(&self) -> &Rework {
        &self.rework
    }

    pub(super) fn at(&self, step: StepIndex) -> &StepState {
        &self.steps[step.get()]
    }

    /// Where a step of the plan, or an item of one that has some, stands.
    pub(super) fn unit(&self, unit: Unit) -> &StepState {
        match unit.item.zip(self.items_at(unit.step)) {
            Some((item, items)) => items.get(item).expect("the item is one of its list"),
            None => self.at(unit.step),
        }
    }

    pub(super) fn items_at(&self, step: StepIndex) -> Option<&Items> {
        self.items.get(&(step.get() as u32))
    }

    pub(super) fn failure_at(&self, step: StepIndex) -> Option<&Failure> {
        self.failures.get(&(step.get() as u32)).map(|failure| &**failure)
    }

    pub(super) fn gate_at(&self, step: StepIndex) -> Option<&GateState> {
        self.gates.get(step.get() as u32)
    }

    /// The gates that a step stands behind.
    pub fn gates_before(&self, step: &StepId) -> impl Iterator<Item = (&StepId, &GateState)> {
        self.gates.before(step).filter_map(|gate| Some((self.ids.get(gate as usize)?, self.gates.get(gate)?)))
    }

    pub(super) fn wait_at(&self, step: StepIndex) -> Option<&WaitState> {
        self.waits.get(step.get() as u32)
    }

    fn apply_event(&mut self, record: &Record) -> Result<(), String> {
        match (&record.event, &self.started, &self.end) {
            (Event::RunStarted(_), Some(_), _) => return Err("the run has started already".into()),
            (Event::RunStarted(_), None, _) => {}
            (_, None, _) => return Err("a run begins with `run_started`".into()),
            (event, _, Some(end)) if !may_follow(event, end) => {
                return Err(match end {
                    End::Finished {
                        outcome: outcome @ (Outcome::Succeeded | Outcome::Rejected | Outcome::Expired),
                        ..
                    } => {
                        format!("the run has {} already", finished_word(*outcome))
                    }
                    _ => "the process that wrote it had ended, and none went on with the run".into(),
                });
            }
            _ => {}
        }
        match &record.event {
            Event::RunStarted(started) => {
                self.work_of(&started.job);
                if let Some(starter) = &started.starter {
                    self.gates.use_up(starter);
                }
                self.started = Some(Box::new(started.clone()));
            }
            Event::RunResumed { job, .. } => self.resume(job),
            Event::ChangesAccepted { digests, .. } => {
                if let Some(started) = &mut self.started {
                    for (&index, items) in &mut self.items {
                        let id = &self.ids[index as usize];
                        if started.digests.steps.get(id) != digests.steps.get(id) {
                            items.make_stale();
                        }
                    }
                    started.digests = digests.clone();
                }
                for index in self.gates.forget_pauses() {
                    self.steps[index as usize].gate = Gate::None;
                }
                self.waits.loosen();
            }
            Event::RunPaused { waiting, until } => {
                if let Some(step) =
                    waiting.iter().find(|step| self.step(step.as_str()).is_none_or(|s| s.gate != Gate::Waiting))
                {
                    return Err(format!("`{step}` does not wait for a decision"));
                }
                if *until != self.waits.earliest() {
                    return Err("it is not until then that the first wait is over".to_owned());
                }
                self.end = Some(End::Paused(waiting.clone()));
            }
            Event::RunInterrupted { signal } => self.end = Some(End::Interrupted(signal.clone())),
            Event::RunFinished { outcome, exit_code } => {
                self.end = Some(End::Finished { outcome: *outcome, exit_code: *exit_code });
            }
            Event::ReworkRequested { step, again, note, approver, .. } => {
                return self.rework_from(step, again, note, approver);
            }
            Event::StepStarted { step, .. }
            | Event::StepExpanded { step, .. }
            | Event::AttemptFailed { step, .. }
            | Event::StepSucceeded { step, .. }
            | Event::StepFailed { step, .. }
            | Event::StepSkipped { step, .. }
            | Event::StepInterrupted { step, .. }
            | Event::InterruptionResolved { step, .. }
            | Event::ApprovalRequested { step, .. }
            | Event::ApprovalDecided { step, .. }
            | Event::ApprovalExpired { step, .. }
            | Event::WaitStarted { step, .. }
            | Event::WaitEnded { step, .. } => {
                let (id, item) = StepId::split_item(step.as_str()).unzip();
                if matches!(record.event, Event::StepStarted { .. } | Event::StepExpanded { .. }) {
                    self.check_gates(id.unwrap_or(step.as_str()))?;
                }
                return match id.zip(item) {
                    Some((id, item)) => self.apply_to_item(id, item, &record.event),
                    None => {
                        let index = self.index_of(step);
                        self.apply_to_step(index, record)
                    }
                };
            }
        }
        Ok(())
    }

    /// Nothing starts behind a gate that is closed.
    fn check_gates(&self, step: &str) -> Result<(), String> {
        self.gates.check_start(step).map_err(|gate| {
            let gate = self.ids.get(gate as usize).map_or("", StepId::as_str);
            format!("it must not start before the approval after `{gate}` is given")
        })?;
        self.waits.check_start(step).map_err(|(wait, until)| {
            let wait = self.ids.get(wait as usize).map_or("", StepId::as_str);
            format!("it must not start before {}, when the wait of `{wait}` is over", time(until))
        })
    }

    fn work_of(&mut self, job: &Job) {
        self.job = job.clone();
        if let (Some(name), false) = (&job.name, self.has_worked(job)) {
            self.jobs.push((name.clone(), job.pipeline.clone()));
        }
    }

    /// What failed, or did not run because of a failure, is still to be done.
    fn resume(&mut self, job: &Job) {
        self.work_of(job);
        self.end = None;
        self.acted = false;
        self.gates.pass();
        self.first_failure = None;
        // Once a step is over, what stands within it is.
        let is_over = |id: &StepId| id.around().any(|id| self.step(id).is_some_and(StepState::is_done));
        let over: Vec<bool> = self.ids.iter().map(is_over).collect();
        for ((index, step), over) in (0..).zip(&mut self.steps).zip(over) {
            if over {
                continue;
            }
            let again = match &step.status {
                Status::Failed { tolerated: false } | Status::Retrying | Status::Expanded => true,
                Status::Skipped(reason) => {
                    use SkipReason::{Dependency, EarlierFailure, Refused};
                    matches!(**reason, Dependency(_) | EarlierFailure | Refused(_))
                }
                _ => false,
            };
            if again {
                *step = StepState::default();
                self.failures.remove(&index);
            }
            if let (Some(items), Status::Pending) = (self.items.get_mut(&index), &step.status) {
                items.resume();
                if !items.is_stale() {
                    step.go_on_expanded();
                }
            }
        }
    }

    /// What is to be done again counts as if it had never begun, and so do the gates there.
    fn rework_from(&mut self, step: &StepId, again: &[StepId], note: &str, approver: &Approver) -> Result<(), String> {
        if !again.contains(step) {
            return Err("the step itself is to be done again too".into());
        }
        let status = self.step(step.as_str()).map_or(&Status::Pending, StepState::status);
        if !matches!(status, Status::Succeeded | Status::Failed { .. } | Status::Skipped(_)) {
            return Err(format!("it {status}, so there is nothing to do again"));
        }
        for id in again {
            if self.gate(id.as_str()).is_some_and(|gate| gate.standing().is_refused()) {
                return Err(format!("the approval after `{id}` was refused already"));
            }
            if StepId::split_item(id.as_str()).is_some() {
                return Err(format!("`{id}` is an item: a step is done again as a whole"));
            }
            let is_running = |step: &StepState| matches!(step.status, Status::Running { .. });
            let mut items = self.items(id.as_str()).into_iter().flat_map(Items::iter);
            if self.step(id.as_str()).is_some_and(is_running) || items.any(|(_, item)| is_running(item)) {
                return Err(format!("`{id}` is running"));
            }
        }
        let before: Vec<u32> = again.iter().flat_map(|id| self.gates.before(id)).collect();
        for gate in before {
            if self.gates.get(gate).is_some_and(GateState::holds_once) {
                self.gates.void(gate);
                self.steps[gate as usize].gate = Gate::None;
            }
        }
        for id in again {
            let index = self.index_of(id);
            self.steps[index as usize] = StepState::default();
            self.items.remove(&index);
            self.failures.remove(&index);
            self.gates.void(index);
            self.waits.forget(index);
        }
        self.acted = true;
        self.rework = Rework {
            step: Some(step.clone()),
            note: note.to_owned(),
            by: approver.by.clone(),
            count: self.rework.count + 1,
        };
        Ok(())
    }

    fn index_of(&mut self, step: &StepId) -> u32 {
        if let Some(&index) = self.index.get(step) {
            return index;
        }
        let index = u32::try_from(self.ids.len()).expect("a journal's size keeps steps far below four billion");
        self.ids.push(step.clone());
        self.steps.push(StepState::default());
        self.index.insert(step.clone(), index);
        index
    }

    fn apply_to_step(&mut self, index: u32, record: &Record) -> Result<(), String> {
        let keeps_output = self.keeps_output(index);
        let step = &mut self.steps[index as usize];
        match &record.event {
            Event::StepExpanded { items, .. } => {
                step.expand()?;
                let id = &self.ids[index as usize];
                let items = match self.items.remove(&index) {
                    Some(before) => before.renewed(id, items),
                    None => Items::new(id, items),
                };
                self.items.insert(index, items);
            }
            Event::ApprovalRequested { request, .. } => {
                if !step.is_done() {
                    return Err(format!("it {}", step.status));
                }
                step.gate = self.gates.ask(index, record.at, request)?;
            }
            Event::ApprovalDecided { .. } => {
                let starter = self.started.as_ref().and_then(|started| started.starter.as_ref());
                step.gate = self.gates.decide(index, record.at, &record.event, starter, self.end.is_none())?;
                self.acted |= self.end.is_some() && step.gate != Gate::Waiting;
            }
            Event::ApprovalExpired { request, .. } => step.gate = self.gates.expire(index, record.at, request)?,
            Event::WaitStarted { .. } if !step.is_done() => return Err(format!("it {}", step.status)),
            Event::WaitStarted { until, guards, .. } => self.waits.begin(index, *until, guards)?,
            Event::WaitEnded { skipped_by, .. } => self.waits.end(index, self.latest, skipped_by.is_some())?,
            event => {
                match self.items.get_mut(&index).filter(|_| step.status == Status::Expanded) {
                    Some(items) => step.end_expanded(items, event, keeps_output)?,
                    None => step.take_in(event, keeps_output)?,
                }
                if let Event::StepFailed { failure, tolerated, .. } = event {
                    self.failures.insert(index, Box::new(failure.clone()));
                    if !tolerated {
                        self.first_failure.get_or_insert(index);
                    }
                }
            }
        }
        Ok(())
    }

    /// What happened to an item (from 0) of a step.
    fn apply_to_item(&mut self, step: &str, item: u32, event: &Event) -> Result<(), String> {
        let no_items = || format!("nothing says what the items of `{step}` are");
        let index = *self.index.get(step).ok_or_else(no_items)?;
        let keeps_output = self.keeps_output(index);
        let is_open = self.steps[index as usize].status == Status::Expanded;
        let items = self.items.get_mut(&index).ok_or_else(no_items)?;
        items.take_in(item, event, is_open, keeps_output)?;
        if let Event::StepFailed { tolerated: false, .. } = event {
            // The run has failed from now on, whatever fails while the step's other items end.
            self.first_failure.get_or_insert(index);
        }
        Ok(())
    }

    fn keeps_output(&self, index: u32) -> bool {
        match &self.plan {
            None => true,
            Some(plan) => (index as usize) < plan.len() && plan.is_referenced(StepIndex::new(index as usize)),
        }
    }
}
