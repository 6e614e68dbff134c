//! State files of Go shiro: one JSON object for each workflow, `{"Inputs": {}, "Steps": {}, "Memory": {}, "Env": {}}`.
//!
//! It keeps the steps that succeeded, and nothing of approvals, failures, order or time. `Env` is the whole environment that
//! the job had: its secrets are taken out of what is imported, and nothing else is taken from it.

use std::collections::BTreeMap;
use std::path::Path;

use serde::Deserialize;
use serde_json::{Map, Value};
use uuid::Uuid;

use super::super::ci::Environment;
use super::super::error::{CliError, STATE};
use super::super::gates::{self, Now};
use super::super::inputs;
use super::super::project::Project;
use super::import::{Imported, record};
use crate::approval::{Approver, Decision};
use crate::event::{Event, RunStarted};
use crate::id::RunId;
use crate::outcome::Outcome;
use crate::plan::StepIndex;
use crate::secret::{Secrets, looks_secret};
use crate::workflow::digest;

/// What stands in place of an output that was not saved.
const NOT_SAVED: &str = "_saved";

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct State {
    #[serde(default)]
    inputs: Option<Map<String, Value>>,
    steps: Option<BTreeMap<String, Step>>,
    #[serde(default)]
    memory: Option<Map<String, Value>>,
    #[serde(default)]
    env: Option<BTreeMap<String, String>>,
}

#[derive(Deserialize)]
struct Step {
    success: bool,
    #[serde(default)]
    output: Value,
    #[serde(default)]
    error: String,
}

/// Whether this looks like one: an object with `Steps`.
pub(super) fn is_state(bytes: &[u8]) -> bool {
    #[derive(Deserialize)]
    #[serde(rename_all = "PascalCase")]
    struct Looks {
        #[serde(rename = "Steps")]
        _steps: serde::de::IgnoredAny,
    }
    // One that is cut off is one too: its error says so.
    serde_json::from_slice::<Looks>(bytes).is_ok()
        || !bytes.starts_with(b"{\"journal\"") && bytes.windows(8).take(4096).any(|window| window == b"\"Inputs\"")
}

/// Reads one as the history of a run of this workflow.
pub(super) fn read(
    path: &Path,
    bytes: &[u8],
    project: &Project,
    secrets: &Secrets,
    environment: &Environment,
) -> Result<Imported, CliError> {
    let refused = |what: String| CliError::new(STATE, format!("{}: {what}", path.display()));
    let state: State = serde_json::from_slice(bytes).map_err(|error| {
        refused(format!("this is no whole state file of Go shiro: {error}"))
            .hint("put back the file as the job that wrote it left it (its artifact has it)")
    })?;
    let steps = state.steps.unwrap_or_default();
    check(project, &steps).map_err(refused)?;
    for (name, value) in state.env.iter().flatten().filter(|(name, _)| looks_secret(name)) {
        secrets.add(&format!("env:{name}"), value);
    }
    let mut notices = Vec::new();
    if state.env.is_some_and(|env| !env.is_empty()) {
        notices.push(format!(
            "{} holds the whole environment of its job, secrets too: none of it was imported. Delete the file and the \
             artifacts that have it",
            path.display()
        ));
    }
    if state.memory.is_some_and(|memory| !memory.is_empty()) {
        notices.push("its `Memory` was not imported: no step can read it".to_owned());
    }
    let events = History { project, steps: &steps, secrets }.events(state.inputs.unwrap_or_default(), environment)?;
    Ok(Imported { records: events.into_iter().map(record).collect(), sealed: true, notices })
}

