//! `shiro completions`.

use std::io::Write;

use clap::CommandFactory;
use clap_complete::Shell;

use super::Exit;
use super::args::Cli;

/// Writes a completion script for a shell.
pub(super) fn complete(shell: Shell, out: &mut dyn Write) -> Exit {
    let mut script = Vec::new();
    clap_complete::generate(shell, &mut Cli::command(), "shiro", &mut script);
    out.write_all(&script)?;
    Ok(0)
}
