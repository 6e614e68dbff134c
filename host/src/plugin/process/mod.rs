//! Running programs for a step, and leaving nothing behind.
//!
//! Whatever a step starts ends with it, however it ends. On Linux that rests on four things:
//!
//! * each program leads a process group of its own ([`launch`]);
//! * shiro is a child subreaper, so a process whose parent dies becomes shiro's own child, whatever group or session it
//!   moved to ([`registry`]);
//! * a variable in the environment says which run of a program a process comes from ([`mark`]), which tells the
//!   orphans of steps that run at the same time apart;
//! * a watcher process ends what a killed shiro leaves behind ([`watcher`]).
//!
//! A process that leaves its group, clears its environment and loses its parent cannot be told from one of another step
//! that runs at the same time: it is ended with the last step it can belong to. A process with another user's rights
//! (through `sudo`) may not be ended at all: the step then warns. On other Unix systems there is only the process
//! group: what leaves it (`setsid`) survives.
//!
//! Programs are started by std's `posix_spawn`, which costs half of what a fork costs: so no `pre_exec`, and no
//! parent-death signal.

mod ending;
mod exit;
mod find;
mod launch;
mod mark;
#[cfg(target_os = "linux")]
mod procfs;
mod registry;
mod streams;
mod watcher;

#[cfg(test)]
mod tests;

use std::collections::BTreeSet;
use std::ffi::OsString;
use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::time::{Duration, Instant};

use crate::capability::{Origin, ProcessGrant, ProcessPermission};
use crate::step::StepSink;

use registry::Run;
use streams::Streams;
use watcher::Watcher;

pub(in crate::plugin) use watcher::own_program;
pub use watcher::{WATCH_VERB, watch_main};

/// How long a process has between SIGTERM and SIGKILL.
pub const GRACE: Duration = Duration::from_secs(2);

/// The most that [`Command::capture_bytes`] keeps of each stream: 1 MiB.
pub const MAX_CAPTURE_BYTES: usize = 1 << 20;

/// What to run.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Command {
    /// A name to look for on `PATH`, or a path with a slash in it (relative ones from `working_dir`).
    pub program: String,
    /// Its arguments, without the program's name.
    pub args: Vec<String>,
    /// Variables for it, on top of what the grant lets it inherit. Of two with one name the last counts.
    pub env: Vec<(String, String)>,
    /// Where it runs: relative to the project's directory, which is the default.
    pub working_dir: Option<String>,
    /// What it reads. Without it, standard input is empty.
    pub stdin: Option<Vec<u8>>,
    /// How many bytes of each stream to keep: the first and the last half each. At most [`MAX_CAPTURE_BYTES`] count.
    pub capture_bytes: usize,
    /// End it after this long.
    pub timeout: Option<Duration>,
}

/// How a program ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Status {
    /// It ended by itself, with this code.
    Exited(u8),
    /// This signal ended it.
    Signaled(u8),
}

/// A stream as far as it was kept.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Captured {
    /// The first bytes: all of them if nothing was left out.
    pub head: Vec<u8>,
    /// The last bytes, when `head` is not all.
    pub tail: Vec<u8>,
    /// How many bytes the program wrote.
    pub total: u64,
}

/// A program that ran.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Completed {
    /// How it ended.
    pub status: Status,
    /// Its standard output.
    pub stdout: Captured,
    /// Its standard error.
    pub stderr: Captured,
    /// How long it ran.
    pub duration: Duration,
}

/// Why there is no status.
#[derive(Debug, thiserror::Error)]
pub enum ProcessError {
    /// There is no such program on `PATH`, or no such file.
    #[error("the program `{program}` was not found: {hint}")]
    NotFound {
        /// As the command names it.
        program: String,
        /// Where it was looked for, and what to do.
        hint: String,
    },
    /// It could not be started: the system's reason and what to do.
    #[error("{0}")]
    NotStarted(String),
    /// [`Command::timeout`] passed. It is gone; what it had written is here.
    #[error("the program did not end within its time limit")]
    TimedOut(Box<Completed>),
    /// Something in the command can't be used: what, and what to do instead.
    #[error("{0}")]
    Invalid(String),
    /// The grant does not go so far.
    #[error("not allowed to {tried}")]
    Denied {
        /// What was tried.
        tried: String,
        /// Whose grant it is.
        by: Origin,
        /// The least that would allow it.
        need: Box<ProcessPermission>,
    },
}

/// What a program may have, and how far it is trusted.
#[derive(Clone, Debug)]
pub struct Permit {
    /// What it inherits, where it runs, which file it is.
    pub grant: ProcessGrant,
    /// The step that runs it is part of shiro, so that what it asks for is what the workflow says. Unless that inherits the
    /// whole environment, programs that anybody could have put there don't run, and nothing that makes a program load
    /// something else is passed on.
    pub trusted: bool,
    /// The names of the job's variables that are secret.
    pub secrets: Arc<BTreeSet<String>>,
}

/// What all steps' processes share: the project's directory, the job's environment, the watcher. One for each shiro
/// process.
pub struct ProcessHost {
    project_dir: PathBuf,
    environment: launch::JobEnvironment,
    watcher_command: Option<Vec<OsString>>,
    /// Made by the first program that runs.
    ready: OnceLock<Option<Arc<Watcher>>>,
}

