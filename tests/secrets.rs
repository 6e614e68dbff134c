//! No secret value in console, journal, error messages or dry-run, whatever way it takes.

use serde_json::json;

use crate::support::http::{Answer, Server};
use crate::support::{Outcome, Project};

/// Long enough, and with characters that each encoding changes.
const SECRET: &str = "s3cr3t/+Va1ue&<\"x\">~tail";

/// The secret as it might show: raw and encoded.
fn forms() -> Vec<String> {
    let bytes = SECRET.as_bytes();
    let hex: String = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
    let url: String = bytes
        .iter()
        .map(|byte| {
            if byte.is_ascii_alphanumeric() || b"~-._".contains(byte) {
                char::from(*byte).to_string()
            } else {
                format!("%{byte:02X}")
            }
        })
        .collect();
    vec![
        SECRET.to_owned(),
        "czNjcjN0LytWYTF1ZSY8Ing".to_owned(),
        hex.to_uppercase(),
        hex,
        url,
        serde_json::to_string(SECRET).expect("JSON").trim_matches('"').to_owned(),
    ]
}

#[track_caller]
fn assert_absent(project: &Project, outcome: &Outcome) {
    for form in forms() {
        assert!(!outcome.all().contains(&form), "the console shows {form}\n{}", outcome.all());
        for (name, journal) in project.journals() {
            assert!(!journal.contains(&form), "{name} holds {form}\n{journal}");
        }
    }
}

fn project(steps: serde_json::Value) -> Project {
    let mut project = Project::with_workflow(&json!({ "name": "secrets", "steps": steps }));
    project.env("DEPLOY_TOKEN", SECRET);
    project
}

#[test]
fn config_and_output_that_hold_a_secret_show_a_mask() {
    let project = project(json!([
        { "id": "say", "type": "print", "config": { "message": "token {{env.DEPLOY_TOKEN}}" } },
        { "id": "echo", "type": "shell", "config": { "command": "echo \"$DEPLOY_TOKEN\"; echo \"$DEPLOY_TOKEN\" >&2" } }
    ]));
    let outcome = project.shiro("run").exits(0).says("token ***");
    assert_absent(&project, &outcome);
}

#[test]
fn encoded_and_split_secrets_are_masked() {
    let project = project(json!([{ "id": "encode", "type": "shell", "config": { "shell": "bash", "script": [
        "printf %s \"$DEPLOY_TOKEN\" | base64 -w0; echo",
        "printf x%s \"$DEPLOY_TOKEN\" | base64 -w0; echo",
        "printf xy%s \"$DEPLOY_TOKEN\" | base64 -w0; echo",
        "printf %s \"$DEPLOY_TOKEN\" | od -An -v -tx1 | tr -d ' \\n'; echo",
        "printf %s \"$DEPLOY_TOKEN\" | od -An -v -tx1 | tr -d ' \\n' | tr a-f A-F; echo",
        "python3 -c 'import os,urllib.parse as u; print(u.quote(os.environ[\"DEPLOY_TOKEN\"], safe=\"\"))'",
        "for ((i=0; i<${#DEPLOY_TOKEN}; i++)); do printf %s \"${DEPLOY_TOKEN:i:1}\"; done; echo"
    ] } }]));
    let outcome = project.shiro("run").exits(0);
    assert_absent(&project, &outcome);
    assert!(outcome.all().matches("***").count() >= 7, "{}", outcome.all());
}

#[test]
fn a_failing_step_shows_no_secret() {
    let project = project(
        json!([{ "id": "fail", "type": "shell", "config": { "command": "echo \"bad $DEPLOY_TOKEN\" >&2; exit 3" } }]),
    );
    let outcome = project.shiro("run").exits(1).says("bad ***");
    assert_absent(&project, &outcome);
}

