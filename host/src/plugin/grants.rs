//! What a step gets: what policy makes of what its type asks for, with its config.

use serde_json::Value;

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

fn subject<'a>(loaded: &'a LoadedType, step: Option<&'a Permissions>) -> Subject<'a> {
    Subject {
        step_type: loaded.step_type().as_str(),
        builtin: loaded.builtin(),
        asked: &loaded.description().permissions,
        step,
    }
}
