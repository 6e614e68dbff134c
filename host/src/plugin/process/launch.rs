//! From what a step asks to run to a process: the program, its environment, its directory, and what can't be.

use std::collections::BTreeMap;
use std::ffi::{OsStr, OsString};
use std::fs;
use std::io::{self, Read as _};
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::sync::Arc;

use rustix::io::Errno;

use super::mark;
use super::registry::{self, Run};
use super::streams::Pipes;
use super::watcher::Watcher;
use super::{Command, Permit, ProcessError, ProcessHost, find};
use crate::step::StepSink;

/// Where programs are looked for when nothing else says so.
const MINIMAL_PATH: &str = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

/// Linux takes no argument and no variable (`NAME=value`) that is longer, its final NUL included: 32 pages of 4 KiB.
#[cfg(target_os = "linux")]
const MAX_STRING: usize = 128 * 1024;
#[cfg(not(target_os = "linux"))]
const MAX_STRING: usize = 1 << 20;

/// What begins with one of these tells a program to load or run something else.
const INJECTING_PREFIXES: &[&str] = &["LD_", "DYLD_", "PYTHON", "GIT_", "RUBY", "PERL5", "BASH_FUNC_", "SHIRO_"];

/// And so do these.
const INJECTING: &[&str] = &[
    "BASH_ENV",
    "BASHOPTS",
    "CLASSPATH",
    "ENV",
    "GCONV_PATH",
    "IFS",
    "JAVA_TOOL_OPTIONS",
    "JDK_JAVA_OPTIONS",
    "_JAVA_OPTIONS",
    "NODE_OPTIONS",
    "NODE_PATH",
    "PATH",
    "PS4",
    "SHELLOPTS",
];

/// The job's environment as far as programs may inherit it.
pub(super) struct JobEnvironment {
    variables: BTreeMap<OsString, OsString>,
    /// The mark of the shiro that runs this one in a step, if one does.
    outer_mark: Option<OsString>,
}

impl JobEnvironment {
    pub(super) fn new(variables: Vec<(OsString, OsString)>) -> Self {
        let mut variables: BTreeMap<_, _> = variables.into_iter().collect();
        let outer_mark = variables.remove(OsStr::new(mark::VARIABLE));
        variables.retain(|name, _| !name.as_bytes().starts_with(b"SHIRO_"));
        Self { variables, outer_mark }
    }
}

/// A program that is ready to start.
pub(super) struct Launch<'a> {
    command: &'a Command,
    program: PathBuf,
    environment: BTreeMap<OsString, OsString>,
    dir: PathBuf,
    mark: String,
}

impl<'a> Launch<'a> {
    /// Finds the program and checks everything that can be checked before it starts.
    pub(super) fn new(
        host: &ProcessHost,
        command: &'a Command,
        permit: &Permit,
        bindings: &[(String, String)],
        sink: &Arc<dyn StepSink>,
    ) -> Result<Self, ProcessError> {
        check_texts(command, bindings)?;
        let dir = working_dir(host.project_dir(), command)?;
        find::check_dir(command, permit, host.project_dir(), &dir)?;
        let mark = mark::new_item();
        let mut environment = environment(&host.environment, command, permit, &dir, sink);
        environment.extend(bindings.iter().map(|(name, value)| (name.into(), value.into())));
        environment.insert(mark::VARIABLE.into(), mark::value(host.environment.outer_mark.as_deref(), &mark));
        check_sizes(command, &environment)?;
        let program = if permit.trusted && permit.grant.inherits_all() {
            let path = environment.get(OsStr::new("PATH")).map_or(OsStr::new(MINIMAL_PATH), OsString::as_os_str);
            find::find(&command.program, path, &dir)?
        } else {
            let path = host.environment.variables.get(OsStr::new("PATH"));
            let path = path.map_or(OsStr::new(MINIMAL_PATH), OsString::as_os_str);
            find::find_safely(command, permit, path, host.project_dir(), &dir)?
        };
        Ok(Self { command, program, environment, dir, mark })
    }

