//! Runs attempts: a fresh sandbox for each.

use std::collections::HashMap;
use std::ffi::OsString;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use serde_json::Value;
use tokio::time::Instant;

use super::attempt::AttemptParts;
use super::bindings::exports::shiro::step::step::Failure as StepFailure;
use super::bindings::shiro::step::types::FailureKind;
use super::fault::Fault;
use super::grants::{GrantPlan, all_asked, grants_for, may_have_effects};
use super::guest::{Call, Said, Until, call};
use super::imports::context::RunContext;
use super::imports::http::{Clients, Network};
use super::imports::process::Processes;
use super::imports::{Noted, Notes};
use super::limits::{CPU_WITHOUT_TIMEOUT, TIME_WITHOUT_TIMEOUT};
use super::loaded::LoadedType;
use super::process::{AttemptProcesses, ProcessHost};
use super::recording::Recording;
use super::watch::Watch;
use crate::id::StepType;
use crate::outcome::{Failure, FailureClass};
use crate::step::{StepRequest, StepRunner, StepSink, StepSuccess};

/// What the sandboxes of a run share.
#[derive(Clone, Debug)]
pub struct RunnerOptions {
    /// The project's directory: where programs run.
    pub project_dir: PathBuf,
    /// The job's environment: programs may inherit it, and its proxy and CA variables hold for HTTP.
    pub job_env: Vec<(OsString, OsString)>,
    /// How long programs have between SIGTERM and SIGKILL.
    pub grace: Duration,
}

/// Runs steps in WebAssembly sandboxes.
pub struct SandboxRunner {
    types: HashMap<StepType, LoadedType>,
    processes: Arc<ProcessHost>,
    clients: Arc<Clients>,
    grace: Duration,
    recording: Option<Arc<Recording>>,
}

impl SandboxRunner {
    /// A runner for these types, each under its [`LoadedType::step_type`].
    pub fn new(types: impl IntoIterator<Item = LoadedType>, options: RunnerOptions) -> Self {
        Self {
            types: types.into_iter().map(|loaded| (loaded.step_type().clone(), loaded)).collect(),
            clients: Arc::new(Clients::new(&options.job_env)),
            processes: ProcessHost::new(options.project_dir, options.job_env),
            grace: options.grace,
            recording: None,
        }
    }

    /// The same, but with what the types ask for granted, and every call that goes outside answered by this recording:
    /// for tests of a component.
    pub fn replaying(self, recording: Arc<Recording>) -> Self {
        Self { recording: Some(recording), ..self }
    }

    async fn attempt(&self, loaded: &LoadedType, request: StepRequest) -> Result<StepSuccess, Failure> {
        if let Some(failure) = config_failure(loaded, &request.config) {
            return Err(failure);
        }
        let time = Time::of(loaded, request.timeout);
        let notes = Notes::default();
        let plan = match self.recording {
            None => grants_for(loaded, &request.config, &request.derived),
            Some(_) => all_asked(loaded, &request.config),
        };
        let sink = Arc::clone(&request.sink);
        let running = Arc::new(self.processes.attempt());
        let config = request.config.to_string();
        let until = Until { deadline: time.deadline, cancel: request.cancel.clone() };
        let parts = self.parts(loaded, request, plan, &time, &notes, &running);

        let (said, noted) = call(loaded.runtime(), loaded.pre(), parts, Call::Run(config), until).await;
        // The store is gone, and with it the only other user.
        if let Some(running) = Arc::into_inner(running) {
            running.end(self.grace).await;
        }
        let failure = match said {
            Said::Yes(json) => return accept(loaded, &json, &noted, &*sink),
            Said::No(failure) => step_failure(failure),
            Said::Fault(fault) => time.failure(fault, loaded.step_type().as_str()),
        };
        Err(with_notes(failure, noted))
    }

    fn parts(
        &self,
        loaded: &LoadedType,
        request: StepRequest,
        plan: GrantPlan,
        time: &Time,
        notes: &Notes,
        running: &Arc<AttemptProcesses>,
    ) -> AttemptParts {
        let hint = plan.hint(loaded);
        AttemptParts {
            terminal: request.terminal,
            context: RunContext {
                workflow: request.workflow,
                run: request.run,
                step: request.step,
                attempt: request.attempt,
                deadline: time.deadline,
            },
            processes: Processes {
                running: Some(Arc::clone(running)),
                granted: plan.grants.process.clone(),
                hint: hint.clone(),
                recording: self.recording.clone(),
                bindings: request.bindings,
            },
            network: Network::new(
                Arc::clone(&self.clients),
                plan.grants,
                hint,
                notes.clone(),
                Arc::clone(&request.sink),
            )
            .replaying(self.recording.clone()),
            notes: notes.clone(),
            watch: Watch::new(time.deadline, time.cpu),
            sink: request.sink,
        }
    }
}

