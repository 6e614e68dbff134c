//! The engine with a fake runner: steps do what their config says.

mod approval;
mod crash;
mod items;
mod nested;
mod resume;
mod run;
mod scheduler;
mod state;
mod wait;

use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

use serde_json::{Value, json};
use tokio::time::Instant;

use super::*;
use crate::approval::{Request, Subject};
use crate::description::Description;
use crate::event::{Approver, Digests, Job, Level, Notice, RunStarted, SkipReason, Stream};
use crate::id::{Digest, RunId, StepType};
use crate::outcome::{Failure, FailureClass, Outcome};
use crate::plan::StepIndex;
use crate::plan::testing::plan;
use crate::step::{StepRequest, StepSuccess};
use crate::workflow::TypeInfo;
use crate::workflow::model::{Approval, Step};

/// Runs steps of the types `fake` and `pure`. What a config may hold:
///
/// * `output`: what the step gives out.
/// * `fail`: the class, code and so on of its failure; `failures`: only that many attempts fail.
/// * `fail_if`: it fails if its `item` is this.
/// * `ms`: how long it takes. `stubborn`: also when it is told to stop.
/// * `write`, `panic`: text.
#[derive(Default)]
pub(super) struct FakeRunner {
    /// `start ID`, `end ID`, and `stop ID` for an attempt that was told to stop.
    pub(super) log: Mutex<Vec<String>>,
    pub(super) requests: Mutex<Vec<(String, Value)>>,
    running: AtomicUsize,
    /// What made steps fail has been mended.
    pub(super) all_is_well: bool,
    pub(super) most_at_once: AtomicUsize,
}

impl FakeRunner {
    fn note(&self, what: &str, step: &StepId) {
        self.log.lock().unwrap().push(format!("{what} {step}"));
    }

    pub(super) fn log(&self) -> Vec<String> {
        self.log.lock().unwrap().clone()
    }
}

impl StepRunner for FakeRunner {
    async fn run(&self, mut request: StepRequest) -> Result<StepSuccess, Failure> {
        self.note("start", &request.step);
        self.requests.lock().unwrap().push((request.step.to_string(), request.config.clone()));
        let at_once = self.running.fetch_add(1, Ordering::SeqCst) + 1;
        self.most_at_once.fetch_max(at_once, Ordering::SeqCst);
        let config = &request.config;
        let time = Duration::from_millis(config.get("ms").and_then(Value::as_u64).unwrap_or(0));
        let stopped = tokio::select! {
            () = tokio::time::sleep(time) => false,
            _ = request.cancel.wait_for(|stop| *stop), if config.get("stubborn").is_none() => true,
        };
        self.running.fetch_sub(1, Ordering::SeqCst);
        if stopped {
            self.note("stop", &request.step);
            return Err(Failure::new(FailureClass::Step, "stopped", "told to stop"));
        }
        self.note("end", &request.step);
        if let Some(text) = config.get("write").and_then(Value::as_str) {
            request.sink.output(Stream::Stdout, text.as_bytes());
            request.sink.log(Level::Info, text);
        }
        if let Some(text) = config.get("panic").and_then(Value::as_str) {
            panic!("{text}");
        }
        let failures = config.get("failures").and_then(Value::as_u64).unwrap_or(u64::MAX);
        let fails = config.get("fail_if").is_some_and(|bad| config.get("item") == Some(bad));
        let no = json!({});
        let fail = config.get("fail").filter(|fail| fail.is_object()).or_else(|| fails.then_some(&no));
        match fail.filter(|_| !self.all_is_well) {
            Some(fail) if u64::from(request.attempt) <= failures => {
                let mut failure = json!({ "class": "step", "transient": false, "code": "no", "message": "it said no" });
                failure.as_object_mut().unwrap().extend(fail.as_object().unwrap().clone());
                Err(serde_json::from_value(failure).unwrap())
            }
            _ => Ok(StepSuccess { output: config.get("output").cloned().unwrap_or(json!({})) }),
        }
    }

    fn is_pure(&self, step_type: &StepType) -> bool {
        step_type.as_str() == "pure"
    }
}

/// What was told.
#[derive(Default)]
pub(super) struct Heard(pub(super) Mutex<Vec<String>>);

impl Tell for Heard {
    fn tell(&self, notice: Notice<'_>) {
        let text = match notice {
            Notice::Recorded(record) => {
                format!("recorded {}", serde_json::to_value(&record.event).unwrap()["event"].as_str().unwrap())
            }
            Notice::Output { line, .. } => format!("output {line}"),
            Notice::Log { message, .. } => format!("log {message}"),
            Notice::Warning { message, .. } => format!("warning {message}"),
        };
        self.0.lock().unwrap().push(text);
    }
}

