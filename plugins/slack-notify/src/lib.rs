//! The step type `slack.notify`: posts a message to Slack through an incoming webhook.

mod answer;
mod markup;
mod payload;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use shiro_step::http::Request;
use shiro_step::{Failure, Permissions, Step, Text, log};

/// In the keys that may be left out, an empty string counts as left out.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Config {
    /// The incoming webhook's URL. It is a secret: whoever knows it can post.
    #[schemars(extend("writeOnly" = true, "pattern" = "^https?://"))]
    webhook_url: String,
    /// The text. `*bold*`, `_italic_`, `` `code` ``, lists, emoji and bare URLs work; `<`, `>` and `&` are shown as they are,
    /// so a message can neither mention anyone (`<!here>`) nor hide where a link leads (`<url|text>`).
    #[schemars(extend("minLength" = 1))]
    message: Text,
    /// Where to post, e.g. `#deployments`, for webhooks that allow a choice.
    channel: Option<String>,
    /// The name it is posted under, for webhooks that allow a choice.
    #[serde(default = "default_username")]
    username: String,
    /// The picture beside the name, for webhooks that allow a choice.
    #[serde(default = "default_icon")]
    icon_emoji: String,
    /// Slack attachments. Their text is treated like `message`; URLs in them stay as they are.
    #[serde(default)]
    attachments: Vec<Value>,
    /// Where the button below the message leads. Without it, there is no button.
    #[schemars(extend("pattern" = "^(https?://.*)?$", "maxLength" = 3000))]
    gitlab_pipeline_url: Option<String>,
    /// What the button says.
    #[serde(default = "default_button")]
    button_text: String,
}

fn default_username() -> String {
    "Shiro".to_owned()
}

fn default_icon() -> String {
    ":robot_face:".to_owned()
}

fn default_button() -> String {
    "Review in GitLab".to_owned()
}

#[derive(Serialize, JsonSchema)]
struct Output {
    /// Always true.
    sent: bool,
    /// The channel that was asked for; empty for the webhook's own.
    channel: String,
    /// The message as it stood in the config.
    message: String,
    /// Where the button leads; empty without one.
    gitlab_pipeline_url: String,
    /// The HTTP status of Slack's answer.
    status: u16,
}

struct SlackNotify;

impl Step for SlackNotify {
    const NAME: &'static str = "slack.notify";
    const SUMMARY: &'static str = "Posts a message to a Slack channel, with a button that leads to a pipeline.";
    type Config = Config;
    type Output = Output;

    fn permissions() -> Permissions {
        Permissions::default().network("{config.webhook_url}")
    }

    fn run(config: Config) -> Result<Output, Failure> {
        let payload = payload::build(&config)?;
        if payload.cut {
            log::warn("the message is longer than Slack allows: its end was left out");
        }
        let response = Request::post(&*config.webhook_url).timeout(shiro_notify::TIMEOUT).json(&payload.body).send()?;
        let status = response.status();
        let retry_after = response.retry_after();
        answer::check(status, retry_after, &response.excerpt(shiro_notify::EXCERPT), &config.webhook_url)?;
        Ok(Output {
            sent: true,
            channel: config.channel.unwrap_or_default(),
            message: config.message.into_string(),
            gitlab_pipeline_url: config.gitlab_pipeline_url.unwrap_or_default(),
            status,
        })
    }
}

shiro_step::export!(SlackNotify);

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn the_schema_marks_the_secret_and_keeps_the_documented_defaults() {
        let schema = schemars::schema_for!(Config).to_value();
        let property = |name: &str| &schema["properties"][name];
        assert_eq!(property("webhook_url")["writeOnly"], json!(true));
        assert_eq!(property("username")["default"], "Shiro");
        assert_eq!(property("icon_emoji")["default"], ":robot_face:");
        assert_eq!(property("button_text")["default"], "Review in GitLab");
        assert_eq!(schema["required"], json!(["webhook_url", "message"]));
        assert_eq!(schema["additionalProperties"], json!(false));
    }

    #[test]
    fn asks_for_the_host_of_its_webhook_only() {
        let permissions = serde_json::to_value(SlackNotify::permissions()).unwrap();
        assert_eq!(permissions, json!({ "network": [{ "url": "{config.webhook_url}" }] }));
    }
}
