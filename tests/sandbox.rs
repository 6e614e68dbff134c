//! What components can do, and what becomes of those that misbehave: the documented exit code, a message with the step, the
//! cause and a hint, other steps' results kept, the host alive and its memory within its bound.
//!
//! ```text
//! components  loops, sleeps, traps, lies; what is denied without grants
//! bombs       memory, tables, handles, texts and lists without end
//! loading     what is no component, or costs too much to compile
//! network     requests that go elsewhere, never end, or are none
//! files       ways out of a directory, and into what is only read
//! processes   programs, variables, secrets
//! limits      each limit of a policy, hit and not hit
//! types       built-in types and one's own
//! ```

mod bombs;
mod components;
mod files;
mod limits;
mod loading;
mod network;
mod processes;
mod types;

use serde_json::{Value, json};

use crate::support::{Outcome, Project};

/// How much memory a component of these tests is granted, unless a test says otherwise.
const MEMORY_MIB: u64 = 64;

/// A run of one component, beside another step whose result must be kept. Every run checks how much memory the host takes.
struct Case {
    project: Project,
    guest: String,
    step: Value,
    permissions: Value,
    memory_mib: u64,
}

impl Case {
    /// The step `guest`, of the test guest with this name and of a type with the same name.
    fn of(guest: &str, config: Value) -> Self {
        let mut project = Project::new();
        project.install_guest(guest, guest);
        project.sharing_compiled();
        Self {
            project,
            guest: guest.to_owned(),
            step: json!({ "id": "guest", "type": guest, "config": config, "timeout": "60s" }),
            permissions: json!({}),
            memory_mib: MEMORY_MIB,
        }
    }

    /// Sets a key of the step.
    fn step(mut self, key: &str, value: Value) -> Self {
        self.step[key] = value;
        self
    }

    /// Sets one kind of permission in the repository's policy.
    fn granted(mut self, kind: &str, value: Value) -> Self {
        self.permissions[kind] = value;
        self
    }

    /// How much memory it is granted.
    fn memory_mib(mut self, mib: u64) -> Self {
        self.memory_mib = mib;
        self
    }

    /// Sets a variable of the job.
    fn env(mut self, name: &str, value: impl Into<String>) -> Self {
        self.project.env(name, value);
        self
    }

    /// Writes its workflow and its policy.
    fn write(&self) {
        let workflow = json!({ "name": "sandbox", "steps": [
            { "id": "beside", "type": "print", "config": { "message": "beside" } },
            { "id": "after-beside", "type": "print", "config": { "message": "x" }, "depends_on": ["beside"] },
            self.step
        ] });
        let mut permissions = self.permissions.clone();
        permissions["limits"]["memory_mib"] = json!(self.memory_mib);
        let policy = json!({ "version": 1, "types": { &self.guest: permissions } });
        self.project.write(".shiro/workflow.json", &workflow.to_string());
        self.project.write(".shiro/policy.json", &policy.to_string());
    }

    /// Runs it: what the host takes is within its bound.
    #[track_caller]
    fn run(&self) -> Outcome {
        self.write();
        self.project.measured("run -fresh -jobs 2 -keep-going").within(self.memory_mib)
    }

    /// Runs it: it ends with this code, and what stood beside it has its results.
    #[track_caller]
    fn ends(&self, code: i32) -> Outcome {
        let outcome = self.run().exits(code).says("guest");
        for step in ["beside", "after-beside"] {
            let kept = self.recorded(step).unwrap_or_else(|| panic!("{step} has an end\n{}", outcome.all()));
            assert_eq!(kept["event"], "step_succeeded", "{kept:#}");
        }
        // A step that fails by itself says what it says.
        if code > 2 { outcome.says("hint") } else { outcome }
    }

    /// Runs it: it is refused with this code before anything has started.
    #[track_caller]
    fn refused(&self, code: i32) -> Outcome {
        let outcome = self.run().exits(code).says(&self.guest).says("hint");
        assert!(self.project.journals().is_empty(), "nothing was started");
        outcome
    }

    /// What it says of each thing that it did.
    #[track_caller]
    fn results(&self) -> Vec<String> {
        let outcome = self.ends(0);
        let succeeded = self.recorded("guest").expect("it has an end");
        let results = succeeded["output"]["results"].as_array().unwrap_or_else(|| panic!("results\n{}", outcome.all()));
        results.iter().map(|result| result.as_str().expect("a text").to_owned()).collect()
    }

    /// The last event of a step.
    fn recorded(&self, step: &str) -> Option<Value> {
        let journals = self.project.journals();
        let events = journals.values().flat_map(|journal| journal.lines());
        let mut events = events.map(|line| serde_json::from_str::<Value>(line).expect("JSON"));
        events.rfind(|event| event["step"] == step)
    }
}