/// A run over as many processes as it takes, with its journal in memory.
pub(super) struct World {
    pub(super) plan: Arc<Plan>,
    pub(super) options: Options,
    pub(super) runner: Arc<FakeRunner>,
    pub(super) heard: Arc<Heard>,
    pub(super) secrets: Arc<Secrets>,
    pub(super) env: BTreeMap<String, String>,
    pub(super) inputs: Value,
    pub(super) types: Arc<StepTypes>,
    pub(super) journal: Arc<Mutex<Vec<Record>>>,
    /// How many records each batch had.
    pub(super) batches: Arc<Mutex<Vec<usize>>>,
    /// A write takes as long as anything runs.
    pub(super) slow_disk: bool,
    /// The disk is full once this many batches are written; with `true`, the last batch gets there all the same.
    pub(super) full_after: Option<(usize, bool)>,
    pub(super) rerun: Vec<StepId>,
    pub(super) skip: Vec<StepId>,
    pub(super) approve: bool,
    /// Gates that expire before the next process goes on.
    pub(super) expired: Vec<StepId>,
    pub(super) signals: (mpsc::UnboundedSender<Signal>, Option<mpsc::UnboundedReceiver<Signal>>),
}

impl World {
    pub(super) fn new(steps: Value) -> Self {
        Self::of(plan(steps))
    }

    pub(super) fn of(plan: Plan) -> Self {
        let (sender, receiver) = mpsc::unbounded_channel();
        Self {
            plan: Arc::new(plan),
            options: Options::default(),
            runner: Arc::default(),
            heard: Arc::default(),
            secrets: Arc::default(),
            env: BTreeMap::new(),
            inputs: json!({ "colour": "blue" }),
            types: Arc::new(types()),
            journal: Arc::default(),
            batches: Arc::default(),
            slow_disk: false,
            full_after: None,
            rerun: Vec::new(),
            skip: Vec::new(),
            approve: true,
            expired: Vec::new(),
            signals: (sender, Some(receiver)),
        }
    }

    pub(super) fn records(&self) -> Vec<Record> {
        self.journal.lock().unwrap().clone()
    }

    pub(super) fn state(&self) -> RunState {
        RunState::new().fold(&self.records()).unwrap()
    }

    /// One process: starts the run or goes on with it.
    pub(super) async fn process(&mut self) -> Result<Finish, EngineError> {
        let state = RunState::for_plan(Arc::clone(&self.plan)).fold(&self.records()).unwrap();
        let approve = if self.approve { super::resume::approvable(&state) } else { Vec::new() };
        let begin = match state.started() {
            None => vec![self.run_started()],
            Some(_) => super::resume::events(
                &state,
                &self.plan,
                &super::resume::Resume {
                    job: &Job::default(),
                    shiro: "0.1.0",
                    approver: &alice(),
                    approve: &approve,
                    expired: &self.expired,
                    asked_again: &[],
                    rerun: &self.rerun,
                    skip: &self.skip,
                },
            )
            .unwrap(),
        };
        let (journal, batches, full_after) = (Arc::clone(&self.journal), Arc::clone(&self.batches), self.full_after);
        let runner = self.slow_disk.then(|| Arc::clone(&self.runner));
        let mut written = 0;
        let record: RecordFn = Box::new(move |records| {
            while runner.as_ref().is_some_and(|runner| runner.running.load(Ordering::SeqCst) > 0) {
                std::thread::yield_now();
            }
            written += 1;
            let is_full = full_after.is_some_and(|(batches, _)| written > batches);
            let arrives =
                full_after.is_none_or(|(batches, arrives)| written <= batches || arrives && written == batches + 1);
            if arrives {
                journal.lock().unwrap().extend_from_slice(records);
                batches.lock().unwrap().push(records.len());
            }
            if is_full { Err("no space left on device".into()) } else { Ok(()) }
        });
        let stop = self.signals.1.take().unwrap_or_else(|| mpsc::unbounded_channel().1);
        run(Setup {
            plan: Arc::clone(&self.plan),
            state,
            begin,
            runner: Arc::clone(&self.runner),
            record,
            request: {
                let plan = Arc::clone(&self.plan);
                Box::new(move |step, approval| Ok(Request { guards: guards(&plan, step), ..request(step, approval) }))
            },
            check: Box::new(|_, _| Ok(())),
            tell: self.heard.clone(),
            secrets: Arc::clone(&self.secrets),
            env: Arc::new(self.env.clone()),
            types: Arc::clone(&self.types),
            options: self.options,
            stop,
        })
        .await
    }

