//! The values of a new run's inputs: given ones, and defaults with their templates filled in.

use serde_json::Value;

use super::ci::Environment;
use super::early_scope::EarlyScope;
use super::error::{CliError, USAGE};
use super::project::Project;
use crate::id::RunId;
use crate::workflow::inputs::{self, InputError};

/// Resolves all inputs to one object. The error holds every problem at once. A default that can't be filled in is none where
/// nothing refers to the input: it is left out.
pub(super) fn resolve(project: &Project, run: &RunId, environment: &Environment) -> Result<Value, CliError> {
    let workflow = project.plan.workflow();
    let scope = EarlyScope { inputs: &Value::Null, run, workflow: &workflow.name, environment };
    let is_used = |name: &str| may_be_used(project.source.text(), name);
    inputs::values(&workflow.inputs, project.given.clone(), &scope, is_used).map_err(|errors| refused(&errors))
}

/// Whether a workflow's text may refer to an input, as `inputs.NAME` or in a way that can't be told from that.
fn may_be_used(text: &str, name: &str) -> bool {
    // Letters may be written by their numbers in JSON.
    text.contains("\\u00")
        || text.match_indices("inputs").any(|(at, word)| {
            let (before, after) = (&text[..at], &text[at + word.len()..]);
            let is_key = before.ends_with('"') && after.starts_with('"');
            let used = after.strip_prefix('.').map(|rest| {
                let end = rest.find(|c: char| !c.is_alphanumeric() && !matches!(c, '_' | '-')).unwrap_or(rest.len());
                &rest[..end]
            });
            // A minus sign may belong to the name.
            let is_it =
                |used: &str| used.strip_prefix(name).is_some_and(|rest| rest.is_empty() || rest.starts_with('-'));
            !is_key && used.is_none_or(|used| used.is_empty() || is_it(used))
        })
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_input_is_unused_where_that_is_certain() {
        for (text, used) in [
            (r#"{ "inputs": { "pr": 1 }, "message": "none" }"#, false),
            (r#""inputs": { "pr": 1 }, "{{inputs.number}} {{ inputs.pr_number }}""#, false),
            (r#""{{inputs.pr}}""#, true),
            (r#""{{ inputs.pr[0] | json }}""#, true),
            (r#""if": "inputs.pr == 'x'""#, true),
            (r#""if": "inputs.pr-inputs.x > 0""#, true),
            (r#""if": "size(inputs) > 0""#, true),
            (r#""if": "inputs['pr'] == 'x'""#, true),
            (r#""{{in\u0070uts.pr}}""#, true),
        ] {
            assert_eq!(may_be_used(text, "pr"), used, "{text}");
        }
    }
}
