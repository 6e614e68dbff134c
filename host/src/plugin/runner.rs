//! Runs attempts: a fresh sandbox for each.

use std::collections::{BTreeSet, HashMap};
use std::ffi::OsString;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use serde_json::Value;
use tokio::time::Instant;

use super::answer::{self, Unusable};
use super::attempt::AttemptParts;
use super::bindings::exports::shiro::step::step::Failure as StepFailure;
use super::bindings::shiro::step::types::FailureKind;
use super::fault::Fault;
use super::grants::{grants_for, may_have_effects, policy_name};
use super::guest::{Call, Said, Until, call};
use super::imports::context::RunContext;
use super::imports::http::{Clients, Network};
use super::imports::process::Processes;
use super::imports::store::SharedData;
use super::imports::{Noted, Notes};
use super::limits::{self, Budget, Limit};
use super::loaded::LoadedType;
use super::process::{AttemptProcesses, ProcessHost};
use super::recording::Recording;
use super::rights::Rights;
use super::surroundings::{Job, Surroundings};
use super::text::cut;
use super::watch::Watch;
use crate::capability::{Limits, Values};
use crate::data::Data;
use crate::id::StepType;
use crate::outcome::{Failure, FailureClass};
use crate::policy::{Learned, Policies};
use crate::step::{StepRequest, StepRunner, StepSink, StepSuccess};

/// Of a failure's message, and of its code: what is longer is cut.
const MESSAGE_BYTES: usize = 64 << 10;
const CODE_BYTES: usize = 100;

/// What the sandboxes of a run share.
#[derive(Clone, Debug)]
pub struct RunnerOptions {
    /// The project's directory: where programs run.
    pub project_dir: PathBuf,
    /// The job's environment: programs may inherit it, and its proxy and CA variables hold for HTTP.
    pub job_env: Vec<(OsString, OsString)>,
    /// The names of the variables whose values are secret.
    pub secrets: BTreeSet<String>,
    /// What steps may do.
    pub policies: Arc<Policies>,
    /// Hears what steps use, where the policies are [learning](Policies::learning).
    pub learned: Option<Arc<Learned>>,
    /// The workflow's shared data.
    pub data: Arc<Data>,
    /// How long programs have between SIGTERM and SIGKILL.
    pub grace: Duration,
}

/// Runs steps in WebAssembly sandboxes.
pub struct SandboxRunner {
    types: HashMap<StepType, LoadedType>,
    processes: Arc<ProcessHost>,
    clients: Arc<Clients>,
    job: Job,
    policies: Arc<Policies>,
    learned: Option<Arc<Learned>>,
    data: Arc<Data>,
    grace: Duration,
    recording: Option<Arc<Recording>>,
}

impl SandboxRunner {
    /// A runner for these types, each under its [`LoadedType::step_type`].
    pub fn new(types: impl IntoIterator<Item = LoadedType>, options: RunnerOptions) -> Self {
        Self {
            types: types.into_iter().map(|loaded| (loaded.step_type().clone(), loaded)).collect(),
            clients: Arc::new(Clients::new(&options.job_env)),
            job: Job::new(&options.job_env, options.secrets, options.project_dir.clone()),
            policies: options.policies,
            learned: options.learned,
            data: options.data,
            processes: ProcessHost::new(options.project_dir, options.job_env),
            grace: options.grace,
            recording: None,
        }
    }

    /// The same, but every call that goes outside is answered by this recording, if it is granted: for tests of a
    /// component.
    pub fn replaying(self, recording: Arc<Recording>) -> Self {
        Self { recording: Some(recording), ..self }
    }

    async fn attempt(&self, loaded: &LoadedType, request: StepRequest) -> Result<StepSuccess, Failure> {
        if let Some(failure) = config_failure(loaded, &request.config) {
            return Err(failure);
        }
        if let Some(learned) = &self.learned {
            learned.ran(&request.step);
        }
        let values = Values { config: &request.config, derived: &request.derived, variables: self.job.variables() };
        let decision = grants_for(loaded, &self.policies, &request.permissions, &values);
        let guarded = request.timeout.is_none() && !loaded.builtin();
        let limits = decision.grants.limits(&limits::usual(guarded));
        let time = Time::of(request.timeout, &limits);
        let rights =
            Rights::new(policy_name(loaded), loaded.builtin(), decision, Notes::default(), self.learned.clone());
        let budget = Budget::of(&limits);
        let sink = Arc::clone(&request.sink);
        let running = Arc::new(self.processes.attempt());
        let config = request.config.to_string();
        let until = Until { deadline: time.deadline, cancel: request.cancel.clone() };
        let parts = self.parts(request, Arc::new(rights), budget, &time, &running);

        let (said, noted) = call(loaded.runtime(), loaded.pre(), parts, Call::Run(config), until).await;
        // The store is gone, and with it the only other user.
        if let Some(running) = Arc::into_inner(running) {
            running.end(self.grace).await;
        }
        let failure = match said {
            Said::Yes(json) => return accept(loaded, &json, &noted, budget.output_mib, &*sink),
            Said::No(failure) => step_failure(failure, budget.output_mib),
            Said::Fault(fault) => time.failure(fault, loaded.step_type().as_str()),
        };
        Err(with_notes(failure, noted))
    }

