//! The step type `http`, against real servers on loopback.

use std::time::Duration;

use serde_json::{Value, json};

use crate::support::http::{Answer, Received, Server, raw_server};
use crate::support::{Outcome, Project};

/// Runs the step once with this config, to which the server's URL is added.
fn ask(server: &Server, config: Value) -> (Outcome, Value) {
    let mut config = config;
    if config.get("url").is_none() {
        config["url"] = server.url("/items").into();
    }
    Project::new().step("http", &config)
}

fn ok() -> Server {
    Server::start(|_, _| Answer::json(200, &json!({ "id": 7 })).header("x-a", "1").header("x-a", "2"))
}

#[test]
fn an_answer_is_status_headers_json_and_body() {
    let server = Server::start(|_, _| {
        Answer::json(201, &json!({ "id": 7 }))
            .header("x-a", "1")
            .header("x-a", "2")
            .header("set-cookie", "session=secret")
    });
    let (outcome, output) = ask(&server, json!({}));
    outcome.exits(0).does_not_say("session=secret");
    assert_eq!(output["status"], 201);
    assert_eq!(output["json"], json!({ "id": 7 }));
    assert_eq!(output["body"], r#"{"id":7}"#);
    assert_eq!(output["headers"]["x-a"], "1, 2");
    assert_eq!(output["headers"]["content-type"], "application/json");
    let asked = server.received();
    assert_eq!(asked[0].line(), "GET /items");
    assert_eq!((asked[0].header("user-agent"), asked[0].header("authorization")), ("shiro", ""));
}

#[test]
fn a_request_is_what_was_configured() {
    let server = ok();
    let headers = json!({ "X-Number": 5, "Accept": "text/x" });
    let (outcome, _) = ask(
        &server,
        json!({
            "method": "post", "url": server.url("/items?x=1"), "query": { "q": "a&b=ü", "tag": ["one", "two"] },
            "headers": headers, "json": { "b": [1, null], "a": "{{x" }, "bearer": "the-bearer-token",
            "idempotency_header": "Idempotency-Key"
        }),
    );
    outcome.exits(0).does_not_say("the-bearer-token");
    let asked = &server.received()[0];
    assert_eq!(asked.line(), "POST /items?x=1&q=a%26b%3D%C3%BC&tag=one&tag=two");
    assert_eq!(asked.json(), json!({ "b": [1, null], "a": "{{x" }));
    for (name, value) in [
        ("content-type", "application/json"),
        ("authorization", "Bearer the-bearer-token"),
        ("x-number", "5"),
        ("accept", "text/x"),
    ] {
        assert_eq!(asked.header(name), value, "{name}");
    }
    assert!(!asked.header("idempotency-key").is_empty());
}

#[test]
fn bodies_are_forms_and_texts_too() {
    let server = ok();
    let send = |config: Value| {
        let (outcome, _) = ask(&server, config);
        outcome.exits(0);
        server.received().pop().expect("it came")
    };
    let form = send(json!({ "method": "PUT", "form": { "a": "1 2&3", "list": [true, "x"] } }));
    assert_eq!(
        (form.header("content-type"), form.body.as_str()),
        ("application/x-www-form-urlencoded", "a=1+2%263&list=true&list=x")
    );
    let text = send(json!({ "method": "PATCH", "body": "line\n", "username": "user", "password": "a-long-password" }));
    assert_eq!((text.header("content-type"), text.body.as_str()), ("text/plain; charset=utf-8", "line\n"));
    assert_eq!(text.header("authorization"), "Basic dXNlcjphLWxvbmctcGFzc3dvcmQ=");
    let xml = send(json!({ "method": "POST", "body": "<a/>", "headers": { "Content-Type": "text/xml" } }));
    assert_eq!(xml.header("content-type"), "text/xml");
}

#[test]
fn what_contradicts_itself_is_refused_before_anything_is_sent() {
    let server = ok();
    for config in [
        json!({ "json": 1, "body": "x" }),
        json!({ "bearer": "token-token", "username": "u" }),
        json!({ "expect_status": "6xx" }),
        json!({ "max_bytes": 0 }),
        json!({ "metod": "GET" }),
        json!({ "url": "ftp://a/b" }),
    ] {
        let (outcome, _) = ask(&server, config);
        outcome.exits(2);
    }
    let workflow = json!({ "name": "w", "steps": [
        { "id": "a", "type": "http", "config": { "url": "https://a.example", "form": {}, "body": "x" } }
    ] });
    Project::with_workflow(&workflow).shiro("validate").exits(2);
    assert!(server.received().is_empty());
}

#[test]
fn an_unexpected_status_fails_and_shows_what_came() {
    let server = Server::start(|_, _| Answer::json(404, &json!({ "error": "no\nsuch\u{1b}[2J thing" })));
    let (outcome, output) = ask(&server, json!({}));
    outcome.exits(1).says("[http.status_404]").says("the answer's status is 404, and 2xx is expected");
    assert_eq!((&output["status"], &output["json"]["error"]), (&json!(404), &json!("no\nsuch\u{1b}[2J thing")));
    let (outcome, _) = ask(&server, json!({ "expect_status": [200, "404"] }));
    outcome.exits(0);
    let redirect = Server::start(|_, _| Answer::new(302, "").header("location", "http://elsewhere.example/x"));
    let (outcome, _) = ask(&redirect, json!({}));
    outcome.exits(1).says("it redirects to http://elsewhere.example/x, which is not followed");
    assert_eq!(redirect.received().len(), 1);
}

/// A workflow whose step asks with up to three attempts.
fn retrying(server: &Server, config: Value) -> Project {
    let mut config = config;
    config["url"] = server.url("/").into();
    let retry = json!({ "max_attempts": 3, "delay": "10ms", "max_delay": "60s" });
    Project::with_workflow(&json!({ "name": "w", "steps": [
        { "id": "ask", "type": "http", "config": config, "retry": retry },
        { "id": "show", "type": "print", "config": { "message": "got {{steps.ask.json.n}}" }, "depends_on": ["ask"] }
    ] }))
}

#[test]
fn passing_statuses_are_tried_again_and_others_are_not() {
    let flaky = || {
        Server::start(|number, _| match number {
            0 => Answer::new(503, "busy"),
            1 => Answer::new(429, "slow down").header("retry-after", "1"),
            _ => Answer::json(200, &json!({ "n": 3 })),
        })
    };
    let server = flaky();
    let started = std::time::Instant::now();
    retrying(&server, json!({ "method": "POST", "idempotency_header": "X-Key" })).shiro("run").exits(0).says("got 3");
    assert!(started.elapsed() >= Duration::from_secs(1), "it waited as it was asked to");
    let asked = server.received();
    assert_eq!(asked.len(), 3);
    assert!(asked.iter().all(|one| one.header("x-key") == asked[0].header("x-key") && !one.header("x-key").is_empty()));
    let server = flaky();
    retrying(&server, json!({ "retry_status": ["429"] })).shiro("run").exits(1).says("503");
    assert_eq!(server.received().len(), 1);
    let server = Server::start(|number, _| Answer::new(if number == 0 { 418 } else { 200 }, r#"{"n":1}"#));
    retrying(&server, json!({ "retry_status": [418] })).shiro("run").exits(0);
}

#[test]
fn slow_and_broken_answers_end() {
    for (answer, wait, code) in [
        (&b""[..], true, "http_timeout"),
        // The step's own time and the host's wait for more end together: either may say so.
        (b"HTTP/1.1 200 OK\r\ncontent-length: 10\r\n\r\nabc", true, "http"),
        (b"HTTP/1.1 200 OK\r\ncontent-length: 10\r\n\r\nabc", false, "http"),
        (b"nonsense\r\n\r\n", false, "http"),
        (b"", false, "http"),
    ] {
        let config = json!({ "url": format!("http://127.0.0.1:{}/", raw_server(answer, wait)), "timeout": "1s" });
        let (outcome, _) = Project::new().step("http", &config);
        outcome.exits(1).says(&format!("[http.{code}"));
    }
}

#[test]
fn a_long_answer_is_a_failure_and_not_a_burden() {
    let server = Server::start(|_, _| Answer::new(200, "x".repeat(3 << 20)));
    let (outcome, _) = ask(&server, json!({}));
    outcome.exits(1).says("longer than 1048576 bytes").says("max_bytes");
    let (outcome, output) = ask(&server, json!({ "max_bytes": 4 << 20 }));
    outcome.exits(0);
    assert_eq!(output["bytes"], 3 << 20);
}

/// Three pages of two items each; the third has no next one.
fn page(server_origin: &str, asked: &Received) -> Answer {
    let number = asked.path.rsplit('=').next().and_then(|number| number.parse::<u32>().ok()).unwrap_or(1);
    let answer = Answer::json(200, &json!([number * 10, number * 10 + 1]));
    match number {
        3 => answer,
        _ => answer.header("link", format!("<{server_origin}/items?page={}>; rel=\"next\"", number + 1)),
    }
}

#[test]
fn pages_are_followed_on_the_same_host_only() {
    let server = Server::start(|_, asked| page("", asked));
    let (outcome, output) = ask(&server, json!({ "paginate": true, "bearer": "page-token-1" }));
    outcome.exits(0);
    assert_eq!(output["json"], json!([10, 11, 20, 21, 30, 31]));
    assert_eq!((&output["pages"], &output["body"]), (&json!(3), &json!("")));
    let asked = server.received();
    assert_eq!(
        asked.iter().map(Received::line).collect::<Vec<_>>(),
        ["GET /items", "GET /items?page=2", "GET /items?page=3"]
    );
    assert!(asked.iter().all(|one| one.header("authorization") == "Bearer page-token-1"));
    let (outcome, _) = ask(&server, json!({ "paginate": true, "max_pages": 2 }));
    outcome.exits(1).says("more than 2 pages");

    let elsewhere = ok();
    let origin = elsewhere.url("");
    let lying = Server::start(move |_, asked| page(&origin, asked));
    let (outcome, _) = ask(&lying, json!({ "paginate": true, "bearer": "page-token-1" }));
    outcome.exits(1).says("another host");
    assert!(elsewhere.received().is_empty(), "no token goes elsewhere");
    let (outcome, _) = ask(&ok(), json!({ "paginate": true }));
    outcome.exits(1).says("not a JSON array");
}

#[test]
fn it_reaches_the_host_of_its_url_unless_a_step_named_a_private_one() {
    let server = ok();
    let workflow = |url: &str| {
        Project::with_workflow(&json!({ "name": "w", "steps": [
            { "id": "url", "type": "shell", "config": { "command": format!("printf %s '{}'", server.url("/x")) } },
            { "id": "ask", "type": "http", "depends_on": ["url"], "config": { "url": url } }
        ] }))
    };
    workflow("{{steps.url.stdout}}").shiro("run").exits(4).says("private address");
    assert!(server.received().is_empty());
    workflow(&server.url("/y")).shiro("run").exits(0);
    let mut by_variable = workflow("{{env.SERVICE}}/z");
    by_variable.env("SERVICE", server.url(""));
    by_variable.shiro("run").exits(0);
    by_variable.shiro("run -dry-run").exits(0).says(&format!("Granted: network requests to {}", server.url("")));
    let narrowed = workflow(&server.url("/y"));
    narrowed.write(
        ".shiro/policy.json",
        r#"{ "version": 1, "types": { "http": { "network": [{ "url": "https://api.example.com" }] } } }"#,
    );
    narrowed.shiro("run").exits(4).says(".shiro/policy.json");
}

#[test]
fn hostile_answers_are_text() {
    let hostile =
        "{{env.API_TOKEN}} $(touch pwned) `touch pwned` \u{1b}[2J ::set-output name=x::y\nsection_start:1:x\r";
    let server = Server::start(move |_, _| Answer::new(200, hostile));
    let mut project = Project::with_workflow(&json!({ "name": "w", "steps": [
        { "id": "ask", "type": "http", "config": { "url": server.url("/") } },
        { "id": "say", "type": "print", "config": { "message": "{{steps.ask.body}}" }, "depends_on": ["ask"] },
        { "id": "run", "type": "shell", "config": { "command": "printf %s \"{{steps.ask.body}}\" > got" }, "depends_on": ["say"] }
    ] }));
    project.env("API_TOKEN", "correct-horse-battery");
    project.shiro("run").exits(0).does_not_say("correct-horse").does_not_say("\u{1b}[2J").says("{{env.API_TOKEN}}");
    assert_eq!(project.read("got"), hostile);
    assert!(!project.join("pwned").exists());
}
