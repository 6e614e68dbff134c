//! shiro runs a workflow (a DAG of steps) inside a CI job. Every step is a WebAssembly component, and everything that
//! happens is one stream of events: the journal persists it, the reporters show it, resume folds it.
//!
//! ```text
//! shiro run workflow.json
//!    |
//!   cli ---> workflow ------> plan ------> engine ------> StepRunner (trait)
//!            text -> typed    DAG, order   scheduler          ^
//!            + diagnostics    digests      state = fold       | implemented by
//!                                            |              plugin (wasmtime)
//!                                            | Event
//!                                      1st   v    2nd
//!                                    journal      report
//!                                    (durable,    (best-effort)
//!                                     fatal)
//! ```
//!
//! Who may use whom is a table in `docs/architecture.md`, and a test holds it.

// The vocabulary: no I/O.
pub mod approval;
pub mod capability;
pub mod description;
pub mod diagnostic;
pub mod event;
pub mod id;
pub mod outcome;
pub mod secret;

// What those who read files that others may have made share.
pub mod file;

// What those who read other people's YAML share.
pub mod yaml;

// What those who use the network share.
pub mod net;

// Who someone is.
pub mod identity;

// Where step types come from.
pub mod package;

// In the order of the data.
pub mod workflow;

pub mod policy;

pub mod plan;

pub mod ci;

pub mod step;

pub mod engine;

pub mod plugin;

pub mod authoring;

pub mod journal;

pub mod data;

pub mod report;

pub mod cli;
