//! `shiro:step/process`: the call is checked against the grants here, and carried out by `plugin::process`.

use std::sync::Arc;
use std::time::Duration;

use super::Notes;
use crate::capability::ProcessPermission;
use crate::event::Level;
use crate::plugin::attempt::Attempt;
use crate::plugin::bindings::shiro::step::process::{Captured, Command, Completed, Error as CallError, Host, Status};
use crate::plugin::process::{self, AttemptProcesses, MAX_CAPTURE_BYTES, ProcessError};
use crate::plugin::recording::{Recording, StartedProcess};

/// The programs that an attempt may run, and does.
pub(in crate::plugin) struct Processes {
    /// `None` for a guest that is only asked for its description.
    pub(in crate::plugin) running: Option<Arc<AttemptProcesses>>,
    pub(in crate::plugin) granted: Vec<ProcessPermission>,
    /// What would allow a program that is not granted.
    pub(in crate::plugin) hint: String,
    /// Answers in place of programs.
    pub(in crate::plugin) recording: Option<Arc<Recording>>,
    /// Variables that the guest does not see.
    pub(in crate::plugin) bindings: Vec<(String, String)>,
}

impl Processes {
    /// Nothing can be run.
    pub(in crate::plugin) fn none() -> Self {
        Self { running: None, granted: Vec::new(), hint: String::new(), recording: None, bindings: Vec::new() }
    }

    /// The grant for this program, and what runs it.
    fn granted(&self, program: &str) -> Option<(&Arc<AttemptProcesses>, &ProcessPermission)> {
        let grant = self.granted.iter().find(|grant| grant.program == "*" || grant.program == program)?;
        Some((self.running.as_ref()?, grant))
    }

    fn deny(&self, program: &str, notes: &Notes) -> CallError {
        let tried = format!("run the program `{}`", program.escape_debug());
        notes.deny(tried.clone(), self.hint.clone());
        CallError::Denied(format!("not allowed to {tried}: {}", self.hint))
    }
}

impl Host for Attempt {
    async fn run(&mut self, command: Command) -> Result<Completed, CallError> {
        let Some((running, grant)) = self.processes.granted(&command.program) else {
            return Err(self.processes.deny(&command.program, &self.notes));
        };
        if let Some(recording) = &self.processes.recording {
            return replay(recording, &command);
        }
        let sink = self.output.sink();
        let done = running.run(command.into(), grant, &self.processes.bindings, sink).await;
        done.map(Completed::from).map_err(|error| match error {
            ProcessError::NotFound { .. } => {
                // The guest is told the bare fact: it may have another program to try.
                sink.log(Level::Debug, &error.to_string());
                CallError::NotFound
            }
            ProcessError::NotStarted(reason) => CallError::NotStarted(reason),
            ProcessError::TimedOut(completed) => CallError::TimedOut((*completed).into()),
            ProcessError::Invalid(reason) => CallError::Invalid(reason),
        })
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
