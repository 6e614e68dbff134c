//! The inputs of a workflow that runs as a step: what the step gives, held against what the file takes.

use std::collections::BTreeSet;

use serde_json::{Map, Value};

use super::super::inputs::{self, Given, GivenValue, InputError};
use super::super::model::Input;
use super::super::schema::Validator;
use super::super::template::{self, Key, Path, Scope};
use super::super::{json, suggest};
use super::Subworkflow;
use crate::diagnostic::{Diagnostic, Place};

/// The key of the step's config.
pub const KEY: &str = "inputs";

/// What can be said before there are any values. `config`: the pointer of the step's config.
pub(super) fn check(config: &str, given: &Map<String, Value>, declared: &[Input], problems: &mut Vec<Diagnostic>) {
    for (name, value) in given {
        let place = json::member(&format!("{config}/{KEY}"), name);
        let Some(input) = declared.iter().find(|input| input.name == *name) else {
            let problem = Diagnostic::error(
                "unknown-input",
                Place { key: true, ..place },
                format!("the workflow has no input `{name}`"),
            );
            let names = || declared.iter().map(|input| input.name.as_str());
            problems.push(problem.with_hint(match suggest::nearest(name, names()) {
                Some(near) => format!("did you mean `{near}`?"),
                None if declared.is_empty() => "it has none; they are declared under `inputs` of its file".to_owned(),
                None => format!("there are {}", suggest::list(names(), 20)),
            }));
            continue;
        };
        let Some(Ok(validator)) = input.schema.as_ref().map(Validator::new) else { continue };
        let found = validator.check(value).into_iter();
        problems.extend(found.map(|problem| problem.diagnostic("input", &place.pointer, "the input")));
    }
    for input in
        declared.iter().filter(|input| input.required && input.default.is_none() && !given.contains_key(&input.name))
    {
        let message = format!("the workflow's input `{}` is required", input.name);
        problems.push(
            Diagnostic::error("missing-input", Place::value(format!("{config}/{KEY}")), message)
                .with_hint(format!("\"{KEY}\": {{ \"{}\": ... }}", input.name)),
        );
    }
}

/// The inputs whose values hold text from a step's output or from a person. `outer`: the same of the workflow around it.
pub(super) fn derived(given: &Map<String, Value>, outer: &BTreeSet<String>) -> BTreeSet<String> {
    let holds = |value: &Value| template::references(value).any(|reference| is_derived(&reference.path, outer));
    given.iter().filter(|(_, value)| holds(value)).map(|(name, _)| name.clone()).collect()
}

/// Text from here was made by a step or by a person, here or in the workflow around it.
pub fn is_derived(path: &Path, derived: &BTreeSet<String>) -> bool {
    match path {
        Path::Inputs(keys) => match keys.first() {
            Some(Key::Name(name)) => derived.contains(name),
            _ => !derived.is_empty(),
        },
        path => path.is_derived(),
    }
}

/// The values of all inputs. `given`: by the step, templates filled in. The templates of defaults see `scope`.
///
/// # Errors
/// All that is wrong with them.
pub fn resolve(subworkflow: &Subworkflow, given: &Value, scope: &impl Scope) -> Result<Value, Vec<InputError>> {
    let given = given.as_object().into_iter().flatten().map(|(name, value)| Given {
        name: name.clone(),
        value: GivenValue::Json(value.clone()),
        origin: format!("\"{KEY}\" of `{}`", subworkflow.id),
    });
    inputs::values(&subworkflow.inputs, given.collect(), scope, |_| true)
}
