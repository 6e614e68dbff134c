//! `shiro:step/process`: the call is checked against the grants here, and carried out by `plugin::process`.

use std::sync::Arc;
use std::time::Duration;

use crate::capability::{Origin, Permissions, ProcessPermission};
use crate::event::{Level, Stream};
use crate::plugin::attempt::Attempt;
use crate::plugin::bindings::shiro::step::process::{Captured, Command, Completed, Error as CallError, Host, Status};
use crate::plugin::process::{self, AttemptProcesses, MAX_CAPTURE_BYTES, Permit, ProcessError};
use crate::plugin::recording::{Recording, StartedProcess};
use crate::plugin::rights::Rights;
use crate::plugin::text::shown;
use crate::step::StepSink;

/// The longest path that Linux takes.
const PATH_BYTES: usize = 4096;
/// Arguments that are longer, all together, are not shown: no policy would list them.
const SHOWN_ARGS_BYTES: usize = 8 << 10;

/// The programs that an attempt runs.
pub(in crate::plugin) struct Processes {
    /// `None` for a guest that is only asked for its description.
    pub(in crate::plugin) running: Option<Arc<AttemptProcesses>>,
    /// Answers in place of programs.
    pub(in crate::plugin) recording: Option<Arc<Recording>>,
    /// Variables that the guest does not see.
    pub(in crate::plugin) bindings: Vec<(String, String)>,
}

impl Processes {
    /// Nothing can be run.
    pub(in crate::plugin) fn none() -> Self {
        Self { running: None, recording: None, bindings: Vec::new() }
    }
}

impl Host for Attempt {
    async fn run(&mut self, command: Command) -> Result<Completed, CallError> {
        let sink = Arc::clone(self.output.sink());
        self.run_to(command, sink).await
    }

    async fn run_quietly(&mut self, command: Command) -> Result<Completed, CallError> {
        let sink = Arc::new(Quiet(Arc::clone(self.output.sink())));
        self.run_to(command, sink).await
    }
}

/// Passes on what is said of a program, and nothing that it writes.
struct Quiet(Arc<dyn StepSink>);

impl StepSink for Quiet {
    fn output(&self, _: Stream, _: &[u8]) {}

    fn log(&self, level: Level, message: &str) {
        self.0.log(level, message);
    }

    fn warn(&self, message: &str) {
        self.0.warn(message);
    }
}

impl Attempt {
    async fn run_to(&mut self, command: Command, sink: Arc<dyn StepSink>) -> Result<Completed, CallError> {
        let rights = Arc::clone(&self.rights);
        // No file has such a path, and a refusal would have to name it.
        for (what, text) in
            [("program's name", Some(&command.program)), ("working directory", command.working_dir.as_ref())]
        {
            if text.is_some_and(|text| text.len() > PATH_BYTES) {
                return Err(CallError::Invalid(format!("the {what} is longer than {PATH_BYTES} bytes")));
            }
        }
        // With the variables that the type asks to have inherited: without them it might do something else.
        let asked = rights.grants().asked_of_process(&command.program, &command.args);
        let need = ProcessPermission {
            inherit_environment: asked.inherits_all(),
            environment: asked.asked_environment(),
            ..needed(&command)
        };
        let granted = rights.grants().process(&command.program, &command.args);
        let grant = match (granted, &self.processes.running) {
            (Ok(grant), Some(_)) => grant,
            (granted, _) => {
                let by = granted.err().unwrap_or(Origin::Asked);
                return Err(deny(&rights, tried(&command), &by, need));
            }
        };
        let Some(running) = &self.processes.running else { return Err(CallError::NotFound) };
        rights.used(|| {
            let used = ProcessPermission { inherit_environment: grant.inherits_all(), ..need.clone() };
            Permissions { process: vec![used], ..Permissions::default() }
        });
        let secrets = Arc::clone(self.surroundings.secrets());
        let permit = Permit { grant, trusted: rights.builtin(), secrets };
        if let Some(recording) = &self.processes.recording {
            return replay(recording, &command);
        }
        let done = running.run(command.into(), &permit, &self.processes.bindings, &sink).await;
        done.map(Completed::from).map_err(|error| match error {
            ProcessError::NotFound { .. } => {
                // The guest is told the bare fact: it may have another program to try.
                sink.log(Level::Debug, &error.to_string());
                CallError::NotFound
            }
            ProcessError::NotStarted(reason) => CallError::NotStarted(reason),
            ProcessError::TimedOut(completed) => CallError::TimedOut((*completed).into()),
            ProcessError::Invalid(reason) => CallError::Invalid(reason),
            ProcessError::Denied { tried, by, need: file } => {
                let ProcessPermission { inherit_environment, environment, .. } = need;
                deny(&rights, tried, &by, ProcessPermission { inherit_environment, environment, ..*file })
            }
        })
    }
}

