//! A run that this process holds: its store, its key and its lock.

use std::io::Write as _;
use std::sync::Arc;
use std::time::Duration;

use super::args::state::{JournalArgs, StateArgs};
use super::ci::Environment;
use super::error::CliError;
use super::project::Project;
use super::store::{self, FoundKey};
use crate::journal::{Holder, RunKey, RunLock, Store};

/// A run that no other process works on meanwhile.
pub(super) struct Held {
    pub(super) store: Store,
    pub(super) key: RunKey,
    pub(super) lock: RunLock,
}

impl Held {
    /// Takes the run of this workflow, and where pipelines have their own of this pipeline; as the policies want its state.
    pub(super) fn take(
        args: &StateArgs,
        journal: &JournalArgs,
        found: Option<FoundKey>,
        project: &Project,
        environment: &Environment,
    ) -> Result<Self, CliError> {
        let kind = store::kind(args, environment);
        let store = store::open_to_run(args, journal, found, &project.policies.state(), environment)?;
        let key = store::run_key(&kind, &project.plan.workflow().name, environment);
        let lock = store.lock(&key, Arc::new(waiting))?;
        Ok(Self { store, key, lock })
    }
}

/// A holder on another machine can only be watched: whoever waits for that is told so at once.
fn waiting(holder: &Holder, most: Duration) {
    let seconds = most.as_secs();
    // Nobody is left to tell if this fails.
    let _ = writeln!(
        std::io::stderr(),
        "waiting for up to {seconds} s, to see whether {holder}, which has this run, still lives"
    );
}
