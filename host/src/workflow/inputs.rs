//! Inputs: how a workflow declares them, and what they are once `-input` and `-input-file` have been heard.
//!
//! A declaration is either the default itself (`"environment": "production"`) or a JSON Schema with a few additions
//! (`{ "type": "string", "enum": [...], "default": ..., "required": true }`). What tells them apart is the key `type` with
//! the name of a JSON type, or an array of such names: an object that has it is a schema, any other object is a default.
//! A default that looks like a schema stands under `default`.

use serde_json::{Map, Value};

use super::model::Input;
use super::schema::Validator;
use super::source::Source;
use super::template::{self, Scope};
use super::{digest, json, suggest};
use crate::diagnostic::{Diagnostic, Place};

const JSON_TYPES: &[&str] = &["string", "number", "integer", "boolean", "array", "object", "null"];

/// What a schema may hold, so that a misspelt keyword is not silently without effect.
const KEYWORDS: &[&str] = &[
    "type",
    "default",
    "required",
    "enum",
    "description",
    "title",
    "const",
    "pattern",
    "format",
    "minLength",
    "maxLength",
    "minimum",
    "maximum",
    "exclusiveMinimum",
    "exclusiveMaximum",
    "multipleOf",
    "items",
    "prefixItems",
    "minItems",
    "maxItems",
    "uniqueItems",
    "contains",
    "minContains",
    "maxContains",
    "properties",
    "patternProperties",
    "additionalProperties",
    "propertyNames",
    "minProperties",
    "maxProperties",
    "dependentRequired",
    "dependentSchemas",
    "allOf",
    "anyOf",
    "oneOf",
    "not",
    "if",
    "then",
    "else",
    "examples",
    "deprecated",
    "readOnly",
    "writeOnly",
    "contentEncoding",
    "contentMediaType",
    "$ref",
    "$defs",
    "$comment",
    "unevaluatedProperties",
    "unevaluatedItems",
];

/// Reads the declaration of one input.
pub(super) fn declare(name: String, declaration: Value, problems: &mut Vec<Diagnostic>) -> Option<Input> {
    let place = json::member("/inputs", &name);
    if name.is_empty() || !name.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '_' | '-')) {
        problems.push(
            Diagnostic::error("invalid-name", Place { key: true, ..place }, "this can't be the name of an input")
                .with_hint("it consists of ASCII letters, digits, `_` and `-`, so that `{{inputs.NAME}}` works"),
        );
        return None;
    }
    match declaration {
        Value::Object(members) if is_schema(&members) => Some(declare_schema(name, members, &place.pointer, problems)),
        default => {
            if let Value::Object(members) = &default {
                warn_of_near_schema(members, &place.pointer, problems);
            }
            Some(Input { name, default: Some(default), required: false, schema: None })
        }
    }
}

fn declare_schema(
    name: String,
    mut schema: Map<String, Value>,
    pointer: &str,
    problems: &mut Vec<Diagnostic>,
) -> Input {
    digest::strip_annotations(&mut schema);
    for keyword in schema.keys().filter(|keyword| !KEYWORDS.contains(&keyword.as_str())) {
        let place = Place { key: true, ..json::member(pointer, keyword) };
        let problem = Diagnostic::error("unknown-field", place, format!("an input's schema has no `{keyword}`"));
        problems.push(problem.with_hint(match suggest::nearest(keyword, KEYWORDS.iter().copied()) {
            Some(near) => format!("did you mean `{near}`?"),
            None => "if this object is the input's value, write it under `default`".to_owned(),
        }));
    }
    let default = schema.shift_remove("default");
    // For a property of an object, `required` is a list and belongs to the schema.
    let required = match schema.get("required") {
        Some(Value::Bool(required)) => {
            let required = *required;
            schema.shift_remove("required");
            required
        }
        Some(Value::Array(_)) | None => false,
        Some(other) => {
            let message = format!("`required` is true or false, not {}", json::kind(other));
            problems.push(Diagnostic::error("wrong-type", json::member(pointer, "required"), message));
            schema.shift_remove("required");
            false
        }
    };
    Input { name, default, required, schema: Some(Value::Object(schema)) }
}

/// `$schema` and `x-` keys don't count in a declaration's schema form.
pub(super) fn strip_annotations(declaration: &mut Value) {
    if let Value::Object(members) = declaration
        && is_schema(members)
    {
        digest::strip_annotations(members);
    }
}

fn is_schema(members: &Map<String, Value>) -> bool {
    match members.get("type") {
        Some(Value::String(name)) => JSON_TYPES.contains(&name.as_str()),
        Some(Value::Array(names)) => {
            !names.is_empty() && names.iter().all(|name| name.as_str().is_some_and(|name| JSON_TYPES.contains(&name)))
        }
        _ => false,
    }
}

