//! `shiro status`: where the runs stand whose state is here.

mod gates;
mod items;

use std::io::Write;
use std::time::Duration;

use serde_json::{Value, json};

use crate::approval::time;
use crate::cli::Exit;
use crate::cli::args::StatusArgs;
use crate::cli::args::state::StateStore;
use crate::cli::ci::Environment;
use crate::cli::error::{CliError, STATE, USAGE};
use crate::cli::store;
use crate::engine::{End, Gate, RunState, Status, StepState};
use crate::id::StepId;
use crate::journal::{JournalError, Loaded, Store};
use crate::outcome::Outcome;

/// Lists the runs, or shows one.
pub(in crate::cli) fn status(args: &StatusArgs, environment: &Environment, out: &mut dyn Write) -> Exit {
    let store = open(args, environment)?;
    let runs: Vec<Run> = store.runs()?.into_iter().map(Run::read).collect();
    match &args.run {
        None => list(&runs, args.json, out),
        Some(name) => match runs.iter().find(|run| run.is(name)) {
            Some(run) => detail(run, args.json, out),
            None => Err(unknown(name, runs.iter().map(|run| run.name.clone()).collect())),
        },
    }
}

/// The store of a command that shows what is there.
pub(in crate::cli) fn open(args: &StatusArgs, environment: &Environment) -> Result<Store, CliError> {
    if args.state.state_store == Some(StateStore::Memory) {
        return Err(CliError::new(USAGE, "the memory store keeps nothing to show")
            .hint("leave -state-store out, or say filesystem or gitlab"));
    }
    store::open(&args.state, environment)
}

/// Of a run that is not among these.
pub(in crate::cli) fn unknown(name: &str, names: Vec<String>) -> CliError {
    let error = CliError::new(STATE, format!("there is no state of a run `{name}`"));
    match names.as_slice() {
        [] => error.hint("there is no state at all in .shiro/state/"),
        names => error.hint(format!("there are: {}", names.join(", "))),
    }
}

/// A journal, read.
struct Run {
    name: String,
    state: Result<RunState, CliError>,
    started: u64,
    /// How its journal is protected; nothing is known of one that can't be read.
    protection: Option<Protection>,
}

/// How a journal is protected.
#[derive(Clone, Copy)]
struct Protection {
    authenticated: bool,
    encrypted: bool,
}

impl Run {
    fn read(file: crate::journal::RunSummaryFile) -> Self {
        let name = file.name;
        let started = match &file.loaded {
            Ok(Loaded { records, .. }) => records.first().map_or(0, |record| record.at),
            Err(_) => 0,
        };
        let protection = file
            .loaded
            .as_ref()
            .ok()
            .map(|loaded| Protection { authenticated: loaded.authenticated, encrypted: loaded.encrypted() });
        let path = file.path.display().to_string();
        let state = file.loaded.map_err(CliError::from).and_then(|loaded| fold(&loaded, &path));
        Self { name, state, started, protection }
    }

    fn is(&self, name: &str) -> bool {
        let run_id = self.state.as_ref().ok().and_then(|state| state.started()).map(|started| started.run.as_str());
        self.name == name || run_id == Some(name)
    }

    fn word(&self) -> &'static str {
        match &self.state {
            Ok(state) => word(state),
            Err(_) => "unreadable",
        }
    }
}

/// The state that a journal leads to.
fn fold(loaded: &Loaded, path: &str) -> Result<RunState, CliError> {
    RunState::new().fold(&loaded.records).map_err(|error| CliError::new(STATE, format!("{path}: {error}")))
}

/// Where a run stands, in one word.
fn word(state: &RunState) -> &'static str {
    match state.end() {
        Some(End::Paused(_)) => "paused",
        Some(End::Interrupted(_)) => "interrupted",
        // Its process runs, or died without a word.
        None => "unfinished",
        Some(End::Finished { outcome: Outcome::Succeeded, .. }) => "succeeded",
        Some(End::Finished { outcome: Outcome::Rejected, .. }) => "rejected",
        Some(End::Finished { outcome: Outcome::Expired, .. }) => "expired",
        Some(End::Finished { .. }) => "failed",
    }
}

fn list(runs: &[Run], json: bool, out: &mut dyn Write) -> Exit {
    if json {
        let runs: Vec<Value> = runs
            .iter()
            .map(|run| json!({ "name": run.name, "status": run.word(), "started": time(run.started) }))
            .collect();
        writeln!(out, "{:#}", json!({ "runs": runs }))?;
        return Ok(0);
    }
    if runs.is_empty() {
        writeln!(out, "no runs in .shiro/state/")?;
    }
    let width = runs.iter().map(|run| run.name.len()).max().unwrap_or(0);
    for run in runs {
        writeln!(out, "{:width$}  {:11}  {}", run.name, run.word(), time(run.started))?;
    }
    Ok(0)
}

fn detail(run: &Run, json: bool, out: &mut dyn Write) -> Exit {
    let state = match &run.state {
        Ok(state) => state,
        Err(error) => {
            return Err(CliError {
                details: String::new(),
                hints: error.hints.clone(),
                ..CliError::new(error.exit_code, error.message.clone())
            });
        }
    };
    match json {
        true => writeln!(out, "{:#}", document(run, state))?,
        false => show(run, state, out)?,
    }
    Ok(0)
}

