//! How the workflows that run as steps of others stand in the one graph.

use std::collections::HashMap;

use super::StepIndex;
use super::graph::Adjacency;
use crate::id::StepId;
use crate::workflow::model::{Role, Workflow};
use crate::workflow::subworkflow::SubIndex;

/// The steps of one workflow: of the whole, or of one that runs as a step.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Group(u32);

impl Group {
    /// The workflow itself.
    pub const OUTERMOST: Self = Self(0);

    /// Its number, for indexing: the workflow itself is 0.
    pub fn get(self) -> usize {
        self.0 as usize
    }

    pub(super) fn of(sub: Option<SubIndex>) -> Self {
        Self(sub.map_or(0, |sub| sub.get() as u32 + 1))
    }

    pub(super) fn all(workflow: &Workflow) -> impl Iterator<Item = Self> + use<> {
        (0..=workflow.subworkflows.len() as u32).map(Self)
    }

    /// Which subworkflow it is; `None` for the workflow itself.
    pub(super) fn sub(self) -> Option<usize> {
        self.get().checked_sub(1)
    }
}

/// Where a subworkflow begins and ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ends {
    /// Decides whether it runs, and fills in its inputs.
    pub begin: StepIndex,
    /// Is over when all of it is.
    pub end: StepIndex,
}

/// Where each subworkflow begins and ends.
pub(super) fn ends(workflow: &Workflow) -> Vec<Ends> {
    let nowhere = StepIndex::new(0);
    let mut ends = vec![Ends { begin: nowhere, end: nowhere }; workflow.subworkflows.len()];
    for (position, step) in workflow.steps.iter().enumerate() {
        match &step.role {
            Role::Begin { of } => ends[of.get()].begin = StepIndex::new(position),
            Role::End { of, .. } => ends[of.get()].end = StepIndex::new(position),
            Role::Plain => {}
        }
    }
    ends
}

/// What the author wrote, and what follows from where a step stands: what is inside comes after the beginning, and the end after
/// all that is inside.
pub(super) fn with_implied(workflow: &Workflow, ends: &[Ends], written: Vec<Vec<StepIndex>>) -> Adjacency {
    if ends.is_empty() {
        return Adjacency::from_lists(written);
    }
    let mut has_dependents = vec![false; written.len()];
    written.iter().flatten().for_each(|step| has_dependents[step.get()] = true);
    let mut last: Vec<Vec<StepIndex>> = ends.iter().map(|ends| vec![ends.begin]).collect();
    for (position, step) in workflow.steps.iter().enumerate() {
        let is_last = !has_dependents[position] && step.role.is_shown();
        if let Some(sub) = step.within.filter(|_| is_last) {
            last[sub.get()].push(StepIndex::new(position));
        }
    }
    Adjacency::from_lists(written.into_iter().zip(&workflow.steps).map(|(mut before, step)| {
        match (&step.role, step.within) {
            (Role::End { of, .. }, _) => before = std::mem::take(&mut last[of.get()]),
            (_, Some(sub)) if before.is_empty() => before.push(ends[sub.get()].begin),
            _ => {}
        }
        before
    }))
}

/// The step that is called by this id in a workflow: one of its own.
pub(super) fn named(
    workflow: &Workflow,
    index: &HashMap<StepId, StepIndex>,
    scope: Option<SubIndex>,
    id: &str,
) -> Option<StepIndex> {
    match scope {
        // What is inside of a step has no name outside.
        _ if id.contains('/') => None,
        None => index.get(id).copied(),
        Some(sub) => index.get(workflow.subworkflows[sub.get()].id.inside(id).as_str()).copied(),
    }
}

/// The ids that may be named in a workflow.
pub(super) fn names(workflow: &Workflow, scope: Option<SubIndex>) -> impl Iterator<Item = &str> {
    let siblings = workflow.steps.iter().filter(move |other| other.within == scope);
    siblings.filter(|other| other.role.is_shown()).map(|other| other.id.local())
}
