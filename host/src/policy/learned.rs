//! What steps used, and the smallest policy that grants just that.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};

use serde_json::{Value, json};

use super::Policies;
use crate::capability::{NetworkPermission, Permissions};

/// Remembers what steps used. For all threads of a run.
#[derive(Debug, Default)]
pub struct Learned {
    types: Mutex<BTreeMap<String, Permissions>>,
}

impl Learned {
    /// A step of this type used this.
    pub fn note(&self, step_type: &str, used: Permissions) {
        let mut types = self.types.lock().unwrap_or_else(PoisonError::into_inner);
        let known = types.entry(step_type.to_owned()).or_default();
        for one in used.network {
            note_network(&mut known.network, one);
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
        note_names(&mut known.environment, used.environment);
        note_names(&mut known.secrets, used.secrets);
    }

    /// The smallest policy that allows what was noted. Limits, and what is required of signatures and state, stay as the
    /// repository's policy has them. `clean` makes text that may hold a secret fit to be written: an argument that it changes becomes `*`.
    pub fn document(&self, policies: &Policies, clean: impl Fn(&str) -> String) -> Value {
        let mut types = self.types.lock().unwrap_or_else(PoisonError::into_inner).clone();
        for (step_type, permissions) in &mut types {
            for arg in permissions.process.iter_mut().flat_map(|one| one.args.iter_mut().flatten()) {
                if clean(arg) != *arg {
                    *arg = "*".to_owned();
                }
            }
            if let Some(known) = policies.repository.as_ref().and_then(|policy| policy.of(step_type)) {
                permissions.limits = known.limits;
            }
        }
        let mut document = json!({ "version": 1, "types": types });
        if let Some(policy) = policies.repository.as_ref().filter(|policy| !policy.signatures.is_empty()) {
            document["signatures"] = json!(policy.signatures);
        }
        if let Some(policy) = policies.repository.as_ref().filter(|policy| policy.state != Default::default()) {
            document["state"] =
                json!({ "authenticated": policy.state.authenticated, "encrypted": policy.state.encrypted });
        }
        document
    }
}

/// Requests to one host are one entry with all their methods.
fn note_network(known: &mut Vec<NetworkPermission>, used: NetworkPermission) {
    match known.iter_mut().find(|one| one.url == used.url && one.private == used.private) {
        Some(one) => {
            note_names(&mut one.methods, used.methods);
            one.methods.sort();
        }
        None => known.push(used),
    }
}

fn note_names(known: &mut Vec<String>, used: Vec<String>) {
    for name in used {
        if !known.contains(&name) {
            known.push(name);
        }
    }
}