/// The least that allows this command.
fn needed(command: &Command) -> ProcessPermission {
    let length: usize = command.args.iter().map(String::len).sum();
    ProcessPermission {
        program: command.program.clone(),
        args: (length <= SHOWN_ARGS_BYTES && command.args.len() <= SHOWN_ARGS_BYTES / 8).then(|| command.args.clone()),
        working_dir: command.working_dir.clone(),
        ..ProcessPermission::default()
    }
}

/// How a recorded program ends.
#[expect(clippy::result_large_err, reason = "the type that the interface has")]
fn replay(recording: &Recording, command: &Command) -> Result<Completed, CallError> {
    let started = StartedProcess {
        program: &command.program,
        args: &command.args,
        env: &command.env,
        stdin: command.stdin.as_deref().unwrap_or_default(),
    };
    let recorded = recording.process(&started).map_err(CallError::NotStarted)?;
    if recorded.not_found {
        return Err(CallError::NotFound);
    }
    let captured = |text: String| Captured { total: text.len() as u64, head: text.into_bytes(), tail: Vec::new() };
    Ok(Completed {
        status: recorded.signal.map_or(Status::Exited(recorded.exit_code), Status::Signaled),
        stdout: captured(recorded.stdout),
        stderr: captured(recorded.stderr),
        duration_ms: 0,
    })
}

fn deny(rights: &Rights, tried: String, by: &Origin, need: ProcessPermission) -> CallError {
    let hint = rights.deny(tried.clone(), by, &Permissions { process: vec![need], ..Permissions::default() });
    CallError::Denied(format!("not allowed to {tried}: {hint}"))
}

/// The program, with the first of its arguments: what a grant is about.
fn tried(command: &Command) -> String {
    const SHOWN: usize = 4;
    let mut tried = format!("run the program `{}`", shown(&command.program));
    if let Some(first) = command.args.first() {
        tried.push_str(&format!(" with `{}`", shown(first)));
        let more = command.args.iter().skip(1).take(SHOWN - 1).map(|arg| format!(" `{}`", shown(arg)));
        tried.extend(more);
        if command.args.len() > SHOWN {
            tried.push_str(" …");
        }
    }
    tried
}

impl From<Command> for process::Command {
    fn from(command: Command) -> Self {
        Self {
            program: command.program,
            args: command.args,
            env: command.env,
            working_dir: command.working_dir,
            stdin: command.stdin,
            capture_bytes: usize::try_from(command.capture_bytes)
                .map_or(MAX_CAPTURE_BYTES, |n| n.min(MAX_CAPTURE_BYTES)),
            timeout: command.timeout_ms.map(Duration::from_millis),
        }
    }
}

impl From<process::Completed> for Completed {
    fn from(completed: process::Completed) -> Self {
        let captured =
            |stream: process::Captured| Captured { head: stream.head, tail: stream.tail, total: stream.total };
        Self {
            status: match completed.status {
                process::Status::Exited(code) => Status::Exited(code),
                process::Status::Signaled(signal) => Status::Signaled(signal),
            },
            stdout: captured(completed.stdout),
            stderr: captured(completed.stderr),
            duration_ms: u64::try_from(completed.duration.as_millis()).unwrap_or(u64::MAX),
        }
    }
}
