//! From text to a policy, with every problem at once. The document is `docs/policy.schema.json`.

use std::collections::BTreeMap;

use serde_json::{Map, Value};

use super::{EVERY_OTHER, Policy, Role, StateNeeds, identity};
use crate::diagnostic::{Diagnostic, Place};
use crate::package::Rule;
use crate::package::signature::PublicKey;
use crate::workflow::fields::Fields;
use crate::workflow::{Source, digest, json, permissions};

const VERSION: u32 = 1;

/// Reads a document. The diagnostics have their places.
pub(super) fn parse(source: &Source, role: Role) -> Result<Policy, Vec<Diagnostic>> {
    let document = json::read(source).map_err(|error| vec![*error])?;
    let mut problems = document.diagnostics(source);
    let digest = digest::of(&document.value);
    let identity_digest = document.value.get("identity").map(digest::of);
    let mut besides = Map::new();
    let (types, state, signatures, identity) = match document.value {
        Value::Object(members) => {
            let others = members.iter().filter(|(name, _)| !["version", "types"].contains(&name.as_str()));
            besides.extend(others.map(|(name, value)| (name.clone(), value.clone())));
            let known = ["version", "types", "state", "signatures", "identity"];
            let mut fields = Fields::new(String::new(), members, &known, &mut problems);
            read_version(&mut fields);
            let types = read_types(&mut fields, role);
            let identity = identity::read(&mut fields, role);
            (types, read_state(&mut fields), read_signatures(&mut fields, source.name()), identity)
        }
        other => {
            let message = format!("a policy is an object, not {}", json::kind(&other));
            problems.push(Diagnostic::error("wrong-type", Place::value(""), message));
            (BTreeMap::new(), StateNeeds::default(), Vec::new(), None)
        }
    };
    if problems.is_empty() {
        return Ok(Policy {
            name: source.name().to_owned(),
            types,
            digest,
            identity_digest,
            state,
            signatures,
            identity,
            besides,
        });
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

fn read_signatures(fields: &mut Fields<'_>, policy: &str) -> Vec<Rule> {
    // As above: what requires something must not be passed over.
    if fields.members.get("signatures").is_some_and(Value::is_null) {
        fields.wrong_type("signatures", "an array of objects", &Value::Null);
    }
    permissions::each(fields, "signatures", &["source", "signers"], |rule| {
        let source = rule.string("source").unwrap_or_else(|| "*".to_owned());
        if let Some(problem) = Rule::source_problem(&source) {
            rule.report(Diagnostic::error("source", rule.place("source"), problem));
        }
        if rule.members.get("signers").and_then(Value::as_array).is_none_or(Vec::is_empty) {
            rule.missing(
                "signers",
                "\"signers\": [\"RW...\"]: public keys as minisign prints them, any of which will do",
            );
        }
        let texts = rule.strings("signers");
        let mut signers = Vec::with_capacity(texts.len());
        for (index, text) in texts.iter().enumerate().filter(|(_, text)| !text.is_empty()) {
            match PublicKey::parse(text) {
                Ok(key) => signers.push(key),
                Err(error) => {
                    let place = Place::value(format!("{}/signers/{index}", rule.pointer));
                    let problem = Diagnostic::error("signer", place, error.message);
                    rule.report(error.hint.into_iter().fold(problem, Diagnostic::with_hint));
                }
            }
        }
        Some(Rule { by: policy.to_owned(), source, signers })
    })
}
