use serde_json::json;

use super::*;
use crate::workflow::model::Workflow;
use crate::workflow::parse;

fn workflow(inputs: Value) -> Workflow {
    let text = json!({ "name": "w", "inputs": inputs, "steps": [{ "id": "a", "type": "print" }] }).to_string();
    let (workflow, problems) = parse(&Source::from_text("w.json", text));
    assert_eq!(problems, []);
    workflow.unwrap()
}

fn given(arguments: &[&str]) -> Vec<Given> {
    arguments.iter().map(|argument| from_flag(argument).unwrap()).collect()
}

fn values(workflow: &Workflow, arguments: &[&str]) -> Value {
    let resolved = resolve(&workflow.inputs, given(arguments)).unwrap();
    Value::Object(resolved.into_iter().map(|input| (input.name, input.value)).collect())
}

fn errors(workflow: &Workflow, arguments: &[&str]) -> Vec<String> {
    let line = |error: InputError| match error.hint {
        Some(hint) => format!("{} | {hint}", error.message),
        None => error.message,
    };
    resolve(&workflow.inputs, given(arguments)).unwrap_err().into_iter().map(line).collect()
}

#[test]
fn a_declaration_is_a_schema_if_its_type_names_a_json_type() {
    for (declaration, default, required, schema) in [
        (json!("production"), Some(json!("production")), false, None),
        (json!(null), Some(json!(null)), false, None),
        (json!({ "a": 1 }), Some(json!({ "a": 1 })), false, None),
        (json!({ "type": "deployment", "size": 3 }), Some(json!({ "type": "deployment", "size": 3 })), false, None),
        (json!({ "type": "string" }), None, false, Some(json!({ "type": "string" }))),
        (json!({ "type": "string", "required": true }), None, true, Some(json!({ "type": "string" }))),
        (
            json!({ "type": ["string", "null"], "default": "x", "enum": ["x", null], "x-note": "n" }),
            Some(json!("x")),
            false,
            Some(json!({ "type": ["string", "null"], "enum": ["x", null] })),
        ),
        (
            json!({ "type": "object", "required": ["a"], "default": { "type": "string" } }),
            Some(json!({ "type": "string" })),
            false,
            Some(json!({ "type": "object", "required": ["a"] })),
        ),
    ] {
        let input = workflow(json!({ "i": declaration })).inputs.remove(0);
        assert_eq!(input, Input { name: "i".into(), default, required, schema }, "{declaration}");
    }
}

#[test]
fn text_becomes_what_the_declaration_says() {
    let workflow = workflow(json!({
        "short": "production", "count": 3, "flag": true, "list": [1], "object": { "a": 1 }, "nothing": null,
        "text": { "type": "string" }, "whole": { "type": "integer", "default": 1 }, "yes": { "type": "boolean" },
        "tags": { "type": "array", "items": { "type": "string" } }, "either": { "type": ["integer", "null"] }
    }));
    assert_eq!(
        values(
            &workflow,
            &[
                "short=5",
                "count=4",
                "flag=false",
                "list=[]",
                "object={\"b\": 2}",
                "nothing=x=y",
                "text=true",
                "whole=7",
                "yes=true",
                "tags=[\"a\"]",
                "either=null"
            ]
        ),
        json!({ "short": "5", "count": 4, "flag": false, "list": [], "object": { "b": 2 }, "nothing": "x=y", "text": "true",
            "whole": 7, "yes": true, "tags": ["a"], "either": null })
    );
    assert_eq!(
        values(&workflow, &["count=1", "count=2"]),
        json!({ "short": "production", "count": 2, "flag": true, "list": [1], "object": { "a": 1 }, "nothing": null,
            "text": null, "whole": 1, "yes": null, "tags": null, "either": null })
    );
}

