//! What a step gets: what policy makes of what its type asks for, with its config.

use std::sync::Arc;

use super::builtin;
use super::loaded::LoadedType;
use crate::capability::{Permissions, Values, Variables};
use crate::policy::{Decision, Policies, Subject};

/// What a step of this type gets, with these values for what permissions refer to. `step` are its own `permissions`, and
/// those of the steps that it stands in.
pub fn grants_for(
    loaded: &LoadedType,
    policies: &Policies,
    step: &[Arc<Permissions>],
    values: &Values<'_>,
) -> Decision {
    policies.decide(&subject(loaded, step), values)
}

/// What a step of this type gets in a job with these variables when its config is not known.
pub fn grants_for_any_config(loaded: &LoadedType, policies: &Policies, variables: &Variables) -> Decision {
    policies.decide_for_any_config(&subject(loaded, &[]), variables)
}

/// Whether any config gets a step of this type a grant.
pub fn may_have_effects(loaded: &LoadedType, policies: &Policies) -> bool {
    policies.may_have_effects(&subject(loaded, &[]))
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

/// The other names of a built-in type.
pub fn aliases(name: &str) -> &'static [&'static str] {
    builtin::find(name).map(|built_in| built_in.aliases).unwrap_or_default()
}

fn subject<'a>(loaded: &'a LoadedType, step: &'a [Arc<Permissions>]) -> Subject<'a> {
    Subject {
        step_type: policy_name(loaded),
        builtin: loaded.builtin(),
        asked: &loaded.description().permissions,
        step,
    }
}
