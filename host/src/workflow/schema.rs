//! JSON Schema (2020-12): compiled once, applied to configs and inputs, with messages for people.
//!
//! No message holds a value of the instance, so none can give away a secret: a schema's own values (an `enum`'s choices)
//! and the names of keys are shown. Nothing is ever fetched: a reference out of the schema is an error.

mod certain;
mod explain;
#[cfg(test)]
mod tests;

use jsonschema::{Draft, PatternOptions};
use serde_json::Value;

use crate::diagnostic::{Diagnostic, Place};

/// A pattern, compiled.
const PATTERN_BYTES: usize = 1 << 20;

/// A compiled schema.
#[derive(Debug)]
pub struct Validator {
    compiled: jsonschema::Validator,
    schema: Value,
}

/// Where a value does not match its schema, and why.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    /// A JSON Pointer within the value.
    pub pointer: String,
    /// The name of the member is meant, not its value.
    pub key: bool,
    /// A sentence without a subject: `must be a string, not a number`. The subject is what the pointer leads to.
    pub message: String,
    /// What to do next.
    pub hint: Option<String>,
}

impl Problem {
    /// The problem as a diagnostic, in a document that has the value at `base`; `whole` is what a person calls the value.
    pub fn diagnostic(self, code: &'static str, base: &str, whole: &str) -> Diagnostic {
        let place = Place { key: self.key, ..Place::value(format!("{base}{}", self.pointer)) };
        let name = self.pointer.rsplit('/').next().filter(|name| !name.is_empty());
        let subject = name.map_or(whole.to_owned(), |name| format!("`{}`", name.replace("~1", "/").replace("~0", "~")));
        Diagnostic { hint: self.hint, ..Diagnostic::error(code, place, format!("{subject} {}", self.message)) }
    }
}

impl Validator {
    /// Compiles a schema; the error says what is wrong with it.
    pub fn new(schema: &Value) -> Result<Self, String> {
        jsonschema::options()
            .with_draft(Draft::Draft202012)
            // Linear in the text: a pattern can't be made to take for ever.
            .with_pattern_options(PatternOptions::regex().size_limit(PATTERN_BYTES))
            .should_validate_formats(true)
            .offline()
            .build(schema)
            .map(|compiled| Self { compiled, schema: schema.clone() })
            .map_err(|error| {
                let place = error.instance_path().as_str();
                let place = if place.is_empty() { String::new() } else { format!(" at {place}") };
                format!("not a JSON Schema{place}: {}", error.masked())
            })
    }

    /// What is wrong with a value that may hold templates, whatever they will turn out to be. A string that is one template
    /// may become any value, one with a template in it any string.
    pub fn check(&self, value: &Value) -> Vec<Problem> {
        self.problems(value, true)
    }

    /// What is wrong with a value as it is.
    pub fn check_resolved(&self, value: &Value) -> Vec<Problem> {
        self.problems(value, false)
    }

    fn problems(&self, value: &Value, templates: bool) -> Vec<Problem> {
        if self.compiled.is_valid(value) {
            return Vec::new();
        }
        let mut problems = Vec::new();
        for error in self.compiled.iter_errors(value) {
            if !templates || certain::is_certain(&error, value) {
                explain::explain(&error, &self.schema, &mut problems);
            }
        }
        // Branches of a schema may find the same.
        let mut seen = std::collections::HashSet::new();
        problems.retain(|problem| seen.insert((problem.pointer.clone(), problem.message.clone())));
        problems
    }
}
