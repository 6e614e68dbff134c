//! What the parser lets through beside what a schema says: `null` for what is left out, keys that are free, templates in place
//! of a config's values. Pure.

use serde_json::{Value, json};

/// Makes a schema of the workflow's own keys as lenient as their parser: a key that may be left out may be `null`, and keys
/// that begin with `x-` are free wherever others are refused.
pub(super) fn as_it_is_read(schema: &mut Value) {
    match schema {
        Value::Array(items) => items.iter_mut().for_each(as_it_is_read),
        Value::Object(members) => {
            members.values_mut().for_each(as_it_is_read);
            if members.get("additionalProperties") != Some(&Value::Bool(false)) || !members.contains_key("properties") {
                return;
            }
            let required: Vec<Value> = members.get("required").and_then(Value::as_array).cloned().unwrap_or_default();
            if let Some(properties) = members.get_mut("properties").and_then(Value::as_object_mut) {
                for (name, property) in properties.iter_mut() {
                    if !required.contains(&Value::from(name.as_str())) {
                        allow_null(property);
                    }
                }
                properties.entry("$schema").or_insert(Value::Bool(true));
            }
            members.insert("patternProperties".to_owned(), json!({ "^x-": true }));
        }
        _ => {}
    }
}

fn allow_null(property: &mut Value) {
    let Some(members) = property.as_object_mut() else { return };
    if let Some(reference) = members.shift_remove("$ref") {
        members.insert("anyOf".to_owned(), json!([{ "$ref": reference }, { "type": "null" }]));
        return;
    }
    if let Some(types) = members.get_mut("type") {
        *types = match types.take() {
            Value::Array(several) => several.into_iter().chain([Value::from("null")]).collect(),
            one => json!([one, "null"]),
        };
    }
    if let Some(values) = members.get_mut("enum").and_then(Value::as_array_mut) {
        values.push(Value::Null);
    }
}

/// A config's schema where a template may stand for each value in it. `whole`: but not for the value itself.
pub(super) fn templated(mut schema: Value, whole: bool) -> Value {
    let Some(members) = schema.as_object_mut() else { return schema };
    for name in ["properties", "patternProperties"] {
        for property in
            members.get_mut(name).and_then(Value::as_object_mut).into_iter().flat_map(|all| all.values_mut())
        {
            *property = templated(property.take(), false);
        }
    }
    for name in ["$defs", "definitions", "dependentSchemas"] {
        for part in members.get_mut(name).and_then(Value::as_object_mut).into_iter().flat_map(|all| all.values_mut()) {
            *part = templated(part.take(), true);
        }
    }
    for name in ["items", "additionalProperties", "contains"] {
        if let Some(inner) = members.get_mut(name).filter(|inner| inner.is_object()) {
            *inner = templated(inner.take(), false);
        }
    }
    for item in members.get_mut("prefixItems").and_then(Value::as_array_mut).into_iter().flatten() {
        *item = templated(item.take(), false);
    }
    for name in ["allOf", "anyOf", "oneOf"] {
        for branch in members.get_mut(name).and_then(Value::as_array_mut).into_iter().flatten() {
            *branch = templated(branch.take(), true);
        }
    }
    for name in ["then", "else"] {
        if let Some(branch) = members.get_mut(name) {
            *branch = templated(branch.take(), true);
        }
    }
    if whole || members.is_empty() {
        return schema;
    }
    // What it says of itself is for whoever looks at the key.
    let said = ["description", "default"].map(|name| (name, members.get(name).cloned()));
    let mut either = json!({ "anyOf": [schema, { "type": "string", "pattern": r"\{\{" }] });
    for (name, value) in said {
        if let Some(value) = value {
            either[name] = value;
        }
    }
    either
}

/// The schema with its references to itself as they have to be where it stands at `place` of another one.
pub(super) fn moved(mut schema: Value, place: &str) -> Value {
    match &mut schema {
        Value::Array(items) => items.iter_mut().for_each(|item| *item = moved(item.take(), place)),
        Value::Object(members) => {
            for (name, member) in members.iter_mut() {
                *member = match member.as_str().and_then(|text| text.strip_prefix('#')) {
                    Some(rest) if name == "$ref" => Value::from(format!("{place}{rest}")),
                    _ => moved(member.take(), place),
                };
            }
        }
        _ => {}
    }
    schema
}
