//! The journal against a real file system, with damage, crashes and other processes.

mod corruption;
mod process;
mod protection;
mod store;

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use serde_json::{Value, json};
use tempfile::TempDir;

use super::remote::quietly;
use super::*;
use crate::event::{Digests, Event, Job, Record, RunStarted};
use crate::id::{Digest, RunId, StepId, StepType};

/// A project with one run, `deploy`.
struct Project {
    directory: TempDir,
    store: Store,
    key: RunKey,
}

impl Project {
    fn new() -> Self {
        let directory = tempfile::tempdir().unwrap();
        let store = Store::open(StoreKind::Filesystem, directory.path()).unwrap();
        Self { store, directory, key: key("deploy") }
    }

    fn state(&self) -> PathBuf {
        self.directory.path().join(".shiro/state")
    }

    fn journal(&self) -> PathBuf {
        self.state().join("deploy.jsonl")
    }

    fn lock(&self) -> RunLock {
        self.store.lock(&self.key, quietly()).unwrap()
    }

    fn begin(&self, first: &[Record]) -> Journal {
        self.store.begin(&self.key, &self.lock(), first).unwrap()
    }

    fn load(&self) -> Loaded {
        self.store.load(&self.key).unwrap().expect("a journal")
    }

    fn resume(&self) -> Journal {
        self.store.resume(&self.key, &self.lock(), &self.load()).unwrap()
    }
}

pub(super) fn key(workflow: &str) -> RunKey {
    RunKey { workflow: workflow.to_owned(), pipeline: None }
}

/// Where the run of [`started`] began.
fn origin() -> Origin {
    let text = |text: &str| Some(text.to_owned());
    Origin { run: RunId::new("0198"), project: text("group/name"), project_id: text("20"), pipeline: text("7") }
}

pub(super) fn started() -> Record {
    let digest = Digest::of(b"x");
    let digests = Digests {
        workflow: digest,
        inputs: digest,
        plugins: BTreeMap::from([(StepType::new("shell"), digest)]),
        builtins: BTreeMap::new(),
        steps: BTreeMap::from([(StepId::new("build"), digest)]),
    };
    let event = Event::RunStarted(RunStarted {
        run: RunId::new("0198"),
        workflow: "deploy".to_owned(),
        shiro: "0.1.0".to_owned(),
        digests,
        inputs: json!({"zone": "eu", "a": 1}),
        job: Job {
            ci: Some("gitlab".to_owned()),
            project: Some("group/name".to_owned()),
            project_id: Some("20".to_owned()),
            pipeline: Some("7".to_owned()),
            ..Job::default()
        },
        starter: None,
    });
    Record { at: 1_767_225_600_000, event }
}

pub(super) fn step_started(step: &str) -> Record {
    Record { at: 1, event: Event::StepStarted { step: StepId::new(step), attempt: 1, idempotent: false } }
}

pub(super) fn step_succeeded(step: &str, output: Value) -> Record {
    Record { at: 2, event: Event::StepSucceeded { step: StepId::new(step), attempt: 1, output, duration_ms: 3 } }
}

pub(super) fn resumed(shiro: &str) -> Record {
    Record { at: 3, event: Event::RunResumed { job: Job::default(), shiro: shiro.to_owned() } }
}

fn names(directory: &Path) -> Vec<String> {
    let mut names: Vec<_> =
        fs::read_dir(directory).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    names.sort_unstable();
    names
}
