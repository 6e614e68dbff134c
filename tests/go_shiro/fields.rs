//! Every field that Go shiro documents of a workflow, and everything that its templates refer to. Each works, or is refused with
//! a reason before anything runs.

use serde_json::{Value, json};

use crate::support::Project;

/// A workflow of two steps, `a` and `b`, that is changed at one place.
fn changed(pointer: &str, value: Value) -> Value {
    let mut workflow = json!({
        "name": "w", "description": "d", "inputs": { "a": { "b": "deep" } }, "settings": {},
        "steps": [
            { "id": "a", "type": "shell.exec", "config": { "command": "echo x >> tries; test -e good" } },
            { "id": "b", "type": "print", "config": { "message": "got {{inputs.a.b}}" }, "depends_on": ["a"] }
        ]
    });
    let (parent, key) = pointer.rsplit_once('/').expect("a pointer");
    let parent = workflow.pointer_mut(parent).and_then(Value::as_object_mut).expect("an object");
    match value {
        Value::Null => parent.remove(key),
        value => parent.insert(key.to_owned(), value),
    };
    workflow
}

#[test]
fn every_field_of_a_workflow_works_or_is_refused() {
    // The place, its value (or nothing), whether the first step succeeds, the exit code, what is said, and how often the first
    // step was tried.
    let long = json!({ "max_attempts": 2, "delay": 3600, "max_delay": 0.01 });
    for (pointer, value, good, code, says, tries) in [
        ("/name", json!("the-name"), true, 0, "the-name: succeeded", 1),
        ("/name", Value::Null, true, 2, "`name` is missing", 0),
        ("/description", json!("for people"), true, 0, "succeeded", 1),
        ("/inputs", json!({ "a": { "b": 7 } }), true, 0, "got 7", 1),
        ("/inputs", json!({ "a": {} }), true, 2, "inputs.a", 1),
        ("/settings/quiet_mode", json!(true), true, 0, "", 1),
        ("/settings/save_results", json!(true), true, 0, "Outputs:", 1),
        ("/settings/output_format", json!("json"), true, 0, "got deep", 1),
        ("/settings/output_format", json!("yaml"), true, 2, "`output_format` is \"text\" or \"json\"", 0),
        ("/settings/loud", json!(true), true, 2, "there is no field `loud` here", 0),
        ("/steps", json!([]), true, 2, "at least one", 0),
        ("/steps/0/id", json!("b"), true, 2, "`b`", 0),
        ("/steps/0/type", json!("shell.exce"), true, 2, "did you mean `shell.exec`?", 0),
        ("/steps/0/config", json!({}), true, 2, "`command`", 0),
        ("/steps/1/depends_on", json!(["nobody"]), true, 2, "nobody", 0),
        ("/steps/0/depends_on", json!(["b"]), true, 2, "a -> b -> a", 0),
        ("/steps/0/pause", json!(true), true, 0, "Waiting for approval after `a`", 1),
        ("/steps/0/retry", json!({ "max_attempts": 3, "delay": 0 }), false, 1, "attempt 2 of 3 failed", 3),
        (
            "/steps/0/retry",
            json!({ "max_attempts": 0, "delay": 0, "backoff": 0, "max_delay": 0 }),
            false,
            1,
            "failed",
            1,
        ),
        ("/steps/0/retry", long, false, 1, "next in 10ms", 2),
        ("/steps/0/retry", json!({ "max_attempts": 2, "initial_delay": 1000 }), false, 2, "did you mean `delay`?", 0),
        ("/steps/0/timeout", json!(30), true, 0, "got deep", 1),
        ("/steps/0/timeout", json!(0), true, 0, "got deep", 1),
        ("/steps/0/quiet", json!(true), false, 1, "a: failed", 1),
        ("/steps/1/save_output", json!(false), true, 0, "got deep", 1),
        ("/steps/0/when", json!("always"), true, 2, "did you mean `if`?", 0),
    ] {
        let workflow = changed(pointer, value);
        let project = Project::with_workflow(&workflow);
        if good {
            project.write("good", "");
        }
        let outcome = project.shiro("run");
        assert_eq!(outcome.code, Some(code), "{pointer} in {workflow}\n{}", outcome.all());
        assert!(outcome.all().contains(says), "{pointer} in {workflow}: {says}\n{}", outcome.all());
        assert_eq!(project.read("tries").lines().count(), tries, "{pointer} in {workflow}\n{}", outcome.all());
    }
}

#[test]
fn every_namespace_of_a_template_works_or_is_refused() {
    let print = |message: &str| {
        let mut project = Project::with_workflow(&json!({ "name": "w", "inputs": { "a": { "b": 7 } }, "steps": [
            { "id": "first-step", "type": "print", "config": { "message": "one" } },
            { "id": "say", "type": "print", "depends_on": ["first-step"], "config": { "message": message, "format": "json" } }
        ] }));
        project.env("NAME", "from the job");
        project.shiro("run")
    };
    for (message, said) in [
        ("{{inputs.a.b}}", r#""message":7"#),
        ("{{ inputs.a.b }}!", r#""message":"7!""#),
        ("{{env.NAME}}", r#""message":"from the job""#),
        ("{{steps.first-step.message}}", r#""message":"one""#),
        ("{{steps.first-step}}", r#""message":{"printed":true,"#),
        ("{{steps.first-step.output}}", r#""message":{"printed":true,"#),
    ] {
        print(message).exits(0).says(said);
    }
    for (message, said) in [
        ("{{inputs.nothing}}", "nothing"),
        ("{{env.NOT_SET}}", "`NOT_SET` is not set"),
        ("{{steps.nobody.x}}", "nobody"),
        ("{{steps.first-step.nothing}}", "`message`"),
        ("{{memory.k}}", "unknown name `memory`"),
        ("{{secrets.k}}", "unknown name `secrets`"),
    ] {
        print(message).exits(2).says(said);
    }
}
