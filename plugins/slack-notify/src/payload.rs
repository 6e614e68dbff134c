//! The JSON that Slack gets.

use serde_json::{Map, Value, json};
use shiro_step::Failure;

use crate::Config;
use crate::markup::{escape, escape_all};

/// Slack's limits: the message, the text of a section block, a button's text and its URL.
const MESSAGE: usize = 40_000;
const SECTION: usize = 3000;
const BUTTON: usize = 75;
const BUTTON_URL: usize = 3000;

/// The JSON, and whether something of the message is missing from what is shown.
#[derive(Debug)]
pub(crate) struct Payload {
    pub(crate) body: Value,
    pub(crate) cut: bool,
}

/// The payload: the message as text, which is what notifications show, and again as a block when there is a button.
pub(crate) fn build(config: &Config) -> Result<Payload, Failure> {
    if config.message.trim().is_empty() {
        return Err(Failure::invalid_config("`message` is empty"));
    }
    let (text, text_cut) = escape(&config.message, MESSAGE);
    let mut cut = text_cut;
    let mut body = Map::new();
    body.insert("text".to_owned(), text.into());
    for (key, value) in [
        ("channel", config.channel.as_deref().unwrap_or_default()),
        ("username", &config.username),
        ("icon_emoji", &config.icon_emoji),
    ] {
        if !value.is_empty() {
            body.insert(key.to_owned(), value.into());
        }
    }
    if let Some(url) = shiro_notify::web(config.gitlab_pipeline_url.as_deref(), "gitlab_pipeline_url")? {
        let (section, section_cut) = escape(&config.message, SECTION);
        cut = section_cut;
        body.insert("blocks".to_owned(), blocks(&section, button_url(url)?, &config.button_text));
    }
    if !config.attachments.is_empty() {
        let attachments = config.attachments.iter().map(|attachment| shown(attachment, "")).collect();
        body.insert("attachments".to_owned(), Value::Array(attachments));
    }
    Ok(Payload { body: Value::Object(body), cut })
}

fn blocks(section: &str, url: &str, button: &str) -> Value {
    let button = if button.trim().is_empty() { crate::default_button() } else { button.to_owned() };
    json!([
        { "type": "section", "text": { "type": "mrkdwn", "text": section } },
        {
            "type": "actions",
            "elements": [{
                "type": "button",
                "text": { "type": "plain_text", "text": escape(&button, BUTTON).0 },
                "url": url,
            }],
        },
    ])
}

/// A URL can't be cut: what is left would lead elsewhere.
fn button_url(url: &str) -> Result<&str, Failure> {
    match url.encode_utf16().count() {
        length if length > BUTTON_URL => Err(Failure::invalid_config(format!(
            "`gitlab_pipeline_url` has {length} characters: Slack takes at most {BUTTON_URL}"
        ))),
        _ => Ok(url),
    }
}

/// An attachment with every text in it escaped. `key` is the name of the member that the value belongs to: URLs have to
/// stay as they are.
fn shown(value: &Value, key: &str) -> Value {
    match value {
        Value::String(text) if is_url_key(key) => text.as_str().into(),
        Value::String(text) => escape_all(text).into(),
        Value::Array(items) => items.iter().map(|item| shown(item, key)).collect(),
        Value::Object(members) => members.iter().map(|(key, value)| (key.clone(), shown(value, key))).collect(),
        other => other.clone(),
    }
}

fn is_url_key(key: &str) -> bool {
    key == "url" || key.ends_with("_url") || key.ends_with("_link")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn config(extra: Value) -> Config {
        let mut config = json!({ "webhook_url": "https://hooks.slack.com/services/T/B/x", "message": "Hi" });
        config.as_object_mut().unwrap().extend(extra.as_object().unwrap().clone());
        serde_json::from_value(config).unwrap()
    }

    fn body(extra: Value) -> Value {
        build(&config(extra)).unwrap().body
    }

    #[test]
    fn a_plain_message_has_text_and_the_documented_defaults() {
        assert_eq!(body(json!({})), json!({ "text": "Hi", "username": "Shiro", "icon_emoji": ":robot_face:" }));
        assert_eq!(body(json!({ "username": "", "icon_emoji": "", "channel": "" })), json!({ "text": "Hi" }));
    }

    #[test]
    fn a_pipeline_url_becomes_a_button() {
        let url = "https://gitlab.example/1/-/pipelines/2?a=1&b=2";
        assert_eq!(
            body(json!({
                "channel": "#deployments", "username": "Bot", "icon_emoji": ":ship:",
                "message": "Ready to deploy <main> & go", "gitlab_pipeline_url": url
            })),
            json!({
                "text": "Ready to deploy &lt;main&gt; &amp; go",
                "channel": "#deployments",
                "username": "Bot",
                "icon_emoji": ":ship:",
                "blocks": [
                    {
                        "type": "section",
                        "text": { "type": "mrkdwn", "text": "Ready to deploy &lt;main&gt; &amp; go" }
                    },
                    {
                        "type": "actions",
                        "elements": [{
                            "type": "button",
                            "text": { "type": "plain_text", "text": "Review in GitLab" },
                            "url": url
                        }]
                    }
                ]
            })
        );
        assert_eq!(body(json!({ "gitlab_pipeline_url": "" })).get("blocks"), None);
    }

    #[test]
    fn texts_are_cut_to_their_limits() {
        let long = "x".repeat(50_000);
        let extra = json!({ "message": long, "gitlab_pipeline_url": "https://a/", "button_text": long });
        let payload = build(&config(extra)).unwrap();
        assert!(payload.cut);
        let length = |pointer: &str| payload.body.pointer(pointer).unwrap().as_str().unwrap().chars().count();
        assert_eq!(length("/text"), 40_000);
        assert_eq!(length("/blocks/0/text/text"), 3000);
        assert_eq!(length("/blocks/1/elements/0/text/text"), 75);
    }

    #[test]
    fn a_message_that_fits_its_block_is_whole() {
        let message = |length, url: &str| config(json!({ "message": "x".repeat(length), "gitlab_pipeline_url": url }));
        assert!(!build(&message(3000, "https://a/")).unwrap().cut);
        assert!(build(&message(3001, "https://a/")).unwrap().cut);
        assert!(!build(&message(3001, "")).unwrap().cut);
    }

    #[test]
    fn attachments_are_text_but_for_their_urls() {
        let attachments = json!([{
            "color": "good",
            "text": "<!channel> done",
            "title_link": "https://a/?x=1&y=2",
            "fields": [{ "title": "A&B", "value": "<https://evil|x>", "short": true }],
            "actions": [{ "type": "button", "url": "https://a/?x=1&y=2" }]
        }]);
        assert_eq!(
            body(json!({ "attachments": attachments }))["attachments"],
            json!([{
                "color": "good",
                "text": "&lt;!channel&gt; done",
                "title_link": "https://a/?x=1&y=2",
                "fields": [{ "title": "A&amp;B", "value": "&lt;https://evil|x&gt;", "short": true }],
                "actions": [{ "type": "button", "url": "https://a/?x=1&y=2" }]
            }])
        );
    }

    #[test]
    fn what_slack_would_refuse_is_a_wrong_config() {
        let long = format!("https://a/{}", "x".repeat(3000));
        for extra in [
            json!({ "message": " " }),
            json!({ "gitlab_pipeline_url": "javascript:alert(1)" }),
            json!({ "gitlab_pipeline_url": long }),
        ] {
            assert!(build(&config(extra)).is_err());
        }
    }
}
