//! `shiro state export`: a run's journal as a file of its own, in clear and without a key, to bring it elsewhere.

use std::fs::OpenOptions;
use std::io::Write;
use std::os::unix::fs::OpenOptionsExt as _;

use super::super::Exit;
use super::super::args::state::ExportArgs;
use super::super::ci::Environment;
use super::super::error::{CliError, USAGE};
use super::find;
use crate::journal;

/// Writes the journal to standard output, or to a new file that only this user can read.
pub(super) fn export(args: &ExportArgs, environment: &Environment, out: &mut dyn Write) -> Exit {
    let (_, key, loaded) = find(&args.run, &args.state, environment)?;
    let bytes = journal::export(&key, &loaded)?;
    let Some(path) = &args.out else {
        out.write_all(&bytes)?;
        return Ok(0);
    };
    let file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(path);
    file.and_then(|mut file| file.write_all(&bytes).and_then(|()| file.sync_all()))
        .map_err(|error| CliError::new(USAGE, format!("can't write {}: {error}", path.display())))?;
    Ok(0)
}
