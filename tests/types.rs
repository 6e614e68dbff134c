//! `shiro types` and `shiro schema`: what step types are, for people and for editors.

use std::fs;

use serde_json::{Value, json};

use crate::support::{Project, repository};

#[test]
fn every_type_is_listed_with_its_summary() {
    let project = Project::new();
    project.install_guest("greet", "my.greet");
    project.write(".shiro/plugins/broken.step.wasm", "no component");
    let listed = project.shiro("types").exits(0);
    for line in
        ["print", "data.load", "Another name of shell.", "my.greet", "can't be loaded: .shiro/plugins/broken.step.wasm"]
    {
        assert!(listed.stdout.contains(line), "{line}\n{}", listed.all());
    }
    let listed: Value = serde_json::from_str(&project.shiro("types -json").exits(0).stdout).expect("JSON");
    let types = listed["types"].as_array().expect("types");
    assert!(types.iter().any(|one| one["type"] == "my.greet" && one["summary"] == "Says hello."), "{listed}");
    assert!(types.iter().any(|one| one["type"] == "broken.step" && one["error"].is_string()), "{listed}");
}

#[test]
fn a_type_is_documented_from_its_description() {
    let project = Project::new();
    project.install_guest("greet", "my.greet");
    project.shiro("types my.greet").exits(0).says("Says hello.").says("name  (string, required)").says("Who to greet.");
    project
        .shiro("types shell.exec")
        .exits(0)
        .says("shell 0.1.0")
        .says("also shell.exec")
        .says("process: any program")
        .says("allow_failure  (boolean, default false)");
    project.shiro("types print -markdown").exits(0).says("| `message` | anything | **required** |").says("- nothing");
    let document: Value = serde_json::from_str(&project.shiro("types print -json").exits(0).stdout).expect("JSON");
    assert!(document["description"]["config_schema"]["properties"]["message"].is_object(), "{document}");
    project.shiro("types prnt").exits(3).says("prnt");
}

fn validator(project: &Project) -> jsonschema::Validator {
    let schema = project.shiro("schema").exits(0).stdout;
    let schema: Value = serde_json::from_str(&schema).expect("JSON");
    assert!(jsonschema::meta::is_valid(&schema));
    jsonschema::validator_for(&schema).expect("a schema")
}

#[test]
fn the_schema_takes_every_workflow_that_is_shown() {
    let project = Project::new();
    let validator = validator(&project);
    let mut workflows: Vec<(String, Value)> = Vec::new();
    for file in ["workflow.md", "approvals.md", "data.md", "steps/http.md", "steps/gitlab.md"] {
        let text = fs::read_to_string(repository().join("docs").join(file)).expect("read");
        for block in text.split("```json\n").skip(1).filter_map(|rest| rest.split("```").next()) {
            workflows.push((file.to_owned(), serde_json::from_str(block).expect("JSON")));
        }
    }
    for entry in fs::read_dir(repository().join("examples")).expect("read examples/") {
        let file = entry.expect("an entry").path().join("workflow.json");
        if let Ok(text) = fs::read_to_string(&file) {
            workflows.push((file.display().to_string(), serde_json::from_str(&text).expect("JSON")));
        }
    }
    assert!(workflows.len() > 3);
    for (file, workflow) in workflows {
        let problems: Vec<String> = validator.iter_errors(&workflow).map(|error| error.to_string()).collect();
        assert!(problems.is_empty(), "{file}: {problems:?}\n{workflow:#}");
    }
}

#[test]
fn the_schema_refuses_what_validate_refuses() {
    let project = Project::new();
    project.install_guest("greet", "my.greet");
    let validator = validator(&project);
    let step = |step: Value| json!({ "name": "w", "steps": [step] });
    for (workflow, valid) in [
        (step(json!({ "id": "a", "type": "my.greet", "config": { "name": "you" } })), true),
        (step(json!({ "id": "a", "type": "print", "config": { "message": "x", "level": "{{ env.LEVEL }}" } })), true),
        (step(json!({ "id": "a", "type": "my.greet", "config": {} })), false),
        (step(json!({ "id": "a", "type": "print", "config": { "message": "x", "level": "loud" } })), false),
        (step(json!({ "id": "a", "type": "print", "config": { "mesage": "x" } })), false),
        (step(json!({ "id": "a", "type": "prnt", "config": { "message": "x" } })), false),
        (step(json!({ "id": "a b", "type": "print", "config": { "message": "x" } })), false),
        (step(json!({ "id": "a", "type": "print", "config": { "message": "x" }, "dependson": [] })), false),
        (step(json!({ "id": "a", "type": "print", "config": { "message": "x" }, "timeout": "soon" })), false),
        (
            step(json!({ "id": "a", "type": "print", "config": { "message": "x" }, "permissions": { "netwerk": [] } })),
            false,
        ),
        (
            step(json!({ "id": "a", "type": "print", "config": { "message": "x" }, "if": true, "timeout": null,
                "x-why": 1, "depends_on": null, "retry": { "max_attempts": 3, "backoff": null, "$schema": "y" },
                "approval": { "required": 1, "approvers": ["ann", "group:ops"], "self": false, "expires": "1h 30m",
                    "on_expire": "reject", "form": { "type": "object" }, "bind": ["k8s"], "x-why": 2 },
                "permissions": { "store": [{ "scope": "run", "keys": "a/*", "access": "read", "x-why": 3 }],
                    "network": null, "limits": { "memory_mib": 64, "store_mib": null } } })),
            true,
        ),
        (step(json!({ "id": "-a", "type": "print", "config": { "message": "x" } })), false),
        (step(json!({ "id": "a", "type": "print", "config": { "message": "x" }, "retry": { "backoff": 0.5 } })), false),
        (
            step(json!({ "id": "a", "type": "print", "config": { "message": "x" }, "approval": { "reqired": 2 } })),
            false,
        ),
        (
            step(json!({ "id": "a", "type": "print", "config": { "message": "x" }, "approval": { "required": 0 } })),
            false,
        ),
        (step(json!({ "id": "a", "type": "print", "config": { "message": "x" }, "if": 1 })), false),
        (
            step(json!({ "id": "a", "type": "print", "config": { "message": "x" },
                "permissions": { "store": [{ "scope": "all", "keys": "a" }] } })),
            false,
        ),
        (
            step(json!({ "id": "a", "type": "print", "config": { "message": "x" },
                "permissions": { "limits": { "memory_mb": 64 } } })),
            false,
        ),
        (
            json!({ "name": "w", "settings": { "output_format": "xml" }, "steps": [
            { "id": "a", "type": "print", "config": { "message": "x" } }] }),
            false,
        ),
        (step(json!({ "id": "a", "type": "ai.generate", "config": { "prompt": "x", "temperature": 3 } })), false),
        (step(json!({ "id": "a", "type": "gitlab", "config": { "operation": "post_comment" } })), false),
        (json!({ "name": "w", "steps": [] }), false),
        (json!({ "steps": [{ "id": "a", "type": "print", "config": { "message": "x" } }] }), false),
    ] {
        assert_eq!(validator.is_valid(&workflow), valid, "{workflow}");
        project.write(".shiro/workflow.json", &workflow.to_string());
        let validated = project.shiro("validate");
        assert_eq!(validated.code == Some(0), valid, "{workflow}\n{}", validated.all());
    }
}
