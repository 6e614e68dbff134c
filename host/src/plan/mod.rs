//! What will happen: the graph of a workflow's steps, their order, and what each of them refers to.

mod diagram;
mod graph;
mod nesting;
mod references;

#[cfg(test)]
pub(crate) mod testing;
#[cfg(test)]
mod tests;

use std::collections::{BTreeSet, HashMap};

use crate::diagnostic::{Diagnostic, Place};
use crate::id::StepId;
use crate::workflow::model::{Role, Step, StepList, Workflow};
use crate::workflow::subworkflow::{SubIndex, Subworkflow};
use crate::workflow::suggest;
use graph::Adjacency;

pub use diagram::Diagram;
pub use graph::StepIndex;
pub use nesting::{Ends, Group};

/// A longer cycle is shown with its middle left out.
const LONGEST_CYCLE_SHOWN: usize = 12;

/// Looking for the name that was meant takes time for each of the steps: no more than this many times.
const MOST_SUGGESTIONS: usize = 100;

/// A workflow whose steps can be run: every dependency exists, nothing waits for itself, and templates and conditions refer
/// only to steps that have ended by then.
#[derive(Debug)]
pub struct Plan {
    workflow: Workflow,
    index: HashMap<StepId, StepIndex>,
    dependencies: Adjacency,
    dependents: Adjacency,
    order: Vec<StepIndex>,
    /// Where each workflow that runs as a step begins and ends.
    ends: Vec<Ends>,
    /// For each step, the steps whose output or approval its config or its condition asks for.
    references: Adjacency,
    /// For each step, whether another one asks for its output.
    is_referenced: Vec<bool>,
}

impl Plan {
    /// Builds the graph and checks it. All problems are reported at once, in file order.
    pub fn build(workflow: Workflow) -> Result<Self, Vec<Diagnostic>> {
        let mut problems = Vec::new();
        let index = index(&workflow);
        let ends = nesting::ends(&workflow);
        let written = dependencies(&workflow, &index, &mut problems);
        let dependencies = nesting::with_implied(&workflow, &ends, written);
        let dependents = dependencies.reversed();
        let order = graph::order(&dependencies, &dependents);
        let is_acyclic = order.len() == workflow.steps.len();
        if !is_acyclic {
            problems.extend(graph::cycles(&dependencies).iter().map(|cycle| cycle_problem(cycle, &workflow)));
        }
        let found = references::find(&workflow, &index, &mut problems);
        let begins = ends.iter().map(|ends| ends.begin);
        if is_acyclic {
            references::check_upstream(&found, &workflow, &dependencies, &order, &mut problems);
        }
        if !problems.is_empty() {
            problems.sort_by_key(|problem| step_of(&problem.place));
            return Err(problems);
        }
        let (references, mut is_referenced) = references::compact(&found, workflow.steps.len());
        // What they put out is what `inputs` is inside.
        begins.for_each(|begin| is_referenced[begin.get()] = true);
        Ok(Self { workflow, index, dependencies, dependents, order, ends, references, is_referenced })
    }

    /// The workflow.
    pub fn workflow(&self) -> &Workflow {
        &self.workflow
    }

    /// How many steps there are: at least one.
    #[expect(clippy::len_without_is_empty, reason = "a workflow has at least one step")]
    pub fn len(&self) -> usize {
        self.workflow.steps.len()
    }

    /// Every step, in file order.
    pub fn steps(&self) -> impl Iterator<Item = StepIndex> + use<> {
        (0..self.workflow.steps.len()).map(StepIndex::new)
    }

    /// What the author wrote of a step.
    pub fn step(&self, step: StepIndex) -> &Step {
        &self.workflow.steps[step.get()]
    }

    /// The step of this id.
    pub fn find(&self, id: &str) -> Option<StepIndex> {
        self.index.get(id).copied()
    }

    /// The step that templates and conditions of `step` call by this id.
    pub fn named(&self, step: StepIndex, id: &str) -> Option<StepIndex> {
        nesting::named(&self.workflow, &self.index, self.step(step).scope(), id)
    }

    /// The workflow, and every one that runs as a step.
    pub fn groups(&self) -> impl Iterator<Item = Group> + use<> {
        Group::all(&self.workflow)
    }

    /// The workflow that a step belongs to.
    pub fn group(&self, step: StepIndex) -> Group {
        Group::of(self.step(step).within)
    }

    /// The workflow whose inputs and steps a step's templates and its condition see.
    pub fn scope(&self, step: StepIndex) -> Group {
        Group::of(self.step(step).scope())
    }

    /// The workflow that a step begins, if it begins one.
    pub fn begins(&self, step: StepIndex) -> Option<Group> {
        match self.step(step).role {
            Role::Begin { of } => Some(Group::of(Some(of))),
            _ => None,
        }
    }

    /// The workflow that a step ends, if it ends one.
    pub fn concludes(&self, step: StepIndex) -> Option<Group> {
        match self.step(step).role {
            Role::End { of, .. } => Some(Group::of(Some(of))),
            _ => None,
        }
    }

    /// Where a workflow that runs as a step begins and ends; `None` for the workflow itself.
    pub fn ends(&self, group: Group) -> Option<Ends> {
        Some(self.ends[group.sub()?])
    }

    /// What a workflow that runs as a step is; `None` for the workflow itself.
    pub fn subworkflow(&self, group: Group) -> Option<&Subworkflow> {
        Some(&self.workflow.subworkflows[group.sub()?])
    }

    /// A failure of the step is not one of the run: the step, or one that it stands in, continues on error.
    pub fn tolerates(&self, step: StepIndex) -> bool {
        let around = std::iter::successors(Some(step), |step| self.ends(self.group(*step)).map(|ends| ends.end));
        let of_its_own = self.begins(step).and_then(|group| self.ends(group)).map(|ends| ends.end);
        around.chain(of_its_own).any(|step| self.step(step).continue_on_error)
    }

