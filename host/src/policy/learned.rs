//! What steps used, and the smallest policy that grants just that.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Mutex, MutexGuard, PoisonError};

use serde_json::{Value, json};

use super::Policies;
use crate::capability::{NetworkPermission, Permissions, names};
use crate::id::StepId;

/// Remembers what steps used. For all threads of a run.
#[derive(Debug, Default)]
pub struct Learned {
    inner: Mutex<Inner>,
}

#[derive(Debug, Default)]
struct Inner {
    types: BTreeMap<String, Permissions>,
    ran: BTreeSet<StepId>,
}

impl Learned {
    /// A step of this type used this.
    pub fn note(&self, step_type: &str, used: Permissions) {
        add(self.inner().types.entry(step_type.to_owned()).or_default(), used);
    }

    /// This step ran: what it needs is known by now.
    pub fn ran(&self, step: &StepId) {
        self.inner().ran.insert(step.clone());
    }

    /// Whether this step ran. With `items`, it did if one of its items has: none of them is left.
    pub fn has_run(&self, step: &StepId, items: bool) -> bool {
        let is_item = |ran: &StepId| StepId::split_item(ran.as_str()).is_some_and(|(own, _)| own == step.as_str());
        let inner = self.inner();
        inner.ran.contains(step) || (items && inner.ran.iter().any(is_item))
    }

    /// The smallest policy that allows what was noted. Types that are `kept`, as not all of their steps ran, keep what the
    /// repository's policy grants them; what else it says stays too: limits, what it requires of signatures and state, whom
    /// it believes. `clean` makes text that may hold a secret fit to be written: an argument that it changes becomes `*`.
    pub fn document(&self, policies: &Policies, kept: &BTreeSet<&str>, clean: impl Fn(&str) -> String) -> Value {
        let mut types = self.inner().types.clone();
        types.retain(|_, permissions| *permissions != Permissions::default());
        for permissions in types.values_mut() {
            for arg in permissions.process.iter_mut().flat_map(|one| one.args.iter_mut().flatten()) {
                if clean(arg) != *arg {
                    *arg = "*".to_owned();
                }
            }
        }
        let repository = policies.repository.as_ref();
        for (step_type, known) in repository.iter().flat_map(|policy| &policy.types) {
            // A built-in type that is not named has all that it asks for: what was taken from it is not given back.
            let taken = super::built_in().types.contains_key(step_type);
            if kept.contains(step_type.as_str()) {
                let used = types.insert(step_type.clone(), known.clone()).unwrap_or_default();
                add(types.entry(step_type.clone()).or_default(), used);
            } else if taken || !known.limits.is_empty() {
                types.entry(step_type.clone()).or_default().limits = known.limits;
            }
        }
        let mut document = json!({ "version": 1, "types": types });
        for (name, value) in repository.iter().flat_map(|policy| &policy.besides) {
            document[name] = value.clone();
        }
        document
    }

    fn inner(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Adds what is not covered yet.
fn add(known: &mut Permissions, used: Permissions) {
    for one in used.network {
        if !known.network.iter().any(|other| other.covers(&one)) {
            add_network(&mut known.network, one);
        }
    }
    for one in used.process {
        if !known.process.iter().any(|other| other.covers(&one)) {
            known.process.push(one);
        }
    }
    for one in used.files {
        if !known.files.iter().any(|other| other.covers(&one)) {
            known.files.retain(|other| !one.covers(other));
            known.files.push(one);
        }
    }
    for one in used.store {
        if !known.store.iter().any(|other| other.covers(&one)) {
            known.store.retain(|other| !one.covers(other));
            known.store.push(one);
        }
    }
    for one in used.environment {
        if !names::covers_one(&known.environment, &one) {
            known.environment.push(one);
        }
    }
    add_names(&mut known.secrets, used.secrets);
}

/// Requests to one host are one entry with all their methods.
fn add_network(known: &mut Vec<NetworkPermission>, used: NetworkPermission) {
    let same = |one: &&mut NetworkPermission| {
        one.url == used.url && one.private == used.private && one.path_prefix == used.path_prefix
    };
    match known.iter_mut().find(same) {
        Some(one) => {
            add_names(&mut one.methods, used.methods);
            one.methods.sort();
        }
        None => known.push(used),
    }
}

fn add_names(known: &mut Vec<String>, used: Vec<String>) {
    for name in used {
        if !known.contains(&name) {
            known.push(name);
        }
    }
}
