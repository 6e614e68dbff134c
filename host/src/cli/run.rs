//! `shiro run`: begins a run or goes on with one.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use uuid::Uuid;

use super::Exit;
use super::approver::{Asking, approver};
use super::args::state::StateStore;
use super::args::{ColorChoice, RunArgs};
use super::ci::{Ci, Environment};
use super::error::{BUG, CliError, STATE};
use super::gates::{self, Approvals, Now};
use super::held::Held;
use super::leave::Left;
use super::output::Output;
use super::project::Project;
use super::start::{Asked, Start};
use super::{accepted, dry_run, inputs, policy, retry, shared_data, start, status, store};
use crate::approval::{Approver, Request};
use crate::engine::resume::{self, Resume, ResumeError};
use crate::engine::{self, CheckFn, EngineError, Finish, Options, RequestFn, RunState, Setup, signals};
use crate::event::{Digests, Event, Job, Notice, RunStarted};
use crate::id::{Digest, RunId, StepId};
use crate::journal::{Journal, JournalError, Loaded};
use crate::plugin::{LoadedType, RunnerOptions, SandboxRunner};
use crate::policy::Learned;
use crate::report::human::{ItemsBefore, Resumed};
use crate::secret::{Secrets, looks_secret};
use crate::workflow::digest;

/// The version that the journal names.
const SHIRO: &str = env!("CARGO_PKG_VERSION");

/// Runs a workflow until it is finished, paused or stopped.
pub(super) fn run(args: &RunArgs, color: ColorChoice, environment: Environment) -> Exit {
    let mut project = Project::load(&args.workflow, args.jobs)?;
    if args.learn {
        policy::check_learned(&args.workflow.dirs.shiro_dir)?;
        project.policies.learning = true;
    }
    let secrets = Arc::new(Secrets::new());
    let too_short = register_secrets(&secrets, &project, &environment);
    project.warnings.extend(
        too_short
            .iter()
            .map(|name| format!("the variable `{name}` is a secret, but its value is too short to be masked")),
    );
    if environment.get("CI_DEBUG_TRACE") == Some("true") {
        project.warnings.push("CI_DEBUG_TRACE is on: the runner itself prints all variables, secrets too".to_owned());
    }
    if environment.filled("SHIRO_INSECURE_TLS").is_some() {
        project.warnings.push(
            "SHIRO_INSECURE_TLS is of Go shiro and does nothing: certificates are always checked; name your authority's in \
             SSL_CERT_FILE"
                .to_owned(),
        );
    }
    let result = if args.dry_run {
        dry_run::dry_run(&project, &secrets, &environment, &mut std::io::stdout().lock())
    } else {
        Session::open(args, color, environment, project, Arc::clone(&secrets)).and_then(Session::run)
    };
    result.map_err(|error| error.masked(&secrets))
}

/// The variables whose values are secret: the workflow lists them, a step type asks for them as secrets, or their names say
/// so.
fn secret_names(project: &Project, environment: &Environment) -> BTreeSet<String> {
    let workflow = project.plan.workflow();
    let asked = |name: &str| {
        project.types.values().any(|loaded| loaded.description().permissions.secrets.iter().any(|asked| asked == name))
    };
    let is_secret = |name: &str| {
        workflow.secrets.iter().any(|listed| listed == name)
            || asked(name)
            || (looks_secret(name) && !workflow.not_secrets.iter().any(|listed| listed == name))
    };
    environment.iter().map(|(name, _)| name).filter(|name| is_secret(name)).map(str::to_owned).collect()
}

/// Makes the environment's secrets known. Returns the variables that the workflow lists and that are too short to be masked.
pub(super) fn register_secrets(secrets: &Secrets, project: &Project, environment: &Environment) -> Vec<String> {
    let workflow = project.plan.workflow();
    let mut too_short = Vec::new();
    for (name, value) in environment.iter() {
        let reference = format!("env:{name}");
        // Whatever its name looks like, what a step asks for as a secret is one.
        let asked = |loaded: &LoadedType| loaded.description().permissions.secrets.iter().any(|asked| asked == name);
        if workflow.secrets.iter().any(|listed| listed == name) || project.types.values().any(asked) {
            if !value.is_empty() && secrets.add_listed(&reference, value) == crate::secret::Added::TooShort {
                too_short.push(name.to_owned());
            }
        } else if looks_secret(name) && !workflow.not_secrets.iter().any(|listed| listed == name) {
            secrets.add(&reference, value);
        }
    }
    too_short
}

