//! Finds the value that a path names.

use std::borrow::Cow;

use serde_json::Value;

use super::expression::{Expression, Filter, Key, Path};
use super::render::RenderErrorKind;
use super::suggest;

/// What templates may refer to while a step is prepared. Any value may be a secret: this module puts none into a message.
pub trait Scope {
    /// The resolved inputs: an object.
    fn inputs(&self) -> &Value;
    /// An environment variable of the job.
    fn env(&self, name: &str) -> Option<String>;
    /// The names of the environment variables, for suggestions.
    fn env_names(&self) -> Vec<String>;
    /// What became of a step.
    fn step(&self, id: &str) -> StepLookup<'_>;
    /// The ids of the steps that may be referred to, for suggestions.
    fn step_ids(&self) -> Vec<String>;
    /// The run's id.
    fn run_id(&self) -> &str;
    /// The workflow's name.
    fn workflow_name(&self) -> &str;
    /// The decision on a step that paused, if there is one.
    fn approval(&self, step: &str) -> Option<Cow<'_, Value>>;
    /// What was asked to be done again: an object, with empty texts while nobody has asked.
    fn rework(&self) -> &Value;
    /// The item that a step with `foreach` or `matrix` is prepared for.
    fn item(&self) -> Option<Item<'_>> {
        None
    }
    /// Text from here was made by a step or by a person during the run.
    fn is_derived(&self, path: &Path) -> bool {
        path.is_derived()
    }
}

/// One item of a step with `foreach` or `matrix`.
#[derive(Clone, Copy, Debug)]
pub struct Item<'a> {
    /// Which, from 0.
    pub index: u32,
    /// What it is: of a matrix, an object.
    pub value: &'a Value,
}

/// What became of a step.
#[derive(Clone, Debug, PartialEq)]
pub enum StepLookup<'a> {
    /// It has this output.
    Output(Cow<'a, Value>),
    /// It has none, and why: `it was skipped`, `it has not run`, `its output is not saved`. `default` may stand in.
    NoOutput(Cow<'a, str>),
    /// There is no such step, or none that this one depends on. `default` doesn't help.
    Unknown,
}

/// Why there is no value: what is said about it.
#[derive(Debug)]
pub(super) struct Lack {
    pub(super) kind: RenderErrorKind,
    pub(super) message: String,
    pub(super) hint: Option<String>,
}

impl Lack {
    fn missing(message: String, hint: Option<String>) -> Self {
        Self { kind: RenderErrorKind::Missing, message, hint }
    }
}

/// The value of an expression after its filters, `raw` and `args` left to the caller.
pub(super) fn evaluate(expression: &Expression, scope: &impl Scope) -> Result<Value, Lack> {
    let mut value = find(&expression.path, scope);
    for filter in &expression.filters {
        value = match (filter, value) {
            (Filter::Default(default), Ok(Value::Null)) => Ok(default.clone()),
            (Filter::Default(default), Err(lack)) if lack.kind == RenderErrorKind::Missing => Ok(default.clone()),
            (Filter::Json, Ok(value)) => Ok(Value::String(value.to_string())),
            (Filter::Trim, Ok(Value::String(text))) => Ok(Value::String(text.trim().to_owned())),
            (Filter::Trim, Ok(other)) if !other.is_null() => Err(Lack {
                kind: RenderErrorKind::Type,
                message: format!("`trim` is for text, but `{}` is {}", expression.path, kind_of(&other)),
                hint: Some("put `json` before it, or take `trim` away".into()),
            }),
            (_, value) => value,
        };
    }
    value
}

/// Text as it is, anything else as compact JSON.
pub(super) fn into_text(value: Value) -> String {
    match value {
        Value::String(text) => text,
        other => other.to_string(),
    }
}

fn find(path: &Path, scope: &impl Scope) -> Result<Value, Lack> {
    match path {
        Path::Inputs(keys) => walk("inputs".into(), scope.inputs(), keys).cloned(),
        Path::Env(name) => scope.env(name).map(Value::String).ok_or_else(|| no_variable(name, &scope.env_names())),
        Path::Step { id, keys } => match scope.step(id) {
            StepLookup::Output(output) => walk_output(path_of_step(id), &output, keys).cloned(),
            StepLookup::NoOutput(why) => Err(Lack::missing(
                format!("step `{id}` has no output: {why}"),
                Some("`{{ ... | default('x') }}` allows that".into()),
            )),
            StepLookup::Unknown => Err(unknown_step(id, &scope.step_ids())),
        },
        Path::RunId => Ok(scope.run_id().into()),
        Path::WorkflowName => Ok(scope.workflow_name().into()),
        Path::Approval { step, keys } => match scope.approval(step) {
            Some(decision) => {
                walk(Path::Approval { step: step.clone(), keys: vec![] }.to_string(), &decision, keys).cloned()
            }
            None => Err(Lack::missing(
                format!("nobody has decided on step `{step}`"),
                Some("only a step with `approval` or `pause` that this one depends on has a decision".into()),
            )),
        },
        Path::Rework(keys) => walk("rework".into(), scope.rework(), keys).cloned(),
        Path::Item(keys) => walk("item".into(), item(path, scope)?.value, keys).cloned(),
        Path::Matrix(keys) => walk("matrix".into(), item(path, scope)?.value, keys).cloned(),
        Path::Index => item(path, scope).map(|item| item.index.into()),
    }
}

/// Validation finds where there is none.
fn item<'s>(path: &Path, scope: &'s impl Scope) -> Result<Item<'s>, Lack> {
    scope.item().ok_or_else(|| Lack {
        kind: RenderErrorKind::Item,
        message: format!("there is no `{path}` here"),
        hint: Some("it is for the config of a step with `foreach` or `matrix`".into()),
    })
}

