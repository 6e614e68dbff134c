//! Takes typed fields out of a JSON object, and says what is wrong with those that don't fit.

use serde_json::{Map, Value};

use crate::diagnostic::{Diagnostic, Place};
use crate::workflow::{digest, duration, json, suggest};

/// The members of one object that have not been taken yet. `null` is the same as leaving a field out.
pub(crate) struct Fields<'a> {
    pub(crate) pointer: String,
    pub(crate) members: Map<String, Value>,
    pub(crate) problems: &'a mut Vec<Diagnostic>,
}

impl<'a> Fields<'a> {
    /// Reports the fields that are not known. `$schema` and keys that begin with `x-` are dropped.
    pub(crate) fn new(
        pointer: String,
        mut members: Map<String, Value>,
        known: &[&str],
        problems: &'a mut Vec<Diagnostic>,
    ) -> Self {
        digest::strip_annotations(&mut members);
        for name in members.keys().filter(|name| !known.contains(&name.as_str())) {
            problems.push(unknown_field(&pointer, name, known));
        }
        Self { pointer, members, problems }
    }

    pub(crate) fn take(&mut self, name: &str) -> Option<Value> {
        self.members.swap_remove(name).filter(|value| !value.is_null())
    }

    pub(crate) fn report(&mut self, diagnostic: Diagnostic) {
        self.problems.push(diagnostic);
    }

    pub(crate) fn place(&self, name: &str) -> Place {
        json::member(&self.pointer, name)
    }

    pub(crate) fn wrong_type(&mut self, name: &str, expected: &str, found: &Value) {
        let problem = Diagnostic::error(
            "wrong-type",
            self.place(name),
            format!("`{name}` is {expected}, not {}", json::kind(found)),
        );
        self.report(match type_hint(expected, found) {
            Some(hint) => problem.with_hint(hint),
            None => problem,
        });
    }

    pub(crate) fn out_of_range(&mut self, name: &str, allowed: &str) {
        let place = self.place(name);
        self.report(Diagnostic::error("out-of-range", place, format!("`{name}` is {allowed}")));
    }

    pub(crate) fn missing(&mut self, name: &str, hint: &str) {
        let place = Place::value(self.pointer.clone());
        self.report(Diagnostic::error("missing-field", place, format!("`{name}` is missing")).with_hint(hint));
    }

    pub(crate) fn string(&mut self, name: &str) -> Option<String> {
        match self.take(name)? {
            Value::String(text) => Some(text),
            other => {
                self.wrong_type(name, "a string", &other);
                None
            }
        }
    }

    pub(crate) fn boolean(&mut self, name: &str) -> Option<bool> {
        match self.take(name)? {
            Value::Bool(flag) => Some(flag),
            other => {
                self.wrong_type(name, "true or false", &other);
                None
            }
        }
    }

    /// A whole number from `min` to `max`. Numbers such as `3.0` are whole.
    pub(crate) fn whole(&mut self, name: &str, min: u32, max: u32) -> Option<u32> {
        let number = self.number(name)?;
        if number.fract() != 0.0 || number < f64::from(min) || number > f64::from(max) {
            self.out_of_range(name, &format!("a whole number from {min} to {max}"));
            return None;
        }
        // In range by the check above.
        Some(number as u32)
    }

    pub(crate) fn number(&mut self, name: &str) -> Option<f64> {
        match self.take(name)? {
            Value::Number(number) => number.as_f64(),
            other => {
                self.wrong_type(name, "a number", &other);
                None
            }
        }
    }

    pub(crate) fn duration(&mut self, name: &str) -> Option<std::time::Duration> {
        let value = self.take(name)?;
        duration::read(&value)
            .map_err(|message| {
                let place = self.place(name);
                self.report(Diagnostic::error("duration", place, message).with_hint(duration::HINT));
            })
            .ok()
    }

    pub(crate) fn object(&mut self, name: &str) -> Option<Map<String, Value>> {
        match self.take(name)? {
            Value::Object(object) => Some(object),
            other => {
                self.wrong_type(name, "an object", &other);
                None
            }
        }
    }

    /// The strings of an array. One that is no string is reported and left out, with an empty string in its stead, so that
    /// the others keep their indices.
    pub(crate) fn strings(&mut self, name: &str) -> Vec<String> {
        let items = match self.take(name) {
            None => return Vec::new(),
            Some(Value::Array(items)) => items,
            Some(other) => {
                self.wrong_type(name, "an array of strings", &other);
                return Vec::new();
            }
        };
        let mut strings = Vec::with_capacity(items.len());
        for (index, item) in items.into_iter().enumerate() {
            strings.push(match item {
                Value::String(text) if !text.is_empty() => text,
                other => {
                    let place = Place::value(format!("{}/{name}/{index}", self.pointer));
                    let found = if other.is_string() { "an empty one" } else { json::kind(&other) };
                    let message = format!("`{name}` holds strings, not {found}");
                    self.report(Diagnostic::error("wrong-type", place, message));
                    String::new()
                }
            });
        }
        strings
    }
}

fn unknown_field(pointer: &str, name: &str, known: &[&str]) -> Diagnostic {
    let place = Place { key: true, ..json::member(pointer, name) };
    let problem = Diagnostic::error("unknown-field", place, format!("there is no field `{name}` here"));
    problem.with_hint(match suggest::nearest_field(name, known) {
        Some(near) => format!("did you mean `{near}`?"),
        None => format!("there are {}; keys that begin with `x-` are free", suggest::list(known.iter().copied(), 20)),
    })
}

fn type_hint(expected: &str, found: &Value) -> Option<String> {
    match (expected, found) {
        ("true or false", Value::String(text)) if text == "true" || text == "false" => {
            Some(format!("write {text} without quotes"))
        }
        ("a number", Value::String(text)) if text.parse::<f64>().is_ok() => {
            Some(format!("write {text} without quotes"))
        }
        ("a string", Value::Number(_) | Value::Bool(_)) => Some(format!("write \"{found}\" with quotes")),
        ("an array of strings", Value::String(text)) => Some(format!("write [{}]", Value::from(text.as_str()))),
        _ => None,
    }
}