    fn run_started(&self) -> Event {
        let digest = Digest::of(b"");
        Event::RunStarted(RunStarted {
            run: RunId::new("run-1"),
            workflow: "test".into(),
            shiro: "0.1.0".into(),
            digests: Digests {
                workflow: digest,
                inputs: digest,
                plugins: BTreeMap::new(),
                builtins: BTreeMap::new(),
                steps: BTreeMap::new(),
            },
            inputs: self.secrets.seal(self.inputs.clone()),
            job: Job::default(),
            starter: None,
        })
    }

    /// Each step's status, in file order, as `id: status`, and after it those of its items.
    pub(super) fn statuses(&self) -> Vec<String> {
        let state = self.state();
        let status = |id: &StepId| {
            let status = state.step(id.as_str()).map_or("pending".to_owned(), |step| match step.status() {
                Status::Pending => "pending".into(),
                Status::Running { .. } => "running".into(),
                Status::Retrying => "retrying".into(),
                Status::Expanded => "expanded".into(),
                Status::Succeeded => "succeeded".into(),
                Status::Failed { tolerated: true } => "tolerated".into(),
                Status::Failed { tolerated: false } => "failed".into(),
                Status::Skipped(reason) => match &**reason {
                    SkipReason::Dependency(cause) => format!("skipped for {cause}"),
                    SkipReason::Condition => "skipped by condition".into(),
                    SkipReason::EarlierFailure => "skipped".into(),
                    SkipReason::Human => "skipped by a human".into(),
                    SkipReason::Refused(gate) => format!("refused at {gate}"),
                    SkipReason::NotBegun(outer) => format!("skipped with {outer}"),
                },
                Status::Interrupted { .. } => "interrupted".into(),
                Status::TakenAsDone => "taken as done".into(),
            });
            format!("{id}: {status}")
        };
        let with_items = |step| {
            let id = &self.plan.step(step).id;
            let items = state.items(id.as_str()).into_iter().flat_map(Items::iter).map(|(id, _)| id);
            std::iter::once(id).chain(items).map(status).collect::<Vec<_>>()
        };
        self.plan.steps().flat_map(with_items).collect()
    }

    /// The config with which the last attempt of a step was asked to run.
    pub(super) fn config(&self, step: &str) -> Value {
        let requests = self.runner.requests.lock().unwrap();
        requests.iter().rev().find(|(id, _)| id == step).map(|(_, config)| config.clone()).expect("it ran")
    }

    pub(super) fn failure(&self, step: &str) -> Failure {
        self.state().failure(step).cloned().expect("it failed")
    }
}

pub(super) fn alice() -> Approver {
    Approver::unverified(Some("alice".into()), "GITLAB_USER_LOGIN")
}

/// What stands behind a step, but for what cleans up.
fn guards(plan: &Plan, step: &StepId) -> Vec<StepId> {
    let mut behind = vec![plan.find(step.as_str()).expect("a step of the plan")];
    let mut next = 0;
    while let Some(&step) = behind.get(next) {
        behind.extend(plan.dependents(step).iter().filter(|step| !behind.contains(step)).copied().collect::<Vec<_>>());
        next += 1;
    }
    let steps = behind.into_iter().skip(1).map(|step| plan.step(step));
    let cleans_up = |step: &Step| step.condition.as_ref().is_some_and(|condition| condition.admits_refusal());
    steps.filter(|step| !cleans_up(step)).map(|step| step.id.clone()).collect()
}

/// What a step asks for, if it is to be approved in the form it has now.
pub(super) fn request(step: &StepId, approval: &Approval) -> Request {
    let digest = Digest::of(b"");
    Request {
        id: format!("request-{step}"),
        expires_at: approval.expires.map(|expires| expires.as_millis() as u64),
        rule: approval.rule.clone(),
        subject: Subject {
            workflow: digest,
            inputs: digest,
            plugins: BTreeMap::new(),
            builtins: BTreeMap::new(),
            policies: BTreeMap::new(),
            trust: None,
            files: BTreeMap::new(),
        },
        guards: Vec::new(),
    }
}

fn types() -> StepTypes {
    let description = |name: &str| -> Description {
        serde_json::from_value(json!({
            "name": name, "version": "1.0.0", "summary": "Does what it is told.",
            "config_schema": { "properties": {
                "token": { "type": "string", "writeOnly": true },
                "count": { "type": "integer" },
                "script": { "type": "string", "contentMediaType": "text/x-shellscript" }
            } }
        }))
        .unwrap()
    };
    let mut wait = description("wait");
    wait.output_schema = json!({ "properties": { "until": { "type": "string", "x-not-before": true } } });
    let descriptions = ["fake", "pure"].map(description).into_iter().chain([wait]);
    let loaded = descriptions.map(|info| (StepType::new(info.name.as_str()), TypeInfo::new(info).unwrap()));
    StepTypes { loaded: loaded.collect(), ..StepTypes::default() }
}
