//! What would allow something that was refused, down to the line to paste.

use serde_json::{Map, Value, json};

use super::{Policies, Policy, Subject};
use crate::capability::{Origin, Permissions};

/// Knows how to allow things to a step.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Advice {
    step_type: String,
    builtin: bool,
    /// What its type asks for, for people.
    asked: Vec<String>,
    repository: Place,
    operators: Vec<Place>,
    step: Vec<String>,
}

/// A policy, as far as what is to be added depends on it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Place {
    file: String,
    exists: bool,
    /// Under what it names the type: its name, or `*`.
    entry: Option<String>,
    /// The kinds in that entry.
    kinds: Vec<String>,
}

impl Advice {
    pub(super) fn new(policies: &Policies, subject: &Subject<'_>, asked: &Permissions) -> Self {
        let repository = match &policies.repository {
            Some(policy) => Place::of(policy, subject.step_type),
            None => Place { file: policies.repository_file.clone(), ..Place::default() },
        };
        Self {
            step_type: subject.step_type.to_owned(),
            builtin: subject.builtin,
            asked: asked.lines().into_iter().map(|(kind, what)| format!("{kind} {what}")).collect(),
            repository,
            operators: policies.operators.iter().map(|policy| Place::of(policy, subject.step_type)).collect(),
            step: subject.step.iter().flat_map(|permissions| kinds(permissions)).collect(),
        }
    }

    /// What would allow this, which `origin` did not allow. `need` is the least that would.
    pub fn allow(&self, origin: &Origin, need: &Permissions) -> String {
        let step_type = &self.step_type;
        match origin {
            Origin::Asked | Origin::BuiltIn if self.builtin => match self.asked.as_slice() {
                [] => format!("`{step_type}` has no grant with this config"),
                asked => format!("`{step_type}` has only: {}", asked.join("; ")),
            },
            Origin::Asked | Origin::BuiltIn => format!(
                "`{step_type}` does not ask for it, so no policy can grant it: whoever makes `{step_type}` has to add this to \
                 the permissions in its description:\n{}",
                members(need)
            ),
            Origin::Repository => self.repository.advice(step_type, need, "to allow it,"),
            Origin::Operator(file) => match self.operators.iter().find(|place| place.file == *file) {
                Some(place) => {
                    let lead = format!("{file} does not allow it, and bounds what is granted. Its operator may");
                    place.advice(step_type, need, &lead)
                }
                None => format!("{file} does not allow it"),
            },
            Origin::Step => {
                let inside = self.step.iter().any(|kind| kinds(need).contains(kind));
                let what = if inside { items(need) } else { members(need) };
                let place = if inside { format!("`{}` of ", kinds(need).join(", ")) } else { String::new() };
                format!("to allow it, add this to {place}the step's own `permissions`, which narrow it:\n{what}")
            }
        }
    }
}

impl Place {
    fn of(policy: &Policy, step_type: &str) -> Self {
        let entry = policy.of(step_type);
        let name = if policy.types.contains_key(step_type) { step_type } else { super::EVERY_OTHER };
        Self {
            file: policy.name.clone(),
            exists: true,
            entry: entry.map(|_| name.to_owned()),
            kinds: entry.map(kinds).unwrap_or_default(),
        }
    }

    /// `lead` is a phrase that "add this to ..." goes on.
    fn advice(&self, step_type: &str, need: &Permissions, lead: &str) -> String {
        let Self { file, .. } = self;
        let Some(entry) = &self.entry else {
            return if self.exists {
                let entry = Value::from(step_type);
                format!("{lead} add this to `types` in {file}:\n{entry}: {}", one_line(&value(need)))
            } else {
                let document = json!({ "version": 1, "types": { step_type: value(need) } });
                format!("{lead} write this to {file}:\n{}", one_line(&document))
            };
        };
        let (there, new): (Vec<_>, Vec<_>) = kinds(need).into_iter().partition(|kind| self.kinds.contains(kind));
        let mut lines: Vec<String> = Vec::new();
        for kind in there {
            let items = items(&only(need, std::slice::from_ref(&kind)));
            lines.push(format!("{lead} add this to `{kind}` of `{entry}` in {file}:\n{items}"));
        }
        if !new.is_empty() {
            lines.push(format!("{lead} add this to `{entry}` in {file}:\n{}", members(&only(need, &new))));
        }
        lines.join("\n")
    }
}

/// What is of these kinds.
fn only(permissions: &Permissions, kinds: &[String]) -> Permissions {
    let mut value = value(permissions);
    if let Value::Object(members) = &mut value {
        members.retain(|kind, _| kinds.contains(kind));
    }
    serde_json::from_value(value).unwrap_or_default()
}

fn value(permissions: &Permissions) -> Value {
    serde_json::to_value(permissions).unwrap_or_else(|_| Value::Object(Map::new()))
}

/// The kinds of permission that are there.
fn kinds(permissions: &Permissions) -> Vec<String> {
    value(permissions).as_object().map(|members| members.keys().cloned().collect()).unwrap_or_default()
}

/// `"network": [...]`, to be pasted into an object.
fn members(permissions: &Permissions) -> String {
    let value = value(permissions);
    let members = value.as_object().into_iter().flatten();
    members
        .map(|(kind, list)| format!("{}: {}", Value::from(kind.as_str()), one_line(list)))
        .collect::<Vec<_>>()
        .join(", ")
}

/// What stands in the lists, to be pasted into one.
fn items(permissions: &Permissions) -> String {
    let value = value(permissions);
    let lists = value.as_object().into_iter().flat_map(|members| members.values());
    let item = |list: &Value| match list {
        Value::Array(items) => items.iter().map(one_line).collect::<Vec<_>>().join(", "),
        Value::Object(members) => {
            let member = |(name, value): (&String, &Value)| format!("{}: {value}", Value::from(name.as_str()));
            members.iter().map(member).collect::<Vec<_>>().join(", ")
        }
        other => other.to_string(),
    };
    lists.map(item).collect::<Vec<_>>().join(", ")
}

/// JSON on one line, with spaces as people write it.
fn one_line(value: &Value) -> String {
    match value {
        Value::Object(members) if members.is_empty() => "{}".to_owned(),
        Value::Object(members) => {
            let member =
                |(name, value): (&String, &Value)| format!("{}: {}", Value::from(name.as_str()), one_line(value));
            format!("{{ {} }}", members.iter().map(member).collect::<Vec<_>>().join(", "))
        }
        Value::Array(items) => format!("[{}]", items.iter().map(one_line).collect::<Vec<_>>().join(", ")),
        scalar => scalar.to_string(),
    }
}