#[test]
fn a_secret_in_an_http_error_and_in_the_url_is_masked() {
    let slack = Server::start(|_, request| Answer::new(403, format!("no access for {} {SECRET}", request.path)));
    let mut project = project(json!([{ "id": "notify", "type": "slack.notify",
        "config": { "webhook_url": "{{env.HOOK}}", "message": "hello" } }]));
    project.env("HOOK", slack.url("/services/T00/B00/not-named-like-a-secret"));
    let outcome = project.shiro("run").exits(1).does_not_say("not-named-like-a-secret");
    assert_absent(&project, &outcome);
    assert!(project.journals().values().all(|journal| !journal.contains("not-named-like-a-secret")));
}

#[test]
fn a_secret_in_a_panic_message_is_masked() {
    let project = project(json!([{ "id": "trap", "type": "trap", "config": { "message": "{{env.DEPLOY_TOKEN}}" } }]));
    project.install_guest("trap", "trap");
    let outcome = project.shiro("run").exits(3);
    assert_absent(&project, &outcome);
}

#[test]
fn a_dry_run_shows_no_secret() {
    let mut project = project(json!([
        { "id": "say", "type": "print", "config": { "message": "{{env.DEPLOY_TOKEN}}" } },
        { "id": "notify", "type": "slack.notify", "config": { "webhook_url": "{{env.SLACK_WEBHOOK_URL}}", "message": "x" } }
    ]));
    project.env("SLACK_WEBHOOK_URL", "https://hooks.slack.com/services/T/B/the-secret-part");
    let outcome = project.shiro("run -dry-run").exits(0).says("hooks.slack.com").does_not_say("the-secret-part");
    assert_absent(&project, &outcome);
    assert!(project.journals().is_empty(), "a dry run leaves no state");
}

#[test]
fn a_secret_in_an_output_reaches_later_steps_also_after_a_pause() {
    let steps = json!([
        { "id": "make", "type": "shell", "config": { "command": "printf 'v=%s' \"$DEPLOY_TOKEN\"" }, "pause": true },
        { "id": "use", "type": "shell", "depends_on": ["make"],
          "config": { "command": "printf %s {{steps.make.stdout}} > got" } }
    ]);
    let project = project(steps.clone());
    let outcome = project.shiro("run").exits(0);
    assert_absent(&project, &outcome);
    let outcome = project.shiro("run").exits(0);
    assert_absent(&project, &outcome);
    assert_eq!(project.read("got"), format!("v={SECRET}"));
}

#[test]
fn a_secret_that_is_gone_at_resume_is_named() {
    let mut project = project(json!([
        { "id": "make", "type": "shell", "config": { "command": "printf %s \"$DEPLOY_TOKEN\"" }, "pause": true },
        { "id": "use", "type": "print", "depends_on": ["make"], "config": { "message": "{{steps.make.stdout}}" } }
    ]));
    project.shiro("run").exits(0);
    project.env("DEPLOY_TOKEN", "");
    project.shiro("run").exits(6).says("DEPLOY_TOKEN");
}

#[test]
fn the_workflow_can_say_what_is_secret_and_what_is_not() {
    let mut project = Project::with_workflow(&json!({
        "name": "named", "secrets": ["PLAIN_NAME"], "not_secrets": ["SORT_KEY"],
        "steps": [{ "id": "say", "type": "print", "config": { "message": "{{env.PLAIN_NAME}} {{env.SORT_KEY}}" } }]
    }));
    project.env("PLAIN_NAME", "hidden-value").env("SORT_KEY", "visible-value");
    project.shiro("run").exits(0).says("*** visible-value").does_not_say("hidden-value");
}

#[test]
fn the_environment_is_not_in_the_journal() {
    let mut project = project(json!([{ "id": "say", "type": "print", "config": { "message": "x" } }]));
    project.env("SOME_VARIABLE", "some-value-of-the-job");
    project.shiro("run").exits(0);
    assert!(project.journals().values().all(|journal| !journal.contains("some-value-of-the-job")));
}
