//! What a process that goes on with a run has to record first: pure.

use std::collections::HashSet;

use crate::approval::Request;
use crate::event::{Approver, Decision, Event, Job};
use crate::id::StepId;
use crate::outcome::Outcome;
use crate::plan::Plan;

use super::approval::Gate;
use super::state::{End, Items, RunState, Status, StepState};

/// A step, or an item, whose attempt was cut off and that may not simply run again: nobody knows how far it got.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct InterruptedStep {
    /// The step.
    pub step: StepId,
    /// The attempt that was cut off.
    pub attempt: u32,
}

/// How a run is to go on.
#[derive(Clone, Copy, Debug)]
pub struct Resume<'a> {
    /// The job that goes on with it.
    pub job: &'a Job,
    /// The version of shiro that goes on.
    pub shiro: &'a str,
    /// Who says so.
    pub approver: &'a Approver,
    /// The gates that this start approves: some of those that are [`approvable`].
    pub approve: &'a [StepId],
    /// The gates that have expired.
    pub expired: &'a [StepId],
    /// The gates whose request is void, and what is asked for instead: before anything is approved.
    pub asked_again: &'a [(StepId, Request)],
    /// Interrupted steps and items to run again (`-rerun`); a step's name stands for all its items that were interrupted.
    pub rerun: &'a [StepId],
    /// Those to take as done, and the steps whose waits are not to be waited for (`-skip`).
    pub skip: &'a [StepId],
}

/// Why a run can't go on like this.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ResumeError {
    /// The journal holds no run.
    #[error("there is no run to go on with")]
    NotStarted,
    /// Nothing is left to do.
    #[error("the run has succeeded already")]
    Finished,
    /// Someone has to say what to do about these.
    #[error("{}", interrupted_message(.0))]
    Interrupted(Vec<InterruptedStep>),
    /// `-rerun` or `-skip` of a step that was not interrupted.
    #[error("the step `{0}` was not interrupted, and waits for no time: there is nothing to run again or to skip")]
    NotInterrupted(StepId),
    /// `-rerun` and `-skip` of the same step.
    #[error("the step `{0}` can't be both run again and skipped")]
    Both(StepId),
}

/// The steps of the plan that someone has to decide on before the run can go on, in file order.
pub fn check(state: &RunState, plan: &Plan) -> Vec<InterruptedStep> {
    let is_undecided = |step: &StepState| {
        matches!(step.status(), Status::Running { idempotent: false } | Status::Interrupted { may_run: false })
    };
    let units = plan.steps().flat_map(|step| {
        let id = &plan.step(step).id;
        let items = state.items(id.as_str()).into_iter().flat_map(Items::iter);
        state.step(id.as_str()).map(|state| (id, state)).into_iter().chain(items)
    });
    units
        .filter(|(_, step)| is_undecided(step))
        .map(|(id, step)| InterruptedStep { step: id.clone(), attempt: step.attempts() })
        .collect()
}

/// The interrupted steps and items that these names are about: the name of a step stands for all its items that were.
fn named(state: &RunState, plan: &Plan, names: &[StepId]) -> Result<Vec<StepId>, ResumeError> {
    let is_interrupted =
        |step: &StepState| matches!(step.status(), Status::Running { .. } | Status::Interrupted { .. });
    let mut named: Vec<StepId> = Vec::new();
    for name in names {
        let step = StepId::split_item(name.as_str()).map_or(name.as_str(), |(step, _)| step);
        let before = named.len();
        if plan.find(step).is_some() {
            if state.step(name.as_str()).is_some_and(is_interrupted) {
                named.push(name.clone());
            }
            let items = state.items(name.as_str()).into_iter().flat_map(Items::iter);
            named.extend(items.filter(|(_, item)| is_interrupted(item)).map(|(id, _)| id.clone()));
        }
        if named.len() == before {
            return Err(ResumeError::NotInterrupted(name.clone()));
        }
    }
    let mut seen = HashSet::new();
    named.retain(|id| seen.insert(id.clone()));
    Ok(named)
}

/// The steps whose gates this start may open, in file order: those that the run was paused for. A gate that was closed when
/// a process failed, died or was stopped is asked for again first.
pub fn approvable(state: &RunState) -> Vec<StepId> {
    match state.end() {
        Some(End::Paused(waiting)) => waiting.iter().filter(|step| is_waiting(state, step)).cloned().collect(),
        _ => Vec::new(),
    }
}

