//! The step type `discord.notify`: posts a message to Discord, through a channel's webhook.
//! <https://discord.com/developers/docs/resources/webhook#execute-webhook>

use std::time::Duration;

use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::{Map, Value, json};
use shiro_notify::{Output, web, without_links};
use shiro_step::http::Request;
use shiro_step::{Failure, Permissions, Step, Text, log};

/// Discord's limits: a message, a name, an embed's title.
const MESSAGE: usize = 2000;
const NAME: usize = 80;
const TITLE: usize = 256;

/// In the keys that may be left out, an empty string counts as left out.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Config {
    /// The webhook's URL. It is a secret: whoever knows it can post.
    #[schemars(extend("writeOnly" = true, "pattern" = "^https?://"))]
    webhook_url: String,
    /// The text. `**bold**` and the like work; nobody is mentioned (`@everyone`, `<@1>`), and `[text](address)` is shown as it
    /// is, so no address hides behind a text.
    #[schemars(extend("minLength" = 1))]
    message: Text,
    /// The name it is posted under. Without it, the webhook's own.
    username: Option<String>,
    /// The picture beside the name. Without it, the webhook's own.
    #[schemars(extend("pattern" = "^(https?://.*)?$"))]
    avatar_url: Option<String>,
    /// Where a linked heading below the message leads. Without it, there is none.
    #[schemars(extend("pattern" = "^(https?://.*)?$"))]
    link_url: Option<String>,
    /// What that heading says.
    #[serde(default = "usual_link")]
    link_text: Text,
}

fn usual_link() -> Text {
    "Open".into()
}

struct DiscordNotify;

impl Step for DiscordNotify {
    const NAME: &'static str = "discord.notify";
    const SUMMARY: &'static str = "Posts a message to a Discord channel.";
    type Config = Config;
    type Output = Output;

    fn permissions() -> Permissions {
        Permissions::default().network("{config.webhook_url}")
    }

    fn run(config: Config) -> Result<Output, Failure> {
        let (body, cut) = payload(&config)?;
        if cut {
            log::warn("the message is longer than Discord allows: its end was left out");
        }
        let response = Request::post(&*config.webhook_url).timeout(shiro_notify::TIMEOUT).json(&body).send()?;
        let (status, wait, success) = (response.status(), response.retry_after(), response.is_success());
        if !success {
            let said = response.excerpt(shiro_notify::EXCERPT);
            let wait = wait.or_else(|| retry_after(&said));
            return Err(shiro_notify::refused("Discord", status, wait, &said, &config.webhook_url));
        }
        Ok(shiro_notify::sent(config.message.into_string(), status))
    }
}

shiro_step::export!(DiscordNotify);

/// The payload, and whether something of the message is missing.
fn payload(config: &Config) -> Result<(Value, bool), Failure> {
    if config.message.trim().is_empty() {
        return Err(Failure::invalid_config("`message` is empty"));
    }
    let (text, cut) = without_links(&config.message, MESSAGE);
    let mut body = Map::new();
    body.insert("content".to_owned(), text.into());
    // Mentions are text: nobody is notified.
    body.insert("allowed_mentions".to_owned(), json!({ "parse": [] }));
    if let Some(name) = config.username.as_deref().filter(|name| !name.is_empty()) {
        body.insert("username".to_owned(), shiro_notify::cut(name, NAME, |_| None).0.into());
    }
    if let Some(url) = web(config.avatar_url.as_deref(), "avatar_url")? {
        body.insert("avatar_url".to_owned(), url.into());
    }
    if let Some(url) = web(config.link_url.as_deref(), "link_url")? {
        let title = shiro_notify::cut(&config.link_text, TITLE, |_| None).0;
        body.insert("embeds".to_owned(), json!([{ "title": title, "url": url }]));
    }
    Ok((Value::Object(body), cut))
}

/// How long a rate limit lasts: in the answer's JSON, in seconds with a fraction.
fn retry_after(body: &str) -> Option<Duration> {
    let answer: Value = serde_json::from_str(body).ok()?;
    Duration::try_from_secs_f64(answer.get("retry_after")?.as_f64()?).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn config(extra: Value) -> Config {
        let mut config = json!({ "webhook_url": "https://discord.com/api/webhooks/1/x", "message": "Hi" });
        config.as_object_mut().unwrap().extend(extra.as_object().unwrap().clone());
        serde_json::from_value(config).unwrap()
    }

    #[test]
    fn nobody_is_mentioned_and_no_link_is_hidden() {
        let (body, cut) = payload(&config(json!({ "message": "@everyone **ok** [here](https://evil)" }))).unwrap();
        assert!(!cut);
        assert_eq!(
            body,
            json!({ "content": "@everyone **ok** \\[here\\](https://evil)", "allowed_mentions": { "parse": [] } })
        );
    }

    #[test]
    fn texts_are_cut_to_their_limits() {
        let extra = json!({ "message": "x".repeat(3000), "username": "n".repeat(100), "link_url": "https://ci/1", "link_text": "t".repeat(300) });
        let (body, cut) = payload(&config(extra)).unwrap();
        assert!(cut);
        let length = |pointer: &str| body.pointer(pointer).and_then(Value::as_str).map(|text| text.chars().count());
        assert_eq!(
            (length("/content"), length("/username"), length("/embeds/0/title")),
            (Some(2000), Some(80), Some(256))
        );
    }

    #[test]
    fn what_discord_would_refuse_is_a_wrong_config() {
        for extra in
            [json!({ "message": "\n" }), json!({ "link_url": "javascript:x" }), json!({ "avatar_url": "data:x" })]
        {
            assert!(payload(&config(extra)).is_err());
        }
    }

    #[test]
    fn a_rate_limit_says_how_long_it_lasts() {
        assert_eq!(retry_after(r#"{"message":"limited","retry_after":1.5}"#), Some(Duration::from_millis(1500)));
        for body in ["", "{}", r#"{"retry_after":-1}"#, r#"{"retry_after":"x"}"#] {
            assert_eq!(retry_after(body), None);
        }
    }
}
