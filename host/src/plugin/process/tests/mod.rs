//! With real processes. Nothing here waits for a fixed time: what has to happen is polled for, with a deadline.

#[cfg(target_os = "linux")]
mod ending;
mod environment;
mod finding;
mod results;
#[cfg(target_os = "linux")]
mod watching;

use std::collections::HashMap;
use std::fs;
use std::os::unix::fs::PermissionsExt as _;

use tempfile::TempDir;

use super::*;
use crate::event::{Level, Stream};

#[cfg(target_os = "linux")]
const NONE: [i32; 0] = [];

/// How long anything that has to happen may take on a busy machine.
const PATIENCE: Duration = Duration::from_secs(30);

#[derive(Default)]
struct Heard {
    stdout: Mutex<Vec<u8>>,
    stderr: Mutex<Vec<u8>>,
    warnings: Mutex<Vec<String>>,
}

impl StepSink for Heard {
    fn output(&self, stream: Stream, bytes: &[u8]) {
        let kept = if stream == Stream::Stdout { &self.stdout } else { &self.stderr };
        kept.lock().unwrap().extend_from_slice(bytes);
    }

    fn log(&self, _: Level, _: &str) {}

    fn warn(&self, message: &str) {
        self.warnings.lock().unwrap().push(message.to_owned());
    }
}

impl Heard {
    fn text(&self) -> String {
        String::from_utf8(self.stdout.lock().unwrap().clone()).unwrap()
    }
}

/// A job in an empty project, whose processes can be recognized: by a variable, and by text in a command line.
struct Job {
    dir: TempDir,
    #[cfg_attr(not(target_os = "linux"), allow(dead_code, reason = "looked for in `/proc`"))]
    token: String,
    host: Arc<ProcessHost>,
    heard: Arc<Heard>,
    sink: Arc<dyn StepSink>,
}

impl Job {
    fn new() -> Self {
        Self::with(&[], None)
    }

    fn with(extra: &[(&str, &str)], watcher: Option<Vec<OsString>>) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let token = format!("{}", uuid::Uuid::now_v7().as_u128() % 1_000_000_000_000);
        let mut env = vec![("PATH".into(), std::env::var_os("PATH").unwrap())];
        env.push(("TOKEN".into(), (&token).into()));
        env.extend(extra.iter().map(|(name, value)| (OsString::from(name), OsString::from(value))));
        let host = ProcessHost::with_watcher(dir.path().to_owned(), env, watcher);
        let heard = Arc::new(Heard::default());
        Self { dir, token, host, sink: heard.clone(), heard }
    }

    async fn run(&self, command: Command) -> Result<Completed, ProcessError> {
        self.run_with(command, true, &[]).await
    }

    async fn run_with(
        &self,
        command: Command,
        inherit: bool,
        bindings: &[(&str, &str)],
    ) -> Result<Completed, ProcessError> {
        let attempt = self.host.attempt();
        let bindings: Vec<_> = bindings.iter().map(|(name, value)| (name.to_string(), value.to_string())).collect();
        let result = attempt.run(command, &permit(inherit), &bindings, &self.sink).await;
        attempt.end(Duration::ZERO).await;
        result
    }

    async fn output(&self, script: &str) -> String {
        let completed = self.run(sh(script)).await.unwrap();
        assert_eq!(completed.status, Status::Exited(0), "{}", lossy(&completed.stderr.head));
        lossy(&completed.stdout.head)
    }

    /// The job's processes that are alive: those with its token in the environment or on the command line.
    #[cfg(target_os = "linux")]
    fn survivors(&self) -> Vec<i32> {
        alive_with(&self.token)
    }
}

#[cfg(target_os = "linux")]
fn alive_with(token: &str) -> Vec<i32> {
    let holds = |file: String| {
        let bytes = fs::read(file).unwrap_or_default();
        bytes.windows(token.len()).any(|part| part == token.as_bytes())
    };
    let mut found = procfs::all();
    found.retain(|process| !process.zombie && process.pid != procfs::own_pid());
    found.retain(|process| ["environ", "cmdline"].iter().any(|what| holds(format!("/proc/{}/{what}", process.pid))));
    found.iter().map(|process| process.pid).collect()
}

/// The command line that runs this test program with one of its ignored tests alone.
#[cfg(target_os = "linux")]
fn this_program(module: &str, test: &str) -> Vec<OsString> {
    let name = format!("{}::{test}", module.split_once("::").unwrap().1);
    let program = std::env::current_exe().unwrap();
    let args = ["--exact", &name, "--ignored", "--nocapture"].map(OsString::from);
    std::iter::once(program.into()).chain(args).collect()
}

fn permit(inherit_environment: bool) -> Permit {
    let permission = ProcessPermission {
        program: "*".into(),
        working_dir: Some("/".into()),
        inherit_environment,
        ..ProcessPermission::default()
    };
    Permit { grant: ProcessGrant::of(permission), trusted: inherit_environment, secrets: Arc::default() }
}

fn sh(script: &str) -> Command {
    Command {
        program: "sh".into(),
        args: vec!["-c".into(), script.into()],
        capture_bytes: 1 << 16,
        ..Command::default()
    }
}

fn lossy(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

async fn until(what: &str, mut done: impl FnMut() -> bool) {
    let deadline = Instant::now() + PATIENCE;
    while !done() {
        assert!(Instant::now() < deadline, "{what}");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

fn invalid_text(result: Result<Completed, ProcessError>) -> String {
    match result {
        Err(ProcessError::Invalid(text)) => text,
        other => panic!("{other:?}"),
    }
}

fn not_started_text(result: Result<Completed, ProcessError>) -> String {
    match result {
        Err(ProcessError::NotStarted(text)) => text,
        other => panic!("{other:?}"),
    }
}
