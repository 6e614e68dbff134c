//! Bad input: every problem in one go, exit 2, nothing started.

use serde_json::json;

use crate::support::Project;

/// A project whose workflow is this text.
fn project(text: &str) -> Project {
    let project = Project::new();
    project.write(".shiro/workflow.json", text);
    project
}

#[test]
fn all_problems_are_reported_at_once_with_line_and_column() {
    let project = project(
        r#"{
  "name": "bad",
  "unknwon": 1,
  "steps": [
    { "id": "a", "type": "print", "config": { "message": "x", "levle": "info" } },
    { "id": "a", "type": "pirnt", "config": {}, "depends_on": ["nobody"] },
    { "id": "b", "type": "print", "config": { "message": "{{steps.c.message}}" }, "dependson": ["c"], "timeout": "soon" },
    { "id": "c", "type": "shell", "config": { "command": "touch started" } }
  ]
}"#,
    );
    project
        .shiro("run")
        .exits(2)
        .says(".shiro/workflow.json:3:3: error[unknown-field]")
        .says(":5:63: error")
        .says("`level`")
        .says(":6:13: error")
        .says(":6:26: error")
        .says("`print`")
        .says("nobody")
        .says(":7:")
        .says("depends_on")
        .says("soon");
    assert!(!project.join("started").exists());
    assert!(project.journals().is_empty());
}

#[test]
fn every_kind_of_bad_file_is_exit_2_and_starts_nothing() {
    let deep = format!("{}{}", "[".repeat(200), "]".repeat(200));
    for (text, expected) in [
        ("", "empty"),
        ("{", "ends in the middle"),
        ("\u{feff}{}", "byte order mark"),
        ("{ \"name\": \"x\", }", "trailing comma"),
        ("// comment\n{}", "comment"),
        ("{ \"name\": \"x\", \"name\": \"y\", \"steps\": [] }", "twice"),
        ("{ \"name\": \"x\" }", "steps"),
        ("{ \"name\": \"x\", \"steps\": [] }", "at least one"),
        ("{ \"steps\": [{ \"id\": \"a\", \"type\": \"print\", \"config\": { \"message\": \"\" } }] }", "name"),
        (deep.as_str(), "nest"),
        ("[]", "object"),
        ("{ \"name\": 1e400, \"steps\": [] }", "number"),
    ] {
        let project = project(text);
        let outcome = project.shiro("run").exits(2);
        let all = outcome.all().to_lowercase();
        assert!(all.contains(&expected.to_lowercase()), "{text:.40}: expected {expected}\n{all}");
        assert!(project.journals().is_empty());
    }
}

#[test]
fn cycles_are_shown_as_a_path() {
    let project = Project::with_workflow(&json!({
        "name": "cycle", "steps": [
            { "id": "a", "type": "print", "config": { "message": "a" }, "depends_on": ["c"] },
            { "id": "b", "type": "print", "config": { "message": "b" }, "depends_on": ["a"] },
            { "id": "c", "type": "print", "config": { "message": "c" }, "depends_on": ["b"] },
            { "id": "self", "type": "print", "config": { "message": "s" }, "depends_on": ["self"] }
        ]
    }));
    project.shiro("validate").exits(2).says("a -> c -> b -> a").says("self -> self");
}

#[test]
fn a_template_that_reaches_a_step_that_is_not_upstream_is_refused() {
    let project = Project::with_workflow(&json!({
        "name": "upstream", "steps": [
            { "id": "later", "type": "print", "config": { "message": "x" } },
            { "id": "early", "type": "print", "config": { "message": "{{steps.later.message}}" } }
        ]
    }));
    project.shiro("validate").exits(2).says("later").says("depends_on");
}

#[test]
fn validate_says_when_all_is_well() {
    let project = Project::with_workflow(&json!({
        "name": "fine", "$schema": "https://example.com/s.json", "x-note": 1,
        "steps": [{ "id": "a", "type": "print", "config": { "message": "hello" }, "x-owner": "me" }]
    }));
    project.shiro("validate").exits(0).says("OK");
    project.shiro("validate -workflow .shiro/workflow.json").exits(0);
    project.shiro("validate .shiro/workflow.json").exits(0);
}

#[test]
fn a_workflow_that_is_not_there_says_where_it_was_looked_for() {
    let project = Project::new();
    project.shiro("run").exits(2).says(".shiro/workflow.json").says("workflow.json");
    project.shiro("run nowhere.json").exits(2).says("nowhere.json");
}

#[test]
fn inputs_are_checked_before_anything_starts() {
    let project = Project::with_workflow(&json!({
        "name": "inputs",
        "inputs": {
            "environment": "staging",
            "replicas": { "type": "integer", "minimum": 1, "default": 2 },
            "ticket": { "type": "string", "required": true }
        },
        "steps": [{ "id": "a", "type": "print", "config": { "message": "{{inputs.environment}} {{inputs.replicas}} {{inputs.ticket}}" } }]
    }));
    project.shiro("run").exits(2).says("ticket").says("-input ticket=");
    project.shiro("run -input ticket=T-1 -input replicas=0").exits(2).says("replicas");
    project.shiro("run -input ticket=T-1 -input replica=3").exits(2).says("replicas");
    project.shiro("run -input ticket=T-1 -input replicas=3").exits(0).says("staging 3 T-1");
}

#[test]
fn usage_errors_are_exit_2_with_a_suggestion() {
    let project = Project::new();
    project.shiro("vaildate").exits(2).says("validate");
    project.shiro("run -stat-store gitlab").exits(2).says("state-store");
    project.shiro("run -state-store gitlba").exits(2).says("gitlab");
    project.shiro("run -jobs 0").exits(2);
    project.shiro("run -fresh -resume").exits(2);
}
