//! From text to a typed workflow, with every problem that can be seen without knowing the step types.

mod approval;
mod fan_out;
pub(crate) mod fields;
pub(crate) mod permissions;
mod step;
#[cfg(test)]
mod tests;

use serde_json::{Map, Value};

use self::fields::Fields;
#[cfg(test)]
pub(crate) use self::step::STEP_FIELDS;
use self::step::Steps;
use super::model::{Input, OutputFormat, Settings, StepList, Workflow};
use super::source::Source;
use super::{digest, inputs, json};
use crate::diagnostic::{Diagnostic, Place};

pub(crate) const WORKFLOW_FIELDS: &[&str] =
    &["name", "description", "inputs", "settings", "secrets", "not_secrets", "steps", "finally", "outputs"];
const SETTINGS_FIELDS: &[&str] = &["quiet_mode", "jobs", "save_results", "output_format"];

/// More steps at once than this are a mistake.
const MAX_JOBS: u32 = 1000;
/// In characters.
const MAX_NAME: usize = 200;

/// Reads a workflow and reports all its problems at once; after a syntax error there is nothing else to report.
///
/// The workflow is there even if some diagnostics are errors, so that what can be checked further is reported too: it must
/// not be run then. Places have no position yet, but for syntax errors and duplicate keys: see [`Source::locate`].
pub fn parse(source: &Source) -> (Option<Workflow>, Vec<Diagnostic>) {
    let mut steps = Steps::default();
    let document = match json::read_streaming(source, Some("steps"), &mut |index, step| {
        steps.read(StepList::Steps, index, step);
    }) {
        Ok(document) => document,
        Err(error) => return (None, vec![*error]),
    };
    let mut problems = document.diagnostics(source);
    let Value::Object(members) = document.value else {
        let found = json::kind(&document.value);
        problems.push(Diagnostic::error(
            "wrong-type",
            Place::value(""),
            format!("a workflow is an object, not {found}"),
        ));
        return (None, problems);
    };
    let workflow = read_workflow(members, steps, &mut problems);
    (workflow, problems)
}

fn read_workflow(members: Map<String, Value>, mut steps: Steps, problems: &mut Vec<Diagnostic>) -> Option<Workflow> {
    let mut fields = Fields::new(String::new(), members, WORKFLOW_FIELDS, problems);
    strip_annotations(&mut fields.members);
    let no_steps = steps.is_empty();
    read_finally(&mut fields, &mut steps);
    let digest = digest::of_workflow(&fields.members, &steps.digests);
    let name = read_name(&mut fields);
    let description = fields.string("description");
    let secrets = read_variables(&mut fields, "secrets");
    let not_secrets = read_variables(&mut fields, "not_secrets");
    if let Some(both) = not_secrets.iter().find(|name| secrets.contains(name)) {
        let place = fields.place("not_secrets");
        let message = format!("`{both}` is among `secrets` and `not_secrets`");
        fields.report(Diagnostic::error("contradiction", place, message).with_hint("remove it from one of them"));
    }
    let settings = read_settings(&mut fields);
    let inputs = read_inputs(&mut fields);
    match fields.take("steps") {
        None => fields.missing(
            "steps",
            "\"steps\": [{ \"id\": \"hello\", \"type\": \"print\", \"config\": { \"message\": \"hello\" } }]",
        ),
        Some(Value::Array(_)) if no_steps => {
            let place = fields.place("steps");
            fields.report(Diagnostic::error("no-steps", place, "a workflow has at least one step"));
        }
        Some(Value::Array(_)) => {}
        Some(other) => fields.wrong_type("steps", "an array", &other),
    }
    let outputs = fields.object("outputs").map(Value::Object);
    let steps = steps.finish(fields.problems);
    let subworkflows = Vec::new();
    let name = name?;
    Some(Workflow { name, description, inputs, settings, secrets, not_secrets, steps, outputs, subworkflows, digest })
}

