//! Step types as components: those built in, one's own, what a dry run shows of them.

use std::time::{Duration, Instant};

use serde_json::json;

use crate::support::Project;
use crate::support::guests::example_step;
use crate::support::http::{Answer, Server};

#[test]
fn slack_says_no_and_slow_down() {
    let permanent = Server::start(|_, _| Answer::new(404, "channel_not_found"));
    let step = |url: String| {
        let mut project = Project::with_workflow(&json!({ "name": "slack", "steps": [
            { "id": "notify", "type": "slack.notify", "config": { "webhook_url": "{{env.HOOK}}", "message": "x" },
              "retry": { "max_attempts": 3, "delay": 0 } }
        ] }));
        project.env("HOOK", url);
        project
    };
    step(permanent.url("/hook-with-a-long-path")).shiro("run").exits(1).says("channel_not_found");
    assert_eq!(permanent.received().len(), 1, "a permanent failure is not retried");

    let limited = Server::start(|number, _| match number {
        0 => Answer::new(429, "rate_limited").header("retry-after", "1"),
        1 => Answer::new(503, "busy"),
        _ => Answer::new(200, "ok"),
    });
    let started = Instant::now();
    step(limited.url("/hook-with-a-long-path")).shiro("run").exits(0);
    assert_eq!(limited.received().len(), 3);
    assert!(started.elapsed() >= Duration::from_secs(1), "Retry-After is honoured");
}

#[test]
fn each_built_in_type_is_a_component_of_its_own() {
    let project = Project::new();
    for step_type in ["shell", "slack.notify", "print"] {
        let file = format!("{step_type}.copy.wasm");
        project.shiro(&format!("plugin extract {step_type} {file}")).exits(0);
        let bytes = std::fs::read(project.join(&file)).expect("it was written");
        assert!(bytes.starts_with(b"\0asm\x0d\0\x01\0"), "a component");
        project
            .shiro(&format!("plugin inspect {file}"))
            .exits(0)
            .says("shiro:step/step@0.1.0")
            .says("config schema")
            .says("sha256:");
        project.shiro(&format!("plugin inspect {step_type}")).exits(0).says("built in");
    }
    project.write(
        ".shiro/workflow.json",
        &json!({ "name": "copy", "steps": [{ "id": "a", "type": "my-print", "config": { "message": "from a file" } }] }).to_string(),
    );
    project.install(&project.join("print.copy.wasm"), "my-print");
    project.shiro("run").exits(0).says("from a file");
}

#[test]
fn the_example_step_runs_from_the_plugins_directory() {
    let component = example_step();
    let project = Project::with_workflow(&json!({ "name": "example", "steps": [
        { "id": "next", "type": "semver.bump", "config": { "version": "1.4.2", "part": "minor" } },
        { "id": "say", "type": "print", "depends_on": ["next"], "config": { "message": "{{steps.next.output}}" } }
    ] }));
    project.install(&component, "semver.bump");
    project.shiro("run").exits(0).says("1.5.0");
    project.shiro("plugin list").exits(0).says("semver.bump").says(".shiro/plugins/semver.bump.wasm");

    let elsewhere = Project::with_workflow(&json!({ "name": "example", "steps": [
        { "id": "next", "type": "semver.bump", "config": { "version": "1.4.2", "part": "minor" } }
    ] }));
    std::fs::create_dir(elsewhere.join("components")).expect("create");
    std::fs::copy(&component, elsewhere.join("components/semver.bump.wasm")).expect("copy");
    elsewhere.shiro("run").exits(2).says("semver.bump");
    elsewhere.shiro("run -plugin-dir components").exits(0);
}

#[test]
fn a_dry_run_shows_component_digest_and_grants() {
    let mut project = Project::with_workflow(&json!({ "name": "dry", "steps": [
        { "id": "say", "type": "print", "config": { "message": "x" } },
        { "id": "run", "type": "shell", "config": { "command": "touch started" }, "depends_on": ["say"] },
        { "id": "notify", "type": "slack.notify", "config": { "webhook_url": "{{env.HOOK}}", "message": "x" }, "pause": true }
    ] }));
    project.env("HOOK", "https://hooks.slack.com/services/T/B/x");
    project
        .shiro("run -dry-run")
        .exits(0)
        .says("Execution Plan")
        .says("sha256:")
        .says("https://hooks.slack.com:443")
        .says("Granted: nothing")
        .says("Depends On: say");
    assert!(!project.join("started").exists());
}
