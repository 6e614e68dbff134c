//! `approval` of a step, and `pause`, its short form.

use serde_json::Value;

use super::fields::Fields;
use crate::approval::{OnExpire, Principal, Rule};
use crate::diagnostic::{Diagnostic, Place};
use crate::workflow::model::Approval;
use crate::workflow::schema::Validator;

const FIELDS: &[&str] = &["required", "approvers", "self", "allow_unverified", "expires", "on_expire", "form", "bind"];

/// More people than this are never asked.
const MAX_REQUIRED: u32 = 100;
/// A form is part of the journal, and people fill it in.
const MAX_FORM: usize = 16 * 1024;
const MAX_FORM_DEPTH: usize = 32;

/// Reads both fields of a step. `None` if the step has no gate, or one that can't be understood, which is reported then.
pub(super) fn read(fields: &mut Fields<'_>) -> Option<Approval> {
    let pause = fields.boolean("pause").unwrap_or(false);
    if fields.members.get("approval").is_none_or(Value::is_null) {
        return pause.then(|| Approval { rule: Rule::pause(), ..Approval::default() });
    }
    let members = fields.object("approval")?;
    if pause {
        let place = fields.place("pause");
        let message = "`pause` is the short form of `approval`, which is here too";
        fields.report(Diagnostic::warning("redundant", place, message).with_hint("take `pause` out"));
    }
    let pointer = format!("{}/approval", fields.pointer);
    let mut fields = Fields::new(pointer, members, FIELDS, fields.problems);
    let rule = Rule {
        pause: false,
        required: fields.whole("required", 1, MAX_REQUIRED).unwrap_or(1),
        approvers: read_approvers(&mut fields),
        own: fields.boolean("self").unwrap_or(true),
        allow_unverified: fields.boolean("allow_unverified").unwrap_or(false),
        on_expire: read_on_expire(&mut fields),
        form: read_form(&mut fields),
    };
    let expires = fields.duration("expires");
    if expires.is_some_and(|expires| expires.is_zero()) {
        fields.out_of_range("expires", "a time in which someone can decide, e.g. \"24h\"; leave it out for no limit");
    }
    let bind = read_bind(&mut fields);
    check_people(&rule, &mut fields);
    Some(Approval { rule, expires, bind })
}

fn read_approvers(fields: &mut Fields<'_>) -> Vec<Principal> {
    if fields.members.get("approvers").and_then(Value::as_array).is_some_and(Vec::is_empty) {
        fields.out_of_range("approvers", "a list of at least one; leave it out for whoever can start shiro");
    }
    let mut approvers = Vec::new();
    for (index, name) in fields.strings("approvers").into_iter().enumerate() {
        if name.is_empty() {
            // Reported when it was read.
            continue;
        }
        match Principal::try_from(name) {
            Ok(principal) if approvers.contains(&principal) => {
                let place = Place::value(format!("{}/approvers/{index}", fields.pointer));
                fields.report(Diagnostic::warning(
                    "duplicate-approver",
                    place,
                    format!("`{principal}` is named twice"),
                ));
            }
            Ok(principal) => approvers.push(principal),
            Err(error) => {
                let place = Place::value(format!("{}/approvers/{index}", fields.pointer));
                fields.report(
                    Diagnostic::error("invalid-approver", place, error.to_string())
                        .with_hint("\"alice\", or \"group:company/sre\" for everybody in a group"),
                );
            }
        }
    }
    approvers
}

fn read_on_expire(fields: &mut Fields<'_>) -> OnExpire {
    let on_expire = match fields.string("on_expire").as_deref() {
        None => return OnExpire::default(),
        Some("fail") => OnExpire::Fail,
        Some("reject") => OnExpire::Reject,
        Some(_) => {
            fields.out_of_range("on_expire", "\"fail\" or \"reject\": an approval is never given by waiting");
            return OnExpire::default();
        }
    };
    if fields.members.get("expires").is_none_or(Value::is_null) {
        let place = fields.place("on_expire");
        let problem = Diagnostic::warning("no-effect", place, "without `expires`, `on_expire` has no effect");
        fields.report(problem.with_hint("\"expires\": \"24h\""));
    }
    on_expire
}