/// Refuses what is no state of this workflow.
fn check(project: &Project, steps: &BTreeMap<String, Step>) -> Result<(), String> {
    let plan = &project.plan;
    let unknown: Vec<&str> = steps.keys().map(String::as_str).filter(|id| plan.find(id).is_none()).collect();
    if !unknown.is_empty() {
        let (name, unknown) = (&plan.workflow().name, unknown.join(", "));
        return Err(format!(
            "the workflow `{name}` has no step {unknown}: this is another workflow's state, or it changed since"
        ));
    }
    if let Some((id, step)) = steps.iter().find(|(_, step)| !step.success) {
        return Err(format!("the step `{id}` has not succeeded ({}), which Go shiro never writes", step.error));
    }
    for id in steps.keys() {
        let index = plan.find(id).ok_or_else(|| id.clone())?;
        let mut before = plan.dependencies(index).iter().map(|step| plan.step(*step).id.as_str());
        if let Some(missing) = before.find(|before| !steps.contains_key(*before)) {
            return Err(format!(
                "the step `{id}` is done, and `{missing}`, which it depends on, is not: the workflow changed since"
            ));
        }
    }
    Ok(())
}

struct History<'a> {
    project: &'a Project,
    steps: &'a BTreeMap<String, Step>,
    secrets: &'a Secrets,
}

impl History<'_> {
    /// The events of a run that has come as far as the state says.
    fn events(&self, old: Map<String, Value>, environment: &Environment) -> Result<Vec<Event>, CliError> {
        let plan = &self.project.plan;
        let run = RunId::new(Uuid::now_v7().to_string());
        let inputs = self.secrets.seal(self.inputs(old, &run, environment)?);
        let mut digests = gates::digests(self.project);
        digests.inputs = digest::of(&inputs);
        let now = Now::new(self.project, environment.project_dir(), digests.inputs);
        let mut events = vec![Event::RunStarted(RunStarted {
            run,
            workflow: plan.workflow().name.clone(),
            shiro: env!("CARGO_PKG_VERSION").to_owned(),
            digests,
            inputs,
            job: environment.job(),
            starter: None,
        })];
        let mut waiting = Vec::new();
        for &index in plan.order() {
            let step = plan.step(index);
            let Some(done) = self.steps.get(step.id.as_str()) else { continue };
            let id = &step.id;
            let output = self.secrets.seal(self.output(done));
            events.push(Event::StepStarted { step: id.clone(), attempt: 1, idempotent: false });
            events.push(Event::StepSucceeded { step: id.clone(), attempt: 1, output, duration_ms: 0 });
            let Some(approval) = &step.approval else { continue };
            let request = now.request(id, approval).map_err(|failure| CliError::new(STATE, failure.message.clone()))?;
            let asked = request.id.clone();
            events.push(Event::ApprovalRequested { step: id.clone(), request: Box::new(request) });
            match self.is_passed(index) {
                false => waiting.push(id.clone()),
                true => events.push(Event::ApprovalDecided {
                    step: id.clone(),
                    request: asked,
                    decision: Decision::Approved,
                    missing: 0,
                    approver: Approver::unverified(None, "a state file of Go shiro, which names nobody"),
                    job: environment.job(),
                    reason: None,
                    form: None,
                }),
            }
        }
        if self.steps.len() == plan.len() && waiting.is_empty() {
            events.push(Event::RunFinished { outcome: Outcome::Succeeded, exit_code: 0 });
        } else if !waiting.is_empty() {
            events.push(Event::RunPaused { waiting, until: None });
        }
        Ok(events)
    }

    /// A step behind the gate has run: someone had started Go shiro again, which is all that it asks for.
    fn is_passed(&self, gate: StepIndex) -> bool {
        let plan = &self.project.plan;
        let dependents = plan.dependents(gate);
        dependents.is_empty() || dependents.iter().any(|step| self.steps.contains_key(plan.step(*step).id.as_str()))
    }

    /// The inputs of the workflow, as the state has them where it does.
    fn inputs(&self, mut old: Map<String, Value>, run: &RunId, environment: &Environment) -> Result<Value, CliError> {
        let mut inputs = inputs::resolve(self.project, run, environment)?;
        for (name, value) in inputs.as_object_mut().into_iter().flatten() {
            if let Some(old) = old.remove(name) {
                *value = old;
            }
        }
        Ok(inputs)
    }

    fn output(&self, step: &Step) -> Value {
        match step.output.get(NOT_SAVED) {
            Some(Value::Bool(false)) => Value::Null,
            _ => step.output.clone(),
        }
    }
}
