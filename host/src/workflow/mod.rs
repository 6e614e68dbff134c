//! What the user wrote: text in, typed workflow and diagnostics out.
//!
//! ```text
//! Source --json--> fields --parse--> Workflow --validate (step types' schemas, templates)--> diagnostics
//!    ^                                                                                           |
//!    '-------------------------------- locate: JSON Pointers to lines --------------------------'
//! ```
//!
//! Nothing here runs anything, looks at the environment or reads a clock, and only [`Source::read`] reads a file.

pub mod condition;
pub mod digest;
pub mod duration;
pub mod fan_out;
pub mod form;
pub mod inputs;
pub mod json;
mod locate;
pub mod model;
mod parse;
pub mod schema;
pub mod settings;
pub mod size;
pub mod source;
pub mod subworkflow;
pub mod suggest;
pub mod template;
mod validate;

pub use parse::parse;
#[cfg(test)]
pub(crate) use parse::{STEP_FIELDS, WORKFLOW_FIELDS};
pub(crate) use parse::{fields, permissions};
pub use source::Source;
pub use validate::{StepTypes, TypeInfo, validate};
