//! What accepting changes can't do: change who has to approve, take a step from behind a gate, or change what comes of a
//! refusal. That takes a new run, which whoever approves sees as one.

use super::error::{CliError, STATE};
use super::gates::{self, Differences, Now};
use crate::approval::Request;
use crate::engine::RunState;
use crate::id::StepId;
use crate::plan::{Plan, StepIndex};

/// Holds a workflow that goes on in place of the one before against what was asked for. `differences`: of the requests that
/// will be made anew. `expired`: what nobody decided in time, which is not on record yet.
pub(super) fn check(
    state: &RunState,
    plan: &Plan,
    differences: &Differences,
    expired: &[StepId],
) -> Result<(), CliError> {
    if let Some((step, _)) = state.gates().find(|(step, gate)| gate.standing().is_refused() || expired.contains(step)) {
        return Err(refusal(format!(
            "the approval after `{step}` was refused, and accepting changes can't change what comes of that"
        )));
    }
    let anew = differences.iter().filter_map(|(step, _)| Some((step, state.gate(step.as_str())?.request())));
    let asked: Vec<(&StepId, StepIndex, &Request)> = anew
        .chain(state.voided())
        .filter(|(_, request)| !request.rule.pause)
        .filter_map(|(step, request)| Some((step, plan.find(step.as_str())?, request)))
        .collect();
    for (step, gate, request) in &asked {
        let guards = gates::guards(plan, *gate);
        let is_done = |id: &StepId| state.step(id.as_str()).is_some_and(|step| step.is_done());
        let outside = |id: &&StepId| plan.find(id.as_str()).is_some() && !guards.contains(*id) && !is_done(id);
        if let Some(taken) = request.guards.iter().find(outside) {
            return Err(refusal(format!(
                "the approval after `{step}` would not hold back `{taken}` any more, and accepting changes can't change that"
            )));
        }
    }
    let known = state.started().map(|started| &started.digests.steps);
    let is_new = |step: &StepIndex| {
        let step = plan.step(*step);
        step.role.is_shown() && known.is_some_and(|known| !known.contains_key(&step.id))
    };
    let is_asked_about =
        |step: &StepIndex| asked.iter().any(|(_, gate, _)| gate == step || plan.behind(*gate).contains(step));
    match plan.steps().find(|step| !asked.is_empty() && is_new(step) && !is_asked_about(step)) {
        None => Ok(()),
        Some(new) => {
            let names: Vec<String> = asked.iter().map(|(step, ..)| format!("`{step}`")).collect();
            let message = format!(
                "`{}` is new, and no approval that is asked for again ({}) would hold it back",
                plan.step(new).id,
                names.join(", ")
            );
            Err(CliError::new(STATE, message).hint("let it depend on one of them, or begin anew: shiro run -fresh"))
        }
    }
}

/// A step that is done again asks the same people, known by whom the policies trusted, however often.
pub(super) fn check_voided(state: &RunState, plan: &Plan, now: &Now) -> Result<(), CliError> {
    let differs = |(step, request): &(&StepId, &Request)| {
        let approval = plan.find(step.as_str()).and_then(|index| plan.step(index).approval.as_ref());
        !approval.is_some_and(|approval| gates::asks_the_same(request, approval, now))
    };
    state.voided().find(differs).map_or(Ok(()), |(step, _)| Err(other_people(step)))
}

/// The refusal of a change of who has to approve.
pub(super) fn other_people(step: &StepId) -> CliError {
    refusal(format!(
        "the approval after `{step}` is not what it was, and accepting changes can't change who has to approve"
    ))
}

fn refusal(message: String) -> CliError {
    CliError::new(STATE, message).hint("restore it, or begin anew: shiro run -fresh")
}