fn is_waiting(state: &RunState, step: &StepId) -> bool {
    state.step(step.as_str()).is_some_and(|step| step.gate() == Gate::Waiting)
}

/// The events with which a process goes on with a run, in order; `ChangesAccepted` goes before them.
pub fn events(state: &RunState, plan: &Plan, resume: &Resume<'_>) -> Result<Vec<Event>, ResumeError> {
    if state.started().is_none() {
        return Err(ResumeError::NotStarted);
    }
    if matches!(state.end(), Some(End::Finished { outcome: Outcome::Succeeded, .. })) {
        return Err(ResumeError::Finished);
    }
    let (skipped_waits, skip): (Vec<StepId>, Vec<StepId>) =
        resume.skip.iter().cloned().partition(|step| is_pending_wait(state, step));
    let (rerun, skip) = (named(state, plan, resume.rerun)?, named(state, plan, &skip)?);
    if let Some(step) = rerun.iter().find(|step| skip.contains(step)) {
        return Err(ResumeError::Both(step.clone()));
    }
    let mut undecided = check(state, plan);
    undecided.retain(|interrupted| !rerun.contains(&interrupted.step) && !skip.contains(&interrupted.step));
    if !undecided.is_empty() {
        return Err(ResumeError::Interrupted(undecided));
    }

    // Before the run goes on, and so makes use of what was approved.
    let mut events: Vec<Event> = expired(state, resume.expired);
    events.push(Event::RunResumed { job: resume.job.clone(), shiro: resume.shiro.to_owned() });
    events.extend(
        state
            .attempted()
            .filter(|(_, step)| matches!(step.status(), Status::Running { .. }))
            .map(|(id, step)| Event::StepInterrupted { step: id.clone(), attempt: step.attempts() }),
    );
    for (steps, rerun) in [(rerun, true), (skip, false)] {
        let approver = resume.approver;
        events.extend(steps.into_iter().map(|step| Event::InterruptionResolved {
            step,
            rerun,
            approver: approver.clone(),
        }));
    }
    events.extend(
        unique(&skipped_waits)
            .map(|step| Event::WaitEnded { step: step.clone(), skipped_by: Some(resume.approver.clone()) }),
    );
    events.extend(
        resume
            .asked_again
            .iter()
            .map(|(step, request)| Event::ApprovalRequested { step: step.clone(), request: Box::new(request.clone()) }),
    );
    events.extend(resume.approve.iter().filter_map(|step| approval(state, resume, step)));
    Ok(events)
}

/// The step's wait is not over: a human may say not to wait for it (`-skip`).
pub fn is_pending_wait(state: &RunState, step: &StepId) -> bool {
    state.wait(step.as_str()).is_some_and(super::wait::WaitState::is_pending)
}

fn unique(steps: &[StepId]) -> impl Iterator<Item = &StepId> {
    steps.iter().enumerate().filter(|(position, step)| !steps[..*position].contains(step)).map(|(_, step)| step)
}

fn expired(state: &RunState, steps: &[StepId]) -> Vec<Event> {
    let event = |step: &StepId| {
        let request = state.gate(step.as_str())?.request().id.clone();
        Some(Event::ApprovalExpired { step: step.clone(), request })
    };
    steps.iter().filter_map(event).collect()
}

/// One approval of a gate: of the request that is made now, or of the one that waits.
fn approval(state: &RunState, resume: &Resume<'_>, step: &StepId) -> Option<Event> {
    let again = resume.asked_again.iter().find(|(again, _)| again == step).map(|(_, request)| request);
    let (request, missing) = match (again, state.gate(step.as_str())) {
        (Some(request), _) => (request, request.rule.required),
        (None, Some(gate)) => (gate.request(), gate.missing()),
        (None, None) => return None,
    };
    Some(Event::ApprovalDecided {
        step: step.clone(),
        request: request.id.clone(),
        decision: Decision::Approved,
        missing: missing.saturating_sub(1),
        approver: resume.approver.clone(),
        job: resume.job.clone(),
        reason: None,
        form: None,
    })
}

fn interrupted_message(steps: &[InterruptedStep]) -> String {
    let names: Vec<_> = steps.iter().map(|interrupted| format!("`{}`", interrupted.step)).collect();
    match names.as_slice() {
        [name] => format!("the step {name} was cut off while it ran, and nobody knows how far it got"),
        _ => format!("the steps {} were cut off while they ran, and nobody knows how far they got", names.join(", ")),
    }
}