fn path_of_step(id: &str) -> String {
    Path::Step { id: id.to_owned(), keys: vec![] }.to_string()
}

/// `output` is the whole output of a step that has no key of that name.
fn walk_output<'v>(base: String, output: &'v Value, keys: &[Key]) -> Result<&'v Value, Lack> {
    match keys {
        [Key::Name(name), rest @ ..] if name == "output" && output.get("output").is_none() => walk(base, output, rest),
        _ => walk(base, output, keys),
    }
}

fn walk<'v>(mut walked: String, mut value: &'v Value, keys: &[Key]) -> Result<&'v Value, Lack> {
    for key in keys {
        let found = match (key, value) {
            (Key::Name(name), Value::Object(members)) => members.get(name),
            (Key::Index(index), Value::Object(members)) => members.get(&index.to_string()),
            (Key::Index(index), Value::Array(elements)) => elements.get(*index),
            (Key::Name(name), Value::Array(elements)) => name.parse().ok().and_then(|index: usize| elements.get(index)),
            _ => None,
        };
        value = found.ok_or_else(|| no_part(&walked, value, key))?;
        walked.push_str(&key.to_string());
    }
    Ok(value)
}

fn no_part(walked: &str, value: &Value, key: &Key) -> Lack {
    match (value, key) {
        (Value::Object(members), Key::Name(name)) => {
            let names: Vec<&str> = members.keys().map(String::as_str).collect();
            let hint = suggest::hint(name, "it has", &names).unwrap_or_else(|| "it is empty".into());
            Lack::missing(format!("`{walked}` has no `{name}`"), Some(hint))
        }
        (Value::Object(members), Key::Index(index)) => {
            let names: Vec<&str> = members.keys().map(String::as_str).collect();
            Lack::missing(
                format!("`{walked}` is an object, and has no element {index}"),
                suggest::hint("", "it has", &names),
            )
        }
        (Value::Array(elements), Key::Index(_)) => Lack::missing(
            format!("`{walked}{key}` is past the end of the array"),
            Some(match elements.len() {
                0 => "it is empty".into(),
                1 => "it has one element: [0]".into(),
                count => format!("it has the elements [0] to [{}]", count - 1),
            }),
        ),
        (Value::Array(_), Key::Name(name)) => Lack::missing(
            format!("`{walked}` is an array, and has no `{name}`"),
            Some(format!("write `{walked}[0]` for its first element")),
        ),
        (other, _) => Lack::missing(format!("`{walked}` is {}, and has no parts", kind_of(other)), None),
    }
}

fn no_variable(name: &str, names: &[String]) -> Lack {
    let near = suggest::nearest(name, names.iter().map(String::as_str));
    let hint = match near {
        Some(near) => format!("did you mean `{near}`? or allow it: `{{{{ env.{name} | default('x') }}}}`"),
        None => format!("set it in the job, or allow it: `{{{{ env.{name} | default('x') }}}}`"),
    };
    Lack::missing(format!("environment variable `{name}` is not set"), Some(hint))
}

fn unknown_step(id: &str, ids: &[String]) -> Lack {
    let ids: Vec<&str> = ids.iter().map(String::as_str).collect();
    Lack {
        kind: RenderErrorKind::UnknownStep,
        message: format!("`{}` is no step that this one depends on", path_of_step(id)),
        hint: suggest::hint(id, "steps", &ids),
    }
}

/// What a value is, for a message; never the value.
pub(super) fn kind_of(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "a boolean",
        Value::Number(_) => "a number",
        Value::String(_) => "text",
        Value::Array(_) => "an array",
        Value::Object(_) => "an object",
    }
}
