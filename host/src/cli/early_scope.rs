//! What templates may refer to before any step has run: inputs' defaults, and configs in a dry run.

use std::borrow::Cow;
use std::sync::LazyLock;

use serde_json::{Value, json};

use super::ci::Environment;
use crate::id::RunId;
use crate::workflow::template::{Scope, StepLookup};

/// Nobody has asked for any.
static NO_REWORK: LazyLock<Value> = LazyLock::new(|| json!({ "note": "", "by": "", "step": "", "count": 0 }));

/// What templates may refer to before any step has run.
pub(super) struct EarlyScope<'a> {
    pub(super) inputs: &'a Value,
    pub(super) run: &'a RunId,
    pub(super) workflow: &'a str,
    pub(super) environment: &'a Environment,
}

impl Scope for EarlyScope<'_> {
    fn inputs(&self) -> &Value {
        self.inputs
    }

    fn env(&self, name: &str) -> Option<String> {
        self.environment.get(name).map(str::to_owned)
    }

    fn env_names(&self) -> Vec<String> {
        self.environment.iter().map(|(name, _)| name.to_owned()).collect()
    }

    fn step(&self, _id: &str) -> StepLookup<'_> {
        StepLookup::NoOutput("nothing has run".into())
    }

    fn step_ids(&self) -> Vec<String> {
        Vec::new()
    }

    fn run_id(&self) -> &str {
        self.run.as_str()
    }

    fn workflow_name(&self) -> &str {
        self.workflow
    }

    fn approval(&self, _step: &str) -> Option<Cow<'_, Value>> {
        None
    }

    fn rework(&self) -> &Value {
        &NO_REWORK
    }
}
