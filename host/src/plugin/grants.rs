//! What a step gets: what policy makes of what its type asks for, with its config.

use serde_json::Value;

use super::builtin;
use super::loaded::LoadedType;
use crate::capability::Permissions;
use crate::policy::{Decision, Policies, Subject};

/// What a step of this type with this config gets. `step` are its own `permissions`; `derived` are the JSON Pointers of the
/// strings in `config` that hold text from a step's output, as in
/// [`StepRequest::derived`](crate::step::StepRequest::derived).
pub fn grants_for(
    loaded: &LoadedType,
    policies: &Policies,
    step: Option<&Permissions>,
    config: &Value,
    derived: &[String],
) -> Decision {
    policies.decide(&subject(loaded, step), config, derived)
}

/// What a step of this type gets when its config is not known.
pub fn grants_for_any_config(loaded: &LoadedType, policies: &Policies) -> Decision {
    policies.decide_for_any_config(&subject(loaded, None))
}

/// Whether any config gets a step of this type a grant.
pub(super) fn may_have_effects(loaded: &LoadedType, policies: &Policies) -> bool {
    policies.may_have_effects(&subject(loaded, None))
}

/// What policies call a type: a built-in one by its own name, whatever other name a workflow uses.
pub(super) fn policy_name(loaded: &LoadedType) -> &str {
    let name = loaded.step_type().as_str();
    builtin_name(name).filter(|_| loaded.builtin()).unwrap_or(name)
}

/// The own name of a built-in type that this names, by that or by another name.
pub fn builtin_name(name: &str) -> Option<&'static str> {
    builtin::find(name).map(|built_in| built_in.name)
}

fn subject<'a>(loaded: &'a LoadedType, step: Option<&'a Permissions>) -> Subject<'a> {
    Subject {
        step_type: policy_name(loaded),
        builtin: loaded.builtin(),
        asked: &loaded.description().permissions,
        step,
    }
}
