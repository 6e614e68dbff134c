//! The step type `wait.http`, against real servers on loopback that change their answers.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::TcpListener;
use std::process::Stdio;

use serde_json::{Value, json};

use crate::support::http::{Answer, Server, raw_server};
use crate::support::{Outcome, Project, SHIRO};

/// Waits for this server, asking often.
fn wait_for(url: &str, config: Value) -> (Outcome, Value) {
    let mut whole = json!({ "url": url, "interval": "50ms", "timeout": "1m" });
    whole.as_object_mut().expect("an object").extend(config.as_object().expect("an object").clone());
    Project::new().step("wait.http", &whole)
}

#[test]
fn asks_until_the_answer_is_as_expected() {
    let server = Server::start(|number, _| match number {
        0 => Answer::new(503, "starting"),
        1 => Answer::new(503, "starting"),
        2 => Answer::new(200, "<html>").header("x-version", "2"),
        3 => Answer::json(200, &json!({ "status": "starting" })).header("x-version", "2"),
        4 => Answer::json(200, &json!({ "status": "ready" })),
        _ => Answer::json(200, &json!({ "status": "ready" })).header("x-version", "2"),
    });
    let config =
        json!({ "expect_json": ".status == \"ready\"", "expect_headers": { "X-Version": 2 }, "bearer": "the-token" });
    let (outcome, output) = wait_for(&server.url("/health"), config);
    let outcome = outcome.exits(0).does_not_say("the-token");
    assert_eq!((&output["attempts"], &output["status"]), (&json!(6), &json!(200)));
    assert_eq!((&output["json"], &output["body"]), (&json!({ "status": "ready" }), &json!(r#"{"status":"ready"}"#)));
    assert_eq!(output["headers"]["x-version"], "2");
    for why in ["status is 503; it says: starting", "no JSON", "gives false", "no header `X-Version`"] {
        assert_eq!(
            outcome.all().matches(why).count(),
            1,
            "each result is said once when it changes: {why}\n{}",
            outcome.all()
        );
    }
    assert!(server.received().iter().all(|asked| asked.header("authorization") == "Bearer the-token"));
    assert_eq!(server.received().len(), 6);
}

#[test]
fn an_endpoint_that_comes_up_later_is_waited_for() {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port on loopback");
    let address = listener.local_addr().expect("an address");
    drop(listener);
    let project = Project::new();
    let config = json!({ "url": format!("http://{address}/"), "interval": "50ms", "timeout": "1m" }).to_string();
    let mut child = project
        .command(SHIRO)
        .args(["plugin", "run", "wait.http", "-config", &config])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("shiro starts");
    let mut log = BufReader::new(child.stderr.take().expect("its standard error"));
    let mut line = String::new();
    while !line.contains("connection refused") {
        line.clear();
        assert!(log.read_line(&mut line).expect("a line") > 0, "it ended before it said so");
    }
    let listener = TcpListener::bind(address).expect("the port is still free");
    let (mut stream, _) = listener.accept().expect("it asks again");
    let _ = stream.read(&mut [0; 4096]).expect("a request");
    stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\nconnection: close\r\n\r\nup").expect("an answer");
    let output = child.wait_with_output().expect("it ends");
    let answer: Value = serde_json::from_slice(&output.stdout).expect("JSON");
    assert!(output.status.success() && answer["body"] == "up", "{answer}");
    assert!(answer["attempts"].as_u64().is_some_and(|attempts| attempts > 1), "{answer}");
}

#[test]
fn gives_up_in_time_with_the_last_answer() {
    let server = Server::start(|_, _| Answer::json(500, &json!({ "why": "broken" })));
    let (outcome, output) = wait_for(&server.url("/"), json!({ "timeout": "400ms" }));
    outcome.exits(1).says("within 0.4s (`timeout`), and still: the answer's status is 500");
    assert_eq!((&output["status"], &output["json"]), (&json!(500), &json!({ "why": "broken" })));
    assert_eq!(output["attempts"].as_u64(), Some(server.received().len() as u64));

    // A server that never answers, and one that breaks off.
    let silent = raw_server(b"", true);
    let config = json!({ "request_timeout": "100ms", "timeout": "300ms" });
    let (outcome, output) = wait_for(&format!("http://127.0.0.1:{silent}/"), config);
    outcome.exits(1).says("did not answer in time");
    assert_eq!(output["status"], 0);
    let broken = raw_server(b"HTTP/1.1 200 OK\r\ncontent-length: 99\r\n\r\nx", false);
    let (outcome, _) = wait_for(&format!("http://127.0.0.1:{broken}/"), json!({ "timeout": "200ms" }));
    outcome.exits(1).says("not yet");
}

#[test]
fn what_asking_again_will_not_change_ends_it_at_once() {
    let server = Server::start(|_, asked| match asked.path.as_str() {
        "/forbidden" => Answer::new(403, "no"),
        "/missing" => Answer::new(404, ""),
        _ => Answer::new(200, "x".repeat(2000)),
    });
    let (outcome, output) = wait_for(&server.url("/forbidden"), json!({}));
    outcome.exits(1).says("the answer's status is 403").says("fail_status");
    assert_eq!(output["body"], "no");
    wait_for(&server.url("/missing"), json!({ "fail_status": "404" })).0.exits(1).says("status is 404");
    wait_for(&server.url("/"), json!({ "max_bytes": 1000 })).0.exits(1).says("longer than 1000 bytes");
    assert_eq!(server.received().len(), 3);
    // What is listed as a failure by default can be what is waited for.
    wait_for(&server.url("/forbidden"), json!({ "expect_status": 403 })).0.exits(0);
    for (config, said) in [
        (json!({ "expect_json": ".a |" }), "`expect_json` is no jq filter"),
        (json!({ "interval": 0 }), "`interval`"),
        (json!({ "timeout": "25h" }), "`timeout`"),
        (json!({ "expect": 200 }), "expect"),
    ] {
        wait_for(&server.url("/"), config).0.exits(2).says(said);
    }
}

#[test]
fn a_host_that_is_not_granted_is_denied_at_once() {
    let server = Server::start(|_, _| Answer::new(200, "up"));
    let workflow = |permissions: Value| {
        json!({ "name": "w", "steps": [{ "id": "up", "type": "wait.http", "permissions": permissions,
            "config": { "url": server.url("/"), "interval": "50ms", "timeout": "1m" } }] })
    };
    Project::with_workflow(&workflow(json!({ "network": [{ "url": server.url("") }] }))).shiro("run").exits(0);
    assert_eq!(server.received().len(), 1);
    Project::with_workflow(&workflow(json!({}))).shiro("run").exits(4).says("denied");
    assert_eq!(server.received().len(), 1);
    // Cloud metadata is out of reach however it is asked for.
    wait_for("http://169.254.169.254/", json!({})).0.exits(4);
}

#[test]
fn what_is_set_too_early_is_not_asked_before_the_service_says() {
    let server = Server::start(|number, _| match number {
        0 => Answer::new(503, "").header("retry-after", "3600"),
        _ => Answer::new(200, "up"),
    });
    wait_for(&server.url("/"), json!({})).0.exits(1).says("asked once within 1m");
    assert_eq!(server.received().len(), 1);
}
