//! `shiro schema`: the JSON Schema of a workflow, with the config of every step type there is, for editors.

use std::io::Write;

use serde_json::{Value, json};

use super::Exit;
use super::args::types::SchemaArgs;
use super::project::{catalog, plugin_error};
use crate::description::Description;

/// What a workflow is but for its types' configs.
const WORKFLOW: &str = include_str!("workflow.json");
/// Where permissions are described.
const POLICY: &str = include_str!("../../../../docs/policy.schema.json");

/// Prints it. A type that can't be loaded may have any config; why is said on standard error.
pub(super) fn schema(args: &SchemaArgs, out: &mut dyn Write) -> Exit {
    let catalog = catalog(&args.dirs)?;
    let names = catalog.names().map_err(plugin_error)?;
    let mut types = Vec::new();
    for (step_type, loaded) in catalog.load_all(names.into_iter().map(|known| known.step_type)) {
        let description = match loaded {
            Ok(loaded) => Some(loaded.description().clone()),
            Err(error) => {
                let _ = writeln!(std::io::stderr(), "warning: {}", plugin_error(error));
                None
            }
        };
        types.push((step_type.to_string(), description));
    }
    writeln!(out, "{:#}", workflow_schema(&types))?;
    Ok(0)
}

/// The schema for these types.
fn workflow_schema(types: &[(String, Option<Description>)]) -> Value {
    let mut schema = embedded(WORKFLOW);
    let policy = embedded(POLICY);
    for name in ["permissions", "limit"] {
        schema["$defs"][name] = policy["$defs"][name].clone();
    }
    let step = &mut schema["$defs"]["step"];
    let choices: Vec<Value> = types
        .iter()
        .map(|(name, description)| match description {
            Some(description) => json!({ "const": name, "description": description.summary }),
            None => json!({ "const": name }),
        })
        .collect();
    step["properties"]["type"]["oneOf"] = Value::Array(choices);
    let rules = types.iter().filter_map(|(name, description)| rule(name, description.as_ref()?));
    step["allOf"] = rules.collect();
    schema
}

/// What holds for the steps of a type. `None` for one that takes anything.
fn rule(name: &str, description: &Description) -> Option<Value> {
    let mut config = description.config_schema.clone();
    // The whole is one schema.
    config.as_object_mut()?.shift_remove("$schema");
    let needs_config = config.get("required").and_then(Value::as_array).is_some_and(|required| !required.is_empty());
    let mut then = json!({ "properties": { "config": templated(config, true) } });
    if needs_config {
        then["required"] = json!(["config"]);
    }
    Some(json!({ "if": { "properties": { "type": { "const": name } }, "required": ["type"] }, "then": then }))
}

/// The same where a template may stand for each value in it.
fn templated(mut schema: Value, whole: bool) -> Value {
    let Some(members) = schema.as_object_mut() else { return schema };
    for name in ["properties", "patternProperties"] {
        for property in
            members.get_mut(name).and_then(Value::as_object_mut).into_iter().flat_map(|all| all.values_mut())
        {
            *property = templated(property.take(), false);
        }
    }
    for name in ["items", "additionalProperties"] {
        if let Some(inner) = members.get_mut(name).filter(|inner| inner.is_object()) {
            *inner = templated(inner.take(), false);
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

fn embedded(text: &str) -> Value {
    // A test reads both: they can't be wrong here.
    serde_json::from_str(text).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn validator() -> jsonschema::Validator {
        let description = |config: Value| {
            serde_json::from_value(json!({ "name": "a", "version": "1", "summary": "A.", "config_schema": config }))
                .unwrap()
        };
        let config = json!({
            "$schema": "https://json-schema.org/draft/2020-12/schema",
            "properties": { "n": { "type": "integer" }, "list": { "type": "array", "items": { "type": "integer" } } },
            "required": ["n"],
            "additionalProperties": false
        });
        let types = [("a".to_owned(), Some(description(config))), ("broken".to_owned(), None)];
        let schema = workflow_schema(&types);
        assert!(jsonschema::meta::is_valid(&schema));
        jsonschema::validator_for(&schema).unwrap()
    }

    #[test]
    fn a_config_is_checked_as_its_type_says_and_templates_are_let_through() {
        let validator = validator();
        let valid = |step: Value| validator.is_valid(&json!({ "name": "w", "steps": [step] }));
        assert!(valid(json!({ "id": "x", "type": "a", "config": { "n": 1 } })));
        assert!(valid(json!({ "id": "x", "type": "a", "config": { "n": "{{ inputs.n }}", "list": ["{{ x }}", 2] } })));
        assert!(valid(json!({ "id": "x", "type": "broken", "config": { "what": "ever" } })));
        for wrong in [
            json!({ "id": "x", "type": "a" }),
            json!({ "id": "x", "type": "a", "config": {} }),
            json!({ "id": "x", "type": "a", "config": { "n": "one" } }),
            json!({ "id": "x", "type": "a", "config": { "n": 1, "m": 1 } }),
            json!({ "id": "x", "type": "a", "config": { "n": 1, "list": [1, "two"] } }),
            json!({ "id": "x", "type": "other" }),
            json!({ "id": "x y", "type": "broken" }),
            json!({ "id": "x", "type": "broken", "dependson": [] }),
            json!({ "id": "x", "type": "broken", "permissions": { "netwerk": [] } }),
        ] {
            assert!(!valid(wrong.clone()), "{wrong}");
        }
        assert!(!validator.is_valid(&json!({ "name": "w", "steps": [] })));
        assert!(!validator.is_valid(&json!({ "steps": [{ "id": "x", "type": "broken" }] })));
    }

    #[test]
    fn it_names_what_the_parser_knows() {
        let schema = embedded(WORKFLOW);
        let names = |at: &str| -> Vec<String> {
            schema.pointer(at).and_then(Value::as_object).expect(at).keys().cloned().collect()
        };
        let mut workflow = names("/properties");
        workflow.retain(|name| name != "$schema");
        assert_eq!(workflow, crate::workflow::WORKFLOW_FIELDS);
        assert_eq!(names("/$defs/step/properties"), crate::workflow::STEP_FIELDS);
    }
}
