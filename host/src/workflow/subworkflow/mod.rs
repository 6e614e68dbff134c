//! `workflow`: another workflow file that runs as a step of this one.
//!
//! It is no component: what is inside becomes steps of the one plan, so that everything that holds for steps (the journal,
//! approvals, going on after a crash, what was approved is what runs) holds for what is inside as well. A step `deploy` of
//! this type becomes
//!
//! ```text
//! deploy/.begin       decides by the step's `if`, and fills in the inputs: its output is what `inputs` is inside
//!   deploy/build      the steps of the file, under this step's id; those of `finally` too
//!   deploy/test       (one of type `workflow` becomes several again: `deploy/test/.begin` ...)
//! deploy              is over when all of them are: its output is what the file says under `outputs`
//! ```
//!
//! What is inside sees nothing of what is outside but its inputs and the environment.

mod expand;
pub mod inputs;

#[cfg(test)]
mod tests;

use std::collections::BTreeSet;
use std::sync::{Arc, LazyLock};

use serde_json::{Value, json};

use super::model::Input;
use crate::description::Description;
use crate::id::StepId;

pub use expand::{Expanded, Unreadable, expand};

/// What a step's `type` is.
pub const TYPE: &str = "workflow";

/// Workflows within workflows within ...: no deeper than this.
pub const MAX_DEPTH: usize = 8;

/// The steps of a workflow and of all within it, together: no more than this.
pub const MAX_STEPS: usize = 100_000;

/// A workflow that runs as a step of another one.
#[derive(Clone, Debug)]
pub struct Subworkflow {
    /// The step that it is.
    pub id: StepId,
    /// The subworkflow that this step belongs to; `None` for the workflow itself.
    pub parent: Option<SubIndex>,
    /// Its file, as it is shown.
    pub file: String,
    /// What the file calls it.
    pub name: Arc<str>,
    /// What it takes.
    pub inputs: Arc<[Input]>,
    /// The inputs that hold text from a step of the workflow around it, or from a person.
    pub derived: BTreeSet<String>,
    /// What it gives; `None` for the outputs of all its steps by their ids.
    pub outputs: Option<Value>,
}

/// A subworkflow's place among all of a workflow.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SubIndex(u32);

impl SubIndex {
    pub(super) fn new(position: usize) -> Self {
        Self(u32::try_from(position).expect("there are fewer steps than that"))
    }

    /// The position, for indexing.
    pub fn get(self) -> usize {
        self.0 as usize
    }
}

/// What the step type says of itself, like a component does.
pub fn description() -> &'static Description {
    static DESCRIPTION: LazyLock<Description> = LazyLock::new(|| {
        let description = json!({
            "name": TYPE,
            "version": env!("CARGO_PKG_VERSION"),
            "summary": "Runs another workflow file as a step, and returns its outputs.",
            "config_schema": {
                "type": "object",
                "required": ["file"],
                "additionalProperties": false,
                "properties": {
                    "file": {
                        "type": "string",
                        "minLength": 1,
                        "description": "The workflow's file, relative to the file that this step stands in, and within the project. It is \
                            read before the run, so it holds no template.",
                    },
                    "inputs": {
                        "type": "object",
                        "default": {},
                        "description": "Values for its inputs, by name. The others have their defaults.",
                    },
                },
            },
            "output_schema": {
                "description": "What the file has under `outputs`, with its templates filled in once all its steps are over; without it, an \
                    object with the output of each of its steps under the step's id.",
            },
        });
        serde_json::from_value(description).expect("a test reads it")
    });
    &DESCRIPTION
}
