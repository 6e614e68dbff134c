//! Requests: where they may go, whatever they look like, and what comes back.

use std::io::{Read as _, Write as _};
use std::net::TcpListener;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::Duration;

use serde_json::{Value, json};

use super::Case;
use crate::support::http::{Answer, Server};
use crate::support::{Project, SHIRO};

#[test]
fn slack_reaches_its_own_host_and_a_host_from_an_output_may_not_be_private() {
    let server = Server::ok();
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
    let target = Server::ok();
    let location = target.url("/elsewhere");
    let server = Server::start(move |_, _| Answer::new(302, "").header("location", location.clone()));
    let mut project = Project::with_workflow(&json!({ "name": "redirect", "steps": [
        { "id": "notify", "type": "slack.notify", "config": { "webhook_url": "{{env.HOOK}}", "message": "x" } }
    ] }));
    project.env("HOOK", server.url("/hook-with-a-long-path"));
    project.shiro("run").exits(1).says("302");
    assert!(target.received().is_empty());
}

/// A case of `requester` with these requests, which may go to any URL that is the internet's.
fn requests(requests: Value) -> Case {
    Case::of("requester", json!({ "requests": requests })).granted("network", json!([{ "url": "*" }]))
}

/// The same, which may go to this server and nowhere else.
fn requests_to(server: &str, requests: Value) -> Case {
    let config = json!({ "requests": requests, "url": server });
    Case::of("requester", config).granted("network", json!([{ "url": "{config.url}" }]))
}

/// A server's host and port.
fn authority(server: &Server) -> String {
    format!("127.0.0.1:{}", server.port())
}

