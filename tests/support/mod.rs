//! A hermetic project directory, the `shiro` that runs in it, and the servers it talks to.

pub(crate) mod forge;
pub(crate) mod git;
pub(crate) mod github;
pub(crate) mod gitlab;
pub(crate) mod gitlab_packages;
pub(crate) mod guests;
pub(crate) mod http;
pub(crate) mod languages;
pub(crate) mod memory;
pub(crate) mod minisign;
pub(crate) mod models;
pub(crate) mod namespace;
pub(crate) mod registry;
pub(crate) mod s3;
pub(crate) mod slack;
pub(crate) mod tokens;
pub(crate) mod wat;

use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use serde_json::Value;
use tempfile::TempDir;

/// The `shiro` under test.
pub(crate) const SHIRO: &str = env!("CARGO_BIN_EXE_shiro");

/// The repository's root.
pub(crate) fn repository() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("host/ is in the repository").to_owned()
}

/// A temporary project directory and the environment that commands in it get: nothing of this machine's but `PATH`.
pub(crate) struct Project {
    dir: TempDir,
    variables: BTreeMap<String, String>,
}

impl Project {
    /// An empty project.
    pub(crate) fn new() -> Self {
        let dir = tempfile::Builder::new().prefix("shiro-test-").tempdir().expect("a temporary directory");
        let variables = BTreeMap::from([("PATH".to_owned(), std::env::var("PATH").expect("PATH is set"))]);
        Self { dir, variables }
    }

    /// A project with this workflow as `.shiro/workflow.json`.
    pub(crate) fn with_workflow(workflow: &Value) -> Self {
        let project = Self::new();
        project.write(".shiro/workflow.json", &serde_json::to_string_pretty(workflow).expect("JSON"));
        project
    }

    /// Its directory.
    pub(crate) fn path(&self) -> &Path {
        self.dir.path()
    }

    /// A path in it.
    pub(crate) fn join(&self, path: impl AsRef<Path>) -> PathBuf {
        self.path().join(path)
    }

    /// Sets a variable for every command.
    pub(crate) fn env(&mut self, name: &str, value: impl Into<String>) -> &mut Self {
        self.variables.insert(name.to_owned(), value.into());
        self
    }

    /// Sets variables for every command.
    pub(crate) fn envs<'a, V: Into<String>>(&mut self, variables: impl IntoIterator<Item = (&'a str, V)>) -> &mut Self {
        self.variables.extend(variables.into_iter().map(|(name, value)| (name.to_owned(), value.into())));
        self
    }

    /// Writes a file, and the directories above it.
    pub(crate) fn write(&self, path: impl AsRef<Path>, content: &str) {
        let path = self.join(path);
        fs::create_dir_all(path.parent().expect("a file has a parent")).expect("create the directory");
        fs::write(path, content).expect("write the file");
    }

    /// Reads a file; empty if there is none.
    pub(crate) fn read(&self, path: impl AsRef<Path>) -> String {
        fs::read_to_string(self.join(path)).unwrap_or_default()
    }

    /// An executable on the project's `PATH`.
    pub(crate) fn write_program(&mut self, name: &str, script: &str) {
        use std::os::unix::fs::PermissionsExt;
        let bin = self.join("bin");
        self.write(Path::new("bin").join(name), script);
        fs::set_permissions(bin.join(name), fs::Permissions::from_mode(0o755)).expect("make it executable");
        let path = format!("{}:{}", bin.display(), std::env::var("PATH").expect("PATH is set"));
        self.env("PATH", path);
    }

    /// A command in this project, with its environment.
    pub(crate) fn command(&self, program: impl AsRef<OsStr>) -> Command {
        let mut command = Command::new(program);
        command.current_dir(self.path()).env_clear().envs(&self.variables).stdin(Stdio::null());
        command
    }

    /// Runs `shiro` with these arguments, separated by spaces.
    #[must_use = "say which exit code is expected: `.exits(0)`"]
    pub(crate) fn shiro(&self, args: &str) -> Outcome {
        self.shiro_args(args.split_whitespace())
    }

    /// Runs `shiro` with these arguments.
    #[must_use = "say which exit code is expected: `.exits(0)`"]
    pub(crate) fn shiro_args(&self, args: impl IntoIterator<Item = impl AsRef<OsStr>>) -> Outcome {
        Outcome::of(self.command(SHIRO).args(args).output().expect("shiro starts"))
    }

    /// Runs one attempt of a step type with this config: the outcome, and the JSON that it returned, or that a failure
    /// shows; `null` without any.
    #[must_use = "say which exit code is expected: `.exits(0)`"]
    pub(crate) fn step(&self, step_type: &str, config: &Value) -> (Outcome, Value) {
        let outcome = self.shiro_args(["plugin", "run", step_type, "-config", &config.to_string()]);
        let output = serde_json::from_str(&outcome.stdout).unwrap_or_default();
        (outcome, output)
    }

    /// The journals in `.shiro/state`, by file name.
    pub(crate) fn journals(&self) -> BTreeMap<String, String> {
        let Ok(entries) = fs::read_dir(self.join(".shiro/state")) else { return BTreeMap::new() };
        entries
            .map(|entry| entry.expect("a directory entry").path())
            .filter(|path| path.extension() == Some(OsStr::new("jsonl")))
            .map(|path| {
                let name = path.file_name().expect("it has a name").to_string_lossy().into_owned();
                (name, fs::read_to_string(path).expect("read the journal"))
            })
            .collect()
    }
}

/// How a command ended. Every test says what it expects of the exit code.
pub(crate) struct Outcome {
    /// The exit code; `None` if a signal ended it.
    pub(crate) code: Option<i32>,
    /// What it wrote.
    pub(crate) stdout: String,
    /// What it wrote.
    pub(crate) stderr: String,
}

impl Outcome {
    /// From what `std` says.
    #[must_use = "say which exit code is expected: `.exits(0)`"]
    pub(crate) fn of(output: Output) -> Self {
        Self {
            code: output.status.code(),
            stdout: String::from_utf8_lossy(&output.stdout).into_owned(),
            stderr: String::from_utf8_lossy(&output.stderr).into_owned(),
        }
    }

    /// Fails unless it ended with this code, and if anything looks like a Rust panic.
    #[track_caller]
    pub(crate) fn exits(self, code: i32) -> Self {
        assert_eq!(self.code, Some(code), "exit code\n{}", self.all());
        assert!(
            !self.all().contains("panicked at host/") && !self.all().contains("stack backtrace:"),
            "{}",
            self.all()
        );
        self
    }

    /// Fails unless this text stands somewhere in what it wrote.
    #[track_caller]
    pub(crate) fn says(self, text: &str) -> Self {
        assert!(self.all().contains(text), "expected to find: {text}\n{}", self.all());
        self
    }

    /// Fails if this text stands anywhere in what it wrote.
    #[track_caller]
    pub(crate) fn does_not_say(self, text: &str) -> Self {
        assert!(!self.all().contains(text), "expected not to find: {text}\n{}", self.all());
        self
    }

    /// Everything it wrote.
    pub(crate) fn all(&self) -> String {
        format!("--- stdout\n{}\n--- stderr\n{}", self.stdout, self.stderr)
    }
}
