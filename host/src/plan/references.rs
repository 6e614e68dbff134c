//! What steps ask of other steps in their templates and conditions, and whether those have ended by then.

use std::collections::{HashMap, HashSet};

use serde_json::Value;

use super::graph::{Adjacency, StepIndex, unreachable};
use super::nesting::{named, names};
use super::unknown_step;
use crate::diagnostic::{Diagnostic, Place};
use crate::id::StepId;
use crate::workflow::model::{Role, StepList, Workflow};
use crate::workflow::template::{self, Path};

/// A longer `depends_on` is not written out in a hint.
const LONGEST_LIST_SHOWN: usize = 10;

/// One use of another step.
pub(super) struct Use {
    by: StepIndex,
    of: StepIndex,
    asks_for: AsksFor,
    place: Place,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum AsksFor {
    Output,
    Approval,
}

/// Every use of a step that exists; the others are problems.
pub(super) fn find(
    workflow: &Workflow,
    index: &HashMap<StepId, StepIndex>,
    problems: &mut Vec<Diagnostic>,
) -> Vec<Use> {
    let mut uses = Vec::new();
    for (position, step) in workflow.steps.iter().enumerate() {
        let by = StepIndex::new(position);
        let mut found = |id: &str, asks_for, place: Place| match named(workflow, index, step.scope(), id) {
            Some(of) if asks_for == AsksFor::Approval && workflow.steps[of.get()].approval.is_none() => {
                problems.push(no_gate(id, place));
            }
            Some(of) => uses.push(Use { by, of, asks_for, place }),
            None => {
                let problem = unknown_step("unknown-step", place, id, workflow, step.scope(), problems.len());
                problems.push(problem);
            }
        };
        if let (Role::End { of, .. }, Value::Null) = (&step.role, &step.config) {
            // Without `outputs`, it gives the output of every step.
            let place = || Place::value(step.pointer("config"));
            names(workflow, Some(*of)).for_each(|id| found(id, AsksFor::Output, place()));
        }
        let of_items = step.fan_out.iter().map(|fan_out| (fan_out.kind.field(), &fan_out.over));
        let parts = of_items.chain([("config", &step.config)]);
        for (field, reference) in
            parts.flat_map(|(field, part)| template::references(part).map(move |one| (field, one)))
        {
            let place = || Place::within(format!("{}{}", step.pointer(field), reference.pointer), reference.offset);
            match &reference.path {
                Path::Step { id, .. } => found(id, AsksFor::Output, place()),
                Path::Approval { step, .. } => found(step, AsksFor::Approval, place()),
                Path::Inputs(_) | Path::Env(_) | Path::RunId | Path::WorkflowName | Path::Rework(_) => {}
                Path::Item(_) | Path::Index | Path::Matrix(_) => {}
            }
        }
        if let Some(condition) = &step.condition {
            let references = condition.references();
            let place = |offset| Place::within(step.pointer("if"), offset);
            references.steps.iter().for_each(|step| found(&step.name, AsksFor::Output, place(step.offset)));
            references.approvals.iter().for_each(|step| found(&step.name, AsksFor::Approval, place(step.offset)));
        }
    }
    problems.extend(workflow.outputs.iter().flat_map(|outputs| unknown_in_outputs(workflow, index, outputs)));
    uses
}

/// What the workflow would give to one that runs it as a step can be made of its own steps only.
fn unknown_in_outputs(workflow: &Workflow, index: &HashMap<StepId, StepIndex>, outputs: &Value) -> Vec<Diagnostic> {
    let mut problems = Vec::new();
    for reference in template::references(outputs) {
        let place = Place::within(format!("/outputs{}", reference.pointer), reference.offset);
        match &reference.path {
            Path::Step { id, .. } | Path::Approval { step: id, .. } if named(workflow, index, None, id).is_none() => {
                problems.push(unknown_step("unknown-step", place, id, workflow, None, problems.len()));
            }
            _ => {}
        }
    }
    problems
}

fn no_gate(id: &str, place: Place) -> Diagnostic {
    Diagnostic::error("no-approval", place, format!("the step `{id}` waits for no approval"))
        .with_hint(format!("set `\"approval\": {{}}` or `\"pause\": true` on `{id}`, or refer to a step that has it"))
}

/// A step can only use what has ended before it starts.
pub(super) fn check_upstream(
    uses: &[Use],
    workflow: &Workflow,
    dependencies: &Adjacency,
    order: &[StepIndex],
    problems: &mut Vec<Diagnostic>,
) {
    let pairs: Vec<_> = uses.iter().map(|used| (used.by, used.of)).collect();
    let mut wrong = unreachable(dependencies, order, &pairs);
    // All of `steps` comes before `finally`.
    let list = |step: StepIndex| workflow.steps[step.get()].list;
    wrong.retain(|&used| (list(uses[used].by), list(uses[used].of)) != (StepList::Finally, StepList::Steps));
    let mut seen = HashSet::new();
    wrong.retain(|&used| seen.insert(pairs[used]));
    let turned: Vec<_> = wrong.iter().map(|&used| (uses[used].of, uses[used].by)).collect();
    let unrelated: HashSet<_> = unreachable(dependencies, order, &turned).into_iter().collect();
    for (position, &used) in wrong.iter().enumerate() {
        problems.push(not_upstream(&uses[used], workflow, !unrelated.contains(&position)));
    }
}

fn not_upstream(Use { by, of, place, .. }: &Use, workflow: &Workflow, comes_later: bool) -> Diagnostic {
    let (step, other) = (&workflow.steps[by.get()], workflow.steps[of.get()].name());
    let problem = |message| Diagnostic::error("not-upstream", place.clone(), message);
    if by == of {
        return problem(format!("the step `{other}` refers to itself"))
            .with_hint("a step's output is there once it has ended: refer to it from a later step");
    }
    let ids: Vec<_> = step.depends_on.iter().map(StepId::local).chain([other]).map(|id| format!("\"{id}\"")).collect();
    let is_finally = |step: StepIndex| workflow.steps[step.get()].list == StepList::Finally;
    let hint = if is_finally(*of) && !is_finally(*by) {
        format!("`{other}` is a step of `finally`, so it always comes later")
    } else if comes_later {
        format!("`{other}` depends on `{}`, so it always comes later", step.name())
    } else if ids.len() <= LONGEST_LIST_SHOWN {
        format!("say that it comes first: \"depends_on\": [{}]", ids.join(", "))
    } else {
        format!("add \"{other}\" to its `depends_on`")
    };
    problem(format!("the step `{}` does not depend on `{other}`, which may not have ended by then", step.name()))
        .with_hint(hint)
}

/// For each step those it uses, and for each step whether its output is used.
pub(super) fn compact(uses: &[Use], steps: usize) -> (Adjacency, Vec<bool>) {
    let mut is_used = vec![false; steps];
    let mut rest = uses;
    let lists = (0..steps).map(|position| {
        let count = rest.iter().take_while(|used| used.by.get() == position).count();
        let (own, after) = rest.split_at(count);
        rest = after;
        own.iter().map(|used| used.of).collect()
    });
    let references = Adjacency::from_lists(lists);
    for used in uses.iter().filter(|used| used.asks_for == AsksFor::Output) {
        is_used[used.of.get()] = true;
    }
    (references, is_used)
}
