//! What a step's templates and its condition see: the run's inputs, the job's environment, and what became of the steps that
//! the step refers to.

use std::borrow::Cow;
use std::cell::RefCell;
use std::collections::BTreeMap;
use std::sync::{Arc, LazyLock, OnceLock};

use serde_json::{Value, json};

use super::approval::Gate;
use super::failures;
use super::frame::Frame;
use super::state::{RunState, Status, StepState};
use crate::event::SkipReason;
use crate::id::RunId;
use crate::outcome::{Failure, Outcome};
use crate::plan::{Plan, StepIndex};
use crate::secret::Secrets;
use crate::workflow::condition::{Before, Facts, StepFacts};
use crate::workflow::fan_out::FanOut;
use crate::workflow::template::{Item, Path, Scope, StepLookup};

/// What stands for the output of a step with `"save_output": false`.
static NOT_SAVED: LazyLock<Arc<Value>> =
    LazyLock::new(|| Arc::new(json!({ "_saved": false, "_note": "the output is not saved (\"save_output\": false)" })));

static NOTHING: LazyLock<Arc<Value>> = LazyLock::new(Arc::default);

/// What stays the same during a run.
pub(super) struct Surroundings {
    pub(super) plan: Arc<Plan>,
    pub(super) run: RunId,
    /// The name of the whole, whatever runs in it.
    pub(super) workflow: Arc<str>,
    pub(super) env: Arc<BTreeMap<String, String>>,
    pub(super) secrets: Arc<Secrets>,
    /// What was asked to be done again: it doesn't change while a process works on the run.
    rework: Value,
}

impl Surroundings {
    pub(super) fn new(
        plan: Arc<Plan>,
        run: RunId,
        env: Arc<BTreeMap<String, String>>,
        secrets: Arc<Secrets>,
        rework: Value,
    ) -> Self {
        let workflow = plan.workflow().name.as_str().into();
        Self { plan, run, workflow, env, secrets, rework }
    }
}

/// What became of the steps that one refers to: taken from the state when it starts, and opened once for all its items.
pub(super) struct Seen {
    steps: Vec<SeenStep>,
    opened: OnceLock<Result<Vec<OpenStep>, Box<Failure>>>,
}

struct SeenStep {
    step: StepIndex,
    /// With references where secrets stand; or why there is none.
    output: Result<Arc<Value>, &'static str>,
    approval: Option<Value>,
}

/// What this step's config may refer to, as things stand.
pub(super) fn look(state: &RunState, plan: &Plan, step: StepIndex) -> Seen {
    let look = |&other: &StepIndex| SeenStep {
        step: other,
        output: output(state, plan, other).ok_or_else(|| why_no_output(state.at(other))),
        approval: state.gate_at(other).and_then(|gate| gate.view()),
    };
    Seen { steps: plan.references(step).iter().map(look).collect(), opened: OnceLock::new() }
}

impl Seen {
    /// With the secrets that the outputs refer to. Fails when one is missing now.
    fn open(&self, secrets: &Secrets) -> Result<&[OpenStep], Box<Failure>> {
        let open = |seen: &SeenStep| {
            let output = match &seen.output {
                Ok(sealed) => Ok(secrets.open(sealed).map_err(|missing| failures::missing_secret(&missing))?),
                Err(why) => Err(*why),
            };
            Ok(OpenStep { step: seen.step, output, approval: seen.approval.clone() })
        };
        let opened = self.opened.get_or_init(|| self.steps.iter().map(open).collect());
        opened.as_deref().map_err(Clone::clone)
    }
}

/// One item of a step with `foreach` or `matrix`, of the list as it is recorded.
#[derive(Clone)]
pub(super) struct ItemOf {
    pub(super) index: u32,
    pub(super) values: Arc<[Value]>,
}