    /// Starts it, in a process group of its own.
    pub(super) fn start(
        self,
        watcher: Option<Arc<Watcher>>,
        sink: &Arc<dyn StepSink>,
    ) -> Result<(Arc<Run>, Pipes), ProcessError> {
        let reads = self.command.stdin.as_ref().is_some_and(|bytes| !bytes.is_empty());
        // Nothing here may need code between fork and exec: std would fork then, which takes twice as long.
        let mut process = std::process::Command::new(&self.program);
        process
            .arg0(&self.command.program)
            .args(&self.command.args)
            .env_clear()
            .envs(&self.environment)
            .current_dir(&self.dir)
            .stdin(if reads { Stdio::piped() } else { Stdio::null() })
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .process_group(0);
        match registry::start_run(&mut process, self.mark, watcher, sink) {
            Ok((run, child)) => Ok((run, Pipes::of(child))),
            Err(error) => Err(not_started(&self.command.program, &self.program, &error)),
        }
    }
}

fn invalid(text: impl Into<String>) -> ProcessError {
    ProcessError::Invalid(text.into())
}

/// Texts that no system call can carry.
fn check_texts(command: &Command, bindings: &[(String, String)]) -> Result<(), ProcessError> {
    if command.program.is_empty() {
        return Err(invalid("the program's name is empty: name a program, or give a path to one"));
    }
    let arguments = command.args.iter().enumerate().map(|(index, text)| (format!("argument {}", index + 1), text));
    let program = std::iter::once(("the program's name".to_owned(), &command.program));
    let dir = command.working_dir.iter().map(|text| ("the working directory".to_owned(), text));
    let variables = command.env.iter().chain(bindings);
    let values = variables.clone().map(|(name, value)| (format!("the environment variable `{name}`"), value));
    for (what, text) in program.chain(arguments).chain(dir).chain(values) {
        if text.contains('\0') {
            return Err(invalid(format!(
                "{what} of `{}` holds a NUL byte, which only standard input can carry: pass it as `stdin`",
                command.program.escape_default()
            )));
        }
    }
    for (name, _) in variables {
        if name.is_empty() || name.contains(['=', '\0']) {
            return Err(invalid(format!(
                "`{}` can't be the name of an environment variable: it must not be empty, and hold no `=` and no NUL",
                name.escape_default()
            )));
        }
    }
    Ok(())
}

/// Texts that are too long for the system.
fn check_sizes(command: &Command, environment: &BTreeMap<OsString, OsString>) -> Result<(), ProcessError> {
    let too_long = |what: String, size: usize| {
        invalid(format!(
            "{what} of `{}` has {size} bytes, and the system takes at most {} in one text: pass it as `stdin`, or in a file",
            command.program,
            MAX_STRING - 1
        ))
    };
    // Each text has a NUL at its end, and a pointer.
    let overhead = 1 + size_of::<usize>();
    let mut total = command.program.len() + overhead;
    for (index, text) in command.args.iter().enumerate() {
        if text.len() >= MAX_STRING {
            return Err(too_long(format!("argument {}", index + 1), text.len()));
        }
        total += text.len() + overhead;
    }
    for (name, value) in environment {
        let size = name.len() + 1 + value.len();
        if size >= MAX_STRING {
            return Err(too_long(format!("the environment variable `{}`", name.display()), size));
        }
        total += size + overhead;
    }
    if total > max_total() { Err(too_much(&command.program)) } else { Ok(()) }
}

fn too_much(program: &str) -> ProcessError {
    invalid(format!(
        "the arguments and the environment of `{program}` are together more than the system takes ({} bytes): pass what is \
         large as `stdin`, or in a file",
        max_total()
    ))
}

/// What arguments and environment may take together: on Linux a quarter of the stack, at least 128 KiB, at most 6 MiB.
fn max_total() -> usize {
    if !cfg!(target_os = "linux") {
        return 1 << 20;
    }
    let stack = rustix::process::getrlimit(rustix::process::Resource::Stack).current.unwrap_or(u64::MAX);
    usize::try_from(stack / 4).unwrap_or(usize::MAX).clamp(128 << 10, 6 << 20)
}

fn working_dir(project_dir: &Path, command: &Command) -> Result<PathBuf, ProcessError> {
    let dir = command.working_dir.as_ref().map_or_else(|| project_dir.to_owned(), |dir| project_dir.join(dir));
    let problem = match fs::metadata(&dir) {
        Ok(metadata) if metadata.is_dir() => return Ok(dir),
        Ok(_) => "is not a directory".to_owned(),
        Err(error) if error.kind() == io::ErrorKind::NotFound => "does not exist".to_owned(),
        Err(error) => format!("can't be used: {error}"),
    };
    Err(invalid(format!(
        "the working directory {} {problem}: create it before this step, or correct `working_dir` (it is relative to {})",
        dir.display(),
        project_dir.display()
    )))
}