/// All that stays the same while one process works on a run.
struct Session<'a> {
    args: &'a RunArgs,
    /// Without the state key.
    environment: Environment,
    /// The variable that the state key stands in: no step gets it.
    key_variable: Option<String>,
    project: Project,
    secrets: Arc<Secrets>,
    held: Held,
    job: Job,
    output: Output,
}

impl<'a> Session<'a> {
    /// Takes the run for this process.
    fn open(
        args: &'a RunArgs,
        color: ColorChoice,
        environment: Environment,
        project: Project,
        secrets: Arc<Secrets>,
    ) -> Result<Self, CliError> {
        let found = store::state_key(&args.state, &environment)?;
        if let Some(found) = &found {
            found.mask(&secrets);
        }
        let key_variable = found.as_ref().and_then(|found| found.variable.clone());
        let environment = environment.without(key_variable.as_deref());
        let held = Held::take(&args.state, &args.journal, found, &project, &environment)?;
        let job = environment.job();
        let output = Output::new(args, color, &environment, &project);
        Ok(Self { args, environment, key_variable, project, secrets, held, job, output })
    }

    fn run(self) -> Exit {
        // -fresh takes no notice of what is there, not even of what can't be read.
        let mut loaded = if self.args.fresh { None } else { self.held.store.load(&self.held.key)? };
        if let Some(loaded) = &loaded {
            store::check_encryption(loaded, &self.args.journal, &self.project.policies.state())?;
        }
        let state = match &mut loaded {
            Some(loaded) => {
                let records = std::mem::take(&mut loaded.records);
                let state = RunState::for_plan(Arc::clone(&self.project.plan)).fold(&records);
                Some(state.map_err(|error| CliError::new(STATE, format!("{}: {error}", loaded.path.display())))?)
            }
            None => None,
        };
        let digests = gates::digests(&self.project);
        let sealed = loaded.as_ref().is_none_or(|loaded| loaded.sealed);
        let start = start::decide(&self.asked(state.as_ref()), state.as_ref(), sealed, &digests)
            .map_err(|error| if loaded.is_none() { self.name_other_runs(error) } else { error })?;
        match (start, loaded, state) {
            (Start::Resume { approve, changed }, Some(loaded), Some(state)) => {
                self.resume(loaded, state, approve, changed, digests)
            }
            // There is nothing that these could be about.
            _ if !self.args.rerun.is_empty() || !self.args.skip.is_empty() => {
                let error = CliError::new(
                    STATE,
                    "-rerun and -skip are for steps that were interrupted, and -skip for one that waits for a time: there is none",
                );
                Err(error.hint("`shiro status` shows the runs and where they stand"))
            }
            (Start::StillPaused { waiting }, Some(loaded), Some(state)) => {
                let why = match &self.job.name {
                    Some(job) if state.has_worked(&self.job) => format!(": starting {job} again approves nothing"),
                    _ => String::new(),
                };
                let now = gates::now().max(state.latest());
                self.output.still_paused(
                    &self.held.key.workflow,
                    &waiting,
                    &gates::asks(&state, &[]),
                    &waits(&state),
                    now,
                    &why,
                );
                let run = state.started().map(|started| &started.run);
                let left = Left { run, receipt: Some(&loaded.receipt()), until: state.next_wait() };
                self.leave_status("paused", &left);
                Ok(self.args.pause_exit_code)
            }
            (Start::Finished, loaded, state) => {
                self.output.finished(&self.held.key.workflow);
                let run = state.as_ref().and_then(RunState::started).map(|started| &started.run);
                let receipt = loaded.as_ref().map(Loaded::receipt);
                self.leave_status("succeeded", &Left { run, receipt: receipt.as_ref(), until: None });
                Ok(0)
            }
            _ => self.begin(digests),
        }
    }

