//! Go shiro's workflows, keys, flags and variables, each of which works here or is refused with a reason; and its faults, none
//! of which is here. `docs/differences-from-go-shiro.md` names the test for each fault.
//!
//! ```text
//! examples  its example files, against stand-ins of the services that they ask
//! keys      every documented key of its step types and its settings
//! fields    every documented field of a workflow, and what templates refer to
//! commands  every documented verb, flag and variable
//! troubles  what each service may answer instead of what was hoped for
//! faults    those of its faults that no other test is about
//! ```

mod commands;
mod examples;
mod faults;
mod fields;
mod keys;
mod troubles;

use serde_json::Value;

use crate::support::{Project, repository};

/// A file of `tests/go_shiro/`.
fn file(name: &str) -> String {
    let path = repository().join("tests/go_shiro").join(name);
    std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// What a step returned, as the journal of the newest run has it.
#[track_caller]
pub(crate) fn output(project: &Project, step: &str) -> Value {
    let journals = project.journals();
    let newest = journals.iter().filter(|(name, _)| !name.contains(".previous."));
    let records = newest.flat_map(|(_, journal)| journal.lines()).filter_map(|line| serde_json::from_str(line).ok());
    let mut outputs = records.filter_map(|mut record: Value| {
        (record["event"] == "step_succeeded" && record["step"] == step).then(|| record["output"].take())
    });
    outputs.next_back().unwrap_or_else(|| panic!("{step} has no output: {journals:?}"))
}
