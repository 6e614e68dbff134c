//! `shiro schema`: the JSON Schema of a workflow, with the config of every step type there is, for editors.

mod lenient;

use std::io::Write;

use serde_json::{Value, json};

use super::Exit;
use super::args::types::SchemaArgs;
use super::plugin;
use super::project::plugin_error;
use crate::description::Description;
use crate::secret::visible::visible;
use crate::workflow::schema::Validator;
use crate::workflow::subworkflow;

/// What a workflow is but for its types' configs.
const WORKFLOW: &str = include_str!("workflow.json");
/// Where permissions are described.
const POLICY: &str = include_str!("../../../../docs/policy.schema.json");

/// Prints it. A type that can't be loaded may have any config; why is said on standard error.
pub(super) fn schema(args: &SchemaArgs, out: &mut dyn Write) -> Exit {
    let (catalog, _) = plugin::catalog(&args.dirs, &args.operator)?;
    let names = catalog.names().map_err(plugin_error)?;
    let mut types = Vec::new();
    for (step_type, loaded) in catalog.load_all(names.into_iter().map(|known| known.step_type)) {
        let description = match loaded {
            Ok(loaded) => Some(loaded.description().clone()),
            Err(error) => {
                let _ = writeln!(
                    std::io::stderr(),
                    "warning: {step_type} may have any config: {}",
                    visible(&error.message)
                );
                None
            }
        };
        types.push((step_type.to_string(), description));
    }
    types.retain(|(name, _)| name != subworkflow::TYPE);
    types.push((subworkflow::TYPE.to_owned(), Some(subworkflow::description().clone())));
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
    lenient::as_it_is_read(&mut schema);
    let mut rules = Vec::new();
    for (name, config) in
        types.iter().filter_map(|(name, description)| Some((name, config(name, description.as_ref()?)?)))
    {
        rules.push(rule(name, &config));
        schema["$defs"][definition(name)] = config;
    }
    let step = &mut schema["$defs"]["step"];
    let choices = types.iter().map(|(name, description)| match description {
        Some(description) => json!({ "const": name, "description": description.summary }),
        None => json!({ "const": name }),
    });
    step["properties"]["type"]["oneOf"] = choices.collect();
    step["allOf"] = Value::Array(rules);
    schema
}

/// Where a type's config is described, within the whole.
fn definition(name: &str) -> String {
    format!("config-{name}")
}

/// What holds for the steps of a type.
fn rule(name: &str, config: &Value) -> Value {
    let reference = format!("#/$defs/{}", definition(name));
    let mut then = json!({ "properties": { "config": { "$ref": reference } } });
    if config.get("required").and_then(Value::as_array).is_some_and(|required| !required.is_empty()) {
        then["required"] = json!(["config"]);
    }
    json!({ "if": { "properties": { "type": { "const": name } }, "required": ["type"] }, "then": then })
}

/// A type's config as a workflow may write it. `None` where any config has to be let through: the schema says nothing, or
/// refers to its parts in ways that don't survive being part of another one.
fn config(name: &str, description: &Description) -> Option<Value> {
    let mut config = description.config_schema.clone();
    let members = config.as_object_mut()?;
    // The whole is one schema.
    members.shift_remove("$schema");
    if description.settings.is_some() {
        // The project's settings may say what the step does not.
        for requirement in ["required", "allOf", "anyOf", "oneOf", "not", "if", "then", "else", "minProperties"] {
            members.shift_remove(requirement);
        }
    }
    let config = lenient::templated(config, true);
    let own = config.to_string();
    if ["\"$id\"", "\"$anchor\"", "\"$dynamicAnchor\"", "\"$dynamicRef\""].iter().any(|key| own.contains(key)) {
        return None;
    }
    let name = definition(name);
    let place = format!("#/$defs/{name}");
    let config = lenient::moved(config, &place);
    let whole = json!({ "$ref": place, "$defs": { name: &config } });
    Validator::new(&whole).is_ok().then_some(config)
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
    fn what_a_step_is_run_for_is_a_list_or_a_template() {
        let validator = validator();
        let valid = |more: Value| {
            let mut step = json!({ "id": "x", "type": "broken" });
            step.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
            validator.is_valid(&json!({ "name": "w", "steps": [step] }))
        };
        for right in [
            json!({ "foreach": [1, "two"], "max_parallel": 2 }),
            json!({ "foreach": "{{steps.a.list}}", "matrix": null }),
            json!({ "matrix": { "os": ["linux"], "v": "{{inputs.v}}", "exclude": [{ "os": "linux" }] } }),
        ] {
            assert!(valid(right.clone()), "{right}");
        }
        for wrong in [
            json!({ "foreach": "a" }),
            json!({ "foreach": {} }),
            json!({ "matrix": [] }),
            json!({ "matrix": {} }),
            json!({ "matrix": { "os": "linux" } }),
            json!({ "max_parallel": 0 }),
        ] {
            assert!(!valid(wrong.clone()), "{wrong}");
        }
    }

    #[test]
    fn what_a_config_refers_to_is_found_in_the_whole() {
        let description = |config: Value| -> Description {
            serde_json::from_value(json!({ "name": "a", "version": "1", "summary": "A.", "config_schema": config }))
                .unwrap()
        };
        let referring = json!({
            "properties": { "n": { "$ref": "#/$defs/small" }, "more": { "$ref": "#" } },
            "$defs": { "small": { "type": "integer", "maximum": 9 } }
        });
        let dangling = json!({ "properties": { "n": { "$ref": "#/nowhere" } } });
        let types = [("a".to_owned(), Some(description(referring))), ("b".to_owned(), Some(description(dangling)))];
        let validator = jsonschema::validator_for(&workflow_schema(&types)).unwrap();
        for (step_type, config, valid) in [
            ("a", json!({ "n": 9, "more": { "n": 1 } }), true),
            ("a", json!({ "n": "{{ inputs.n }}" }), true),
            ("a", json!({ "n": 10 }), false),
            ("a", json!({ "more": { "n": 10 } }), false),
            ("b", json!({ "n": 10 }), true),
        ] {
            let workflow = json!({ "name": "w", "steps": [{ "id": "x", "type": step_type, "config": config }] });
            assert_eq!(validator.is_valid(&workflow), valid, "{workflow}");
        }
    }

    #[test]
    fn settings_may_say_what_a_step_does_not() {
        let description = serde_json::from_value(json!({
            "name": "a", "version": "1", "summary": "A.",
            "config_schema": { "properties": { "model": { "type": "string" }, "use": {} }, "required": ["model"] },
            "settings": { "section": "models", "selected_by": "use" }
        }));
        let validator = jsonschema::validator_for(&workflow_schema(&[("a".to_owned(), description.ok())])).unwrap();
        let valid = |config: Value| {
            validator.is_valid(&json!({ "name": "w", "steps": [{ "id": "x", "type": "a", "config": config }] }))
        };
        assert!(valid(json!({ "use": "fast" })) && !valid(json!({ "model": 1 })));
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