    fn asked(&self, state: Option<&RunState>) -> Asked {
        let waits = |step: &StepId| state.is_some_and(|state| resume::is_pending_wait(state, step));
        Asked {
            fresh: self.args.fresh,
            resume: self.args.resume,
            accept_changes: self.args.accept_changes,
            no_approve: self.args.no_approve,
            now: gates::now(),
            hold: u64::try_from(self.hold().as_millis()).unwrap_or(u64::MAX),
            skips_wait: self.args.skip.iter().map(|step| StepId::new(step.as_str())).any(|step| waits(&step)),
            unattended: self.environment.ci() == Some(Ci::Gitlab) && !self.environment.is_manual_job(),
            inputs_given: !self.project.given.is_empty(),
            manual: self.environment.is_manual_job(),
            job: self.job.clone(),
        }
    }

    /// How long this process stays for nothing but a wait. What is only in memory can't go on later.
    fn hold(&self) -> Duration {
        match store::kind(&self.args.state, &self.environment) {
            StateStore::Memory => Duration::MAX,
            _ => self.args.hold,
        }
    }

    /// A run that should be there and isn't: others may be.
    fn name_other_runs(&self, error: CliError) -> CliError {
        match status::names(&self.held.store) {
            Ok(names) if !names.is_empty() => error.hint(format!(
                "there is state, but of other runs: {}; this one would be {}",
                names.join(", "),
                self.held.key.stem()
            )),
            _ => error,
        }
    }

    fn begin(self, mut digests: Digests) -> Exit {
        let run = RunId::new(Uuid::now_v7().to_string());
        let inputs = self.secrets.seal(inputs::resolve(&self.project, &run, &self.environment)?);
        digests.inputs = digest::of(&inputs);
        let (starter, warnings) = self.starter()?;
        let started = RunStarted {
            run,
            workflow: self.held.key.workflow.clone(),
            shiro: SHIRO.to_owned(),
            digests,
            inputs,
            job: self.job.clone(),
            starter,
        };
        let state = RunState::for_plan(Arc::clone(&self.project.plan));
        let now = self.now(started.digests.inputs);
        self.drive(Begin {
            state,
            events: vec![Event::RunStarted(started)],
            now,
            journal: None,
            warnings,
            resumed: None,
        })
    }

    /// Who starts the run, if a gate asks for someone else.
    fn starter(&self) -> Result<(Option<Approver>, Vec<String>), CliError> {
        let plan = &self.project.plan;
        let asks = plan
            .steps()
            .map(|step| plan.step(step))
            .find(|step| step.approval.as_ref().is_some_and(|approval| !approval.rule.own));
        let Some(step) = asks else { return Ok((None, Vec::new())) };
        let mut rules =
            plan.steps().filter_map(|step| plan.step(step).approval.as_ref()).map(|approval| &approval.rule);
        let needed = rules.any(|rule| !rule.own && !rule.allow_unverified);
        let (policies, secrets) = (&self.project.policies, &self.secrets);
        let starter = approver(&Asking::who_starts(&self.environment, policies, secrets, needed))?;
        let allowed = step.approval.as_ref().is_some_and(|approval| approval.rule.allow_unverified);
        let warning = (!starter.verified && !allowed).then(|| {
            format!(
                "the approval after `{}` takes someone else than who starts the run, but nothing proves who that is: it can \
                 only be given with a proof that names the author",
                step.id
            )
        });
        Ok((Some(starter), warning.into_iter().collect()))
    }

    fn now(&self, inputs: Digest) -> Now {
        Now::new(&self.project, self.environment.project_dir(), inputs)
    }

