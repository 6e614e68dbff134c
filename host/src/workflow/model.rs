//! The workflow as its author meant it: typed, with every default filled in. Nothing here has been checked against
//! another step or a step type.

use std::sync::Arc;
use std::time::Duration;

use serde_json::Value;

use super::condition::Condition;
use super::fan_out::FanOut;
use super::subworkflow::{SubIndex, Subworkflow};
use crate::approval::Rule;
use crate::capability::Permissions;
use crate::id::{Digest, StepId, StepType};

/// A workflow file. With errors among the diagnostics it is there to be checked further, never to be run: steps that can't
/// be understood are left out, and so are dependencies on them.
#[derive(Clone, Debug)]
pub struct Workflow {
    /// Its name: not empty.
    pub name: String,
    /// What it is for.
    pub description: Option<String>,
    /// What may be given with `-input`, and the defaults.
    pub inputs: Vec<Input>,
    /// How it runs and shows.
    pub settings: Settings,
    /// Environment variables whose values are secret, whatever their names look like.
    pub secrets: Vec<String>,
    /// Environment variables whose values are not secret, whatever their names look like.
    pub not_secrets: Vec<String>,
    /// The steps, in file order: at least one. Those of `finally` come after all others.
    pub steps: Vec<Step>,
    /// What it gives to a workflow that runs it as a step: templates over its steps. `None` for their outputs by their ids.
    pub outputs: Option<Value>,
    /// The workflows that run as steps of it or of each other, once they stand among `steps`.
    pub subworkflows: Vec<Subworkflow>,
    /// What the whole file means (see [`super::digest`]), and all that it runs.
    pub digest: Digest,
}

impl Workflow {
    /// The inputs that this step's templates and condition see.
    pub fn inputs_of(&self, step: &Step) -> &[Input] {
        step.scope().map_or(&self.inputs, |sub| &self.subworkflows[sub.get()].inputs)
    }
}

/// One input.
#[derive(Clone, Debug, PartialEq)]
pub struct Input {
    /// Its name.
    pub name: String,
    /// Its value when none is given: may hold templates over `env`, `run` and `workflow`. `None` means that one must be
    /// given, or that it is `null` if it isn't required.
    pub default: Option<Value>,
    /// A value must be given.
    pub required: bool,
    /// JSON Schema of the value; `None` for the short form (`"environment": "production"`), which takes any value.
    pub schema: Option<Value>,
}

/// `settings` of a workflow.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Settings {
    /// Step output and progress are not shown; the pause notice, failures and warnings are.
    pub quiet_mode: bool,
    /// At most this many steps at once.
    pub jobs: Option<usize>,
    /// Whether the summary shows the steps' outputs.
    pub save_results: Option<bool>,
    /// How the summary shows them.
    pub output_format: Option<OutputFormat>,
}

/// `settings.output_format`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OutputFormat {
    /// For people.
    Text,
    /// For machines.
    Json,
}

/// What a step is to a workflow that runs as a step.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Role {
    /// Nothing: it does what its type does.
    #[default]
    Plain,
    /// It decides whether the workflow runs, and fills in its inputs: its output.
    Begin {
        /// Which.
        of: SubIndex,
    },
    /// It is over when the workflow is: its output is the workflow's, and its config what that is made of.
    End {
        /// Which.
        of: SubIndex,
        /// The place of what its output is made of.
        outputs: String,
    },
}

impl Role {
    /// A step of its file, and not what stands before one.
    pub fn is_shown(&self) -> bool {
        !matches!(self, Self::Begin { .. })
    }
}

/// The lists of steps in a file.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum StepList {
    /// `steps`.
    #[default]
    Steps,
    /// `finally`: what is done once all of `steps` is settled, whatever came of it.
    Finally,
}

impl StepList {
    /// Its name in the file.
    pub fn name(self) -> &'static str {
        match self {
            Self::Steps => "steps",
            Self::Finally => "finally",
        }
    }

    /// The JSON Pointer of one of its elements.
    pub fn pointer(self, index: usize) -> String {
        format!("/{}/{index}", self.name())
    }
}

/// One step.
#[derive(Clone, Debug)]
pub struct Step {
    /// What it is to a workflow that runs as a step.
    pub role: Role,
    /// The workflow that it belongs to, if that runs as a step.
    pub within: Option<SubIndex>,
    /// What stands before its pointers if it stands in another file: the file's name and `#`.
    pub origin: Arc<str>,
    /// The list of the file that it stands in.
    pub list: StepList,
    /// Its place in that list, from 0.
    pub index: usize,
    /// Its id.
    pub id: StepId,
    /// Its type.
    pub step_type: StepType,
    /// Its config, templates unresolved: always a JSON object.
    pub config: Value,
    /// The steps it depends on, in file order, without repetition.
    pub depends_on: Vec<StepId>,
    /// `if`. `None` means `success()`; a step of `finally` always has one.
    pub condition: Option<Condition>,
    /// `foreach` or `matrix`: it is run once for each of these items.
    pub fan_out: Option<Arc<FanOut>>,
    /// How long one attempt may take; `None` for the step type's default.
    pub timeout: Option<Duration>,
    /// When and how often it is tried again.
    pub retry: Retry,
    /// A failure does not fail the run.
    pub continue_on_error: bool,
    /// After it succeeds, what depends on it waits for humans: `approval`, or `pause`, its short form.
    pub approval: Option<Arc<Approval>>,
    /// Its output is not shown.
    pub quiet: bool,
    /// Its output is kept for later steps and the journal.
    pub save_output: bool,
    /// It may run again when a process died while it ran.
    pub idempotent: bool,
    /// What it may do at most, and so may the steps that it stands in, outermost first: each narrows what its type is granted.
    pub permissions: Vec<Arc<Permissions>>,
    /// What the step's object in the file means (see [`super::digest`]).
    pub digest: Digest,
}

impl Step {
    /// The JSON Pointer of one of its fields in the file.
    pub fn pointer(&self, field: &str) -> String {
        match &self.role {
            Role::End { outputs, .. } if field == "config" => outputs.clone(),
            _ => format!("{}{}/{field}", self.origin, self.list.pointer(self.index)),
        }
    }

    /// The workflow whose steps and inputs its templates and its condition see, if that runs as a step.
    pub fn scope(&self) -> Option<SubIndex> {
        match self.role {
            Role::End { of, .. } => Some(of),
            Role::Plain | Role::Begin { .. } => self.within,
        }
    }

    /// What the author calls it.
    pub fn name(&self) -> &str {
        match self.role {
            Role::Begin { .. } => self.id.around().next().and_then(|id| id.rsplit('/').next()).unwrap_or_default(),
            Role::Plain | Role::End { .. } => self.id.local(),
        }
    }
}

/// `approval` of a step.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Approval {
    /// Who has to approve.
    pub rule: Rule,
    /// How long a request holds.
    pub expires: Option<Duration>,
    /// Files and directories, relative to the project's directory, whose content is approved along with the workflow.
    pub bind: Vec<String>,
}

/// `retry` of a step.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Retry {
    /// How often it is tried in all: at least 1.
    pub max_attempts: u32,
    /// The wait before the second attempt.
    pub delay: Duration,
    /// What the wait is multiplied by for each further attempt: at least 1.
    pub backoff: f64,
    /// The longest wait.
    pub max_delay: Duration,
}

impl Default for Retry {
    fn default() -> Self {
        Self { max_attempts: 1, delay: Duration::ZERO, backoff: 2.0, max_delay: Duration::from_secs(300) }
    }
}
