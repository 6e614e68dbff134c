//! Strict JSON: what RFC 8259 allows, each key once, nested at most 127 deep.
//!
//! Reading goes through serde_json, so a document costs one pass. One array of the top-level object can be handed out
//! element by element: a hundred thousand steps then never stand in memory as loosely typed JSON all at once.

use std::collections::HashSet;
use std::fmt;

use serde::de::{DeserializeSeed, MapAccess, SeqAccess, Visitor};
use serde_json::map::Entry;
use serde_json::{Map, Number, Value};

use super::source::Source;
use crate::diagnostic::{Diagnostic, Place};

/// A document, and what is wrong with it although it can be read.
pub struct Document {
    /// The value. Of members with the same name only the first is there; a streamed array is empty.
    pub value: Value,
    /// JSON Pointers of the members whose name was there before, in the order of the text.
    pub duplicates: Vec<String>,
}

impl Document {
    /// The duplicates as diagnostics that know their places, both of them.
    pub fn diagnostics(&self, source: &Source) -> Vec<Diagnostic> {
        source.duplicate_keys(&self.duplicates)
    }
}

/// Reads a document. The diagnostic is a syntax error that knows its place.
pub fn read(source: &Source) -> Result<Document, Box<Diagnostic>> {
    read_streaming(source, None, &mut |_, _| {})
}

/// Reads a document and hands the elements of the array under the top-level key `stream` to `element`, each with its
/// index, as soon as it has been read. A syntax error may follow after some elements were handed out.
pub fn read_streaming(
    source: &Source,
    stream: Option<&str>,
    element: &mut dyn FnMut(usize, Value),
) -> Result<Document, Box<Diagnostic>> {
    let text = source.text();
    if text.starts_with('\u{feff}') {
        let problem = source.syntax_error(0, "the file begins with a byte order mark");
        return Err(Box::new(problem.with_hint("save it as UTF-8 without BOM")));
    }
    if text.trim_ascii().is_empty() {
        return Err(Box::new(source.syntax_error(0, "the file is empty")));
    }
    let mut build = Build { stream, element, members: Vec::new(), items: Vec::new(), duplicates: Vec::new() };
    let mut deserializer = serde_json::Deserializer::from_str(text);
    let value = Node { build: &mut build, level: Level::Top }
        .deserialize(&mut deserializer)
        .and_then(|value| deserializer.end().map(|()| value));
    match value {
        Ok(value) => Ok(Document { value, duplicates: build.duplicates }),
        Err(error) => Err(Box::new(explain(source, &error))),
    }
}

fn explain(source: &Source, error: &serde_json::Error) -> Diagnostic {
    let text = source.text();
    let offset = match error.is_eof() {
        true => text.trim_end().len(),
        false => source.offset_of_line(error.line(), error.column()),
    };
    let found = text[offset..].chars().next();
    let detail = error.to_string();
    let detail = detail.split(" at line ").next().unwrap_or(&detail);
    let (message, hint) = if detail == "recursion limit exceeded" {
        ("it is nested more than 127 deep".to_owned(), None)
    } else if detail == "number out of range" {
        ("the number is too large".to_owned(), None)
    } else if error.is_eof() {
        ("the file ends in the middle".to_owned(), Some("a bracket, a brace or a quote is not closed"))
    } else if detail.contains("hex escape") {
        (detail.to_owned(), Some("`\\u` escapes of the range D800-DFFF only come in pairs"))
    } else if detail.starts_with("control character") {
        ("a line break or a control character inside a string".to_owned(), Some("write it as an escape: `\\n`, `\\t`"))
    } else {
        let message = match found {
            Some(found) if detail.starts_with("expected") && found.is_control() => {
                format!("{detail}, found `{}`", found.escape_default())
            }
            Some(found) if detail.starts_with("expected") => format!("{detail}, found `{found}`"),
            _ => detail.to_owned(),
        };
        (message, syntax_hint(text, offset, detail))
    };
    let diagnostic = source.syntax_error(offset, message);
    match hint {
        Some(hint) => diagnostic.with_hint(hint),
        None => diagnostic,
    }
}

/// What people write who come from JavaScript, YAML or Python.
fn syntax_hint(text: &str, offset: usize, detail: &str) -> Option<&'static str> {
    let rest = &text[offset..];
    let before = text[..offset].trim_end();
    if rest.starts_with("//") || rest.starts_with("/*") || rest.starts_with('#') || before.ends_with('/') {
        Some("JSON has no comments; a key that begins with `x-` is ignored: \"x-note\": \"...\"")
    } else if detail == "trailing comma" || (before.ends_with(',') && rest.starts_with(['}', ']'])) {
        Some("remove the comma before the closing bracket")
    } else if rest.starts_with('\'') {
        Some("strings stand in double quotes")
    } else if detail == "key must be a string" {
        Some("names stand in double quotes: \"name\": ...")
    } else if detail == "trailing characters" {
        Some("a file holds one JSON value")
    } else if ["NaN", "nan", "Infinity", "-Infinity", "inf"].iter().any(|word| rest.starts_with(word)) {
        Some("JSON has no NaN and no infinity")
    } else if ["True", "False", "None", "undefined", "yes", "no"].iter().any(|word| rest.starts_with(word)) {
        Some("JSON has `true`, `false` and `null`")
    } else if detail.starts_with("expected `,`") && rest.starts_with('"') {
        Some("a comma is missing before this")
    } else if rest.starts_with("<<<<<<<") || rest.starts_with(">>>>>>>") {
        Some("the file has an unresolved merge conflict")
    } else {
        None
    }
}

