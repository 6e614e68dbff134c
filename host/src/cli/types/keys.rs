//! From a JSON Schema to the keys that people read: what each is called, takes, defaults to and means. Pure.

use serde_json::{Map, Value};

/// No table has keys of keys of keys below this.
const DEPTH: usize = 4;

/// A key of a config or an output.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Key {
    /// Its name; of a key within another one the whole way: `approval.required`, `items[].file`.
    pub(super) name: String,
    /// What it holds, e.g. `string or number`.
    pub(super) kind: String,
    pub(super) required: bool,
    /// What stands for it where it is left out.
    pub(super) default: Option<Value>,
    /// In Markdown, as the schema has it; may be empty.
    pub(super) description: String,
}

/// The keys of an object's schema, in its order. None for a schema that names none.
pub(super) fn keys(schema: &Value) -> Vec<Key> {
    let mut found = Vec::new();
    collect(schema, "", DEPTH, &mut found);
    found
}

fn collect(schema: &Value, within: &str, depth: usize, found: &mut Vec<Key>) {
    let required: Vec<&str> = texts(schema, "required");
    for (name, property) in schema.get("properties").and_then(Value::as_object).into_iter().flatten() {
        let name = format!("{within}{name}");
        let own = name.strip_prefix(within).unwrap_or(&name);
        found.push(Key {
            kind: kind(property),
            required: required.contains(&own),
            default: property.get("default").filter(|default| !default.is_null()).cloned(),
            description: description(property),
            name: name.clone(),
        });
        if depth > 1 {
            collect(property, &format!("{name}."), depth - 1, found);
            if let Some(items) = property.get("items") {
                collect(items, &format!("{name}[]."), depth - 1, found);
            }
        }
    }
}

/// What a schema says about itself, with what its alternatives say.
fn description(schema: &Value) -> String {
    let own = schema.get("description").and_then(Value::as_str).unwrap_or_default().to_owned();
    let each: Vec<String> = alternatives(schema)
        .iter()
        .filter_map(|one| {
            let value = one.get("const")?;
            Some(format!("{}: {}", code(value), one.get("description")?.as_str()?))
        })
        .collect();
    [own, each.join(" ")].into_iter().filter(|text| !text.is_empty()).collect::<Vec<_>>().join(" ")
}

/// What a value may be, in words.
pub(super) fn kind(schema: &Value) -> String {
    let Value::Object(members) = schema else { return "anything".to_owned() };
    let mut kind = values(members).or_else(|| types(members)).unwrap_or_else(|| choice(schema));
    if members.get("contentMediaType").and_then(Value::as_str) == Some("text/x-shellscript") {
        kind.push_str(", a shell script");
    }
    if members.get("writeOnly") == Some(&Value::Bool(true)) {
        kind.push_str(", secret");
    }
    kind
}

/// The values that it lists.
fn values(members: &Map<String, Value>) -> Option<String> {
    if let Some(only) = members.get("const") {
        return Some(code(only));
    }
    let listed = members.get("enum")?.as_array()?;
    Some(listed.iter().filter(|value| !value.is_null()).map(code).collect::<Vec<_>>().join(", "))
}

/// The types that it names.
fn types(members: &Map<String, Value>) -> Option<String> {
    let named: Vec<&str> = match members.get("type")? {
        Value::String(one) => vec![one],
        Value::Array(several) => several.iter().filter_map(Value::as_str).collect(),
        _ => return None,
    };
    let named: Vec<&str> = named.into_iter().filter(|one| *one != "null").collect();
    if named.len() >= 5 {
        return Some("anything".to_owned());
    }
    let shown = named.iter().map(|one| match (*one, members.get("items"), members.get("additionalProperties")) {
        ("array", Some(items), _) if items.is_object() => format!("array of {}", kind(items)),
        ("object", _, Some(each)) if each.is_object() => format!("object of {}", kind(each)),
        _ => (*one).to_owned(),
    });
    Some(shown.collect::<Vec<_>>().join(" or "))
}

/// One of several.
fn choice(schema: &Value) -> String {
    let mut kinds: Vec<String> = Vec::new();
    for one in alternatives(schema).iter().filter(|one| one.get("type") != Some(&Value::from("null"))) {
        let kind = kind(one);
        if !kinds.contains(&kind) {
            kinds.push(kind);
        }
    }
    if kinds.is_empty() {
        return "anything".to_owned();
    }
    let all_values = alternatives(schema).iter().all(|one| one.get("const").is_some());
    kinds.join(if all_values { ", " } else { " or " })
}

fn alternatives(schema: &Value) -> &[Value] {
    let list = ["oneOf", "anyOf"].iter().find_map(|name| schema.get(name));
    list.and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default()
}

fn texts<'a>(schema: &'a Value, name: &str) -> Vec<&'a str> {
    schema.get(name).and_then(Value::as_array).into_iter().flatten().filter_map(Value::as_str).collect()
}

/// A value as it is written in a workflow.
pub(super) fn code(value: &Value) -> String {
    format!("`{value}`")
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_kind_is_said_in_words() {
        for (schema, expected) in [
            (json!(true), "anything"),
            (json!({}), "anything"),
            (json!({ "type": "string" }), "string"),
            (json!({ "type": ["string", "null"] }), "string"),
            (json!({ "type": ["string", "number"] }), "string or number"),
            (json!({ "type": ["string", "number", "boolean", "object", "array"] }), "anything"),
            (json!({ "type": "array", "items": { "type": "string" } }), "array of string"),
            (json!({ "type": "array", "items": true }), "array"),
            (json!({ "type": "object", "additionalProperties": { "type": "string" } }), "object of string"),
            (json!({ "type": "object", "additionalProperties": false }), "object"),
            (json!({ "type": "string", "enum": ["a", "b"] }), r#"`"a"`, `"b"`"#),
            (json!({ "oneOf": [{ "const": "a", "description": "A." }, { "const": "b" }] }), r#"`"a"`, `"b"`"#),
            (json!({ "anyOf": [{ "type": "integer" }, { "type": "null" }] }), "integer"),
            (json!({ "anyOf": [{ "type": "integer" }, { "type": "string" }] }), "integer or string"),
            (json!({ "type": "string", "writeOnly": true }), "string, secret"),
            (json!({ "type": "string", "contentMediaType": "text/x-shellscript" }), "string, a shell script"),
        ] {
            assert_eq!(kind(&schema), expected, "{schema}");
        }
    }

    #[test]
    fn keys_come_in_order_with_those_within() {
        let schema = json!({
            "properties": {
                "z": { "type": "string", "description": "Last letter." },
                "list": { "type": "array", "items": { "properties": { "file": { "type": "string" } }, "required": ["file"] } },
                "more": { "properties": { "n": { "type": "integer", "default": 3 } } }
            },
            "required": ["z"]
        });
        let keys = keys(&schema);
        let names: Vec<&str> = keys.iter().map(|key| key.name.as_str()).collect();
        assert_eq!(names, ["z", "list", "list[].file", "more", "more.n"]);
        assert!(keys[0].required && !keys[1].required && keys[2].required);
        assert_eq!(keys[4].default, Some(json!(3)));
        assert_eq!(keys[0].description, "Last letter.");
    }

    #[test]
    fn what_values_mean_is_part_of_the_description() {
        let schema = json!({ "properties": { "scope": {
            "description": "How far.",
            "oneOf": [{ "const": "run", "description": "One run." }, { "const": "all" }]
        } } });
        assert_eq!(keys(&schema)[0].description, r#"How far. `"run"`: One run."#);
        assert!(super::keys(&json!(true)).is_empty());
    }
}
