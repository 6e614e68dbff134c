//! `shiro plugin test`: golden cases of a component, with recorded HTTP exchanges and programs.

use serde_json::{Value, json};

use crate::support::Project;

const WEBHOOK: &str = "https://hooks.slack.example/services/T0/B0/x";

/// A plugin's directory with this built-in type as its component, and one case.
fn plugin(step_type: &str, case: &Value) -> Project {
    let project = Project::new();
    project.shiro_args(["plugin", "extract", step_type, "step.wasm"]).exits(0);
    project.write("tests/case.json", &case.to_string());
    project
}

fn slack(response: Value, expected: (&str, Value)) -> Value {
    json!({
        "config": { "webhook_url": WEBHOOK, "message": "Deployed" },
        "http": [{ "request": { "method": "POST", "url": WEBHOOK }, "response": response }],
        expected.0: expected.1,
    })
}

#[test]
fn requests_are_answered_from_the_recording() {
    let expected = json!({ "kind": "permanent", "code": "slack.channel_not_found" });
    let response = json!({ "status": 404, "body": "channel_not_found" });
    let project = plugin("slack.notify", &slack(response, ("failure", expected)));
    project.shiro("plugin test").exits(0).says("ok   case").says("1 of 1 case hold");
}

#[test]
fn a_wait_that_a_service_asks_for_is_part_of_the_failure() {
    let expected = json!({ "kind": "transient", "retry_after_ms": 7000 });
    let response = json!({ "status": 429, "headers": { "Retry-After": "7" } });
    plugin("slack.notify", &slack(response, ("failure", expected))).shiro("plugin test").exits(0);
}

#[test]
fn a_case_that_does_not_hold_says_what_differs() {
    let response = json!({ "status": 200, "body": "ok" });
    let wrong = plugin("slack.notify", &slack(response, ("output", json!({ "sent": false }))));
    wrong.shiro("plugin test").exits(1).says("FAIL case").says("expected the output").says("got");

    let mut case = slack(json!({ "status": 200, "body": "ok" }), ("failure", json!({ "kind": "permanent" })));
    case["http"][0]["request"]["url"] = json!("https://other.example/");
    let project = plugin("slack.notify", &case);
    project.shiro("plugin test").exits(1).says("the URL differs").says("it never sent POST https://other.example/");
}

#[test]
fn programs_are_answered_from_the_recording_and_none_is_run() {
    let process = json!({ "program": "no-such-shell", "args": ["-c", "make"], "exit_code": 2, "stderr": "no rule" });
    let expected = json!({ "kind": "transient", "code": "shell.exit" });
    let config = json!({ "command": "make", "shell": "no-such-shell" });
    let project = plugin("shell", &json!({ "config": config, "processes": [process], "failure": expected }));
    project.shiro("plugin test").exits(0);

    let none = json!({ "config": config, "failure": expected });
    plugin("shell", &none).shiro("plugin test").exits(1).says("no program is recorded");
}

#[test]
fn a_case_has_a_job_of_its_own() {
    let case = json!({
        "config": { "operation": "get_user_info", "user_id": 5 },
        "environment": { "CI_API_V4_URL": "https://gitlab.example/api/v4", "GITLAB_TOKEN": "the-token", "CI_PROJECT_ID": "17" },
        "http": [{
            "request": { "url": "https://gitlab.example/api/v4/users/5", "headers": { "private-token": "the-token" } },
            "response": { "json": { "id": 5 } }
        }],
        "output": { "success": true, "message": "found the user", "created": false, "info": { "id": 5 } }
    });
    plugin("gitlab", &case).shiro("plugin test").exits(0);
    let mut other = case;
    other["environment"]["CI_API_V4_URL"] = json!("https://other.example/api/v4");
    plugin("gitlab", &other).shiro("plugin test").exits(1).says("the URL differs");
}

#[test]
fn what_is_not_a_case_is_said_with_the_file() {
    let project = plugin("print", &json!({ "confg": {}, "output": {} }));
    project.shiro("plugin test").exits(2).says("tests/case.json").says("confg");
    project.write("tests/case.json", r#"{ "config": {} }"#);
    project.shiro("plugin test").exits(2).says("either `output` or `failure`");
    Project::new().shiro("plugin test").exits(2).says("there is no .wasm file");
}