/// More are not reported: the file is broken as a whole then.
const MAX_DUPLICATES: usize = 100;

#[derive(Clone, Copy, PartialEq, Eq)]
enum Level {
    /// The document itself.
    Top,
    /// The value under the streamed key.
    Stream,
    /// Anything else.
    Inner,
}

struct Build<'a> {
    stream: Option<&'a str>,
    element: &'a mut dyn FnMut(usize, Value),
    /// Members and items of the objects and arrays that are being read, innermost last. Collecting them here first lets
    /// each be made with exactly the room it needs: most objects of a workflow are small, and there are many.
    members: Vec<(String, Value)>,
    items: Vec<Value>,
    /// Relative to the value that is being read; each level puts its own name in front.
    duplicates: Vec<String>,
}

impl Build<'_> {
    fn object(&mut self, start: usize) -> Value {
        let mut object = Map::with_capacity(self.members.len() - start);
        for (key, value) in self.members.drain(start..) {
            if let Entry::Vacant(entry) = object.entry(key) {
                entry.insert(value);
            }
        }
        Value::Object(object)
    }

    fn array(&mut self, start: usize) -> Value {
        let mut items = Vec::with_capacity(self.items.len() - start);
        items.extend(self.items.drain(start..));
        Value::Array(items)
    }

    fn prefix_duplicates(&mut self, from: usize, segment: impl fmt::Display) {
        for pointer in &mut self.duplicates[from..] {
            pointer.insert_str(0, &format!("/{segment}"));
        }
    }
}

struct Node<'b, 'a> {
    build: &'b mut Build<'a>,
    level: Level,
}

impl<'de> DeserializeSeed<'de> for Node<'_, '_> {
    type Value = Value;

    fn deserialize<D: serde::Deserializer<'de>>(self, deserializer: D) -> Result<Value, D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Node<'_, '_> {
    type Value = Value;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("a JSON value")
    }

    fn visit_bool<E>(self, value: bool) -> Result<Value, E> {
        Ok(Value::Bool(value))
    }

    fn visit_i64<E>(self, value: i64) -> Result<Value, E> {
        Ok(Value::Number(value.into()))
    }

    fn visit_u64<E>(self, value: u64) -> Result<Value, E> {
        Ok(Value::Number(value.into()))
    }

    fn visit_f64<E>(self, value: f64) -> Result<Value, E> {
        Ok(Number::from_f64(value).map_or(Value::Null, Value::Number))
    }

    fn visit_str<E>(self, value: &str) -> Result<Value, E> {
        Ok(Value::String(value.to_owned()))
    }

    fn visit_string<E>(self, value: String) -> Result<Value, E> {
        Ok(Value::String(value))
    }

    fn visit_unit<E>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut sequence: A) -> Result<Value, A::Error> {
        let build = self.build;
        let start = build.items.len();
        for index in 0.. {
            let known = build.duplicates.len();
            let Some(value) = sequence.next_element_seed(Node { build: &mut *build, level: Level::Inner })? else {
                break;
            };
            if build.duplicates.len() > known {
                build.prefix_duplicates(known, index);
            }
            match self.level {
                Level::Stream => (build.element)(index, value),
                Level::Top | Level::Inner => build.items.push(value),
            }
        }
        Ok(build.array(start))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut members: A) -> Result<Value, A::Error> {
        let build = self.build;
        let start = build.members.len();
        let mut names = Names::default();
        while let Some(key) = members.next_key::<String>()? {
            let known = build.duplicates.len();
            let seen = names.contains(&build.members[start..], &key);
            let streamed = self.level == Level::Top && !seen && build.stream == Some(key.as_str());
            let level = if streamed { Level::Stream } else { Level::Inner };
            let value = members.next_value_seed(Node { build: &mut *build, level })?;
            if seen {
                // What stands in a value that doesn't count would point into the value that does.
                build.duplicates.truncate(known);
                if known < MAX_DUPLICATES {
                    build.duplicates.push(format!("/{}", escape(&key)));
                }
            } else {
                if build.duplicates.len() > known {
                    build.prefix_duplicates(known, escape(&key));
                }
                build.members.push((key, value));
            }
        }
        Ok(build.object(start))
    }
}

/// The names of the object that is being read.
#[derive(Default)]
struct Names {
    /// Only once there are many: most objects are small, and looking through them is faster than hashing.
    many: HashSet<String>,
}

impl Names {
    /// Whether one of the members has this name.
    fn contains(&mut self, members: &[(String, Value)], name: &str) -> bool {
        if members.len() < 32 {
            return members.iter().any(|(known, _)| known == name);
        }
        // All names but those that were added since the last look are there already.
        self.many.extend(members[self.many.len()..].iter().map(|(known, _)| known.clone()));
        self.many.contains(name)
    }
}

/// A member's name as it stands in a JSON Pointer.
pub fn escape(name: &str) -> String {
    name.replace('~', "~0").replace('/', "~1")
}

/// The place of a member of the object at `pointer`.
pub(super) fn member(pointer: &str, name: &str) -> Place {
    Place::value(format!("{pointer}/{}", escape(name)))
}

/// What a value is, with its article: `a string`.
pub(crate) fn kind(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "a boolean",
        Value::Number(_) => "a number",
        Value::String(_) => "a string",
        Value::Array(_) => "an array",
        Value::Object(_) => "an object",
    }
}
