//! `shiro run -dry-run`: what would run, with each step's component and grants. Nothing runs, nothing is written.

use std::borrow::Cow;
use std::io::Write;

use serde_json::Value;

use super::Exit;
use super::ci::Environment;
use super::early_scope::EarlyScope;
use super::inputs;
use super::project::Project;
use crate::capability::Values;
use crate::id::RunId;
use crate::plugin::grants_for;
use crate::secret::Secrets;
use crate::workflow::model::Step;
use crate::workflow::template;

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
    let scope = EarlyScope { inputs: &inputs, run: &run, workflow: &workflow.name, environment };
    let first_of_finally = project.plan.order().iter().position(|step| project.plan.is_finally(*step));
    for (number, &step) in project.plan.order().iter().enumerate() {
        if first_of_finally == Some(number) {
            writeln!(text, "\nFinally, whatever came of the steps above")?;
        }
        show_step(number + 1, project.plan.step(step), project, &scope, &mut text)?;
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

fn show_step(
    number: usize,
    step: &Step,
    project: &Project,
    scope: &EarlyScope<'_>,
    out: &mut dyn Write,
) -> std::io::Result<()> {
    writeln!(out, "\n{number}. {} ({})", step.id, step.step_type)?;
    if !step.depends_on.is_empty() {
        let names: Vec<&str> = step.depends_on.iter().map(|id| id.as_str()).collect();
        writeln!(out, "   Depends On: {}", names.join(", "))?;
    }
    if let Some(condition) = &step.condition {
        writeln!(out, "   If: {}", condition.text())?;
    }
    if let Some(fan_out) = &step.fan_out {
        let items = template::render_value(&fan_out.over, scope).ok().and_then(|list| fan_out.items(list).ok());
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
    let config = template::render_value(&step.config, scope).map_or(Cow::Borrowed(&step.config), Cow::Owned);
    let variables = scope.environment.for_permissions();
    let values = Values { config: &config, derived: &[], variables: &variables };
    let plan = grants_for(loaded, &project.policies, step.permissions.as_deref(), &values);
    if plan.granted.is_empty() {
        writeln!(out, "   Granted: nothing")?;
    }
    for line in &plan.granted {
        writeln!(out, "   Granted: {line}")?;
    }
    for line in &plan.refused {
        writeln!(out, "   Refused: {line}")?;
    }
    if let Some(approval) = &step.approval {
        writeln!(out, "   Then waits for an approval")?;
        if !approval.rule.pause {
            writeln!(out, "   Asks for: {}", approval.rule.in_words())?;
        }
    }
    Ok(())
}
