//! `shiro state`: look at a run's journal, take it elsewhere, and bring one here.

mod export;
mod go;
mod import;
mod show;

use std::io::Write;

use super::Exit;
use super::args::state::{StateArgs, StateStore, StateVerb};
use super::ci::Environment;
use super::error::{CliError, STATE, USAGE};
use super::store;
use crate::journal::{Loaded, RunKey};

/// Runs one of the `state` verbs.
pub(super) fn state(verb: &StateVerb, environment: &Environment, out: &mut dyn Write) -> Exit {
    match verb {
        StateVerb::Show(args) => show::show(args, environment, out),
        StateVerb::Export(args) => export::export(args, environment, out),
        StateVerb::Import(args) => import::import(args, environment, out),
    }
}

/// A run's journal, by its name in `shiro status` or its id.
fn find(name: &str, args: &StateArgs, environment: &Environment) -> Result<(String, RunKey, Loaded), CliError> {
    refuse_memory(args)?;
    let mut names = Vec::new();
    let mut unreadable = None;
    for run in store::open(args, environment)?.runs()? {
        match (run.key, run.loaded) {
            (Some(key), Ok(loaded)) if run.name == name || loaded.origin.run.as_str() == name => {
                return Ok((run.name, key, loaded));
            }
            (_, Err(error)) if run.name == name => return Err(error.into()),
            (_, Err(error)) => unreadable = unreadable.or(Some(CliError::from(error))),
            _ => {}
        }
        names.push(run.name);
    }
    let error = CliError::new(STATE, format!("there is no state of a run `{name}`"));
    Err(match (names.as_slice(), unreadable) {
        ([], _) => error.hint("there is no state at all in this store (-state-store)"),
        (names, None) => error.hint(format!("there are: {}", names.join(", "))),
        (names, Some(why)) => {
            error.hint(format!("there are: {}; not every one can be read: {}", names.join(", "), why.message))
        }
    })
}

fn refuse_memory(args: &StateArgs) -> Result<(), CliError> {
    match args.state_store {
        Some(StateStore::Memory) => Err(CliError::new(USAGE, "the memory store keeps nothing")
            .hint("leave -state-store out, or name one that does")),
        _ => Ok(()),
    }
}
