//! The step type `teams.notify`: posts a card to Microsoft Teams, through the webhook of a workflow.
//! <https://learn.microsoft.com/en-us/microsoftteams/platform/webhooks-and-connectors/how-to/connectors-using>

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::{Value, json};
use shiro_notify::{Output, web, without_links};
use shiro_step::http::Request;
use shiro_step::{Failure, Permissions, Step, Text, log};

/// The longest message, in UTF-16 units: a card may have 28 KB.
const MESSAGE: usize = 8000;

/// The longest title, fact or button.
const LABEL: usize = 250;

/// The most facts.
const FACTS: usize = 20;

/// In the keys that may be left out, an empty string counts as left out.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Config {
    /// The webhook's URL. It is a secret: whoever knows it can post.
    #[schemars(extend("writeOnly" = true, "pattern" = "^https?://"))]
    webhook_url: String,
    /// The text. `*` and `_` emphasise; `[text](address)` is shown as it is, so no address hides behind a text.
    #[schemars(extend("minLength" = 1))]
    message: Text,
    /// A heading above the text.
    title: Option<Text>,
    /// Names and values, shown as a table below the text. At most 20.
    #[serde(default)]
    facts: BTreeMap<String, Text>,
    /// Where the button leads. Without it, there is no button.
    #[schemars(extend("pattern" = "^(https?://.*)?$"))]
    button_url: Option<String>,
    /// What the button says.
    #[serde(default = "usual_button")]
    button_text: Text,
}

fn usual_button() -> Text {
    "Open".into()
}

struct TeamsNotify;

impl Step for TeamsNotify {
    const NAME: &'static str = "teams.notify";
    const SUMMARY: &'static str = "Posts a message to a Microsoft Teams channel, with a button that leads somewhere.";
    type Config = Config;
    type Output = Output;

    fn permissions() -> Permissions {
        Permissions::default().network("{config.webhook_url}")
    }

    fn run(config: Config) -> Result<Output, Failure> {
        let (body, cut) = card(&config)?;
        if cut {
            log::warn("the message is longer than Teams allows: its end was left out");
        }
        let response = Request::post(&*config.webhook_url).timeout(shiro_notify::TIMEOUT).json(&body).send()?;
        let (status, wait) = (response.status(), response.retry_after());
        let success = response.is_success();
        let said = response.excerpt(shiro_notify::EXCERPT);
        // Old connectors answer 200 to everything, and say what went wrong.
        if !success || said.contains("endpoint returned HTTP error 429") {
            let status = if success { 429 } else { status };
            return Err(shiro_notify::refused("Teams", status, wait, &said, &config.webhook_url));
        }
        Ok(shiro_notify::sent(config.message.into_string(), status))
    }
}

shiro_step::export!(TeamsNotify);

/// An adaptive card, and whether something of the message is missing. <https://adaptivecards.io/explorer/AdaptiveCard.html>
fn card(config: &Config) -> Result<(Value, bool), Failure> {
    if config.message.trim().is_empty() {
        return Err(Failure::invalid_config("`message` is empty"));
    }
    if config.facts.len() > FACTS {
        return Err(Failure::invalid_config(format!("there are more than {FACTS} `facts`")));
    }
    let mut body = Vec::new();
    if let Some(title) = config.title.as_deref().filter(|title| !title.is_empty()) {
        let title = without_links(title, LABEL).0;
        body.push(json!({ "type": "TextBlock", "text": title, "weight": "Bolder", "size": "Medium", "wrap": true }));
    }
    let (text, cut) = without_links(&config.message, MESSAGE);
    body.push(json!({ "type": "TextBlock", "text": text, "wrap": true }));
    if !config.facts.is_empty() {
        let fact = |(name, value): (&String, &Text)| json!({ "title": without_links(name, LABEL).0, "value": without_links(value, LABEL).0 });
        let facts: Vec<Value> = config.facts.iter().map(fact).collect();
        body.push(json!({ "type": "FactSet", "facts": facts }));
    }
    let mut content = json!({
        "$schema": "http://adaptivecards.io/schemas/adaptive-card.json",
        "type": "AdaptiveCard",
        "version": "1.4",
        "body": body
    });
    if let Some(url) = web(config.button_url.as_deref(), "button_url")? {
        // A button's title is no Markdown.
        let title = shiro_notify::cut(&config.button_text, LABEL, |_| None).0;
        content["actions"] = json!([{ "type": "Action.OpenUrl", "title": title, "url": url }]);
    }
    let attachment = json!({ "contentType": "application/vnd.microsoft.card.adaptive", "content": content });
    Ok((json!({ "type": "message", "attachments": [attachment] }), cut))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn config(extra: Value) -> Config {
        let mut config = json!({ "webhook_url": "https://x.webhook.office.com/y", "message": "Hi" });
        config.as_object_mut().unwrap().extend(extra.as_object().unwrap().clone());
        serde_json::from_value(config).unwrap()
    }

    #[test]
    fn a_message_is_an_adaptive_card() {
        let extra = json!({
            "message": "Ready [here](https://evil)", "title": "T", "facts": { "Branch": "main" },
            "button_url": "https://ci/1?a=1&b=2", "button_text": "Look"
        });
        let (body, cut) = card(&config(extra)).unwrap();
        assert!(!cut);
        assert_eq!(
            (&body["type"], &body["attachments"][0]["contentType"]),
            (&json!("message"), &json!("application/vnd.microsoft.card.adaptive"))
        );
        let content = &body["attachments"][0]["content"];
        assert_eq!(content["type"], "AdaptiveCard");
        assert_eq!(content["body"][0]["text"], "T");
        assert_eq!(content["body"][1]["text"], "Ready \\[here\\](https://evil)");
        assert_eq!(content["body"][2]["facts"], json!([{ "title": "Branch", "value": "main" }]));
        assert_eq!(
            content["actions"],
            json!([{ "type": "Action.OpenUrl", "title": "Look", "url": "https://ci/1?a=1&b=2" }])
        );
    }

    #[test]
    fn a_card_is_never_too_large() {
        let (body, cut) = card(&config(json!({ "message": "x".repeat(50_000) }))).unwrap();
        assert!(cut && body.to_string().len() < 28_000);
        assert_eq!(body["attachments"][0]["content"].get("actions"), None);
    }

    #[test]
    fn what_teams_would_refuse_is_a_wrong_config() {
        for extra in [json!({ "message": " " }), json!({ "button_url": "javascript:alert(1)" })] {
            assert!(card(&config(extra)).is_err());
        }
    }
}