impl ItemOf {
    fn open(&self, secrets: &Secrets) -> Result<(u32, Value), Box<Failure>> {
        let value = secrets.open(&self.values[self.index as usize]);
        Ok((self.index, value.map_err(|missing| failures::missing_secret(&missing))?))
    }
}

/// A step's output as later steps see it. A failure that was tolerated may have left one as well.
fn output(state: &RunState, plan: &Plan, step: StepIndex) -> Option<Arc<Value>> {
    let seen = state.at(step);
    match (seen.status(), seen.output()) {
        (Status::Succeeded, _) if !plan.step(step).save_output => Some(Arc::clone(&NOT_SAVED)),
        (Status::Succeeded, Some(output)) => Some(Arc::clone(output)),
        (Status::Succeeded, None) => Some(Arc::clone(&NOTHING)),
        (Status::Failed { tolerated: true }, Some(output)) => Some(Arc::clone(output)),
        (Status::Failed { .. }, _) => state.failure_at(step)?.output.clone().map(Arc::new),
        _ => None,
    }
}

fn why_no_output(step: &StepState) -> &'static str {
    match step.status() {
        Status::Skipped(reason) => match **reason {
            SkipReason::Condition => "it was skipped, since its `if` was false",
            SkipReason::Human => "it was interrupted, and a human said to go on without it",
            SkipReason::Dependency(_) | SkipReason::EarlierFailure => "it was skipped after a failure",
            SkipReason::Refused(_) => "it was skipped, since an approval was refused",
            SkipReason::NotBegun(_) => "it was skipped, since what it stands in did not begin",
        },
        Status::Failed { .. } => "it failed",
        _ => "it has not run",
    }
}

/// What one attempt's templates see. All values are opened.
pub(super) struct StepScope<'a> {
    surroundings: &'a Surroundings,
    frame: &'a Frame,
    /// Whose they are.
    step: StepIndex,
    /// Ascending by step.
    steps: &'a [OpenStep],
    fan_out: Option<&'a FanOut>,
    item: Option<(u32, Value)>,
}

struct OpenStep {
    step: StepIndex,
    output: Result<Value, &'static str>,
    approval: Option<Value>,
}

impl<'a> StepScope<'a> {
    /// Fails when a value that the step asks for refers to a secret that is missing now.
    pub(super) fn open(
        surroundings: &'a Surroundings,
        frame: &'a Frame,
        step: StepIndex,
        seen: &'a Seen,
    ) -> Result<Self, Box<Failure>> {
        let definition = surroundings.plan.step(step);
        frame.check(definition)?;
        let steps = seen.open(&surroundings.secrets)?;
        Ok(Self { surroundings, frame, step, steps, fan_out: definition.fan_out.as_deref(), item: None })
    }

    /// The same for one of the step's items, as it is recorded.
    pub(super) fn at_item(&mut self, item: &ItemOf) -> Result<&Self, Box<Failure>> {
        self.item = Some(item.open(&self.surroundings.secrets)?);
        Ok(self)
    }

    /// The same, the item being this value.
    pub(super) fn at_value(&mut self, index: u32, value: Value) -> &Self {
        self.item = Some((index, value));
        self
    }

    /// Before any step has run: sees no step.
    pub(super) fn without_steps(surroundings: &'a Surroundings, frame: &'a Frame, step: StepIndex) -> Self {
        Self { surroundings, frame, step, steps: &[], fan_out: None, item: None }
    }

    /// The outputs there are, by what their steps are called.
    pub(super) fn outputs(&self) -> impl Iterator<Item = (&str, &Value)> {
        let plan = &self.surroundings.plan;
        self.steps.iter().filter_map(|seen| Some((plan.step(seen.step).name(), seen.output.as_ref().ok()?)))
    }

    fn find(&self, id: &str) -> Option<&OpenStep> {
        let step = self.surroundings.plan.named(self.step, id)?;
        let position = self.steps.binary_search_by_key(&step, |seen| seen.step).ok()?;
        self.steps.get(position)
    }
}

