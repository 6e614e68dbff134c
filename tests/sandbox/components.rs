//! Components that loop, sleep, trap, lie, or try what they were not granted.

use std::time::{Duration, Instant};

use serde_json::json;

use super::Case;
use crate::support::Project;
use crate::support::http::{Answer, Server};

#[test]
fn a_component_that_traps_is_exit_3_with_the_cause() {
    for (how, cause) in [
        ("unreachable", "unreachable"),
        ("panic", "the last words"),
        ("recursion", "recurse"),
        ("out_of_bounds", "memory"),
    ] {
        Case::of("trap", json!({ "how": how, "message": "the last words" })).ends(3).says(cause);
    }
    for (guest, cause) in [
        ("divide-by-zero", "divide by zero"),
        ("null-call", "uninitialized element"),
        ("answer-outside", "out of bounds"),
        ("random", "exceeds limit"),
        ("empty-poll", "empty poll list"),
    ] {
        Case::of(guest, json!({})).ends(3).says(cause);
    }
}

#[test]
fn a_component_that_never_ends_is_ended_at_its_timeout() {
    for guest in ["spin", "sleeper", "start-loop", "import-storm", "bulk-loop", "borrows"] {
        let started = Instant::now();
        Case::of(guest, json!({}))
            .step("timeout", json!("500ms"))
            .ends(5)
            .says("timed out after 500ms")
            .says("`timeout`");
        assert!(started.elapsed() < Duration::from_secs(30), "{guest}");
    }
}

#[test]
fn an_answer_that_breaks_its_own_schema_is_exit_3() {
    for answer in ["{\"text\": 1}", "not json", "[]"] {
        Case::of("liar", json!({ "answer": answer })).ends(3).says("output");
    }
}

#[test]
fn a_component_that_describes_itself_with_nonsense_is_refused_before_anything_runs() {
    Case::of("bad-description", json!({})).refused(3).says("describe");
}

#[test]
fn everything_is_denied_to_a_component_without_grants() {
    let server = Server::start(|_, _| Answer::new(200, "reached"));
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
    Case::of("forbidden", json!({ "tries": ["process"], "program": "git", "fail": true })).ends(4).says("git");
    Case::of("forbidden", json!({ "tries": ["http"], "url": "https://example.com/", "fail": true }))
        .ends(4)
        .says("example.com");
}