/// Reads `finally`, and leaves the digests of its steps in its place for the workflow's.
fn read_finally(fields: &mut Fields<'_>, steps: &mut Steps) {
    match fields.take("finally") {
        None => {}
        Some(Value::Array(items)) => {
            let digests = items
                .into_iter()
                .enumerate()
                .map(|(index, step)| steps.read(StepList::Finally, index, step).to_string().into());
            let digests: Vec<Value> = digests.collect();
            if !digests.is_empty() {
                fields.members.insert("finally".to_owned(), digests.into());
            }
        }
        Some(other) => fields.wrong_type("finally", "an array", &other),
    }
}

/// Of what stands below the workflow, before its digest is made. Steps do it for themselves.
fn strip_annotations(workflow: &mut Map<String, Value>) {
    if let Some(Value::Object(settings)) = workflow.get_mut("settings") {
        digest::strip_annotations(settings);
    }
    if let Some(Value::Object(declared)) = workflow.get_mut("inputs") {
        for declaration in declared.values_mut() {
            inputs::strip_annotations(declaration);
        }
    }
}

fn read_name(fields: &mut Fields<'_>) -> Option<String> {
    if fields.members.get("name").is_none_or(Value::is_null) {
        fields.missing("name", "\"name\": \"my-workflow\"");
        return None;
    }
    let name = fields.string("name")?;
    let message = if name.trim().is_empty() {
        "the workflow's name is empty".to_owned()
    } else if name.chars().any(is_invisible) {
        "the workflow's name holds a character that can't be seen".to_owned()
    } else if name.chars().count() > MAX_NAME {
        format!("the workflow's name is longer than {MAX_NAME} characters")
    } else {
        return Some(name);
    };
    let place = fields.place("name");
    fields.report(Diagnostic::error("invalid-name", place, message));
    None
}

/// Control characters, line separators, and marks that change the direction of text: in a log they would show a name as
/// something else than it is.
fn is_invisible(c: char) -> bool {
    c.is_control()
        || matches!(c, '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{2069}' | '\u{feff}')
}

/// The names of environment variables.
fn read_variables(fields: &mut Fields<'_>, name: &str) -> Vec<String> {
    let mut variables = Vec::new();
    for (index, variable) in fields.strings(name).into_iter().enumerate() {
        if variable.contains(['=', '\0']) {
            let place = Place::value(format!("/{name}/{index}"));
            let message = "this is not the name of an environment variable";
            fields.report(
                Diagnostic::error("invalid-name", place, message).with_hint("write the name only, not its value"),
            );
        } else if !variable.is_empty() && !variables.contains(&variable) {
            variables.push(variable);
        }
    }
    variables
}

fn read_settings(fields: &mut Fields<'_>) -> Settings {
    let Some(members) = fields.object("settings") else { return Settings::default() };
    let mut fields = Fields::new("/settings".to_owned(), members, SETTINGS_FIELDS, fields.problems);
    Settings {
        quiet_mode: fields.boolean("quiet_mode").unwrap_or(false),
        jobs: fields.whole("jobs", 1, MAX_JOBS).map(|jobs| jobs as usize),
        save_results: fields.boolean("save_results"),
        output_format: read_output_format(&mut fields),
    }
}

fn read_output_format(fields: &mut Fields<'_>) -> Option<OutputFormat> {
    match fields.string("output_format")?.as_str() {
        "text" => Some(OutputFormat::Text),
        "json" => Some(OutputFormat::Json),
        _ => {
            fields.out_of_range("output_format", "\"text\" or \"json\"");
            None
        }
    }
}

fn read_inputs(fields: &mut Fields<'_>) -> Vec<Input> {
    let Some(members) = fields.object("inputs") else { return Vec::new() };
    members
        .into_iter()
        .filter(|(name, _)| name != "$schema")
        .filter_map(|(name, declaration)| inputs::declare(name, declaration, fields.problems))
        .collect()
}