    fn resume(self, loaded: Loaded, state: RunState, approve: bool, changed: bool, mut digests: Digests) -> Exit {
        let plan = Arc::clone(&self.project.plan);
        let inputs = state.started().map_or(digests.inputs, |started| digest::of(&started.inputs));
        let now = self.now(inputs);
        let expired = gates::expired(&state, gates::now());
        gates::check_clock(&state, gates::now())?;
        let mut differences = gates::differences(&state, &plan, &now, approve);
        differences.retain(|(step, _)| !expired.contains(step));
        if !differences.is_empty() && !self.args.accept_changes {
            return Err(gates::changed(&differences));
        }
        accepted::check_voided(&state, &plan, &now)?;
        let accepts = changed || !differences.is_empty();
        let asked_again = match accepts {
            true => {
                let requests = gates::ask_again(&state, &plan, &now, &differences)?;
                accepted::check(&state, &plan, &differences, &expired)?;
                requests
            }
            false => Vec::new(),
        };
        let decides = approve || accepts || !self.args.rerun.is_empty() || !self.args.skip.is_empty();
        let approver = match decides {
            true => {
                let (policies, secrets) = (&self.project.policies, &self.secrets);
                approver(&Asking::who_decides(&self.environment, policies, secrets, &state))?
            }
            false => self.environment.approver(),
        };
        let approvals = match approve {
            true => self.approvals(&state, &asked_again, &expired, &approver)?,
            false => Approvals::default(),
        };
        let steps = |names: &[String]| names.iter().map(|name| StepId::new(name.as_str())).collect::<Vec<_>>();
        let (rerun, skip) = (steps(&self.args.rerun), steps(&self.args.skip));
        let resume = Resume {
            job: &self.job,
            shiro: SHIRO,
            approver: &approver,
            approve: &approvals.gates,
            expired: &expired,
            asked_again: &asked_again,
            rerun: &rerun,
            skip: &skip,
        };
        let builtins = state.started().and_then(|started| gates::other_builtins(&started.digests, &digests));
        let mut events = Vec::new();
        if accepts {
            digests.inputs = inputs;
            events.push(Event::ChangesAccepted { digests, approver: approver.clone() });
        }
        events.extend(resume::events(&state, &plan, &resume).map_err(resume_error)?);
        let mut warnings = loaded.notices.clone();
        if !self.args.accept_retry {
            let kind = store::kind(&self.args.state, &self.environment);
            warnings.extend(retry::check(&kind, &self.environment, &self.project, &state, loaded.began())?);
        }
        if (approve || state.has_acted()) && !loaded.authenticated && self.environment.ci().is_some() {
            warnings.push(
                "what was approved is taken from a journal that has no state key: anybody who can replace it can have \
                written it (-state-key)"
                    .to_owned(),
            );
        }
        warnings.extend(builtins);
        warnings.extend(approvals.warnings());
        warnings.extend(asked_again.iter().filter(|(step, _)| !approvals.gates.contains(step)).map(|(step, _)| {
            format!("the approval after `{step}` is asked for again, for what is there now: what was approved before is void")
        }));
        if !loaded.sealed {
            warnings.push("the last process died before it could close its journal".to_owned());
            if !start::waiting(&state).is_empty() {
                warnings.push(
                    "a start after a crash approves nothing: the gates stay closed until the next one".to_owned(),
                );
            }
        }
        let journal = self.held.store.resume(&self.held.key, &self.held.lock, &loaded)?;
        let resumed = state.started().map(|started| Resumed {
            run: started.run.clone(),
            done: state.steps().filter(|(id, step)| step.is_done() && !id.is_begin()).count(),
            asks: gates::asks(&state, &approvals.gates),
            items: items_before(&state),
            waits: waits(&state).into_iter().filter(|(step, _)| !skip.contains(step)).collect(),
        });
        self.drive(Begin { state, events, now, journal: Some(journal), warnings, resumed })
    }

