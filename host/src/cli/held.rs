//! A run that this process holds: its store, its key and its lock.

use super::args::state::{JournalArgs, StateArgs};
use super::ci::Environment;
use super::error::CliError;
use super::project::Project;
use super::store::{self, FoundKey};
use crate::journal::{RunKey, RunLock, Store};

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
        let lock = store.lock(&key)?;
        Ok(Self { store, key, lock })
    }
}
