//! What can be said about a workflow once its step types are known, before anything runs. How steps hang together (cycles,
//! who may refer to whose output) is the plan's business.

mod items;

use std::collections::{HashMap, HashSet};

use super::model::{Input, Role, Step, Workflow};
use super::schema::Validator;
use super::template::{self, Path};
use super::{json, suggest};
use crate::description::{Description, ScriptProperty};
use crate::diagnostic::{Diagnostic, Place};
use crate::id::StepType;

/// What validation needs of a step type: made once, however many steps have it.
#[derive(Debug)]
pub struct TypeInfo {
    /// What the component says of itself.
    pub description: Description,
    /// Its config's schema.
    pub config: Validator,
    /// Its config's properties that are code.
    pub scripts: Vec<ScriptProperty>,
    /// Its output's property that names a time: what stands behind a step starts no earlier.
    pub not_before: Option<String>,
}

impl TypeInfo {
    /// Compiles the config's schema; the error says what is wrong with it, which is the component's fault.
    pub fn new(description: Description) -> Result<Self, String> {
        let config =
            Validator::new(&description.config_schema).map_err(|error| format!("its config schema is {error}"))?;
        let scripts = description.scripts();
        let not_before = description.not_before();
        Ok(Self { description, config, scripts, not_before })
    }
}

/// The step types there are.
#[derive(Debug, Default)]
pub struct StepTypes {
    /// Those that the workflow uses and that could be loaded.
    pub loaded: HashMap<StepType, TypeInfo>,
    /// The names of all there are, loaded or not. A type that is here but could not be loaded is not reported: whoever
    /// failed to load it has.
    pub names: Vec<String>,
    /// Where components of one's own are looked for, e.g. `.shiro/plugins`.
    pub places: Vec<String>,
}

/// All that is wrong with types, configs, templates, conditions and inputs. Places have no position yet.
pub fn validate(workflow: &Workflow, types: &StepTypes) -> Vec<Diagnostic> {
    let mut problems = Vec::new();
    workflow.inputs.iter().for_each(|input| check_input(input, "", &mut problems));
    if let Some(outputs) = &workflow.outputs {
        check_outputs(outputs, "/outputs", &mut problems);
    }
    let mut files = HashSet::new();
    for inner in workflow.subworkflows.iter().filter(|inner| files.insert(&inner.file)) {
        let origin = format!("{}#", inner.file);
        inner.inputs.iter().for_each(|input| check_input(input, &origin, &mut problems));
    }
    let mut suggestions: HashMap<&StepType, Option<&str>> = HashMap::new();
    for step in &workflow.steps {
        match types.loaded.get(&step.step_type) {
            _ if matches!(step.role, Role::End { .. }) => {
                check_outputs(&step.config, &step.pointer("config"), &mut problems);
            }
            Some(info) => check_config(step, info, &mut problems),
            None if types.names.iter().any(|name| name == step.step_type.as_str()) => {}
            None => {
                let near = *suggestions.entry(&step.step_type).or_insert_with(|| {
                    suggest::nearest(step.step_type.as_str(), types.names.iter().map(String::as_str))
                });
                problems.push(unknown_type(step, near, &types.places));
            }
        }
        items::check(step, &mut problems);
        check_condition(workflow, step, &mut problems);
    }
    problems
}

/// Types that there can't be, and what to use in their place. SMTP is spoken over a socket of one's own, and steps have none:
/// what they send is HTTP, by the host, to a host that they were granted.
const NEVER: &[(&[&str], &str, &str)] = &[(
    &["email", "smtp", "mail", "sendmail", "email.send", "email.notify", "mail.send", "smtp.send"],
    "a step has no sockets, so none can speak SMTP",
    "send mail by a provider's HTTP API: the type `http` with its URL, `bearer` and `json` (docs/email.md has an example); \
     or with a program of the runner's: `shell` with `sendmail` or `curl smtp://...`",
)];

fn unknown_type(step: &Step, near: Option<&str>, places: &[String]) -> Diagnostic {
    let name = &step.step_type;
    if let Some((_, why, instead)) = NEVER.iter().find(|(names, ..)| names.contains(&name.as_str())) {
        let message = format!("there is no step type `{name}`: {why}");
        return Diagnostic::error("unknown-type", Place::value(step.pointer("type")), message).with_hint(*instead);
    }
    let own = match places {
        [] => String::new(),
        places => {
            format!("a type of your own is the component `{}/{name}.wasm`", places.join(&format!("/{name}.wasm` or `")))
        }
    };
    let problem = Diagnostic::error(
        "unknown-type",
        Place::value(step.pointer("type")),
        format!("there is no step type `{name}`"),
    );
    let mut lines = Vec::new();
    lines.push(match near {
        Some(near) => format!("did you mean `{near}`?"),
        None => "`shiro plugin list` shows the step types there are".to_owned(),
    });
    // As the types of others are called, or like none that is here.
    if near.is_none() || name.as_str().contains('.') {
        lines.push(format!(
            "a type of others is pinned from a registry: shiro plugin add oci://REGISTRY/PATH/{}:VERSION",
            name.as_str().replace('.', "-")
        ));
    }
    lines.extend((!own.is_empty()).then_some(own));
    problem.with_hint(lines.join("\n"))
}

