//! `shiro state import`: begins a run here with what a file says of it: a journal, or a state file of Go shiro.

use std::io::Write;
use std::path::Path;
use std::sync::Arc;

use super::super::Exit;
use super::super::args::state::{ImportArgs, JournalArgs};
use super::super::ci::Environment;
use super::super::error::{CliError, STATE, USAGE};
use super::super::held::Held;
use super::super::project::Project;
use super::super::run::register_secrets;
use super::super::{gates, store};
use super::{go, refuse_memory};
use crate::engine::RunState;
use crate::event::{Event, Record};
use crate::journal::{self, JournalError};
use crate::secret::Secrets;

/// No state file is larger.
const FILE_BYTES: u64 = 1 << 30;

/// What a file says of a run.
pub(super) struct Imported {
    pub(super) records: Vec<Record>,
    /// Its last process ended cleanly.
    pub(super) sealed: bool,
    /// What the user should know.
    pub(super) notices: Vec<String>,
}

/// Reads the file, and begins the run of this workflow with it.
pub(super) fn import(args: &ImportArgs, environment: &Environment, out: &mut dyn Write) -> Exit {
    refuse_memory(&args.state)?;
    let project = Project::load(&args.workflow.for_run(), None)?;
    let secrets = Arc::new(Secrets::new());
    register_secrets(&secrets, &project, environment);
    let found = store::state_key(&args.state, environment)?;
    if let Some(found) = &found {
        found.mask(&secrets);
    }
    let environment = &environment.clone().without(found.as_ref().and_then(|found| found.variable.as_deref()));
    let bytes = read(&args.file)?;
    let imported = match go::is_state(&bytes) {
        true => go::read(&args.file, &bytes, &project, &secrets, environment)?,
        false => {
            let key = found.as_ref().map(|found| &found.key);
            let loaded = journal::read_file(&args.file, bytes, key).map_err(not_imported)?;
            Imported { records: loaded.records, sealed: loaded.sealed, notices: loaded.notices }
        }
    };
    let Some(Record { event: Event::RunStarted(started), .. }) = imported.records.first() else {
        return Err(CliError::new(STATE, format!("{}: it holds no run", args.file.display())));
    };
    let name = &project.plan.workflow().name;
    if started.workflow != *name {
        let found = &started.workflow;
        let message = format!("{}: this is a run of the workflow `{found}`, not of `{name}`", args.file.display());
        return Err(CliError::new(STATE, message).hint("name its workflow: -workflow FILE"));
    }
    // What can't be gone on with is not brought here.
    RunState::for_plan(Arc::clone(&project.plan))
        .fold(&imported.records)
        .map_err(|error| CliError::new(STATE, format!("{}: {error}", args.file.display())))?;
    let run = started.run.clone();

    let protection = JournalArgs { state_encrypt: args.state_encrypt, ..JournalArgs::default() };
    let held = Held::take(&args.state, &protection, found, &project, environment)?;
    if !args.fresh {
        let there = held.store.load(&held.key).map(|loaded| loaded.is_some());
        if there.unwrap_or(true) {
            let message = format!("there is state of the run {} already", held.key.stem());
            return Err(CliError::new(STATE, message).hint("to put this one in its place: -fresh"));
        }
    }
    let journal = held.store.begin(&held.key, &held.lock, &imported.records)?;
    if imported.sealed {
        journal.seal()?;
    }
    for notice in &imported.notices {
        writeln!(out, "warning: {notice}")?;
    }
    let stem = held.key.stem();
    writeln!(
        out,
        "imported the run {run} as {stem}: `shiro status {stem}` shows it, `shiro run -expect {run}` goes on"
    )?;
    Ok(0)
}

/// Hints of a run's own journal, in the store, are not those of a file that comes from elsewhere.
fn not_imported(error: JournalError) -> CliError {
    match error {
        JournalError::Damaged { .. } => CliError::new(error.exit_code(), error.to_string()).hint(
            "nothing was imported: copy the file again from where it was written, or write it again there: shiro state export RUN",
        ),
        error => error.into(),
    }
}

fn read(path: &Path) -> Result<Vec<u8>, CliError> {
    let failed = |what: String| CliError::new(USAGE, format!("can't read {}: {what}", path.display()));
    let metadata = std::fs::metadata(path).map_err(|error| failed(error.to_string()))?;
    if !metadata.is_file() {
        return Err(failed("it is no regular file".to_owned()));
    }
    if metadata.len() > FILE_BYTES {
        return Err(failed(format!("it has more than {} MiB", FILE_BYTES >> 20)));
    }
    std::fs::read(path).map_err(|error| failed(error.to_string()))
}

/// When an event that is made here happens.
pub(super) fn record(event: Event) -> Record {
    Record { at: gates::now(), event }
}
