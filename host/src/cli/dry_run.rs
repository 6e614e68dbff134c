//! `shiro run -dry-run`: what would run, with each step's component and grants. Nothing runs, nothing is written.

use std::borrow::Cow;
use std::collections::HashMap;
use std::io::Write;

use serde_json::Value;

use super::Exit;
use super::ci::Environment;
use super::early_scope::EarlyScope;
use super::inputs;
use super::project::Project;
use crate::capability::Values;
use crate::id::RunId;
use crate::plan::{Group, Plan, StepIndex};
use crate::plugin::grants_for;
use crate::secret::Secrets;
use crate::workflow::model::{Role, Step};
use crate::workflow::{subworkflow, template};

/// Shows the plan. Secret values are masked.
pub(super) fn dry_run(project: &Project, secrets: &Secrets, environment: &Environment, out: &mut dyn Write) -> Exit {
    let run = RunId::new("dry-run");
    let inputs = inputs::resolve(project, &run, environment)?;
    let workflow = project.plan.workflow();
    let mut text = Vec::new();
    writeln!(text, "Dry Run Mode\nWorkflow will be validated but not executed\n")?;
    for warning in &project.warnings {
        writeln!(text, "{warning}")?;
    }
    writeln!(text, "Workflow: {} ({})", workflow.name, project.source.name())?;
    if let Some(description) = &workflow.description {
        writeln!(text, "Description: {description}")?;
    }
    if workflow.settings.quiet_mode {
        writeln!(text, "Quiet Mode: true")?;
    }
    show_inputs(&inputs, &mut text)?;
    writeln!(text, "\nExecution Plan")?;
    let plan = &project.plan;
    // Of each workflow that runs as a step, as far as they are known before the run.
    let mut known: HashMap<Group, Value> = HashMap::from([(Group::OUTERMOST, inputs)]);
    let first_of_finally =
        plan.order().iter().position(|step| plan.is_finally(*step) && plan.step(*step).within.is_none());
    let mut number = 0;
    for (position, &step) in plan.order().iter().enumerate() {
        if first_of_finally == Some(position) {
            writeln!(text, "\nFinally, whatever came of the steps above")?;
        }
        let around = plan.scope(step);
        let name = plan.subworkflow(around).map_or(workflow.name.as_str(), |inner| &inner.name);
        let inputs = known.get(&around);
        let scope = EarlyScope { inputs: inputs.unwrap_or(&Value::Null), run: &run, workflow: name, environment };
        let scope = inputs.is_some().then_some(&scope);
        let begun = plan.begins(step).zip(scope);
        let begun = begun.and_then(|(inner, scope)| Some((inner, inputs_within(plan, inner, step, scope)?)));
        let definition = plan.step(step);
        match definition.role {
            Role::End { .. } => show_end(definition, &mut text)?,
            _ => {
                number += 1;
                show_step(number, definition, project, scope, environment, &mut text)?;
            }
        }
        known.extend(begun);
    }
    writeln!(text, "\nDry Run Complete: nothing was run")?;
    out.write_all(secrets.mask(&String::from_utf8_lossy(&text)).as_bytes())?;
    Ok(0)
}

fn show_inputs(inputs: &Value, out: &mut dyn Write) -> std::io::Result<()> {
    let inputs = inputs.as_object().into_iter().flatten();
    for (position, (name, value)) in inputs.enumerate() {
        if position == 0 {
            writeln!(out, "Inputs:")?;
        }
        writeln!(out, "  {name}: {value}")?;
    }
    Ok(())
}

/// What `inputs` is within a workflow that this step begins, if that is known.
fn inputs_within(plan: &Plan, inner: Group, step: StepIndex, scope: &EarlyScope<'_>) -> Option<Value> {
    let inner = plan.subworkflow(inner)?;
    let given = plan.step(step).config.get(subworkflow::inputs::KEY).unwrap_or(&Value::Null);
    let given = template::render_value(given, scope).ok()?;
    let early = EarlyScope { inputs: &Value::Null, workflow: &inner.name, ..*scope };
    subworkflow::inputs::resolve(inner, &given, &early).ok()
}

/// `scope`: `None` where `inputs` has no values yet.
fn show_step(
    number: usize,
    step: &Step,
    project: &Project,
    scope: Option<&EarlyScope<'_>>,
    environment: &Environment,
    out: &mut dyn Write,
) -> std::io::Result<()> {
    match step.id.around().next().filter(|_| step.id.is_begin()) {
        Some(id) => {
            let file = step.config.get("file").and_then(Value::as_str).unwrap_or_default();
            writeln!(out, "\n{number}. {id} ({}: {file}), begins", step.step_type)?;
        }
        None => writeln!(out, "\n{number}. {} ({})", step.id, step.step_type)?,
    }
    if !step.depends_on.is_empty() {
        let names: Vec<&str> = step.depends_on.iter().map(|id| id.as_str()).collect();
        writeln!(out, "   Depends On: {}", names.join(", "))?;
    }
    if let Some(condition) = &step.condition {
        writeln!(out, "   If: {}", condition.text())?;
    }
    if let Some(fan_out) = &step.fan_out {
        let list = scope.and_then(|scope| template::render_value(&fan_out.over, scope).ok());
        let items = list.and_then(|list| fan_out.items(list).ok());
        let items = items.map_or_else(|| fan_out.over.to_string(), |items| format!("{} items", items.len()));
        let at_once = fan_out.max_parallel.map_or_else(String::new, |most| format!(", at most {most} at once"));
        writeln!(out, "   For Each Of: {items}{at_once}")?;
    }
    if let Some(timeout) = step.timeout {
        writeln!(out, "   Timeout: {}", humantime::format_duration(timeout))?;
    }
    if step.retry.max_attempts > 1 {
        writeln!(out, "   Attempts: at most {}", step.retry.max_attempts)?;
    }
    let Some(loaded) = project.types.get(&step.step_type) else { return Ok(()) };
    writeln!(out, "   Component: {}, {}", loaded.source(), loaded.digest())?;
    // What refers to other steps' outputs has no value yet, and the grants say so.
    let rendered = scope.and_then(|scope| template::render_value(&step.config, scope).ok());
    let config = rendered.map_or(Cow::Borrowed(&step.config), Cow::Owned);
    let variables = environment.for_permissions();
    let values = Values { config: &config, derived: &[], variables: &variables };
    let plan = grants_for(loaded, &project.policies, &step.permissions, &values);
    if plan.granted.is_empty() {
        writeln!(out, "   Granted: nothing")?;
    }
    for line in &plan.granted {
        writeln!(out, "   Granted: {line}")?;
    }
    for line in &plan.refused {
        writeln!(out, "   Refused: {line}")?;
    }
    show_approval(step, out)
}

/// The end of a workflow that runs as a step.
fn show_end(step: &Step, out: &mut dyn Write) -> std::io::Result<()> {
    if step.approval.is_some() {
        writeln!(out, "\n   {} is over", step.id)?;
    }
    show_approval(step, out)
}

fn show_approval(step: &Step, out: &mut dyn Write) -> std::io::Result<()> {
    if let Some(approval) = &step.approval {
        writeln!(out, "   Then waits for an approval")?;
        if !approval.rule.pause {
            writeln!(out, "   Asks for: {}", approval.rule.in_words())?;
        }
    }
    Ok(())
}