/// The environment without bindings and mark. Of the variables that make a program load or run something else, the job's
/// are never passed on but with all of them, and the call's only where a type that is built in is granted them by name: they
/// can make a program do less, too.
fn environment(
    job: &JobEnvironment,
    command: &Command,
    permit: &Permit,
    dir: &Path,
    sink: &Arc<dyn StepSink>,
) -> BTreeMap<OsString, OsString> {
    let mut environment = BTreeMap::new();
    if permit.trusted && permit.grant.inherits_all() {
        environment.clone_from(&job.variables);
        if command.working_dir.is_some() {
            environment.insert("PWD".into(), dir.into());
        }
        environment.extend(command.env.iter().map(|(name, value)| (name.into(), value.into())));
        return environment;
    }
    let inherited = job.variables.iter().filter(|(name, _)| {
        name.to_str().is_some_and(|name| {
            let granted = match permit.secrets.contains(name) {
                true => permit.grant.inherits_by_name(name),
                false => permit.grant.inherits(name),
            };
            granted && !injects(name)
        })
    });
    environment.extend(inherited.map(|(name, value)| (name.clone(), value.clone())));
    environment.insert("PATH".into(), MINIMAL_PATH.into());
    for (name, value) in &command.env {
        if injects(name) && !(permit.trusted && permit.grant.inherits_by_name(name)) {
            sink.warn(&format!(
                "the variable `{name}` was not passed to `{}`: a program that does not inherit the job's environment takes none \
                 that makes it load or run something else",
                command.program
            ));
        } else {
            environment.insert(name.into(), value.into());
        }
    }
    environment
}

fn injects(name: &str) -> bool {
    INJECTING.contains(&name) || INJECTING_PREFIXES.iter().any(|prefix| name.starts_with(prefix))
}

/// The system refused to start a program that is there.
fn not_started(program: &str, file: &Path, error: &io::Error) -> ProcessError {
    let reason = match Errno::from_io_error(error) {
        Some(Errno::TOOBIG) => return too_much(program),
        Some(Errno::NOENT | Errno::NOTDIR) => match interpreter(file) {
            Some(name) if name.ends_with('\r') => {
                "its first line ends in a carriage return: save it with Unix line ends".to_owned()
            }
            Some(name) => format!("its first line asks for `{name}`, which is not there"),
            None => "the loader it was built for is not there (built for another C library?)".to_owned(),
        },
        Some(Errno::NOEXEC) => {
            "it is neither a script with a first line such as `#!/bin/sh` nor a program for this machine".to_owned()
        }
        Some(Errno::ACCESS) => {
            "permission denied (a file system mounted `noexec`, or an interpreter that is not executable?)".to_owned()
        }
        Some(Errno::AGAIN | Errno::NOMEM | Errno::MFILE | Errno::NFILE) => {
            format!(
                "{error}. The machine, or the job's limit, has no room for more processes: run fewer steps at once (`-jobs`)"
            )
        }
        _ => error.to_string(),
    };
    ProcessError::NotStarted(format!("`{program}` ({}) can't be started: {reason}", file.display()))
}

/// What a script's first line asks for.
fn interpreter(file: &Path) -> Option<String> {
    let mut start = Vec::new();
    fs::File::open(file).ok()?.take(256).read_to_end(&mut start).ok()?;
    let line = start.strip_prefix(b"#!")?.split(|byte| *byte == b'\n').next()?;
    Some(String::from_utf8_lossy(line).trim_start().to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_makes_a_program_run_something_else_is_known() {
        for name in
            ["LD_PRELOAD", "DYLD_INSERT_LIBRARIES", "BASH_ENV", "ENV", "PYTHONPATH", "NODE_OPTIONS", "GIT_SSH_COMMAND"]
        {
            assert!(injects(name), "{name}");
        }
        for name in ["LANG", "HOME", "ENVIRONMENT", "GITHUB_TOKEN", "LDFLAGS", "PATHEXT"] {
            assert!(!injects(name), "{name}");
        }
    }

    #[test]
    fn a_job_passes_neither_settings_of_shiro_nor_an_outer_mark_on() {
        let job = JobEnvironment::new(
            [("SHIRO_STATE", "x"), ("SHIROX", "y"), (mark::VARIABLE, "outer.1")]
                .map(|(a, b)| (a.into(), b.into()))
                .into(),
        );
        assert_eq!(job.variables.keys().collect::<Vec<_>>(), ["SHIROX"]);
        assert_eq!(job.outer_mark.as_deref(), Some(OsStr::new("outer.1")));
    }
}
