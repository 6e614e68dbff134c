//! Which keys of a config belong to which operation: for its schema, so that `shiro validate` knows, and for the step.

use std::borrow::Cow;

use schemars::{JsonSchema, Schema, SchemaGenerator};
use serde::de::{DeserializeOwned, Error as _};
use serde::{Deserialize, Deserializer};
use serde_json::{Map, Value, json};
use shiro_step::Failure;

/// An operation and its keys, besides `operation` and those that all have.
pub struct Operation {
    /// Its name.
    pub name: &'static str,
    /// Keys that it needs.
    pub required: &'static [&'static str],
    /// Keys that it may have.
    pub optional: &'static [&'static str],
}

/// What users write for a step type with operations.
pub trait Settings: DeserializeOwned + JsonSchema {
    /// Its operations.
    const OPERATIONS: &'static [Operation];
    /// Keys that go with each of them.
    const COMMON: &'static [&'static str];

    /// The name of the operation that is meant.
    fn operation(&self) -> &'static str;
}

/// Settings, and which of their keys were given.
#[derive(Debug)]
pub struct Checked<S> {
    settings: S,
    given: Map<String, Value>,
}

impl<S: Settings> Checked<S> {
    /// The settings, if their keys are those of their operation. The schema says the same, but it leaves open what templates
    /// decide.
    pub fn settings(&self) -> Result<&S, Failure> {
        let name = self.settings.operation();
        match S::OPERATIONS.iter().find(|operation| operation.name == name) {
            Some(operation) => check(&self.given, operation, S::COMMON).map(|()| &self.settings),
            None => Err(Failure::invalid_config(format!("there is no operation `{name}`"))),
        }
    }
}

impl<'de, S: Settings> Deserialize<'de> for Checked<S> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let given = Map::deserialize(deserializer)?;
        let settings = S::deserialize(Value::Object(given.clone())).map_err(D::Error::custom)?;
        Ok(Self { settings, given })
    }
}

impl<S: Settings> JsonSchema for Checked<S> {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> Cow<'static, str> {
        S::schema_name()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        let mut schema = S::json_schema(generator);
        conditions(&mut schema, S::OPERATIONS, S::COMMON);
        schema
    }
}

/// Adds to a config's schema what each operation needs and may have.
fn conditions(schema: &mut Schema, operations: &[Operation], common: &[&str]) {
    let condition = |operation: &Operation| {
        let mut keys: Vec<&str> = [operation.required, operation.optional, common].concat();
        keys.push("operation");
        keys.sort_unstable();
        json!({
            "if": { "properties": { "operation": { "const": operation.name } }, "required": ["operation"] },
            "then": {
                "required": operation.required,
                "propertyNames": { "enum": keys }
            }
        })
    };
    schema.insert("allOf".to_owned(), operations.iter().map(condition).collect());
}

/// Checks the same of a config as it came.
fn check(config: &Map<String, Value>, operation: &Operation, common: &[&str]) -> Result<(), Failure> {
    let there = |key: &str| config.get(key).is_some_and(|value| !value.is_null() && value.as_str() != Some(""));
    if let Some(missing) = operation.required.iter().find(|key| !there(key)) {
        return Err(Failure::invalid_config(format!("`{}` needs `{missing}`", operation.name)));
    }
    let known =
        |key: &str| key == "operation" || [operation.required, operation.optional, common].concat().contains(&key);
    match config.keys().find(|key| !known(key)) {
        Some(key) => Err(Failure::invalid_config(format!("`{}` has no key `{key}`", operation.name))),
        None => Ok(()),
    }
}

/// For tests of settings: every key belongs to an operation, every operation's keys are there, and a config with what it
/// needs is taken. `values` are for keys that take no text.
///
/// # Panics
///
/// If that does not hold.
pub fn assert_complete<S: Settings>(values: &[(&str, Value)]) {
    let schema = schemars::schema_for!(Checked<S>).to_value();
    let Some(properties) = schema["properties"].as_object() else { panic!("the schema has no properties") };
    let of_operation =
        |key: &str, operation: &Operation| [operation.required, operation.optional].concat().contains(&key);
    for key in properties.keys().filter(|key| *key != "operation") {
        let used = S::COMMON.contains(&key.as_str()) || S::OPERATIONS.iter().any(|one| of_operation(key, one));
        assert!(used, "`{key}` belongs to no operation");
    }
    assert_eq!(schema["allOf"].as_array().map(Vec::len), Some(S::OPERATIONS.len()));
    for operation in S::OPERATIONS {
        let mut config = json!({ "operation": operation.name });
        for key in operation.required {
            let value = values.iter().find(|(name, _)| name == key);
            config[*key] = value.map_or_else(|| json!("x"), |(_, value)| value.clone());
        }
        for key in operation.required.iter().chain(operation.optional).chain(S::COMMON) {
            assert!(properties.contains_key(*key), "there is no `{key}`");
        }
        let checked: Checked<S> =
            serde_json::from_value(config).unwrap_or_else(|error| panic!("{}: {error}", operation.name));
        assert_eq!(checked.settings().map(Settings::operation).ok(), Some(operation.name));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const COMMENT: Operation = Operation { name: "post", required: &["body"], optional: &["dedup"] };

    #[test]
    fn an_operation_has_its_keys_and_no_others() {
        let check = |config: Value| check(config.as_object().unwrap(), &COMMENT, &["token"]);
        assert!(check(json!({ "operation": "post", "body": "x", "dedup": true, "token": "t" })).is_ok());
        assert!(check(json!({ "operation": "post" })).unwrap_err().message().contains("needs `body`"));
        assert!(check(json!({ "operation": "post", "body": "" })).is_err());
        assert!(check(json!({ "body": "x", "title": "y" })).unwrap_err().message().contains("no key `title`"));
    }

    #[test]
    fn the_schema_says_the_same() {
        let mut schema = Schema::default();
        conditions(&mut schema, &[COMMENT], &["token"]);
        let then = &schema.as_value()["allOf"][0]["then"];
        assert_eq!(then["required"], json!(["body"]));
        assert_eq!(then["propertyNames"]["enum"], json!(["body", "dedup", "operation", "token"]));
    }
}
