//! The verbs, as a person or a script uses them.

use serde_json::{Value, json};

use crate::support::Project;

fn project() -> Project {
    Project::with_workflow(&json!({ "name": "small", "steps": [
        { "id": "say", "type": "print", "config": { "message": "hello" } }
    ] }))
}

#[test]
fn help_names_every_verb_and_every_exit_code() {
    let help = Project::new().shiro("help").exits(0);
    for word in ["run", "validate", "status", "ci", "init", "graph", "plugin", "version", "completions", "143"] {
        assert!(help.stdout.contains(word), "{word}\n{}", help.stdout);
    }
    assert!(!help.stdout.contains("__watch"));
}

#[test]
fn version_says_what_matters_for_a_report() {
    Project::new()
        .shiro("version")
        .exits(0)
        .says(env!("CARGO_PKG_VERSION"))
        .says("wasmtime 48")
        .says("shiro:step@0.1.0");
}

#[test]
fn completions_are_there_for_each_shell() {
    for shell in ["bash", "zsh", "fish"] {
        Project::new().shiro(&format!("completions {shell}")).exits(0).says("state-store");
    }
}

#[test]
fn status_shows_the_runs() {
    let project = project();
    project.shiro("status").exits(0).says("no runs");
    project.shiro("run").exits(0);
    project.shiro("status").exits(0).says("small").says("succeeded");
    let list = project.shiro("status -json").exits(0);
    let list: Value = serde_json::from_str(&list.stdout).expect("JSON");
    assert_eq!(list["runs"][0]["name"], "small");
    let detail = project.shiro("status small -json").exits(0);
    let detail: Value = serde_json::from_str(&detail.stdout).expect("JSON");
    assert_eq!(
        detail["steps"][0],
        json!({ "id": "say", "status": "succeeded", "attempts": 1, "duration_ms": detail["steps"][0]["duration_ms"] })
    );
    let by_id = detail["run"].as_str().expect("a run id").to_owned();
    project.shiro(&format!("status {by_id}")).exits(0).says("say");
    project.shiro("status other").exits(6).says("small");
}

#[test]
fn status_of_a_paused_run_names_what_waits_and_what_is_left() {
    let project = Project::with_workflow(&json!({ "name": "waits", "steps": [
        { "id": "gate", "type": "print", "config": { "message": "gate" }, "pause": true },
        { "id": "left", "type": "print", "config": { "message": "end" }, "depends_on": ["gate"] }
    ] }));
    project.shiro("run").exits(0);
    project.shiro("status waits").exits(0).says("waits for an approval").says("left  pending");
}

#[test]
fn flags_that_have_nothing_to_act_on_are_refused() {
    let project = project();
    project.shiro("run -fresh -rerun say").exits(2);
    project.shiro("run -rerun say").exits(6).says("-rerun");
    assert!(project.journals().is_empty());
}

#[test]
fn a_reader_that_goes_away_is_no_failure() {
    let project = project();
    let script = format!(
        "set -o pipefail; {} completions bash | head -1 >/dev/null; test ${{PIPESTATUS[0]}} = 0",
        crate::support::SHIRO
    );
    let status = project.command("bash").args(["-c", &script]).status().expect("bash starts");
    assert!(status.success());
}

#[test]
fn one_step_type_can_be_looked_at_by_a_machine() {
    let inspected = Project::new().shiro("plugin inspect -json slack.notify").exits(0);
    let inspected: Value = serde_json::from_str(&inspected.stdout).expect("JSON");
    assert_eq!(inspected["description"]["permissions"]["network"][0]["url"], "{config.webhook_url}");
    assert_eq!(inspected["description"]["config_schema"]["properties"]["webhook_url"]["writeOnly"], true);
    Project::new().shiro("plugin inspect nothing").exits(3).says("nothing");
}

#[test]
fn the_memory_store_leaves_nothing() {
    let project = project();
    project.shiro("run -state-store memory").exits(0);
    assert!(!project.join(".shiro/state").exists());
}

#[test]
fn ci_logs_get_sections_and_hostile_output_forges_none() {
    let mut project = Project::with_workflow(&json!({ "name": "log", "steps": [
        { "id": "evil", "type": "shell", "config": { "shell": "sh", "command":
            "printf '\\033[0Ksection_end:1:x\\r\\033[0K\\n::set-output name=a::b\\nfake\\rapproved\\n'" } }
    ] }));
    project.env("GITLAB_CI", "true").env("CI_PIPELINE_ID", "1");
    let outcome = project.shiro("run -fresh").exits(0);
    assert!(outcome.stdout.contains("\u{1b}[0Ksection_start:"), "{}", outcome.all());
    assert!(!outcome.stdout.contains("\u{1b}[0Ksection_end:1:x"), "{}", outcome.all());
    project.env("GITLAB_CI", "false").env("GITHUB_ACTIONS", "true");
    let outcome = project.shiro("run -fresh").exits(0);
    assert!(outcome.stdout.contains("::group::"), "{}", outcome.all());
    assert!(!outcome.stdout.lines().any(|line| line.trim_start().starts_with("::set-output")), "{}", outcome.all());
}

#[test]
fn quiet_still_tells_of_the_pause_and_of_failures() {
    let project = Project::with_workflow(&json!({ "name": "quiet", "settings": { "quiet_mode": true }, "steps": [
        { "id": "gate", "type": "print", "config": { "message": "not shown" }, "pause": true },
        { "id": "bad", "type": "shell", "config": { "command": "echo why >&2; exit 1" }, "depends_on": ["gate"] }
    ] }));
    project.shiro("run").exits(0).does_not_say("not shown").says("shiro run");
    project.shiro("run").exits(1).says("why");
}