impl Scope for StepScope<'_> {
    fn inputs(&self) -> &Value {
        &self.frame.inputs
    }

    fn env(&self, name: &str) -> Option<String> {
        self.surroundings.env.get(name).cloned()
    }

    fn env_names(&self) -> Vec<String> {
        self.surroundings.env.keys().cloned().collect()
    }

    fn step(&self, id: &str) -> StepLookup<'_> {
        match self.find(id) {
            Some(OpenStep { output: Ok(output), .. }) => StepLookup::Output(Cow::Borrowed(output)),
            Some(OpenStep { output: Err(why), .. }) => StepLookup::NoOutput(Cow::Borrowed(why)),
            None => StepLookup::Unknown,
        }
    }

    fn step_ids(&self) -> Vec<String> {
        self.steps.iter().map(|seen| self.surroundings.plan.step(seen.step).name().to_owned()).collect()
    }

    fn run_id(&self) -> &str {
        self.surroundings.run.as_str()
    }

    fn workflow_name(&self) -> &str {
        &self.frame.name
    }

    fn approval(&self, step: &str) -> Option<Cow<'_, Value>> {
        self.find(step)?.approval.as_ref().map(Cow::Borrowed)
    }

    fn rework(&self) -> &Value {
        &self.surroundings.rework
    }

    fn item(&self) -> Option<Item<'_>> {
        self.item.as_ref().map(|(index, value)| Item { index: *index, value })
    }

    fn is_derived(&self, path: &Path) -> bool {
        let of_items = |fan_out: &FanOut| fan_out.is_derived(path) || self.frame.is_item_derived(fan_out, path);
        self.frame.is_derived(path) || self.fan_out.is_some_and(of_items)
    }
}

/// What a step's `if` says; true without one.
pub(super) fn evaluate(
    surroundings: &Surroundings,
    frame: &Frame,
    state: &RunState,
    step: StepIndex,
    before: Before,
) -> Result<bool, Box<Failure>> {
    let plan = &surroundings.plan;
    let Some(condition) = &plan.step(step).condition else { return Ok(before.success()) };
    if let Some(missing) = condition.references().inputs.iter().find_map(|input| frame.unopened.get(&input.name)) {
        return Err(failures::missing_secret(missing));
    }
    let missing = RefCell::new(None);
    let step_facts = |id: &str| {
        let other = plan.named(step, id)?;
        let output = output(state, plan, other).and_then(|sealed| {
            surroundings.secrets.open(&sealed).map_err(|reason| *missing.borrow_mut() = Some(reason)).ok()
        });
        let outcome = match state.at(other).gate() {
            Gate::Rejected => Outcome::Rejected,
            Gate::Expired => Outcome::Expired,
            _ => outcome(state.at(other).status())?,
        };
        Some(StepFacts { outcome, output: output.map(Cow::Owned) })
    };
    let answer = condition.evaluate(&Facts {
        before,
        inputs: &frame.inputs,
        run: surroundings.run.as_str(),
        workflow: &frame.name,
        env: &|name| surroundings.env.get(name).cloned(),
        step: &step_facts,
        approval: &|id| state.gate_at(plan.named(step, id)?)?.view(),
        rework: &surroundings.rework,
    });
    if let Some(missing) = missing.take() {
        return Err(failures::missing_secret(&missing));
    }
    answer.map_err(|error| failures::condition(&plan.step(step).pointer("if"), &error))
}

fn outcome(status: &Status) -> Option<Outcome> {
    match status {
        Status::Succeeded => Some(Outcome::Succeeded),
        Status::Failed { .. } => Some(Outcome::Failed),
        Status::Skipped(_) | Status::TakenAsDone => Some(Outcome::Skipped),
        Status::Interrupted { .. } => Some(Outcome::Cancelled),
        Status::Pending | Status::Running { .. } | Status::Retrying | Status::Expanded => None,
    }
}