#[test]
fn all_that_is_wrong_is_said_at_once() {
    let workflow = workflow(json!({
        "environment": { "type": "string", "enum": ["staging", "production"], "required": true, "description": "Where to" },
        "ticket": { "type": "string", "required": true, "pattern": "^T-[0-9]+$" },
        "count": { "type": "integer", "required": true, "maximum": 5 },
        "size": 3
    }));
    assert_eq!(
        errors(&workflow, &["enviroment=staging", "count=many", "size=big", "zzz=1"]),
        [
            "the workflow has no input `enviroment` (-input) | did you mean `environment`?",
            "the input `count` must be of the type integer, but what was given is not JSON | -input count=3",
            "the input `size` must be of the type number, but what was given is not JSON | -input size=3",
            "the workflow has no input `zzz` (-input) | there are `environment`, `ticket`, `count`, `size`",
            "the input `environment` is required: Where to | -input environment=staging",
            "the input `ticket` is required | -input ticket=...",
        ]
    );
    assert_eq!(
        errors(&workflow, &["environment=stagin", "ticket=hunter2", "count=9"]),
        [
            "the input `environment` must be one of \"staging\", \"production\" | did you mean \"staging\"?",
            "the input `ticket` must match the pattern `^T-[0-9]+$`",
            "the input `count` must be at most 5",
        ]
    );
}

#[test]
fn a_default_is_marked_because_its_templates_are_still_to_be_expanded() {
    let workflow = workflow(json!({ "branch": "{{env.CI_COMMIT_REF_NAME}}", "other": "x" }));
    let resolved = resolve(&workflow.inputs, given(&["other={{env.SECRET}}"])).unwrap();
    assert_eq!(
        resolved.iter().map(|input| (input.name.as_str(), input.from_default)).collect::<Vec<_>>(),
        [("branch", true), ("other", false)]
    );
    assert_eq!(resolved[1].value, "{{env.SECRET}}");
}

#[test]
fn a_file_gives_typed_values_and_flags_come_after() {
    let workflow = workflow(json!({ "a": "x", "n": { "type": "integer", "maximum": 5 } }));
    let file = from_file(&Source::from_text("in.json", "{ \"$schema\": \"s\", \"a\": [1], \"n\": 4 }")).unwrap();
    let all = file.into_iter().chain(given(&["n=5"])).collect();
    let resolved = resolve(&workflow.inputs, all).unwrap();
    assert_eq!((&resolved[0].value, &resolved[1].value), (&json!([1]), &json!(5)));
    let wrong = from_file(&Source::from_text("in.json", "{ \"n\": \"4\", \"b\": 1 }")).unwrap();
    assert_eq!(
        resolve(&workflow.inputs, wrong).unwrap_err().iter().map(ToString::to_string).collect::<Vec<_>>(),
        ["the workflow has no input `b` (in.json)", "the input `n` must be a whole number, not a string"]
    );
}

#[test]
fn a_file_that_can_t_be_read_says_where() {
    for (text, expected) in [
        (
            "[1]",
            "in.json:1:1: error[wrong-type]: inputs are an object, not an array\n  hint: { \"environment\": \"staging\" }",
        ),
        (
            "{\"a\": 1,}",
            "in.json:1:9: error[syntax]: trailing comma\n  hint: remove the comma before the closing bracket",
        ),
        (
            "{\"a\": 1,\n\"a\": 2}",
            "in.json:2:1: error[duplicate-key]: `a` is there twice\n  at /a\n  in.json:1:2: it is first here\n  hint: remove one of them",
        ),
    ] {
        let problems = from_file(&Source::from_text("in.json", text)).unwrap_err();
        assert_eq!(problems[0].display("in.json").to_string(), expected);
    }
}

#[test]
fn a_flag_is_a_name_and_a_value() {
    assert_eq!(from_flag("a=").unwrap().value, GivenValue::Text(String::new()));
    assert_eq!(from_flag("a=b=c").unwrap().value, GivenValue::Text("b=c".into()));
    for argument in ["a", "", "=x"] {
        assert_eq!(from_flag(argument).unwrap_err().hint.as_deref(), Some("-input environment=production"));
    }
}
