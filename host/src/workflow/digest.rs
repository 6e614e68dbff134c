//! Digests of a workflow's meaning: spaces, the order of keys, `$schema` and keys that begin with `x-` don't count.
//!
//! A digest is the SHA-256 of canonical JSON: no spaces, the members of each object in the order of their names' bytes,
//! strings and numbers as serde_json writes them. A step's digest is that of its object (in `finally`, of its object's digest
//! under that name). The workflow's is that of the document in which each step is replaced by its digest as a string, so it
//! is made while the steps are read one by one.

use serde_json::{Map, Value, json};

use super::model::StepList;
use crate::id::Digest;

/// The digest of any JSON value.
pub fn of(value: &Value) -> Digest {
    let mut text = Vec::new();
    write(value, &mut text);
    Digest::of(&text)
}

/// The digest of a step's object. In which list it stands is part of what it means.
pub(super) fn of_step(list: StepList, step: &Value) -> Digest {
    match list {
        StepList::Steps => of(step),
        StepList::Finally => of(&json!({ "finally": of(step).to_string() })),
    }
}

/// The digest of a document whose `steps` have these digests. What the document itself says of `steps` is not looked at.
pub fn of_workflow(document: &Map<String, Value>, steps: &[Digest]) -> Digest {
    let mut names: Vec<&str> = document.keys().map(String::as_str).filter(|name| *name != "steps").collect();
    names.push("steps");
    names.sort_unstable();
    let mut text = Vec::new();
    for (index, name) in names.into_iter().enumerate() {
        text.push(if index == 0 { b'{' } else { b',' });
        write_string(name, &mut text);
        text.push(b':');
        match document.get(name) {
            Some(value) if name != "steps" => write(value, &mut text),
            _ => write_digests(steps, &mut text),
        }
    }
    text.push(b'}');
    Digest::of(&text)
}

/// Takes away what a digest does not count: `$schema`, and keys that begin with `x-`.
pub(super) fn strip_annotations(object: &mut Map<String, Value>) {
    if object.keys().any(|name| is_annotation(name)) {
        object.retain(|name, _| !is_annotation(name));
    }
}

fn is_annotation(name: &str) -> bool {
    name == "$schema" || name.starts_with("x-")
}

/// Appends canonical JSON. The reader bounds nesting, so the recursion is bounded too.
fn write(value: &Value, text: &mut Vec<u8>) {
    match value {
        Value::Object(object) => {
            let mut members: Vec<_> = object.iter().collect();
            members.sort_unstable_by_key(|(name, _)| *name);
            text.push(b'{');
            for (index, (name, value)) in members.into_iter().enumerate() {
                if index > 0 {
                    text.push(b',');
                }
                write_string(name, text);
                text.push(b':');
                write(value, text);
            }
            text.push(b'}');
        }
        Value::Array(items) => {
            text.push(b'[');
            for (index, item) in items.iter().enumerate() {
                if index > 0 {
                    text.push(b',');
                }
                write(item, text);
            }
            text.push(b']');
        }
        Value::String(string) => write_string(string, text),
        scalar => serde_json::to_writer(text, scalar).expect("a Vec takes all that is written"),
    }
}

fn write_string(string: &str, text: &mut Vec<u8>) {
    serde_json::to_writer(text, string).expect("a Vec takes all that is written");
}

fn write_digests(steps: &[Digest], text: &mut Vec<u8>) {
    text.push(b'[');
    for (index, digest) in steps.iter().enumerate() {
        if index > 0 {
            text.push(b',');
        }
        text.extend_from_slice(b"\"sha256:");
        for byte in digest.as_bytes() {
            text.extend([byte >> 4, byte & 15].map(|digit| b"0123456789abcdef"[usize::from(digit)]));
        }
        text.push(b'"');
    }
    text.push(b']');
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn the_order_of_keys_does_not_count_and_the_order_of_items_does() {
        let text = |value: Value| {
            let mut text = Vec::new();
            write(&value, &mut text);
            String::from_utf8(text).unwrap()
        };
        assert_eq!(
            text(json!({ "b": [1, 2.5, null], "a\n": { "z": true, "é": "ü" } })),
            r#"{"a\n":{"z":true,"é":"ü"},"b":[1,2.5,null]}"#
        );
        assert_eq!(of(&json!({ "a": 1, "b": 2 })), of(&json!({ "b": 2, "a": 1 })));
        assert_ne!(of(&json!([1, 2])), of(&json!([2, 1])));
        assert_eq!(of(&json!({})), Digest::of(b"{}"));
    }

    #[test]
    fn the_workflow_s_digest_is_that_of_the_document_with_digests_for_steps() {
        let document = json!({ "name": "w", "steps": [], "zzz": 1, "description": "d" });
        let steps = [of(&json!({ "id": "a" })), of(&json!({ "id": "b" }))];
        let whole =
            json!({ "name": "w", "zzz": 1, "description": "d", "steps": [steps[0].to_string(), steps[1].to_string()] });
        assert_eq!(of_workflow(document.as_object().unwrap(), &steps), of(&whole));
        assert_eq!(of_workflow(&Map::new(), &[]), of(&json!({ "steps": [] })));
    }

    #[test]
    fn annotations_are_taken_away_at_one_level() {
        let mut value = json!({ "$schema": "s", "x-note": 1, "keep": { "x-inner": 1 }, "xylophone": 2 });
        strip_annotations(value.as_object_mut().unwrap());
        assert_eq!(value, json!({ "keep": { "x-inner": 1 }, "xylophone": 2 }));
    }
}