/// An object of nothing but schema keywords was probably meant as a schema.
fn warn_of_near_schema(members: &Map<String, Value>, pointer: &str, problems: &mut Vec<Diagnostic>) {
    let telling = ["type", "default", "enum", "required"].iter().any(|keyword| members.contains_key(*keyword));
    if !telling || !members.keys().all(|keyword| KEYWORDS.contains(&keyword.as_str())) {
        return;
    }
    let hint = match members.get("type").and_then(Value::as_str) {
        Some(name) => match suggest::nearest(name, JSON_TYPES.iter().copied()) {
            Some(near) => format!("did you mean \"type\": \"{near}\"?"),
            None => format!("a schema's `type` is one of {}", suggest::list(JSON_TYPES.iter().copied(), 7)),
        },
        None => "a schema has a `type`, e.g. \"type\": \"string\"".to_owned(),
    };
    let message = "this looks like a schema, but it is taken as the input's default";
    problems.push(Diagnostic::warning("input-form", Place::value(pointer), message).with_hint(hint));
}

/// A value that was given for an input.
#[derive(Clone, Debug, PartialEq)]
pub struct Given {
    /// The input.
    pub name: String,
    /// Its value.
    pub value: GivenValue,
    /// Where it was given, for messages: `-input` or the file's name.
    pub origin: String,
}

/// In which form a value was given.
#[derive(Clone, Debug, PartialEq)]
pub enum GivenValue {
    /// On the command line: the input's declaration says what it means.
    Text(String),
    /// In a file.
    Json(Value),
}

/// The value of an input.
#[derive(Clone, Debug, PartialEq)]
pub struct Resolved {
    /// The input.
    pub name: String,
    /// Its value.
    pub value: Value,
    /// It is the declared default: templates in it have yet to be expanded. Those in a value that was given never are.
    pub from_default: bool,
}

/// What is wrong with the value of an input. Doesn't hold the value.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct InputError {
    /// What is wrong: one sentence without a full stop.
    pub message: String,
    /// What to do next.
    pub hint: Option<String>,
}

impl InputError {
    pub(crate) fn new(message: impl Into<String>, hint: Option<String>) -> Self {
        Self { message: message.into(), hint }
    }
}

/// Reads the argument of `-input`: `name=value`. The value may be empty and may hold further `=`.
pub fn from_flag(argument: &str) -> Result<Given, InputError> {
    match argument.split_once('=') {
        Some((name, value)) if !name.trim().is_empty() => Ok(Given {
            name: name.trim().to_owned(),
            value: GivenValue::Text(value.to_owned()),
            origin: "-input".to_owned(),
        }),
        _ => {
            Err(InputError::new("`-input` takes a name and a value", Some("-input environment=production".to_owned())))
        }
    }
}

/// Reads the file of `-input-file`: a JSON object with a member for each input.
pub fn from_file(source: &Source) -> Result<Vec<Given>, Vec<Diagnostic>> {
    let document = json::read(source).map_err(|error| vec![*error])?;
    let mut problems = document.diagnostics(source);
    match document.value {
        Value::Object(members) if problems.is_empty() => Ok(members
            .into_iter()
            .filter(|(name, _)| name != "$schema")
            .map(|(name, value)| Given { name, value: GivenValue::Json(value), origin: source.name().to_owned() })
            .collect()),
        Value::Object(_) => Err(problems),
        other => {
            let message = format!("inputs are an object, not {}", json::kind(&other));
            problems.push(
                Diagnostic::error("wrong-type", Place::value(""), message)
                    .with_hint("{ \"environment\": \"staging\" }"),
            );
            source.locate(&mut problems);
            Err(problems)
        }
    }
}

/// The values of all inputs, an object: given ones, and defaults with their templates filled in. One that can't be filled in
/// is left out where nothing uses the input.
///
/// # Errors
/// All that is wrong with them.
pub fn values(
    declared: &[Input],
    given: Vec<Given>,
    scope: &impl Scope,
    is_used: impl Fn(&str) -> bool,
) -> Result<Value, Vec<InputError>> {
    let mut values = Map::new();
    let mut errors = Vec::new();
    for (input, resolved) in declared.iter().zip(resolve(declared, given)?) {
        let mut value = resolved.value;
        if resolved.from_default {
            match template::render_value(&value, scope) {
                Ok(rendered) => {
                    errors.extend(check(input, &rendered));
                    value = rendered;
                }
                Err(_) if !is_used(&input.name) => continue,
                Err(error) => errors.push(InputError {
                    message: format!("the default of the input `{}`: {}", input.name, error.message),
                    hint: error.hint,
                }),
            }
        }
        values.insert(resolved.name, value);
    }
    if errors.is_empty() { Ok(Value::Object(values)) } else { Err(errors) }
}

