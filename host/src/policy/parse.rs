//! From text to a policy, with every problem at once. The document is `docs/policy.schema.json`.

use std::collections::BTreeMap;

use serde_json::{Map, Value};

use super::{EVERY_OTHER, Policy, Role, StateNeeds};
use crate::diagnostic::{Diagnostic, Place};
use crate::workflow::fields::Fields;
use crate::workflow::{Source, digest, json, permissions};

const VERSION: u32 = 1;

/// Reads a document. The diagnostics have their places.
pub(super) fn parse(source: &Source, role: Role) -> Result<Policy, Vec<Diagnostic>> {
    let document = json::read(source).map_err(|error| vec![*error])?;
    let mut problems = document.diagnostics(source);
    let digest = digest::of(&document.value);
    let (types, state) = match document.value {
        Value::Object(members) => {
            let mut fields = Fields::new(String::new(), members, &["version", "types", "state"], &mut problems);
            read_version(&mut fields);
            (read_types(&mut fields, role), read_state(&mut fields))
        }
        other => {
            let message = format!("a policy is an object, not {}", json::kind(&other));
            problems.push(Diagnostic::error("wrong-type", Place::value(""), message));
            (BTreeMap::new(), StateNeeds::default())
        }
    };
    if problems.is_empty() {
        return Ok(Policy { name: source.name().to_owned(), types, digest, state });
    }
    source.locate(&mut problems);
    problems.sort_by_key(|problem| problem.place.position);
    Err(problems)
}

fn read_version(fields: &mut Fields<'_>) {
    if fields.members.get("version").is_none_or(Value::is_null) {
        fields.missing("version", "\"version\": 1");
    } else if fields.whole("version", 0, u32::MAX).is_some_and(|version| version != VERSION) {
        let place = fields.place("version");
        let message = format!("this shiro reads policies of version {VERSION}");
        fields.report(Diagnostic::error("version", place, message));
    }
}

fn read_state(fields: &mut Fields<'_>) -> StateNeeds {
    let Some(members) = fields.object("state") else { return StateNeeds::default() };
    let known = &["authenticated", "encrypted"];
    let mut state = Fields::new("/state".to_owned(), members, known, fields.problems);
    StateNeeds {
        authenticated: state.boolean("authenticated").unwrap_or(false),
        encrypted: state.boolean("encrypted").unwrap_or(false),
    }
}

fn read_types(fields: &mut Fields<'_>, role: Role) -> BTreeMap<String, crate::capability::Permissions> {
    if fields.members.get("types").is_none_or(Value::is_null) {
        fields.missing(
            "types",
            "\"types\": { \"my.step\": { \"network\": [{ \"url\": \"https://api.example.com\" }] } }",
        );
    }
    let Some(members) = fields.object("types") else { return BTreeMap::new() };
    let names: Vec<String> = members.keys().cloned().collect();
    // No name is an annotation here: a type may be called `x-ray`.
    let mut types = Fields::new("/types".to_owned(), Map::new(), &[], fields.problems);
    types.members = members;
    let mut policy = BTreeMap::new();
    for name in &names {
        if name == EVERY_OTHER && role == Role::Repository {
            let place = Place { key: true, ..types.place(name) };
            let problem = "a repository's policy grants to types by name: `*` is for an operator's, which bounds";
            types.report(Diagnostic::error("every-type", place, problem));
            continue;
        }
        // Elsewhere `null` is the same as leaving something out. Here that could mean all or nothing.
        if types.members.get(name).is_some_and(Value::is_null) {
            types.wrong_type(name, "an object", &Value::Null);
            continue;
        }
        policy.extend(permissions::read_member(&mut types, name).map(|permissions| (name.clone(), permissions)));
    }
    policy
}