#[test]
fn only_the_granted_scheme_host_and_port_are_reached() {
    let (granted, other) = (Server::ok(), Server::ok());
    let request = |scheme: &str, authority: String| json!({ "scheme": scheme, "authority": authority });
    let case = requests_to(
        &granted.url(""),
        json!([
            request("http", authority(&granted)),
            request("http", authority(&other)),
            request("https", authority(&granted)),
            request("http", format!("localhost:{}", granted.port())),
        ]),
    );
    assert_eq!(case.results(), ["200, 2 bytes", "HttpRequestDenied", "HttpRequestDenied", "HttpRequestDenied"]);
    assert_eq!((granted.received().len(), other.received().len()), (1, 0));

    let config = json!({ "requests": [request("http", authority(&other))], "url": granted.url(""), "fail": true });
    Case::of("requester", config)
        .granted("network", json!([{ "url": "{config.url}" }]))
        .ends(4)
        .says(&format!("send a GET request to http://{}", authority(&other)))
        .says(&format!(r#"{{ "url": "http://{}", "methods": ["GET"] }}"#, authority(&other)));
}

#[test]
fn private_addresses_are_refused_in_every_spelling_whatever_host_is_granted() {
    let server = Server::ok();
    let hosts = [
        "127.0.0.1",
        "localhost",
        "0.0.0.0",
        "[::]",
        "[::1]",
        "127.1",
        "2130706433",
        "0x7f000001",
        "017700000001",
        "[::ffff:127.0.0.1]",
        "127.0.0.1.",
        "LOCALHOST",
        "[::ffff:7f00:1]",
    ];
    let all = hosts.map(|host| json!({ "authority": format!("{host}:{}", server.port()) }));
    let results = requests(json!(all)).results();
    for (host, result) in hosts.iter().zip(&results) {
        assert!(matches!(result.as_str(), "DestinationIpProhibited" | "HttpRequestUriInvalid"), "{host}: {result}");
    }
    assert!(server.received().is_empty());
    // A range that policy names may be reached.
    let case = requests(json!([{ "authority": authority(&server) }]));
    let ranges = json!([{ "url": "*", "private": ["127.0.0.0/8"] }]);
    assert_eq!(case.granted("network", ranges).results(), ["200, 2 bytes"]);
}

#[test]
fn metadata_services_are_refused_whatever_is_granted() {
    let hosts = ["169.254.169.254", "[fd00:ec2::254]", "100.100.100.200", "metadata.google.internal", "2852039166"];
    let all = hosts.map(|host| json!({ "authority": host }));
    let any = json!([{ "url": "*", "private": ["0.0.0.0/0", "::/0"] }]);
    assert_eq!(requests(json!(all)).granted("network", any).results(), [const { "DestinationIpProhibited" }; 5]);
}

#[test]
fn what_is_no_request_is_not_sent() {
    let server = Server::ok();
    let to = authority(&server);
    let all = json!([
        { "authority": format!("{to}@evil.example") },
        { "authority": format!("user:password@{to}") },
        { "authority": format!("{to}\r\nx: y") },
        { "authority": "%2e%2e" },
        { "authority": to, "method": "CONNECT" },
        { "authority": to, "method": "TRACE" },
        { "authority": to, "method": "GET /x HTTP/1.1\r\n" },
        { "authority": to, "path": "/ HTTP/1.1\r\nx: y" },
        { "authority": to, "scheme": "file" },
        { "authority": to, "scheme": "unix" },
        { "authority": to, "scheme": "gopher" },
        { "authority": to, "scheme": "ws" },
        { "authority": to, "header": ["host", "evil.example"] },
        { "authority": to, "header": ["x", "y\r\nz: y"] },
        { "authority": to, "path_chars": 1_000_000 },
        { "authority": to, "no_time": true, "path": "/slow" },
    ]);
    let count = all.as_array().expect("a list").len();
    let results = requests_to(&server.url(""), all).results();
    assert_eq!(results.len(), count);
    for (number, result) in results.iter().enumerate() {
        assert!(!result.starts_with("200") || number == count - 1, "{number}: {result}");
    }
    assert!(server.received().iter().all(|request| request.path == "/slow"), "{:?}", server.received());
}

#[test]
fn too_many_headers_hit_a_limit() {
    let server = Server::ok();
    requests_to(&server.url(""), json!([{ "authority": authority(&server), "headers": 40_000 }]))
        .ends(5)
        .says("header");
    assert!(server.received().is_empty());
}

#[test]
fn a_redirect_is_an_answer_and_carries_nothing_along() {
    let other = Server::ok();
    let location = other.url("/elsewhere");
    let server = Server::start(move |number, _| {
        let status = [302, 307, 308][number % 3];
        Answer::new(status, "").header("location", location.clone())
    });
    let secret = json!({ "authority": authority(&server), "header": ["authorization", "a-secret"], "times": 3 });
    let results = requests_to(&server.url(""), json!([secret, { "authority": authority(&other) }])).results();
    let answered: Vec<&str> = results.iter().map(|result| &result[..3]).collect();
    assert_eq!(answered.len(), 4);
    for status in ["302", "307", "308"] {
        assert!(answered.contains(&status), "{results:?}");
    }
    assert_eq!(results[3], "HttpRequestDenied");
    assert!(other.received().is_empty());
}

/// A server that answers each request with these bytes, then with the others again and again.
fn endless(head: &'static str, more: &'static [u8]) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port on loopback");
    let url = format!("http://{}", listener.local_addr().expect("it has an address"));
    thread::spawn(move || {
        for stream in listener.incoming() {
            let Ok(mut stream) = stream else { return };
            thread::spawn(move || {
                let _ = stream.read(&mut [0; 4096]);
                let mut sent = stream.write_all(head.as_bytes());
                // Until the other side has enough.
                while sent.is_ok() {
                    sent = stream.write_all(more);
                }
            });
        }
    });
    url
}

#[test]
fn an_answer_without_end_hits_its_limit() {
    const CHUNK: &[u8] = &[b'x'; 65_536];
    const CHUNKED: &[u8] = b"10\r\nxxxxxxxxxxxxxxxx\r\n";
    for (head, more) in [
        ("HTTP/1.1 200 OK\r\ncontent-length: 10737418240\r\n\r\n", CHUNK),
        ("HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n", CHUNKED),
        ("HTTP/1.1 200 OK\r\ncontent-encoding: gzip\r\n\r\n", CHUNK),
    ] {
        let url = endless(head, more);
        let config = json!({ "requests": [{ "authority": &url[7..] }], "url": url, "fail": true });
        Case::of("requester", config)
            .granted("network", json!([{ "url": "{config.url}" }]))
            .granted("limits", json!({ "http_mib": 4 }))
            .ends(5)
            .says("HTTP bodies are larger than 4 MiB");
    }
    // No body at all yet, and headers without end.
    let url = endless("HTTP/1.1 200 OK\r\n", b"x-header: y\r\n");
    let result = requests_to(&url, json!([{ "authority": &url[7..] }])).results();
    assert!(!result[0].starts_with("200"), "{result:?}");
}

#[test]
fn requests_beyond_those_allowed_at_once_wait() {
    for allowed in [2, 16] {
        let (now, most) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
        let (url, times) = (counting(Arc::clone(&now), Arc::clone(&most)), if allowed == 2 { 20 } else { 200 });
        let case = requests_to(&url, json!([{ "authority": &url[7..], "times": times }]));
        let case = if allowed == 16 { case } else { case.granted("limits", json!({ "open_requests": allowed })) };
        let results = case.results();
        assert!(results.iter().all(|result| result == "200, 2 bytes"), "{results:?}");
        let most = most.load(Ordering::SeqCst);
        assert!((2..=allowed).contains(&most), "{most} at once, and {allowed} are allowed");
    }
}

/// A server that takes a moment for each request, and counts how many it has at most.
fn counting(now: Arc<AtomicUsize>, most: Arc<AtomicUsize>) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port on loopback");
    let url = format!("http://{}", listener.local_addr().expect("it has an address"));
    thread::spawn(move || {
        for stream in listener.incoming() {
            let Ok(mut stream) = stream else { return };
            let (now, most) = (Arc::clone(&now), Arc::clone(&most));
            thread::spawn(move || {
                let _ = stream.read(&mut [0; 4096]);
                most.fetch_max(now.fetch_add(1, Ordering::SeqCst) + 1, Ordering::SeqCst);
                thread::sleep(Duration::from_millis(10));
                now.fetch_sub(1, Ordering::SeqCst);
                let _ = stream.write_all(b"HTTP/1.1 200 OK\r\nconnection: close\r\ncontent-length: 2\r\n\r\nok");
            });
        }
    });
    url
}

