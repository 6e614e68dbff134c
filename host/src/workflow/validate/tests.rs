mod items;

use serde_json::{Value, json};

use super::*;
use crate::workflow::{Source, parse};

fn types() -> StepTypes {
    let description: Description = serde_json::from_value(json!({
        "name": "print", "version": "1.0.0", "summary": "Prints a message.",
        "config_schema": {
            "type": "object", "required": ["message"], "additionalProperties": false,
            "properties": {
                "message": { "type": "string", "description": "What to print." },
                "level": { "enum": ["info", "warning"] },
                "command": { "type": "string", "contentMediaType": "text/x-shellscript" }
            }
        }
    }))
    .unwrap();
    let print = TypeInfo::new(description).unwrap();
    StepTypes {
        loaded: HashMap::from([(StepType::new("print"), print)]),
        names: vec!["print".into(), "shell".into(), "slack.notify".into()],
        places: vec![".shiro/plugins".into(), "/opt/plugins".into()],
    }
}

/// What a person would read about a workflow that parses without problems.
fn report(text: &str) -> String {
    let source = Source::from_text("w.json", text);
    let (workflow, problems) = parse(&source);
    assert_eq!(problems, []);
    let mut problems = validate(&workflow.unwrap(), &types());
    source.locate(&mut problems);
    problems.iter().map(|problem| problem.display("w.json").to_string()).collect::<Vec<_>>().join("\n")
}

fn step_report(fields: &str) -> String {
    report(&format!("{{\"name\":\"w\",\"inputs\":{{\"region\":\"eu\"}},\"steps\":[{{\"id\":\"a\",\n{fields}}}]}}"))
}

#[test]
fn a_good_workflow_has_no_problems() {
    assert_eq!(
        step_report(
            r#""type": "print", "config": { "message": "{{inputs.region}} {{env.CI}}", "level": "{{inputs.region}}" }, "if": "inputs.region == 'eu'""#
        ),
        ""
    );
}

#[test]
fn unknown_types_are_suggested_and_loadable_ones_left_to_the_loader() {
    assert_eq!(
        step_report(r#""type": "slack.notfy""#),
        "w.json:2:9: error[unknown-type]: there is no step type `slack.notfy`\n  at /steps/0/type\n  hint: did you mean `slack.notify`?\n        \
         a type of others is pinned from a registry: shiro plugin add oci://REGISTRY/PATH/slack-notfy:VERSION\n        \
         a type of your own is the component `.shiro/plugins/slack.notfy.wasm` or `/opt/plugins/slack.notfy.wasm`"
    );
    assert!(step_report(r#""type": "quux""#).contains("hint: `shiro plugin list` shows the step types there are\n"));
    assert!(!step_report(r#""type": "prin""#).contains("shiro plugin add"));
    assert!(step_report(r#""type": "quux""#).contains("shiro plugin add oci://REGISTRY/PATH/quux:VERSION"));
    assert_eq!(step_report(r#""type": "shell""#), "");
}

#[test]
fn a_type_that_can_not_be_says_what_to_use() {
    for name in ["email", "smtp"] {
        let report = step_report(&format!(r#""type": "{name}""#));
        assert!(report.contains(&format!("there is no step type `{name}`: a step has no sockets")), "{report}");
        assert!(report.contains("hint: send mail by a provider's HTTP API: the type `http`"), "{report}");
        assert!(!report.contains("did you mean"), "{report}");
    }
}

#[test]
fn a_config_is_checked_against_its_type_s_schema() {
    for (fields, expected) in [
        (
            r#""type": "print", "config": { "mesage": "x" }"#,
            "w.json:2:30: error[config]: `mesage` is not known here\n  at /steps/0/config/mesage\n  hint: did you mean `message`?\n\
             w.json:2:28: error[config]: the config of `print` needs `message`, which is missing\n  at /steps/0/config\n  hint: a string: What to print",
        ),
        (
            r#""type": "print""#,
            "w.json:1:47: error[config]: the config of `print` needs `message`, which is missing\n  at /steps/0/config\n  hint: a string: What to print",
        ),
        (
            r#""type": "print", "config": { "message": ["x"], "level": "warn" }"#,
            "w.json:2:41: error[config]: `message` must be a string, not an array\n  at /steps/0/config/message\n\
             w.json:2:57: error[config]: `level` must be one of \"info\", \"warning\"\n  at /steps/0/config/level",
        ),
    ] {
        let mut found: Vec<_> =
            step_report(fields).split("\nw.json").map(|part| part.trim_start_matches("w.json").to_owned()).collect();
        let mut expected: Vec<_> =
            expected.split("\nw.json").map(|part| part.trim_start_matches("w.json").to_owned()).collect();
        found.sort();
        expected.sort();
        assert_eq!(found, expected, "{fields}");
    }
}

#[test]
fn templates_and_conditions_are_checked() {
    let report = step_report(r#""type": "print", "config": { "message": "é {{inputs.}}" }"#);
    assert!(report.starts_with("w.json:2:"), "{report}");
    assert!(report.contains("error[template-syntax]") && report.contains("at /steps/0/config/message"), "{report}");
    assert_eq!(
        step_report(r#""type": "shell", "if": "env.A == '' && inputs.regoin == 'eu'""#),
        "w.json:2:40: error[unknown-input]: there is no input `regoin`\n  at /steps/0/if\n  hint: did you mean `region`?"
    );
}

#[test]
fn inputs_are_checked() {
    for (inputs, expected) in [
        (json!({ "a": { "type": "integer", "default": "{{env.N}}", "maximum": 3 }, "b": "{{run.id}}" }), vec![]),
        (
            json!({ "a": { "type": "integer", "default": 5, "maximum": 3 } }),
            vec!["/inputs/a/default: the default must be at most 3"],
        ),
        (
            json!({ "a": { "type": "integer", "minimum": "3" } }),
            vec!["/inputs/a: not a JSON Schema at /minimum: value is not of type \"number\""],
        ),
        (
            json!({ "a": ["{{inputs.b}}"], "b": "x {{steps.a.out}}", "c": { "type": "string", "default": "{{approval.a.by}}" } }),
            vec![
                "/inputs/a/0: an input's default can't refer to another input",
                "/inputs/b: an input's default can't refer to a step's output",
                "/inputs/c/default: an input's default can't refer to an approval",
            ],
        ),
    ] {
        let text = json!({ "name": "w", "inputs": inputs, "steps": [{ "id": "a", "type": "shell" }] }).to_string();
        let (workflow, problems) = parse(&Source::from_text("w.json", text));
        assert_eq!(problems, []);
        let found: Vec<String> = validate(&workflow.unwrap(), &types())
            .into_iter()
            .map(|problem| format!("{}: {}", problem.place.pointer, problem.message))
            .collect();
        assert_eq!(found, expected, "{inputs}");
    }
}

#[test]
fn a_component_with_a_broken_schema_is_told_apart() {
    let description = |schema: Value| {
        serde_json::from_value(json!({ "name": "x", "version": "1", "summary": "", "config_schema": schema })).unwrap()
    };
    let error = TypeInfo::new(description(json!({ "type": "strng" }))).unwrap_err();
    assert!(error.starts_with("its config schema is not a JSON Schema at /type"), "{error}");
}