impl ProcessHost {
    /// For the project in `project_dir` and a job with this environment, of which `SHIRO_*` never reaches a program.
    pub fn new(project_dir: PathBuf, job_env: Vec<(OsString, OsString)>) -> Arc<Self> {
        Self::with_watcher(project_dir, job_env, watcher::own_command())
    }

    /// The same with the command line of a watcher: a program that calls [`watch_main`]. `None` for no watcher: what
    /// runs then outlives a shiro that is killed.
    pub fn with_watcher(
        project_dir: PathBuf,
        job_env: Vec<(OsString, OsString)>,
        watcher: Option<Vec<OsString>>,
    ) -> Arc<Self> {
        Arc::new(Self {
            project_dir: std::path::absolute(&project_dir).unwrap_or(project_dir),
            environment: launch::JobEnvironment::new(job_env),
            watcher_command: watcher,
            ready: OnceLock::new(),
        })
    }

    /// The processes of one attempt of one step: none yet.
    pub fn attempt(self: &Arc<Self>) -> AttemptProcesses {
        AttemptProcesses { host: Arc::clone(self), runs: Mutex::default() }
    }

    fn project_dir(&self) -> &Path {
        &self.project_dir
    }

    /// What only a process that runs programs needs.
    fn ready(&self, sink: &Arc<dyn StepSink>) -> Option<Arc<Watcher>> {
        let start = || {
            registry::adopt_orphans();
            exit::keep_statuses();
            match Watcher::start(self.watcher_command.as_deref()?) {
                Ok(watcher) => Some(Arc::new(watcher)),
                Err(error) => {
                    sink.warn(&format!(
                        "the watcher process could not be started ({error}): if shiro is killed, the programs it runs go on"
                    ));
                    None
                }
            }
        };
        self.ready.get_or_init(start).clone()
    }
}

impl fmt::Debug for ProcessHost {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ProcessHost").field("project_dir", &self.project_dir).finish_non_exhaustive()
    }
}

/// The processes of one attempt. Call [`AttemptProcesses::end`] when the attempt is over; dropping it without kills
/// what is left at once, with SIGKILL, and blocks meanwhile.
#[derive(Debug)]
pub struct AttemptProcesses {
    host: Arc<ProcessHost>,
    /// Those not known to be over.
    runs: Mutex<Vec<Arc<Run>>>,
}

impl AttemptProcesses {
    /// Runs a program to its end, and ends what it left running. Whether the program may run with these arguments is the
    /// caller's question; `permit` decides what it inherits, where it runs and which file it is. `bindings` are variables that no one else can set or replace.
    /// What it writes goes to `sink` as it comes. Needs a tokio runtime with its I/O and time drivers.
    ///
    /// A future that is dropped leaves the program running until [`AttemptProcesses::end`].
    pub async fn run(
        &self,
        command: Command,
        permit: &Permit,
        bindings: &[(String, String)],
        sink: &Arc<dyn StepSink>,
    ) -> Result<Completed, ProcessError> {
        let watcher = self.host.ready(sink);
        let launch = launch::Launch::new(&self.host, &command, permit, bindings, sink)?;
        let started = Instant::now();
        let (run, pipes) = launch.start(watcher, sink)?;
        self.runs.lock().unwrap_or_else(PoisonError::into_inner).push(Arc::clone(&run));
        let mut streams = match Streams::new(pipes, command.stdin, command.capture_bytes.min(MAX_CAPTURE_BYTES), sink) {
            Ok(streams) => streams,
            Err(error) => {
                self.end_run(&run).await;
                return Err(ProcessError::NotStarted(format!(
                    "`{}`: its pipes can't be used: {error}",
                    command.program
                )));
            }
        };

        let timed_out = streams.carry_during(exit_or_timeout(&run, command.timeout)).await;
        let duration = started.elapsed();
        streams.close_stdin();
        if timed_out || registry::may_have_left_something(&run) {
            streams.carry_during(self.end_run(&run)).await;
        }
        let status = run.reap();
        self.forget(&run);
        let (stdout, stderr) = streams.finish();
        // No status only where not even SIGKILL ended it: `end_run` has warned of it.
        let completed = Completed { status: status.unwrap_or(Status::Signaled(9)), stdout, stderr, duration };
        if timed_out { Err(ProcessError::TimedOut(Box::new(completed))) } else { Ok(completed) }
    }

    /// Ends everything the attempt started and has not ended: SIGTERM, up to `grace` later SIGKILL. All is gone
    /// afterwards.
    pub async fn end(self, grace: Duration) {
        let runs = self.unfinished();
        ending::end(&runs, grace).await;
        runs.iter().for_each(|run| self.forget(run));
    }

    async fn end_run(&self, run: &Arc<Run>) {
        ending::end(std::slice::from_ref(run), GRACE).await;
    }

    fn unfinished(&self) -> Vec<Arc<Run>> {
        self.runs.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn forget(&self, run: &Arc<Run>) {
        self.runs.lock().unwrap_or_else(PoisonError::into_inner).retain(|other| !Arc::ptr_eq(other, run));
    }
}

impl Drop for AttemptProcesses {
    fn drop(&mut self) {
        ending::kill_now(&self.unfinished());
    }
}

/// Waits for the program's end, at most this long. True if it is still there.
async fn exit_or_timeout(run: &Run, timeout: Option<Duration>) -> bool {
    let exit = exit::exited(run);
    match timeout {
        None => {
            exit.await;
            false
        }
        Some(timeout) => tokio::time::timeout(timeout, exit).await.is_err(),
    }
}