impl StepRunner for SandboxRunner {
    async fn run(&self, request: StepRequest) -> Result<StepSuccess, Failure> {
        match self.types.get(&request.step_type) {
            Some(loaded) => self.attempt(loaded, request).await,
            None => Err(Failure::new(
                FailureClass::Internal,
                "not-loaded",
                format!("the step type `{}` was not loaded before the run", request.step_type),
            )),
        }
    }

    fn is_pure(&self, step_type: &StepType) -> bool {
        self.types.get(step_type).is_some_and(|loaded| !may_have_effects(loaded))
    }
}

/// How long an attempt may take.
struct Time {
    limit: Option<Duration>,
    by_user: bool,
    deadline: Option<Instant>,
    cpu: Option<Duration>,
}

impl Time {
    /// A type that is not built in has limits even where the step sets none.
    fn of(loaded: &LoadedType, timeout: Option<Duration>) -> Self {
        let guarded = timeout.is_none() && !loaded.builtin();
        let limit = if guarded { Some(TIME_WITHOUT_TIMEOUT) } else { timeout };
        Self {
            limit,
            by_user: timeout.is_some(),
            // A deadline beyond what a clock can say is none.
            deadline: limit.and_then(|limit| Instant::now().checked_add(limit)),
            cpu: guarded.then_some(CPU_WITHOUT_TIMEOUT),
        }
    }

    fn failure(&self, fault: Fault, name: &str) -> Failure {
        fault.into_failure(name, self.limit, self.by_user)
    }
}

fn config_failure(loaded: &LoadedType, config: &Value) -> Option<Failure> {
    let problems = loaded.config_problems(config);
    if problems.is_empty() {
        return None;
    }
    let name = loaded.step_type();
    let message = format!(
        "the config does not match the schema of `{name}`, now that its templates have values:\n  {}",
        problems.join("\n  ")
    );
    let hint = format!("`shiro plugin inspect {name}` shows the schema");
    Some(Failure::new(FailureClass::Config, "config-schema", message).with_hint(hint))
}

/// Checks what a step returns, and tells of what it was denied and did without.
#[expect(clippy::result_large_err, reason = "once per attempt, and the type of the seam")]
fn accept(loaded: &LoadedType, json: &str, noted: &Noted, sink: &dyn StepSink) -> Result<StepSuccess, Failure> {
    let bad = |what: String| {
        let name = loaded.step_type();
        Failure::new(FailureClass::Plugin, "bad-output", format!("the output of `{name}` {what}"))
            .with_hint(format!("this is a fault of `{name}`, not of the workflow: report it to whoever makes `{name}`"))
    };
    let output: Value = serde_json::from_str(json).map_err(|error| bad(format!("is not JSON: {error}")))?;
    let problems = loaded.output_problems(&output);
    if !problems.is_empty() {
        return Err(bad(format!("does not match its own schema:\n  {}", problems.join("\n  "))));
    }
    for denial in &noted.denials {
        sink.warn(&format!("it was not allowed to {}, and went on without; {}", denial.tried, denial.hint));
    }
    Ok(StepSuccess { output })
}

/// A failure that the step itself reports.
fn step_failure(failure: StepFailure) -> Failure {
    let (class, transient) = match failure.kind {
        FailureKind::InvalidConfig => (FailureClass::Config, false),
        FailureKind::Permanent => (FailureClass::Step, false),
        FailureKind::Transient => (FailureClass::Step, true),
    };
    let output = failure.output.map(|json| serde_json::from_str(&json).unwrap_or(Value::String(json)));
    Failure {
        transient,
        retry_after_ms: failure.retry_after_ms,
        output,
        ..Failure::new(class, failure.code, failure.message)
    }
}

/// A failure after a denial, or after a limit that the guest was told of by an error, is one of that.
fn with_notes(failure: Failure, noted: Noted) -> Failure {
    let own = matches!(failure.class, FailureClass::Step | FailureClass::Plugin) && failure.code != "cancelled";
    if !own {
        return failure;
    }
    if let Some(denial) = noted.denials.into_iter().next() {
        let message = format!("{}\nit was not allowed to {}", failure.message, denial.tried);
        return Failure { class: FailureClass::Denied, transient: false, message, hint: Some(denial.hint), ..failure };
    }
    if let Some(limit) = noted.limit {
        let message = format!("{}\nit ran into a limit: {limit}", failure.message);
        return Failure {
            class: FailureClass::Limit,
            transient: false,
            code: limit.code().to_owned(),
            message,
            ..failure
        };
    }
    failure
}

#[cfg(test)]
mod tests;