    /// What this start approves of what has waited. Where `approval` is asked for again, that takes another start; with the
    /// short form, whoever accepts changes approves them.
    fn approvals(
        &self,
        state: &RunState,
        asked_again: &[(StepId, Request)],
        expired: &[StepId],
        approver: &Approver,
    ) -> Result<Approvals, CliError> {
        let mut candidates = gates::candidates(state);
        candidates.retain(|step| !expired.contains(step));
        let is_anew = |step: &StepId| asked_again.iter().any(|(again, request)| again == step && !request.rule.pause);
        candidates.retain(|step| !is_anew(step));
        let approvals = Approvals::of(state, candidates, approver, gates::now());
        let waited = state.next_wait().is_some_and(|until| until <= gates::now().max(state.latest()));
        let goes_on = waited || !approvals.gates.is_empty() || !asked_again.is_empty() || !expired.is_empty();
        if goes_on || approvals.refused.is_empty() { Ok(approvals) } else { Err(approvals.error()) }
    }

    /// Runs the engine to its end, and says how it ended.
    fn drive(self, begin: Begin) -> Exit {
        let Begin { state, events, now, journal, warnings, resumed } = begin;
        let (asking, checking) = (now.clone(), now);
        let request: RequestFn = Box::new(move |step, approval| asking.request(step, approval));
        let check: CheckFn = Box::new(move |step, request| checking.check_bound(step, request));
        let options = self.options();
        let run = events.iter().find_map(|event| match event {
            Event::RunStarted(started) => Some(started.run.clone()),
            _ => state.started().map(|started| started.run.clone()),
        });
        let data = Arc::new(shared_data::open(&self.held.store, &self.environment, Arc::clone(&self.secrets)));
        let tidied = shared_data::tidy(&data, &self.held.store);
        let learned = self.args.learn.then(|| Arc::new(Learned::default()));
        let runner = SandboxRunner::new(
            self.project.types.values().cloned(),
            RunnerOptions {
                project_dir: self.environment.project_dir(),
                job_env: std::env::vars_os()
                    .filter(|(name, _)| self.key_variable.as_ref().is_none_or(|key| name != key.as_str()))
                    .collect(),
                secrets: secret_names(&self.project, &self.environment),
                policies: Arc::new(self.project.policies.clone()),
                learned: learned.clone(),
                data,
                grace: options.grace,
            },
        );
        let begins = resumed.is_none();
        let tell = self.output.reporter(&self.project, resumed);
        for message in self.project.warnings.iter().chain(&warnings).chain(&tidied) {
            tell.tell(Notice::Warning { step: None, message: &self.secrets.mask(message) });
        }
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .enable_all()
            .build()
            .map_err(|error| CliError::new(BUG, format!("can't start the runtime: {error}")))?;
        let journal = Arc::new(Mutex::new(journal));
        // The run is this process's until its journal is closed.
        let held = Arc::new(self.held);
        let env: BTreeMap<String, String> =
            self.environment.iter().map(|(name, value)| (name.to_owned(), value.to_owned())).collect();
        let result = runtime.block_on(async {
            let stop =
                signals::listen().map_err(|error| CliError::new(BUG, format!("can't listen for signals: {error}")))?;
            let setup = Setup {
                plan: Arc::clone(&self.project.plan),
                state,
                begin: events,
                runner: Arc::new(runner),
                record: record(Arc::clone(&journal), Arc::clone(&held)),
                request,
                check,
                tell,
                secrets: Arc::clone(&self.secrets),
                env: Arc::new(env),
                types: Arc::clone(&self.project.infos),
                options,
                stop,
            };
            engine::run(setup).await.map_err(engine_error)
        });
        // A thread that blocks in the system can't be waited for.
        runtime.shutdown_background();
        if let Some(learned) = learned {
            let Project { plan, policies, .. } = &self.project;
            let whole = begins && matches!(result, Ok(Finish::Succeeded));
            let kept = policy::not_learned(plan, policies, &learned, whole);
            let document = learned.document(policies, &kept, |text| self.secrets.mask(text).into_owned());
            let mut out = std::io::stdout().lock();
            policy::write_learned(&self.args.workflow.dirs.shiro_dir, &document, &kept, &mut out)?;
        }
        let finish = result?;
        let receipt = match lock(&journal).take() {
            Some(journal) => journal.seal()?,
            None => None,
        };
        drop(held);
        let (status, exit_code) = match &finish {
            Finish::Succeeded => ("succeeded", 0),
            Finish::Failed { exit_code } => ("failed", *exit_code),
            Finish::Rejected => ("rejected", finish.exit_code()),
            Finish::Expired => ("expired", finish.exit_code()),
            Finish::Paused { .. } => ("paused", self.args.pause_exit_code),
            Finish::Interrupted { signal } => ("interrupted", signal.exit_code()),
        };
        let until = match &finish {
            Finish::Paused { until, .. } => *until,
            _ => None,
        };
        let left = Left { run: run.as_ref(), receipt: receipt.as_ref(), until };
        left.leave(&self.environment, &self.args.state, status);
        Ok(exit_code)
    }