    fn parts(
        &self,
        request: StepRequest,
        rights: Arc<Rights>,
        budget: Budget,
        time: &Time,
        running: &Arc<AttemptProcesses>,
    ) -> AttemptParts {
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
                recording: self.recording.clone(),
                bindings: request.bindings,
            },
            shared: SharedData::new(Arc::clone(&self.data), budget.store_mib),
            network: Network::new(
                Arc::clone(&self.clients),
                Arc::clone(&rights),
                &budget,
                Arc::clone(&request.sink),
                self.recording.clone(),
            ),
            surroundings: Surroundings::new(&rights, &self.job),
            watch: Watch::new(time.deadline, budget.cpu_seconds),
            rights,
            budget,
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
        self.types.get(step_type).is_some_and(|loaded| !may_have_effects(loaded, &self.policies))
    }

    fn may_repeat(&self, step_type: &StepType) -> bool {
        let says_so = |loaded: &LoadedType| loaded.description().idempotent;
        self.is_pure(step_type) || self.types.get(step_type).is_some_and(says_so)
    }
}

/// How long an attempt may take.
struct Time {
    limit: Option<Duration>,
    by_user: bool,
    deadline: Option<Instant>,
}

impl Time {
    /// The step's own timeout, or the limit if that is shorter.
    fn of(timeout: Option<Duration>, limits: &Limits) -> Self {
        let wall = limits.wall_seconds.map(|seconds| Duration::from_secs(u64::from(seconds)));
        let limit = timeout.into_iter().chain(wall).min();
        Self {
            limit,
            by_user: timeout.is_some() && limit == timeout,
            // A deadline beyond what a clock can say is none.
            deadline: limit.and_then(|limit| Instant::now().checked_add(limit)),
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
fn accept(
    loaded: &LoadedType,
    json: &str,
    noted: &Noted,
    output_mib: u32,
    sink: &dyn StepSink,
) -> Result<StepSuccess, Failure> {
    let bad = |what: String| {
        let name = loaded.step_type();
        Failure::new(FailureClass::Plugin, "bad-output", format!("the output of `{name}` {what}"))
            .with_hint(format!("this is a fault of `{name}`, not of the workflow: report it to whoever makes `{name}`"))
    };
    let output = answer::parse(json, limits::bytes(output_mib)).map_err(|unusable| match unusable {
        Unusable::Large => {
            let limit = Limit::Answer(output_mib);
            let message = format!("the component ran into a limit: {limit}");
            Failure::new(FailureClass::Limit, limit.code(), message).with_hint(limit.hint())
        }
        Unusable::Wrong(what) => bad(format!("is not JSON that can be used: {what}")),
    })?;
    let problems = loaded.output_problems(&output);
    if !problems.is_empty() {
        return Err(bad(format!("does not match its own schema:\n  {}", problems.join("\n  "))));
    }
    for denial in &noted.denials {
        sink.warn(&format!("it was not allowed to {}, and went on without; {}", denial.tried, denial.hint));
    }
    Ok(StepSuccess { output })
}

/// A failure that the step itself reports, as far as it can be shown and kept.
fn step_failure(failure: StepFailure, output_mib: u32) -> Failure {
    let (class, transient) = match failure.kind {
        FailureKind::InvalidConfig => (FailureClass::Config, false),
        FailureKind::Permanent => (FailureClass::Step, false),
        FailureKind::Transient => (FailureClass::Step, true),
    };
    let mut message = cut(&failure.message, MESSAGE_BYTES).into_owned();
    let output = failure.output.and_then(|json| match answer::parse(&json, limits::bytes(output_mib)) {
        Ok(output) => Some(output),
        Err(Unusable::Wrong(_)) => Some(Value::String(json)),
        Err(Unusable::Large) => {
            message.push_str(&format!("\nits output is left out: {}", Limit::Answer(output_mib)));
            None
        }
    });
    Failure {
        transient,
        retry_after_ms: failure.retry_after_ms,
        output,
        ..Failure::new(class, cut(&failure.code, CODE_BYTES), message)
    }
}

/// A failure after a denial, or after a limit that the guest was told of by an error, is one of that.
fn with_notes(failure: Failure, noted: Noted) -> Failure {
    let own = matches!(failure.class, FailureClass::Step | FailureClass::Plugin) && failure.code != "cancelled";
    if !own {
        return failure;
    }
    if let Some(denial) = noted.denials.into_iter().next() {
        // Most steps pass on what they were told, with the lines that would allow it. These stand in the hint.
        let mut message = failure.message.replace(&format!(": {}", denial.hint), "");
        if !message.contains(&format!("not allowed to {}", denial.tried)) {
            message.push_str(&format!("\nit was not allowed to {}", denial.tried));
        }
        return Failure { class: FailureClass::Denied, transient: false, message, hint: Some(denial.hint), ..failure };
    }
    if let Some(error) = noted.unreadable {
        let hint = error.hint.or(failure.hint);
        return Failure { class: FailureClass::State, transient: false, hint, ..failure };
    }
    if let Some(limit) = noted.limit {
        let message = format!("{}\nit ran into a limit: {limit}", failure.message);
        return Failure {
            class: FailureClass::Limit,
            transient: false,
            code: limit.code().to_owned(),
            message,
            hint: failure.hint.or_else(|| Some(limit.hint().to_owned())),
            ..failure
        };
    }
    // It does without what is not there, so this need not be why it failed: it stays what it was but for the class.
    if !noted.looked.is_empty() {
        let mut message = failure.message;
        let mut hints = Vec::new();
        for denial in noted.looked {
            message.push_str(&format!("\nit was not allowed to {}", denial.tried));
            hints.push(denial.hint);
        }
        return Failure { class: FailureClass::Denied, message, hint: Some(hints.join("\n")), ..failure };
    }
    failure
}

#[cfg(test)]
mod tests;
