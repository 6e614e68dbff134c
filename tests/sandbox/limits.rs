//! Each limit that a policy can set: hit, with the line that raises it, and not hit; and whose policy it is.

use serde_json::{Value, json};

use super::Case;
use crate::support::SHIRO;
use crate::support::http::{Answer, Server};

/// Runs into a limit of this value, says which, and runs through with the other value.
#[track_caller]
fn limited(limit: &str, [low, enough]: [u32; 2], says: &str, case: impl Fn() -> Case) {
    let with = |value: u32| case().granted("limits", json!({ limit: value }));
    with(low).ends(5).says(says).says(limit);
    with(enough).ends(0);
}

#[test]
fn output() {
    limited("output_mib", [1, 3], "returned takes more than 1 MiB", || {
        Case::of("big-output", json!({ "bytes": 2 << 20 }))
    });
}

#[test]
fn log() {
    limited("log_mib", [1, 3], "wrote more than 1 MiB to its log", || {
        Case::of("chatty", json!({ "to": "log", "times": 32 })).step("quiet", json!(true))
    });
}

#[test]
fn http_in_each_direction() {
    let body = "x".repeat(2 << 20);
    let server = Server::start(move |_, request| match request.method.as_str() {
        "POST" => Answer::new(200, "ok"),
        _ => Answer::new(200, body.clone()),
    });
    let authority = format!("127.0.0.1:{}", server.port());
    for request in
        [json!({ "authority": authority }), json!({ "authority": authority, "method": "POST", "body_mib": 2 })]
    {
        limited("http_mib", [1, 3], "HTTP bodies are larger than 1 MiB", || {
            let config = json!({ "requests": [request], "url": server.url(""), "fail": true });
            Case::of("requester", config).granted("network", json!([{ "url": "{config.url}" }]))
        });
    }
}

#[test]
fn memory() {
    let case = |mib: u64| Case::of("big-output", json!({ "bytes": 5 << 20 })).memory_mib(mib);
    case(8).ends(5).says("more than 8 MiB of memory").says("memory_mib");
    case(32).ends(0);
}

#[test]
fn computing() {
    let case = || {
        let mut case = Case::of("spin", json!({}));
        case.step.as_object_mut().expect("an object").remove("timeout");
        case.granted("limits", json!({ "cpu_seconds": 1 }))
    };
    case().ends(5).says("computed for more than 1s").says("cpu_seconds");
    // Waiting is not computing.
    let mut waits = Case::of("echo", json!({ "sleep_ms": 1200 })).granted("limits", json!({ "cpu_seconds": 1 }));
    waits.step.as_object_mut().expect("an object").remove("timeout");
    waits.ends(0);
}

#[test]
fn time() {
    let case = |seconds: u32| {
        Case::of("echo", json!({ "sleep_ms": 1500 })).granted("limits", json!({ "wall_seconds": seconds }))
    };
    case(1).ends(5).says("timed out after 1s");
    case(30).ends(0);
}

/// A policy of the machine's operator, where it really lies. Inside, `/etc` has nothing else.
#[test]
fn the_operators_policy_of_the_machine_bounds() {
    let case = |policy: Option<Value>| {
        let case = Case::of("grabby", json!({ "do": [{ "variable": "PLAIN_A" }] }))
            .granted("environment", json!(["PLAIN_*"]))
            .env("PLAIN_A", "plain value");
        case.write();
        std::fs::create_dir_all(case.project.join("etc/shiro")).expect("create");
        if let Some(policy) = policy {
            case.project.write("etc/shiro/policy.json", &policy.to_string());
        }
        case.project.unshared("-U -r -m", &format!("mount --bind etc /etc; exec {SHIRO} run -fresh"))
    };
    let policy = |permissions: Value| Some(json!({ "version": 1, "types": { "*": permissions } }));
    let Some(unbounded) = case(None) else { return };
    unbounded.exits(0);
    let run = |policy| case(policy).expect("it worked before");
    run(policy(json!({ "environment": ["PLAIN_A"], "limits": { "memory_mib": 64 } }))).exits(0);
    run(policy(json!({ "limits": { "memory_mib": 64 } })))
        .exits(4)
        .says("/etc/shiro/policy.json does not allow it")
        .says(r#""environment": ["PLAIN_*"]"#);
    run(policy(json!({ "environment": ["PLAIN_A"], "limits": { "memory_mib": 1 } })))
        .exits(5)
        .says("more than 1 MiB of memory");
    run(Some(json!({ "version": 1, "types": { "*": { "enviroment": [] } } })))
        .exits(2)
        .says("/etc/shiro/policy.json:1:")
        .says("did you mean `environment`?");
}