    /// What a step depends on directly, in file order.
    pub fn dependencies(&self, step: StepIndex) -> &[StepIndex] {
        self.dependencies.of(step)
    }

    /// What depends on a step directly, in file order.
    pub fn dependents(&self, step: StepIndex) -> &[StepIndex] {
        self.dependents.of(step)
    }

    /// Every step that depends on this one, directly or through others; in file order, without the step itself.
    pub fn behind(&self, step: StepIndex) -> Vec<StepIndex> {
        let mut seen = BTreeSet::new();
        let mut pending = self.dependents(step).to_vec();
        while let Some(step) = pending.pop() {
            if seen.insert(step) {
                pending.extend(self.dependents(step));
            }
        }
        seen.into_iter().collect()
    }

    /// Every step after all it depends on, and in file order where there is a choice.
    pub fn order(&self) -> &[StepIndex] {
        &self.order
    }

    /// The steps whose output, outcome or approval this step's config or condition asks for: all of them upstream.
    pub fn references(&self, step: StepIndex) -> &[StepIndex] {
        self.references.of(step)
    }

    /// A config or a condition asks for this step's output, so it must be kept until the end.
    pub fn is_referenced(&self, step: StepIndex) -> bool {
        self.is_referenced[step.get()]
    }

    /// The step comes at the end: it has no `depends_on`, and its `if` asks how things went (`success()`, `failure()`,
    /// `always()`). It waits for every step that doesn't come after such a step itself.
    pub fn is_final(&self, step: StepIndex) -> bool {
        let asks = self.step(step).condition.as_ref().is_some_and(|condition| condition.admits_failure());
        asks && self.step(step).depends_on.is_empty() && !self.is_finally(step)
    }

    /// The step stands in `finally`: it waits for everything that does not.
    pub fn is_finally(&self, step: StepIndex) -> bool {
        self.step(step).list == StepList::Finally
    }
}

/// An id that is used twice was reported when the workflow was parsed: here the first one counts.
fn index(workflow: &Workflow) -> HashMap<StepId, StepIndex> {
    let mut index: HashMap<StepId, StepIndex> = HashMap::with_capacity(workflow.steps.len());
    for (position, step) in workflow.steps.iter().enumerate() {
        index.entry(step.id.clone()).or_insert_with(|| StepIndex::new(position));
    }
    index
}

/// What the author wrote.
fn dependencies(
    workflow: &Workflow,
    index: &HashMap<StepId, StepIndex>,
    problems: &mut Vec<Diagnostic>,
) -> Vec<Vec<StepIndex>> {
    let of = |step: &Step| {
        let known = step.depends_on.iter().enumerate().filter_map(|(position, id)| {
            let found = index.get(id).copied();
            if found.is_none() {
                let place = Place::value(format!("{}/{position}", step.pointer("depends_on")));
                problems.push(unknown_step(
                    "unknown-dependency",
                    place,
                    id.local(),
                    workflow,
                    step.scope(),
                    problems.len(),
                ));
            }
            found
        });
        known.collect()
    };
    workflow.steps.iter().map(of).collect()
}

/// `scope`: the workflow in which it is named. `earlier`: how many problems there are already.
fn unknown_step(
    code: &'static str,
    place: Place,
    id: &str,
    workflow: &Workflow,
    scope: Option<SubIndex>,
    earlier: usize,
) -> Diagnostic {
    let problem = Diagnostic::error(code, place, format!("there is no step `{id}`"));
    if earlier >= MOST_SUGGESTIONS {
        return problem;
    }
    let ids = || nesting::names(workflow, scope);
    match suggest::nearest(id, ids()) {
        Some(near) => problem.with_hint(format!("did you mean `{near}`?")),
        None => problem.with_hint(format!("the steps are {}", suggest::list(ids(), 10))),
    }
}

fn cycle_problem(cycle: &[StepIndex], workflow: &Workflow) -> Diagnostic {
    // What is inside of a step on the way is no news: the step itself is there too.
    let within = |step: &StepIndex| &workflow.steps[step.get()];
    let outermost = cycle.iter().map(|step| within(step).id.around().count()).min();
    let cycle: Vec<StepIndex> = cycle
        .iter()
        .filter(|step| Some(within(step).id.around().count()) == outermost && within(step).role.is_shown())
        .copied()
        .collect();
    let mut shown: Vec<String> = cycle.iter().map(|step| within(step).name().to_owned()).collect();
    if shown.len() > LONGEST_CYCLE_SHOWN {
        let half = LONGEST_CYCLE_SHOWN / 2;
        let left_out = shown.len() - 2 * half;
        shown.splice(half..half + left_out, [format!("({left_out} more)")]);
    }
    let first = &workflow.steps[cycle[0].get()];
    let message = match cycle.as_slice() {
        [_] => format!("the step depends on itself: `{0} -> {0}`", first.name()),
        _ => format!("these steps wait for each other: `{} -> {}`", shown.join(" -> "), first.name()),
    };
    Diagnostic::error("cycle", Place::value(first.pointer("depends_on")), message)
        .with_hint("each step waits for the one after the arrow: take one of them out of a `depends_on`")
}

/// For the order of the report: the file and the list that a place lies in, and the position there.
fn step_of(place: &Place) -> (Option<String>, bool, usize) {
    let mut tokens = place.local().split('/').skip(1);
    let is_finally = tokens.next() == Some(StepList::Finally.name());
    (place.file().map(str::to_owned), is_finally, tokens.next().and_then(|position| position.parse().ok()).unwrap_or(0))
}