fn step_word(status: &Status) -> &'static str {
    match status {
        Status::Pending => "pending",
        Status::Running { .. } | Status::Interrupted { .. } => "interrupted",
        Status::Retrying => "retrying",
        Status::Expanded => "unfinished",
        Status::Succeeded => "succeeded",
        Status::Failed { .. } => "failed",
        Status::Skipped(_) | Status::TakenAsDone => "skipped",
    }
}

/// Of a step, or an item.
fn step_document(state: &RunState, id: &StepId, step: &StepState) -> Value {
    let mut document = json!({
        "id": id,
        "status": step_word(step.status()),
        "attempts": step.attempts(),
        "duration_ms": step.duration_ms(),
    });
    if let Some(failure) = state.failure(id.as_str()) {
        document["failure"] = json!({ "code": failure.code, "message": failure.message, "hint": failure.hint });
    }
    document
}

fn document(run: &Run, state: &RunState) -> Value {
    let steps: Vec<Value> = shown(state)
        .map(|(id, step)| {
            let mut document = step_document(state, id, step);
            if step.gate() == Gate::Waiting {
                document["waiting"] = json!(true);
            }
            if let Some(wait) = state.wait(id.as_str()).filter(|wait| wait.is_pending()) {
                document["waits_until"] = json!(time(wait.until()));
            }
            if let Some(items) = state.items(id.as_str()) {
                document["items"] = items.iter().map(|(id, item)| step_document(state, id, item)).collect();
            }
            document
        })
        .collect();
    let pending = not_begun(state)
        .into_iter()
        .map(|id| json!({ "id": id, "status": pending_word(state, id), "attempts": 0, "duration_ms": 0 }));
    let steps: Vec<Value> = steps.into_iter().chain(pending).collect();
    let started = state.started();
    json!({
        "name": run.name,
        "run": started.map(|started| &started.run),
        "workflow": started.map(|started| &started.workflow),
        "status": run.word(),
        "started": time(run.started),
        "job": started.map(|started| &started.job),
        "until": state.next_wait().map(time),
        "authenticated": run.protection.map(|protection| protection.authenticated),
        "encrypted": run.protection.map(|protection| protection.encrypted),
        "steps": steps,
        "gates": gates::documents(state),
        "approvals": gates::decisions(state),
    })
}

fn show(run: &Run, state: &RunState, out: &mut dyn Write) -> std::io::Result<()> {
    writeln!(out, "{}: {}", run.name, run.word())?;
    if let Some(started) = state.started() {
        writeln!(
            out,
            "  workflow  {}\n  run       {}\n  started   {}",
            started.workflow,
            started.run,
            time(run.started)
        )?;
        if let Some(url) = &started.job.url {
            writeln!(out, "  job       {url}")?;
        }
        let protection = match run.protection {
            Some(Protection { authenticated: true, encrypted: true }) => "authenticated and encrypted",
            Some(Protection { authenticated: true, .. }) => "authenticated",
            _ => "not authenticated: anybody who can replace it can have written it (-state-key)",
        };
        writeln!(out, "  journal   {protection}")?;
    }
    let pending = not_begun(state);
    let ids = shown(state).map(|(id, _)| id).chain(pending.iter().copied());
    let width = ids.map(|id| id.as_str().len()).max().unwrap_or(0);
    writeln!(out, "\nsteps")?;
    for (id, step) in shown(state) {
        write!(out, "  {id:width$}  {}", step_word(step.status()))?;
        if step.attempts() > 1 {
            write!(out, ", attempt {}", step.attempts())?;
        }
        if step.duration_ms() > 0 {
            write!(out, ", {}", humantime::format_duration(Duration::from_millis(step.duration_ms())))?;
        }
        if let Some(items) = state.items(id.as_str()) {
            write!(out, ", {} of {} items done", items.done(), items.len())?;
        }
        if step.gate() == Gate::Waiting {
            write!(out, ", waits for an approval")?;
        }
        if let Some(wait) = state.wait(id.as_str()).filter(|wait| wait.is_pending()) {
            write!(out, ", waits until {}", time(wait.until()))?;
        }
        writeln!(out)?;
        if let Some(failure) = state.failure(id.as_str()) {
            writeln!(out, "  {:width$}  {}", "", failure.message.replace('\n', " "))?;
        }
        items::show(state, id, width, out)?;
    }
    for id in pending {
        writeln!(out, "  {id:width$}  {}", pending_word(state, id))?;
    }
    gates::show(state, out)
}

/// The steps that a workflow's author knows.
fn shown(state: &RunState) -> impl Iterator<Item = (&StepId, &StepState)> {
    state.steps().filter(|(id, _)| !id.is_begin())
}

/// A step that no event names yet may have begun all the same: what stands in it is told by itself.
fn pending_word(state: &RunState, id: &StepId) -> &'static str {
    match state.step(id.begin().as_str()) {
        Some(begin) if begin.is_done() => "begun",
        _ => "pending",
    }
}

/// The steps that the run has and no event names yet, by name.
fn not_begun(state: &RunState) -> Vec<&StepId> {
    let all = state.started().map(|started| &started.digests.steps).into_iter().flat_map(|steps| steps.keys());
    all.filter(|id| state.step(id.as_str()).is_none()).collect()
}

/// The journals that are there, for a message about the one that is missing.
pub(in crate::cli) fn names(store: &Store) -> Result<Vec<String>, JournalError> {
    Ok(store.runs()?.into_iter().map(|run| run.name).collect())
}
