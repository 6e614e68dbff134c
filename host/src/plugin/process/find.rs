//! Which file a program's name stands for, and where it may run.

use std::ffi::OsStr;
use std::fs;
use std::io;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

use rustix::fs::Access;

use super::{Command, Permit, ProcessError};
use crate::capability::{Origin, ProcessPermission};

/// Anybody may write.
const WRITABLE_BY_ALL: u32 = 0o002;

/// A program may run in the directories that its grant names, and below.
pub(super) fn check_dir(command: &Command, permit: &Permit, project: &Path, dir: &Path) -> Result<(), ProcessError> {
    let dir = real(dir);
    for (by, granted) in permit.grant.dirs() {
        let holds = |granted: &Option<&str>| dir.starts_with(real(&project.join(granted.unwrap_or_default())));
        if !granted.iter().any(holds) {
            let shown = command.working_dir.as_deref().unwrap_or(".");
            let need = ProcessPermission { working_dir: Some(shown.to_owned()), ..needed(command, &command.program) };
            let tried = format!("run `{}` in the directory {}", command.program.escape_debug(), shown.escape_debug());
            return Err(ProcessError::Denied { tried, by: by.clone(), need: Box::new(need) });
        }
    }
    Ok(())
}

/// The file that a program's name stands for, where the step that names it is not trusted with the job: the one that policy
/// names, or the first on `path` that not just anybody can have put there.
pub(super) fn find_safely(
    command: &Command,
    permit: &Permit,
    path: &OsStr,
    project: &Path,
    dir: &Path,
) -> Result<PathBuf, ProcessError> {
    let program = &command.program;
    if let Some(pinned) = permit.grant.pinned() {
        // From the project, wherever it runs: that is what the policy names.
        return find(pinned, path, project);
    }
    if program.contains('/') {
        let file = find(program, path, dir)?;
        return check_place(command, project, real(&file));
    }
    let mut unsafe_place = None;
    for entry in std::env::split_paths(path).filter(|entry| entry.is_absolute()) {
        let file = entry.join(program);
        if fs::metadata(&file).is_ok_and(|metadata| metadata.is_file()) && is_executable(&file) {
            match check_place(command, project, real(&file)) {
                Ok(file) => return Ok(file),
                Err(error) => unsafe_place = unsafe_place.or(Some(error)),
            }
        }
    }
    // None of them can run: this says why not.
    Err(unsafe_place.unwrap_or_else(|| match find(program, path, Path::new("/")) {
        Err(error) => error,
        Ok(_) => not_found(program, not_on_path_hint(program, path, dir)),
    }))
}

/// Not within the project, nor where others of this machine write.
fn check_place(command: &Command, project: &Path, file: PathBuf) -> Result<PathBuf, ProcessError> {
    let by_all = |path: &Path| fs::metadata(path).map_or(true, |found| found.mode() & WRITABLE_BY_ALL != 0);
    let why = if file.starts_with(real(project)) {
        "in the project, where other steps write"
    } else if file.ancestors().any(by_all) {
        "in a place where anybody writes"
    } else {
        return Ok(file);
    };
    let shown = file.strip_prefix(real(project)).map_or(file.clone(), |inner| Path::new(".").join(inner));
    let shown = shown.to_string_lossy().into_owned();
    let need = Box::new(needed(command, &shown));
    let tried = format!("run `{}`, which is {shown}, {why}", command.program.escape_debug());
    Err(ProcessError::Denied { tried, by: Origin::Repository, need })
}

fn needed(command: &Command, program: &str) -> ProcessPermission {
    ProcessPermission { program: program.to_owned(), args: Some(command.args.clone()), ..ProcessPermission::default() }
}

/// Where a path leads to, through all links.
fn real(path: &Path) -> PathBuf {
    fs::canonicalize(path).unwrap_or_else(|_| path.to_owned())
}

/// The file that a program's name stands for, as a shell finds it.
pub(super) fn find(program: &str, path: &OsStr, dir: &Path) -> Result<PathBuf, ProcessError> {
    if program.contains('/') {
        let file = dir.join(program);
        return match fs::metadata(&file) {
            Ok(metadata) if metadata.is_dir() => {
                Err(ProcessError::NotStarted(format!("`{program}` is a directory: name a program in it")))
            }
            Ok(_) if is_executable(&file) => Ok(file),
            Ok(_) => Err(not_executable(program, &file)),
            Err(error) if is_missing(&error) => Err(not_found(program, format!("there is no file {}", file.display()))),
            Err(error) => Err(ProcessError::NotStarted(format!("`{program}` can't be started: {error}"))),
        };
    }
    let mut found = None;
    for entry in std::env::split_paths(path) {
        // A relative or empty entry means the directory that the program runs in.
        let file = dir.join(entry).join(program);
        if fs::metadata(&file).is_ok_and(|metadata| metadata.is_file()) {
            if is_executable(&file) {
                return Ok(file);
            }
            found.get_or_insert(file);
        }
    }
    match found {
        Some(file) => Err(not_executable(program, &file)),
        None => Err(not_found(program, not_on_path_hint(program, path, dir))),
    }
}

fn is_executable(file: &Path) -> bool {
    rustix::fs::access(file, Access::EXEC_OK).is_ok()
}

fn is_missing(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory)
}

fn not_found(program: &str, hint: String) -> ProcessError {
    ProcessError::NotFound { program: program.to_owned(), hint }
}

fn not_on_path_hint(program: &str, path: &OsStr, dir: &Path) -> String {
    if program.contains(char::is_whitespace) {
        return "it holds a space: a program's name and its arguments are given apart".to_owned();
    }
    if dir.join(program).is_file() {
        return format!("it is not on PATH, but a file in {}: write `./{program}`", dir.display());
    }
    format!("it is in no directory of PATH ({}): install it in the job's image, or give its path", path.display())
}

fn not_executable(program: &str, file: &Path) -> ProcessError {
    ProcessError::NotStarted(format!(
        "`{program}` can't be started: {} is not executable. Run `chmod +x {0}` (in git: `git update-index --chmod=+x`)",
        file.display()
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_relative_entry_of_path_means_the_working_directory() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("tool");
        std::os::unix::fs::symlink("/bin/sh", &file).unwrap();
        for path in [".", "", "/nonexistent:."] {
            assert_eq!(find("tool", OsStr::new(path), dir.path()).unwrap().file_name(), file.file_name(), "{path:?}");
        }
        let missing = find("tool", OsStr::new("/nonexistent"), dir.path());
        assert!(matches!(missing, Err(ProcessError::NotFound { hint, .. }) if hint.contains("./tool")));
    }
}
