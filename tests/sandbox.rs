//! What components can do, and what becomes of those that misbehave: the documented exit code, a message with the step, the
//! cause and a hint, other steps' results kept, the host alive and within its bounds.

use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::support::guests::{example_step, guest};
use crate::support::http::Server;
use crate::support::{Outcome, Project, SHIRO};

/// A workflow of one step of a guest, and a step beside it whose result must be kept.
fn project(guest_name: &str, config: Value, more: Value) -> Project {
    let mut step = json!({ "id": "guest", "type": guest_name, "config": config });
    for (key, value) in more.as_object().expect("an object") {
        step[key] = value.clone();
    }
    let project = Project::with_workflow(&json!({ "name": "sandbox", "steps": [
        { "id": "beside", "type": "print", "config": { "message": "beside" } },
        { "id": "guest-waits", "type": "print", "config": { "message": "first" }, "depends_on": ["beside"] },
        step
    ] }));
    project.install_guest(guest_name, guest_name);
    project
}

/// What the journal keeps of the step beside.
#[track_caller]
fn assert_kept(project: &Project) {
    let status = project.shiro("status -json sandbox").exits(0);
    let status: Value = serde_json::from_str(&status.stdout).expect("JSON");
    let beside =
        status["steps"].as_array().expect("steps").iter().find(|step| step["id"] == "beside").expect("it is there");
    assert_eq!(beside["status"], "succeeded", "{status:#}");
}

/// Runs with all of the host's memory limited, far below what a bomb would take.
fn run_bounded(project: &Project) -> Outcome {
    let script = format!("ulimit -d 700000; exec {SHIRO} run -jobs 2 -keep-going");
    Outcome::of(project.command("sh").arg("-c").arg(script).output().expect("sh starts"))
}

#[test]
fn a_component_that_traps_is_exit_3_with_the_cause() {
    for (how, cause) in [
        ("unreachable", "unreachable"),
        ("panic", "the last words"),
        ("recursion", "recurse"),
        ("out_of_bounds", "memory"),
    ] {
        let project = project("trap", json!({ "how": how, "message": "the last words" }), json!({}));
        let outcome = run_bounded(&project).exits(3).says("guest").says("hint");
        assert!(outcome.all().contains(cause), "{how}: expected {cause}\n{}", outcome.all());
        assert_kept(&project);
    }
}

#[test]
fn a_component_that_loops_for_ever_is_ended_at_its_timeout() {
    let project = project("spin", json!({}), json!({ "timeout": "1s" }));
    let started = Instant::now();
    run_bounded(&project).exits(5).says("guest").says("timed out").says("timeout");
    assert!(started.elapsed() < Duration::from_secs(20));
    assert_kept(&project);
}

#[test]
fn a_component_that_sleeps_for_ever_is_ended_at_its_timeout() {
    let project = project("sleeper", json!({}), json!({ "timeout": "1s" }));
    run_bounded(&project).exits(5).says("guest").says("timed out");
    assert_kept(&project);
}

#[test]
fn a_component_that_allocates_without_end_hits_its_limit() {
    let project = project("greedy", json!({}), json!({ "timeout": "60s" }));
    run_bounded(&project).exits(5).says("guest").says("memory").says("hint");
    assert_kept(&project);
}

#[test]
fn a_component_that_writes_without_end_hits_its_limit() {
    for to in ["log", "stdout", "stderr"] {
        let project = project("chatty", json!({ "to": to }), json!({ "timeout": "60s" }));
        let outcome = run_bounded(&project).exits(5).says("guest").says("hint");
        assert!(outcome.stdout.len() < 32 << 20, "{to}: {} bytes", outcome.stdout.len());
        assert_kept(&project);
    }
}

#[test]
fn an_answer_that_breaks_its_own_schema_is_exit_3() {
    for answer in ["{\"text\": 1}", "not json", "[]"] {
        let project = project("liar", json!({ "answer": answer }), json!({}));
        run_bounded(&project).exits(3).says("guest").says("output").says("hint");
        assert_kept(&project);
    }
}

#[test]
fn an_answer_without_end_hits_a_limit() {
    let project = project("big-output", json!({ "bytes": 67_108_864 }), json!({ "timeout": "60s" }));
    run_bounded(&project).exits(5).says("guest");
    assert_kept(&project);
}

#[test]
fn a_component_that_describes_itself_with_nonsense_is_refused_before_anything_runs() {
    let project = project("bad-description", json!({}), json!({}));
    run_bounded(&project).exits(3).says("bad-description").says("describe");
    assert!(project.journals().is_empty());
}

#[test]
fn a_file_that_is_no_component_is_refused_with_what_it_is() {
    let core_module = wat::parse_str("(module)").expect("a module");
    let good = std::fs::read(guest("echo")).expect("read");
    let other_world =
        wat::parse_str("(component (import \"evil:world/power@1.0.0\" (instance)))").expect("a component");
    let cases: Vec<(&[u8], &str)> = vec![
        (b"", "empty"),
        (b"\0", "not"),
        (b"<!DOCTYPE html><html>not found</html>", "HTML"),
        (b"(component)", "text"),
        (b"\x7fELF\x02\x01\x01\0aaaaaaaaaaaaaaaaaaaaaaa", "ELF"),
        (&core_module, "core module"),
        (&good[..good.len() / 2], "broken"),
        (&other_world, "evil:world/power@1.0.0"),
    ];
    for (bytes, expected) in cases {
        let project = Project::with_workflow(&json!({ "name": "bad", "steps": [{ "id": "a", "type": "bad" }] }));
        std::fs::create_dir_all(project.join(".shiro/plugins")).expect("create");
        std::fs::write(project.join(".shiro/plugins/bad.wasm"), bytes).expect("write");
        let outcome = project.shiro("run").exits(3).says("bad.wasm");
        if expected != "broken" {
            assert!(outcome.all().contains(expected), "expected {expected}\n{}", outcome.all());
        }
        assert!(project.journals().is_empty(), "nothing was started");
    }
}

