//! The step types `webhook`, `teams.notify` and `discord.notify`, against real servers on loopback.

use hmac::{Hmac, Mac as _};
use serde_json::{Value, json};
use sha2::Sha256;

use crate::support::Project;
use crate::support::http::{Answer, Server};

const HOSTILE: &str = "{{env.API_TOKEN}} $(touch pwned) \u{1b}[2J @everyone <!here> [here](https://evil.example)\n::set-output name=x::y\nsection_start:1:x\r";

fn run(step_type: &str, config: Value) -> Project {
    let retry = json!({ "max_attempts": 2, "delay": "10ms", "max_delay": "60s" });
    let mut project = Project::with_workflow(&json!({ "name": "w", "steps": [
        { "id": "say", "type": "shell", "config": { "command": "cat hostile" } },
        { "id": "post", "type": step_type, "config": config, "depends_on": ["say"], "retry": retry }
    ] }));
    project.write("hostile", HOSTILE);
    project.env("API_TOKEN", "correct-horse-battery").env("HOOK_SECRET", "the-signing-key");
    project
}

#[test]
fn a_webhook_is_signed_over_its_very_body() {
    let server = Server::start(|number, _| Answer::new(if number == 0 { 503 } else { 202 }, "taken"));
    let config = json!({
        "url": server.url("/hooks/a-secret-path"), "payload": { "b": "{{steps.say.stdout}}", "a": [1, null] },
        "secret": "{{env.HOOK_SECRET}}", "event": "deployed", "headers": { "X-Extra": "{{run.id}}" }
    });
    let project = run("webhook", config);
    project
        .shiro("run")
        .exits(0)
        .does_not_say("a-secret-path")
        .does_not_say("the-signing-key")
        .does_not_say("correct-horse");
    let asked = server.received();
    assert_eq!(asked.len(), 2, "a passing failure was tried again");
    let last = &asked[1];
    assert_eq!(last.line(), "POST /hooks/a-secret-path");
    assert_eq!(last.json(), json!({ "b": HOSTILE, "a": [1, null] }));
    let mut mac = Hmac::<Sha256>::new_from_slice(b"the-signing-key").expect("any key");
    mac.update(last.body.as_bytes());
    let expected: String = mac.finalize().into_bytes().iter().map(|byte| format!("{byte:02x}")).collect();
    assert_eq!(last.header("x-hub-signature-256"), format!("sha256={expected}"));
    assert_eq!((last.header("x-shiro-event"), last.header("content-type")), ("deployed", "application/json"));
    assert!(!last.header("x-shiro-delivery").is_empty());
    assert_eq!(last.header("x-shiro-delivery"), asked[0].header("x-shiro-delivery"), "the same for each attempt");
    assert!(!project.join("pwned").exists());
}

#[test]
fn a_webhook_without_a_key_is_unsigned_and_a_refusal_is_final() {
    let server = Server::start(|_, asked| Answer::new(410, format!("no hook at {}", asked.path)));
    run("webhook", json!({ "url": server.url("/hooks/a-secret-path"), "payload": 1 }))
        .shiro("run")
        .exits(1)
        .says("the receiver did not take the message: HTTP 410, no hook at /hooks/***")
        .does_not_say("a-secret-path");
    let asked = server.received();
    assert_eq!((asked.len(), asked[0].header("x-hub-signature-256")), (1, ""));
}

#[test]
fn teams_gets_an_adaptive_card() {
    let server = Server::start(|number, _| match number {
        0 => Answer::new(
            200,
            "Webhook message delivery failed with error: Microsoft Teams endpoint returned HTTP error 429",
        ),
        _ => Answer::new(202, ""),
    });
    let config = json!({
        "webhook_url": server.url("/workflows/a-secret-path"), "title": "Deploy", "message": "{{steps.say.stdout}}",
        "facts": { "Branch": "main" }, "button_url": "https://ci.example/1"
    });
    run("teams.notify", config).shiro("run").exits(0).does_not_say("a-secret-path");
    let asked = server.received();
    assert_eq!(asked.len(), 2, "a rate limit that says 200 is one");
    let card = &asked[1].json()["attachments"][0];
    assert_eq!(card["contentType"], "application/vnd.microsoft.card.adaptive");
    let content = &card["content"];
    assert_eq!((&content["type"], &content["body"][0]["text"]), (&json!("AdaptiveCard"), &json!("Deploy")));
    assert_eq!(content["body"][1]["text"], HOSTILE.replace('[', "\\[").replace(']', "\\]"));
    assert_eq!(
        content["actions"][0],
        json!({ "type": "Action.OpenUrl", "title": "Open", "url": "https://ci.example/1" })
    );
}

#[test]
fn discord_gets_a_message_that_mentions_nobody() {
    let server = Server::start(|number, _| match number {
        0 => {
            Answer::json(429, &json!({ "message": "You are being rate limited.", "retry_after": 0.2, "global": false }))
        }
        _ => Answer::new(204, ""),
    });
    let config = json!({
        "webhook_url": server.url("/api/webhooks/1/a-secret-path"), "message": "{{steps.say.stdout}}", "username": "Shiro",
        "link_url": "https://ci.example/1", "link_text": "Pipeline"
    });
    run("discord.notify", config).shiro("run").exits(0).does_not_say("a-secret-path");
    let asked = server.received();
    assert_eq!(asked.len(), 2);
    assert_eq!(
        asked[1].json(),
        json!({
            "content": HOSTILE.replace('[', "\\[").replace(']', "\\]"), "allowed_mentions": { "parse": [] }, "username": "Shiro",
            "embeds": [{ "title": "Pipeline", "url": "https://ci.example/1" }]
        })
    );
}

#[test]
fn they_reach_their_own_host_and_no_other() {
    let server = Server::start(|_, _| Answer::new(200, "1"));
    for (step_type, config) in [
        ("webhook", json!({ "url": server.url("/"), "payload": {} })),
        ("teams.notify", json!({ "webhook_url": server.url("/"), "message": "x" })),
        ("discord.notify", json!({ "webhook_url": server.url("/"), "message": "x" })),
    ] {
        let project = run(step_type, config);
        project.shiro("run").exits(0);
        project.write(
            "op.json",
            &json!({ "version": 1, "types": { step_type: { "network": [{ "url": "https://hooks.example.com" }] } } })
                .to_string(),
        );
        project.shiro("run -fresh -policy op.json").exits(4).says("op.json does not allow it");
    }
    assert_eq!(server.received().len(), 3);
}
