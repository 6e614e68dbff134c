//! What the step types that talk to GitLab and GitHub have in common.
//!
//! ```text
//! api      requests with JSON, pages, and what a refusal means: rate limits are worth another attempt
//! event    what started a job on GitHub
//! comment  comments on lines, as users and models write them
//! diff     where a line of a file stands in a diff
//! marker   a hidden mark in what is posted, so that nothing is posted twice
//! inline   comments on lines: which are new, where they go, what became of them
//! output   what later steps can refer to
//! schema   which keys belong to which operation
//! ```

pub mod api;
pub mod comment;
pub mod diff;
pub mod event;
pub mod inline;
pub mod marker;
pub mod output;
pub mod schema;

use serde_json::{Map, Value};
use shiro_step::Text;

/// A variable of the job, without white space around it; none if it is empty.
pub fn variable(name: &str) -> Option<String> {
    filled(std::env::var(name).ok().as_deref()).map(str::to_owned)
}

/// Adds a text to a JSON object, unless it is blank.
pub fn add(body: &mut Map<String, Value>, key: &str, text: Option<&Text>) {
    let text = text.filter(|text| !text.trim().is_empty());
    body.extend(text.map(|text| (key.to_owned(), Value::from(&**text))));
}

/// A text without white space around it; none if nothing is left.
pub fn filled(text: Option<&str>) -> Option<&str> {
    text.map(str::trim).filter(|text| !text.is_empty())
}