/// The value of every input, in the order of the workflow. Of several values given for one input the last counts.
/// All problems are reported at once. Defaults are not checked against their schemas: templates in them have no value yet.
pub fn resolve(declared: &[Input], given: Vec<Given>) -> Result<Vec<Resolved>, Vec<InputError>> {
    let mut errors = Vec::new();
    let mut values: Map<String, Value> = Map::new();
    let mut refused = Vec::new();
    for given in given {
        match declared.iter().find(|input| input.name == given.name) {
            Some(input) => match convert(input, given.value) {
                Ok(value) => {
                    values.insert(given.name, value);
                }
                Err(error) => {
                    errors.push(error);
                    refused.push(given.name);
                }
            },
            None => errors.push(unknown_input(declared, &given)),
        }
    }
    let mut resolved = Vec::with_capacity(declared.len());
    for input in declared {
        let (value, from_default) = match (values.remove(&input.name), &input.default) {
            (Some(value), _) => {
                errors.extend(check(input, &value));
                (value, false)
            }
            (None, Some(default)) => (default.clone(), true),
            (None, None) => {
                if input.required && !refused.contains(&input.name) {
                    errors.push(missing_input(input));
                }
                (Value::Null, false)
            }
        };
        resolved.push(Resolved { name: input.name.clone(), value, from_default });
    }
    if errors.is_empty() { Ok(resolved) } else { Err(errors) }
}

/// What is wrong with a value of this input, all templates resolved.
pub fn check(input: &Input, value: &Value) -> Vec<InputError> {
    let Some(schema) = &input.schema else { return Vec::new() };
    // An input that nobody has to give is `null` if nobody does.
    if value.is_null() && !input.required && input.default.is_none() {
        return Vec::new();
    }
    let validator = match Validator::new(schema) {
        Ok(validator) => validator,
        Err(message) => return vec![InputError::new(format!("the schema of input `{}`: {message}", input.name), None)],
    };
    validator
        .check_resolved(value)
        .into_iter()
        .map(|problem| {
            let place = if problem.pointer.is_empty() { String::new() } else { format!(" at `{}`", problem.pointer) };
            InputError::new(format!("the input `{}`{place} {}", input.name, problem.message), problem.hint)
        })
        .collect()
}

/// What the text of a command line means for this input.
pub(super) fn convert(input: &Input, given: GivenValue) -> Result<Value, InputError> {
    let text = match given {
        GivenValue::Json(value) => return Ok(value),
        GivenValue::Text(text) => text,
    };
    let types = types(input);
    if types.is_empty() || types.contains(&"string") {
        return Ok(Value::String(text));
    }
    let source = Source::from_text("-input", text);
    let expected = types.join(" or ");
    match json::read(&source) {
        Ok(document) if document.duplicates.is_empty() => Ok(document.value),
        _ => Err(InputError::new(
            format!("the input `{}` must be of the type {expected}, but what was given is not JSON", input.name),
            Some(example(input, &types)),
        )),
    }
}

/// The JSON types a value may have; empty if that isn't known. A default in the short form says its own.
fn types(input: &Input) -> Vec<&str> {
    match (&input.schema, &input.default) {
        (Some(schema), _) => match schema.get("type") {
            Some(Value::String(name)) => vec![name],
            Some(Value::Array(names)) => names.iter().filter_map(Value::as_str).collect(),
            _ => Vec::new(),
        },
        (None, Some(Value::Bool(_))) => vec!["boolean"],
        (None, Some(Value::Number(_))) => vec!["number"],
        (None, Some(Value::Array(_))) => vec!["array"],
        (None, Some(Value::Object(_))) => vec!["object"],
        (None, _) => Vec::new(),
    }
}

fn example(input: &Input, types: &[&str]) -> String {
    let value = match types.first() {
        Some(&"boolean") => "true",
        Some(&"number" | &"integer") => "3",
        Some(&"array") => "'[\"a\", \"b\"]'",
        Some(&"object") => "'{\"key\": \"value\"}'",
        Some(&"null") => "null",
        _ => "...",
    };
    format!("-input {}={value}", input.name)
}

fn missing_input(input: &Input) -> InputError {
    let about = input.schema.as_ref().and_then(|schema| schema.get("description")).and_then(Value::as_str);
    let message = match about {
        Some(about) => format!("the input `{}` is required: {about}", input.name),
        None => format!("the input `{}` is required", input.name),
    };
    let choices = input.schema.as_ref().and_then(|schema| schema.get("enum")).and_then(Value::as_array);
    let hint = match choices.and_then(|choices| choices.first()).and_then(Value::as_str) {
        Some(choice) => format!("-input {}={choice}", input.name),
        None => example(input, &types(input)),
    };
    InputError::new(message, Some(hint))
}

fn unknown_input(declared: &[Input], given: &Given) -> InputError {
    let names: Vec<&str> = declared.iter().map(|input| input.name.as_str()).collect();
    let hint = match suggest::nearest(&given.name, names.iter().copied()) {
        Some(near) => format!("did you mean `{near}`?"),
        None if names.is_empty() => "the workflow has no inputs; declare it under `inputs`".to_owned(),
        None => format!("there are {}", suggest::list(names, 20)),
    };
    InputError::new(format!("the workflow has no input `{}` ({})", given.name, given.origin), Some(hint))
}

#[cfg(test)]
mod tests;