#[test]
fn the_jobs_proxy_is_used_for_what_is_granted_and_for_nothing_else() {
    let proxy = Server::ok();
    let server = Server::ok();
    let granted = json!([{ "url": "http://granted.invalid" }, { "url": server.url(""), "private": ["127.0.0.0/8"] }]);
    let all = json!([{ "authority": "granted.invalid", "path": "/x" }, { "authority": "other.invalid" },
        { "authority": authority(&server) }]);
    let case = Case::of("requester", json!({ "requests": all })).granted("network", granted);
    let case = case.env("HTTP_PROXY", proxy.url("")).env("http_proxy", proxy.url(""));
    assert_eq!(case.results(), ["200, 2 bytes", "HttpRequestDenied", "200, 2 bytes"]);
    let paths: Vec<String> = proxy.received().into_iter().map(|request| request.path).collect();
    assert_eq!(paths, ["http://granted.invalid/x"]);
    assert_eq!(server.received().len(), 1, "loopback is never asked of a proxy");
}

/// Names for which a name server has said what suits it, and the address of this machine among them.
const HOSTS: &str = "192.0.2.1 mixed.test\n127.0.0.1 mixed.test\n127.0.0.1 inside.test\n169.254.169.254 cloud.test\n";

#[test]
fn a_name_leads_nowhere_that_its_address_may_not() {
    let server = Server::ok();
    let to = |host: &str| json!({ "authority": format!("{host}:{}", server.port()) });
    let case = requests(json!([to("inside.test"), to("mixed.test"), to("cloud.test")]));
    case.project.write("hosts", HOSTS);
    case.write();
    let script = format!("mount --bind hosts /etc/hosts; exec {SHIRO} run -fresh -keep-going");
    let Some(outcome) = case.project.unshared("-U -r -m", &script) else { return };
    let outcome = outcome.exits(0);
    let results = case.recorded("guest").expect("it has an end")["output"]["results"].clone();
    for result in results.as_array().expect("results") {
        assert!(result != "200, 2 bytes", "{results}\n{}", outcome.all());
    }
    assert_eq!(results[0], "DestinationIpProhibited");
    assert_eq!(results[2], "DestinationIpProhibited");
    assert!(server.received().is_empty());
}
