//! A stand-in for Slack's incoming webhooks: takes what they take, and says in their words what is wrong.
//! <https://docs.slack.dev/messaging/sending-messages-using-incoming-webhooks>

use serde_json::Value;

use super::http::{Answer, Received, Server};

impl Server {
    /// Answers as Slack does when all is well, and refuses what Slack refuses.
    pub(crate) fn slack() -> Self {
        Self::start(|_, asked| answer(asked))
    }
}

/// What Slack answers.
pub(crate) fn answer(asked: &Received) -> Answer {
    let said = |status: u16, word: &str| Answer::new(status, word).header("content-type", "text/html");
    if asked.method != "POST" || asked.header("content-type") != "application/json" {
        return said(400, "invalid_payload");
    }
    let Ok(Value::Object(message)) = serde_json::from_str(&asked.body) else { return said(400, "invalid_payload") };
    let known = ["text", "channel", "username", "icon_emoji", "attachments", "blocks"];
    if message.keys().any(|key| !known.contains(&key.as_str())) {
        return said(400, "invalid_payload");
    }
    let text = |value: &Value| value.as_str().is_some_and(|text| !text.is_empty());
    if !message.get("text").is_some_and(text) {
        return said(400, "no_text");
    }
    let blocks = message.get("blocks").and_then(Value::as_array).into_iter().flatten();
    match blocks.clone().all(is_block) {
        true => said(200, "ok"),
        false => said(400, "invalid_blocks"),
    }
}

/// Slack's limits: <https://docs.slack.dev/reference/block-kit/blocks>
fn is_block(block: &Value) -> bool {
    let within =
        |value: &Value, most: usize| value.as_str().is_some_and(|text| (1..=most).contains(&text.chars().count()));
    match block["type"].as_str() {
        Some("section") => block["text"]["type"] == "mrkdwn" && within(&block["text"]["text"], 3000),
        Some("actions") => block["elements"].as_array().is_some_and(|elements| {
            elements.iter().all(|element| {
                element["type"] == "button"
                    && element["text"]["type"] == "plain_text"
                    && within(&element["text"]["text"], 75)
                    && within(&element["url"], 3000)
            })
        }),
        _ => false,
    }
}
