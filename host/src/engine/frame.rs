//! What is the same for all steps of one workflow, be it the whole or one that runs as a step: its name and its inputs.

use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;

use serde_json::{Map, Value};
use tokio::time::Instant;

use super::failures;
use super::state::RunState;
use crate::outcome::Failure;
use crate::plan::{Group, Plan, StepIndex};
use crate::secret::{MissingSecret, Secrets};
use crate::workflow::fan_out::FanOut;
use crate::workflow::model::Step;
use crate::workflow::subworkflow::inputs::is_derived;
use crate::workflow::template::{self, Key, Path};

/// The workflow around a step.
pub(super) struct Frame {
    /// `workflow.name`.
    pub(super) name: Arc<str>,
    /// An object. Inputs that can't be opened are not in it.
    pub(super) inputs: Value,
    /// Inputs that refer to a secret that is missing now.
    pub(super) unopened: HashMap<String, MissingSecret>,
    /// Inputs that hold text from a step of the workflow around it, or from a person.
    derived: BTreeSet<String>,
    /// When this process came to it.
    pub(super) since: Instant,
}

impl Frame {
    /// `inputs`: as the journal has them.
    pub(super) fn open(name: Arc<str>, inputs: &Value, derived: BTreeSet<String>, secrets: &Secrets) -> Self {
        let mut opened = Map::new();
        let mut unopened = HashMap::new();
        for (name, input) in inputs.as_object().into_iter().flatten() {
            match secrets.open(input) {
                Ok(value) => drop(opened.insert(name.clone(), value)),
                Err(missing) => drop(unopened.insert(name.clone(), missing)),
            }
        }
        Self { name, inputs: Value::Object(opened), unopened, derived, since: Instant::now() }
    }

    /// Text from here was made by a step or by a person.
    pub(super) fn is_derived(&self, path: &Path) -> bool {
        is_derived(path, &self.derived)
    }

    /// The same of an item of a list that was made of such text.
    pub(super) fn is_item_derived(&self, fan_out: &FanOut, path: &Path) -> bool {
        let holds = |list: &Value| template::references(list).any(|reference| self.is_derived(&reference.path));
        matches!(path, Path::Item(_) | Path::Matrix(_)) && !self.derived.is_empty() && holds(&fan_out.over)
    }

    /// What this step asks for of the inputs can be had.
    pub(super) fn check(&self, step: &Step) -> Result<(), Box<Failure>> {
        if self.unopened.is_empty() {
            return Ok(());
        }
        let asks_for = |name: &str| {
            let list = step.fan_out.iter().flat_map(|fan_out| template::references(&fan_out.over));
            template::references(&step.config).chain(list).any(|reference| match &reference.path {
                Path::Inputs(keys) => keys.first().is_none_or(|key| matches!(key, Key::Name(key) if key == name)),
                _ => false,
            })
        };
        match self.unopened.iter().find(|(name, _)| asks_for(name)) {
            Some((_, missing)) => Err(failures::missing_secret(missing)),
            None => Ok(()),
        }
    }
}

/// The frames of a run, each made when a step first asks for it: of a workflow that runs as a step, when its inputs are known.
pub(super) struct Frames(Vec<Option<Arc<Frame>>>);

impl Frames {
    /// `inputs`: of the whole, as the journal has them.
    pub(super) fn new(plan: &Plan, inputs: &Value, secrets: &Secrets) -> Self {
        let outermost = Frame::open(plan.workflow().name.as_str().into(), inputs, BTreeSet::new(), secrets);
        let mut frames = vec![None; plan.groups().count()];
        frames[Group::OUTERMOST.get()] = Some(Arc::new(outermost));
        Self(frames)
    }

    /// The same, if the workflow around the step has begun.
    pub(super) fn begun(
        &mut self,
        plan: &Plan,
        state: &RunState,
        secrets: &Secrets,
        step: StepIndex,
    ) -> Option<Arc<Frame>> {
        let has_begun = match plan.ends(plan.scope(step)) {
            Some(ends) => state.at(ends.begin).output().is_some(),
            None => true,
        };
        has_begun.then(|| self.of(plan, state, secrets, step))
    }

    /// What this step's templates and its condition see. The workflow around it has begun.
    pub(super) fn of(&mut self, plan: &Plan, state: &RunState, secrets: &Secrets, step: StepIndex) -> Arc<Frame> {
        let group = plan.scope(step);
        let frame = self.0[group.get()].get_or_insert_with(|| {
            let inputs = plan.ends(group).and_then(|ends| state.at(ends.begin).output().cloned()).unwrap_or_default();
            let inner = plan.subworkflow(group);
            let (name, derived) =
                inner.map(|inner| (Arc::clone(&inner.name), inner.derived.clone())).unwrap_or_default();
            Arc::new(Frame::open(name, &inputs, derived, secrets))
        });
        Arc::clone(frame)
    }
}