#[test]
fn a_component_can_not_take_the_name_of_a_built_in_type() {
    let project = Project::with_workflow(&json!({ "name": "shadow", "steps": [
        { "id": "a", "type": "print", "config": { "message": "x" } }
    ] }));
    project.install_guest("echo", "print");
    project.shiro("run").exits(3).says("print").says("built");
}

#[test]
fn everything_is_denied_to_a_component_without_grants() {
    let server = Server::start(|_, _| crate::support::http::Answer::new(200, "reached"));
    let config = json!({
        "tries": ["process", "http", "env", "args", "read_file", "write_file", "list_dir", "tcp", "udp", "resolve", "stdin"],
        "program": "true", "url": server.url("/"), "file": "/etc/passwd",
        "address": format!("127.0.0.1:{}", server.port())
    });
    let mut project = Project::with_workflow(&json!({ "name": "sandbox", "steps": [
        { "id": "guest", "type": "forbidden", "config": config },
        { "id": "say", "type": "print", "depends_on": ["guest"], "config": { "message": "{{steps.guest.results}}" } }
    ] }));
    project.install_guest("forbidden", "forbidden");
    project.env("SOME_VARIABLE", "a-value-of-the-job");
    let outcome = project.shiro("run").exits(0).does_not_say("\"allowed\":true").does_not_say("a-value-of-the-job");
    assert_eq!(outcome.all().matches("\"allowed\":false").count(), 11, "{}", outcome.all());
    assert!(server.received().is_empty(), "no request left the sandbox");
}

#[test]
fn a_step_that_fails_for_a_denial_is_exit_4_and_says_what_was_tried() {
    for (tries, config) in [
        ("process", json!({ "tries": ["process"], "program": "git", "fail": true })),
        ("http", json!({ "tries": ["http"], "url": "https://example.com/", "fail": true })),
    ] {
        let project = project("forbidden", config, json!({}));
        let outcome = run_bounded(&project).exits(4).says("guest").says("hint");
        let tried = if tries == "process" { "git" } else { "example.com" };
        assert!(outcome.all().contains(tried), "{}", outcome.all());
        assert_kept(&project);
    }
}

#[test]
fn slack_reaches_its_own_host_and_a_host_from_an_output_may_not_be_private() {
    let server = Server::slack();
    let hook = server.url("/services/T/B/x12345678");
    let mut project = Project::with_workflow(&json!({ "name": "private", "steps": [
        { "id": "make", "type": "shell", "config": { "command": "printf %s \"$HOOK\"" } },
        { "id": "notify", "type": "slack.notify", "depends_on": ["make"],
          "config": { "webhook_url": "{{steps.make.stdout}}", "message": "x" } }
    ] }));
    project.env("HOOK", &hook);
    project.shiro("run").exits(4).says("notify").says("private");
    assert!(server.received().is_empty());

    let mut project = Project::with_workflow(&json!({ "name": "own", "steps": [
        { "id": "notify", "type": "slack.notify", "config": { "webhook_url": "{{env.HOOK}}", "message": "x" } }
    ] }));
    project.env("HOOK", &hook);
    project.shiro("run").exits(0);
    assert_eq!(server.received().len(), 1);
}

#[test]
fn metadata_addresses_are_never_reached() {
    for host in ["169.254.169.254", "[fd00:ec2::254]", "100.100.100.200", "metadata.google.internal"] {
        let mut project = Project::with_workflow(&json!({ "name": "metadata", "steps": [
            { "id": "notify", "type": "slack.notify", "config": { "webhook_url": "{{env.HOOK}}", "message": "x" } }
        ] }));
        project.env("HOOK", format!("http://{host}/latest/meta-data"));
        project.shiro("run").exits(4).says("metadata");
    }
}

#[test]
fn redirects_are_not_followed() {
    let target = Server::slack();
    let location = target.url("/elsewhere");
    let server =
        Server::start(move |_, _| crate::support::http::Answer::new(302, "").header("location", location.clone()));
    let mut project = Project::with_workflow(&json!({ "name": "redirect", "steps": [
        { "id": "notify", "type": "slack.notify", "config": { "webhook_url": "{{env.HOOK}}", "message": "x" } }
    ] }));
    project.env("HOOK", server.url("/hook-with-a-long-path"));
    project.shiro("run").exits(1).says("302");
    assert!(target.received().is_empty());
}

#[test]
fn slack_says_no_and_slow_down() {
    let permanent = Server::start(|_, _| crate::support::http::Answer::new(404, "channel_not_found"));
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
        0 => crate::support::http::Answer::new(429, "rate_limited").header("retry-after", "1"),
        1 => crate::support::http::Answer::new(503, "busy"),
        _ => crate::support::http::Answer::new(200, "ok"),
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