/// A JSON Schema of an object.
fn read_form(fields: &mut Fields<'_>) -> Option<Value> {
    let form = Value::Object(fields.object("form")?);
    let place = fields.place("form");
    let problem = |message: String| Diagnostic::error("form", place.clone(), message);
    if form.to_string().len() > MAX_FORM || depth(&form) > MAX_FORM_DEPTH {
        let most = MAX_FORM / 1024;
        fields.report(problem(format!("a form is at most {most} KiB of JSON, nested at most {MAX_FORM_DEPTH} deep")));
        return None;
    }
    if let Err(message) = Validator::new(&form) {
        fields.report(problem(message));
        return None;
    }
    if form.get("type").and_then(Value::as_str) != Some("object") {
        let hint = "{ \"type\": \"object\", \"properties\": { \"ticket\": { \"type\": \"string\" } }, \"required\": [\"ticket\"] }";
        fields.report(problem("a form is the JSON Schema of an object".to_owned()).with_hint(hint));
        return None;
    }
    Some(form)
}

fn depth(value: &Value) -> usize {
    match value {
        Value::Array(items) => 1 + items.iter().map(depth).max().unwrap_or(0),
        Value::Object(members) => 1 + members.values().map(depth).max().unwrap_or(0),
        _ => 0,
    }
}

/// What changes by itself.
const STATE_DIR: &str = ".shiro/state";

/// Paths within the project: what a step can't be given either.
fn read_bind(fields: &mut Fields<'_>) -> Vec<String> {
    let mut paths: Vec<String> = Vec::new();
    for (index, path) in fields.strings("bind").into_iter().enumerate() {
        if path.is_empty() {
            // Reported when it was read.
            continue;
        }
        let place = Place::value(format!("{}/bind/{index}", fields.pointer));
        let outside = path.starts_with('/') || path.split('/').any(|part| part == "..");
        let problem = if outside {
            "a bound file lies within the project"
        } else if path.contains(['\0', '\\']) {
            "this is not the path of a file"
        } else if path.contains("{{") {
            "a bound path is written out: what is approved must be known"
        } else {
            let path = path.split('/').filter(|part| !matches!(*part, "" | ".")).collect::<Vec<_>>().join("/");
            if path != STATE_DIR && !path.strip_prefix(STATE_DIR).is_some_and(|rest| rest.starts_with('/')) {
                paths.push(if path.is_empty() { ".".to_owned() } else { path });
                continue;
            }
            "the run's own state changes with every step, so nobody can approve it"
        };
        fields.report(
            Diagnostic::error("invalid-path", place, problem)
                .with_hint("a path relative to the project's directory, e.g. \"k8s/production.yaml\" or \"k8s\""),
        );
    }
    paths
}

/// What can't be kept, or is not as safe as it looks.
fn check_people(rule: &Rule, fields: &mut Fields<'_>) {
    let is_group = |principal: &Principal| matches!(principal, Principal::Group(_));
    let enough = rule.approvers.is_empty() || rule.approvers.iter().any(is_group);
    if !enough && rule.required as usize > rule.approvers.len() {
        let place = fields.place("required");
        let message = format!("{} people are required, but only {} may approve", rule.required, rule.approvers.len());
        fields.report(
            Diagnostic::error("unreachable", place, message).with_hint("name more `approvers`, or require fewer"),
        );
    }
    if rule.allow_unverified && rule.approvers.iter().any(is_group) {
        let place = fields.place("approvers");
        let message = "whether someone is in a group can't be known of an unverified name";
        fields.report(Diagnostic::warning("no-effect", place, message).with_hint("name logins beside the group"));
    }
    if rule.allow_unverified {
        let place = fields.place("allow_unverified");
        let message = if rule.needs_identity() {
            "who approves is taken from the environment, which whoever starts a job can set"
        } else {
            "`allow_unverified` has no effect: this approval asks for nobody in particular"
        };
        fields.report(Diagnostic::warning("unverified", place, message));
    }
}
