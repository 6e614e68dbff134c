//! Finding tools, and running them.

use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use super::error::AuthoringError;

/// A program with this name: in one of the folders below the plugin's, or on `PATH`.
pub(super) fn find(name: &str, dir: &Path, below: &[&str]) -> Option<PathBuf> {
    let local = below.iter().map(|folder| dir.join(folder).join(name));
    let path = std::env::var_os("PATH").unwrap_or_default();
    let on_path: Vec<PathBuf> = std::env::split_paths(&path).map(|folder| folder.join(name)).collect();
    // Absolute, since tools run in another folder.
    local.chain(on_path).find(|path| path.is_file()).and_then(|path| std::path::absolute(path).ok())
}

/// The error for a tool that isn't there, with what installs it.
pub(super) fn missing(tool: &str, install: impl Into<String>) -> AuthoringError {
    AuthoringError::usage(format!("{tool} is not installed")).with_hint(install)
}

/// A command of a tool, to be run in a folder.
pub(super) fn command(tool: &Path, dir: &Path) -> Command {
    let mut command = Command::new(tool);
    command.current_dir(dir).stdin(Stdio::null());
    command
}

/// Runs a command. What it writes is shown if it fails.
pub(super) fn run(command: &mut Command) -> Result<Output, AuthoringError> {
    let name = Path::new(command.get_program()).file_name().unwrap_or(OsStr::new("the tool"));
    let name = name.to_string_lossy().into_owned();
    let output = command.output().map_err(|error| AuthoringError::usage(format!("{name} can't be run: {error}")))?;
    if output.status.success() {
        return Ok(output);
    }
    let written = [&output.stdout[..], &output.stderr[..]].map(|text| String::from_utf8_lossy(text).trim().to_owned());
    let written = written.into_iter().filter(|text| !text.is_empty()).collect::<Vec<_>>().join("\n");
    Err(AuthoringError::plugin(format!("{name} failed ({}):\n{written}", output.status)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_plugin_s_own_tools_come_first() {
        let dir = tempfile::tempdir().unwrap();
        assert!(find("sh", dir.path(), &["bin"]).is_some_and(|path| !path.starts_with(dir.path())));
        std::fs::create_dir(dir.path().join("bin")).unwrap();
        std::fs::write(dir.path().join("bin/sh"), "").unwrap();
        assert_eq!(find("sh", dir.path(), &["bin"]), Some(dir.path().join("bin/sh")));
        assert_eq!(find("no-such-tool", dir.path(), &["bin"]), None);
    }

    #[test]
    fn a_failed_tool_is_quoted() {
        let sh = find("sh", Path::new("."), &[]).unwrap();
        let error = run(command(&sh, Path::new(".")).args(["-c", "echo out; echo err >&2; exit 3"])).unwrap_err();
        assert_eq!(error.message, "sh failed (exit status: 3):\nout\nerr");
    }
}
