//! The values of a new run's inputs: given ones, and defaults with their templates filled in.

use serde_json::{Map, Value};

use super::ci::Environment;
use super::early_scope::EarlyScope;
use super::error::{CliError, USAGE};
use super::project::Project;
use crate::id::RunId;
use crate::workflow::inputs::{self, InputError};
use crate::workflow::template;

/// Resolves all inputs to one object. The error holds every problem at once.
pub(super) fn resolve(project: &Project, run: &RunId, environment: &Environment) -> Result<Value, CliError> {
    let workflow = project.plan.workflow();
    let resolved = inputs::resolve(workflow, project.given.clone()).map_err(|errors| refused(&errors))?;
    let scope = EarlyScope { inputs: &Value::Null, run, workflow: &workflow.name, environment };
    let mut values = Map::new();
    let mut errors = Vec::new();
    for (input, resolved) in workflow.inputs.iter().zip(resolved) {
        let mut value = resolved.value;
        if resolved.from_default {
            match template::render_value(&value, &scope) {
                Ok(rendered) => {
                    errors.extend(inputs::check(input, &rendered));
                    value = rendered;
                }
                Err(error) => errors.push(InputError {
                    message: format!("the default of the input `{}`: {}", input.name, error.message),
                    hint: error.hint,
                }),
            }
        }
        values.insert(resolved.name, value);
    }
    if errors.is_empty() { Ok(Value::Object(values)) } else { Err(refused(&errors)) }
}

fn refused(errors: &[InputError]) -> CliError {
    let mut lines = String::new();
    for error in errors {
        lines.push_str(&format!("error: {}\n", error.message));
        if let Some(hint) = &error.hint {
            lines.push_str(&format!("  hint: {hint}\n"));
        }
    }
    let noun = if errors.len() == 1 { "problem" } else { "problems" };
    CliError {
        details: lines,
        ..CliError::new(USAGE, format!("{} {noun} with the inputs: nothing was started", errors.len()))
    }
}