fn check_config(step: &Step, info: &TypeInfo, problems: &mut Vec<Diagnostic>) {
    if let (Some(fan_out), true) = (&step.fan_out, info.not_before.is_some()) {
        let field = fan_out.kind.field();
        let message = format!("`{}` waits for one time, and `{field}` would give it one for each item", step.step_type);
        let problem = Diagnostic::error("wait-for-items", Place::value(step.pointer(field)), message);
        problems.push(problem.with_hint("let a step of its own wait, and make the one with the items depend on it"));
    }
    let base = step.pointer("config");
    let found = info.config.check(&step.config);
    if !found.is_empty() {
        let whole = format!("the config of `{}`", step.step_type);
        problems.extend(found.into_iter().map(|problem| problem.diagnostic("config", &base, &whole)));
    }
    problems
        .extend(template::check(&step.config, &info.scripts).into_iter().map(|problem| problem.into_diagnostic(&base)));
}

/// The steps that a condition names are the plan's business, the inputs are not.
fn check_condition(workflow: &Workflow, step: &Step, problems: &mut Vec<Diagnostic>) {
    let Some(condition) = &step.condition else { return };
    for reference in &condition.references().inputs {
        let inputs = workflow.inputs_of(step);
        if inputs.iter().any(|input| input.name == reference.name) {
            continue;
        }
        let place = Place::within(step.pointer("if"), reference.offset);
        let problem = Diagnostic::error("unknown-input", place, format!("there is no input `{}`", reference.name));
        let names = inputs.iter().map(|input| input.name.as_str());
        problems.push(match suggest::nearest(&reference.name, names) {
            Some(near) => problem.with_hint(format!("did you mean `{near}`?")),
            None => problem.with_hint("declare it under `inputs`"),
        });
    }
}

/// What a workflow gives to one that runs it as a step.
fn check_outputs(outputs: &serde_json::Value, base: &str, problems: &mut Vec<Diagnostic>) {
    problems.extend(template::check(outputs, &[]).into_iter().map(|problem| problem.into_diagnostic(base)));
}

/// `origin`: what stands before the pointers of its file.
fn check_input(input: &Input, origin: &str, problems: &mut Vec<Diagnostic>) {
    let pointer = format!("{origin}{}", json::member("/inputs", &input.name).pointer);
    let default_pointer = match input.schema {
        Some(_) => format!("{pointer}/default"),
        None => pointer.clone(),
    };
    if let Some(schema) = &input.schema {
        match Validator::new(schema) {
            Ok(validator) => problems.extend(input.default.iter().flat_map(|default| {
                validator
                    .check(default)
                    .into_iter()
                    .map(|problem| problem.diagnostic("input-default", &default_pointer, "the default"))
            })),
            Err(message) => problems.push(Diagnostic::error("input-schema", Place::value(pointer), message)),
        }
    }
    if let Some(default) = &input.default {
        check_default_templates(default, &default_pointer, problems);
    }
}

/// Inputs are resolved before any step runs, each on its own.
fn check_default_templates(default: &serde_json::Value, base: &str, problems: &mut Vec<Diagnostic>) {
    problems.extend(template::check(default, &[]).into_iter().map(|problem| problem.into_diagnostic(base)));
    for reference in template::references(default) {
        let what = match &reference.path {
            Path::Inputs(_) => "another input",
            Path::Step { .. } => "a step's output",
            Path::Approval { .. } => "an approval",
            Path::Rework(_) => "what is to be done again",
            Path::Item(_) | Path::Index | Path::Matrix(_) => "an item",
            Path::Env(_) | Path::RunId | Path::WorkflowName => continue,
        };
        let place = Place::within(format!("{base}{}", reference.pointer), reference.offset);
        problems.push(
            Diagnostic::error("input-template", place, format!("an input's default can't refer to {what}"))
                .with_hint("it may refer to `env.NAME`, `run.id` and `workflow.name`"),
        );
    }
}

#[cfg(test)]
mod tests;