    fn options(&self) -> Options {
        Options {
            jobs: self.project.jobs,
            keep_going: self.args.keep_going,
            terminal: self.output.is_terminal(),
            hold: self.hold(),
            ..Options::default()
        }
    }

    fn leave_status(&self, status: &str, left: &Left<'_>) {
        left.leave(&self.environment, &self.args.state, status);
    }
}

/// The waits that are not over: after which step, and until when.
fn waits(state: &RunState) -> Vec<(StepId, u64)> {
    state.waits().map(|(step, wait)| (step.clone(), wait.until())).collect()
}

/// With what a process begins.
struct Begin {
    state: RunState,
    /// What it records first.
    events: Vec<Event>,
    /// What would run.
    now: Now,
    /// The run's, unless it is new.
    journal: Option<Journal>,
    warnings: Vec<String>,
    resumed: Option<Resumed>,
}

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Appends to the journal; the first batch of a new run begins it.
fn record(journal: Arc<Mutex<Option<Journal>>>, held: Arc<Held>) -> engine::RecordFn {
    Box::new(move |records| {
        let mut journal = lock(&journal);
        match &mut *journal {
            Some(journal) => journal.append(records)?,
            None => *journal = Some(held.store.begin(&held.key, &held.lock, records)?),
        }
        Ok(())
    })
}

/// A step's name as a shell takes it: the brackets of an item's are a pattern there.
fn word(step: &StepId) -> String {
    if StepId::split_item(step.as_str()).is_some() { format!("'{step}'") } else { step.to_string() }
}

/// The items of the steps that are not done although some of their items may be.
fn items_before(state: &RunState) -> Vec<ItemsBefore> {
    let open = state.steps().filter(|(_, step)| !step.is_done());
    open.filter_map(|(id, _)| {
        let items = state.items(id.as_str())?;
        Some(ItemsBefore { step: id.clone(), total: items.len(), done: items.done() })
    })
    .collect()
}

fn resume_error(error: ResumeError) -> CliError {
    let cli_error = CliError::new(STATE, error.to_string());
    match error {
        ResumeError::Interrupted(steps) => {
            let flags =
                |flag: &str| steps.iter().map(|step| format!(" {flag} {}", word(&step.step))).collect::<String>();
            cli_error
                .hint(format!("look at what became of it; to run it again: shiro run{}", flags("-rerun")))
                .hint(format!("to take it as done and go on: shiro run{}", flags("-skip")))
                .hint("a step that may run twice says so with \"idempotent\": true")
        }
        ResumeError::NotStarted | ResumeError::Finished => cli_error.hint("to begin anew: shiro run -fresh"),
        ResumeError::NotInterrupted(_) | ResumeError::Both(_) => {
            cli_error.hint("`shiro status` shows where each step stands")
        }
    }
}

fn engine_error(error: EngineError) -> CliError {
    match error {
        EngineError::Record(source) => match source.downcast::<JournalError>() {
            Ok(journal) => {
                let mut cli_error = CliError::from(*journal);
                cli_error.message = format!("{}: nothing further was started", cli_error.message);
                cli_error
            }
            Err(other) => {
                CliError::new(7, format!("the state could not be written: {other}: nothing further was started"))
            }
        },
        EngineError::Ask(failure) => gates::ask_error(&failure),
        other => CliError::new(BUG, format!("a bug in shiro: {other}")).hint("please report it; the state is kept"),
    }
}
