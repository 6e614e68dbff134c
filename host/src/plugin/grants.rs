//! What a step gets: what its type asks for, filled in from its config, as far as policy gives it.

use serde_json::Value;

use super::loaded::LoadedType;
use crate::capability::Grants;

/// What a step gets, and the same for people.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct GrantPlan {
    /// What an attempt gets.
    pub grants: Grants,
    /// One line for each thing granted, e.g. `network https://hooks.slack.com:443`. Never a path, a query or another
    /// part of a URL that may be secret.
    pub granted: Vec<String>,
    /// One line for each thing asked for and not granted, with why.
    pub refused: Vec<String>,
}

/// What a step of this type with this config gets. `derived` are the JSON Pointers of the strings in `config` that hold
/// text from a step's output, as in [`StepRequest::derived`](crate::step::StepRequest::derived). With a config whose
/// templates are unresolved, what depends on one is described as known only when the step runs.
pub fn grants_for(_loaded: &LoadedType, _config: &Value, _derived: &[String]) -> GrantPlan {
    todo!()
}
