//! The step type `webhook`: posts a message to a URL, signed so that the receiver knows whose it is.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::time::Duration;

use hmac::{Hmac, Mac as _};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use sha2::Sha256;
use shiro_step::http::Request;
use shiro_step::{Failure, Permissions, Step, Text, Timeout, context};

/// In the keys that may be left out, an empty string counts as left out.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Config {
    /// Where the message goes. It is a secret: such URLs often let whoever knows them post. The step reaches this host and
    /// no other.
    #[schemars(extend("writeOnly" = true, "pattern" = "^https?://"))]
    url: String,
    /// The message: a JSON value, which is sent as it is.
    payload: Value,
    /// The key of the signature. The header `signature_header` then carries `sha256=` and the hexadecimal HMAC-SHA256 of the
    /// body's bytes, as GitHub's webhooks do.
    #[schemars(extend("writeOnly" = true))]
    secret: Option<String>,
    /// The header of the signature.
    #[serde(default = "usual_header")]
    signature_header: String,
    /// What happened, for receivers that tell events apart: the header `X-Shiro-Event`.
    event: Option<Text>,
    /// Further headers.
    #[serde(default)]
    headers: BTreeMap<String, Text>,
    /// How long the receiver has to answer.
    #[serde(default = "patience")]
    #[schemars(extend("default" = "30s"))]
    timeout: Timeout,
}

fn usual_header() -> String {
    "X-Hub-Signature-256".to_owned()
}

fn patience() -> Timeout {
    Timeout::of(Duration::from_secs(30))
}

#[derive(Serialize, JsonSchema)]
struct Output {
    /// Always true.
    sent: bool,
    /// The status of the answer.
    status: u16,
    /// The beginning of the answer.
    body: String,
    /// What the receiver can tell deliveries apart by: the same for every attempt of this step in this run. It is in the
    /// header `X-Shiro-Delivery`.
    delivery: String,
    /// It was signed.
    signed: bool,
}

struct Webhook;

impl Step for Webhook {
    const NAME: &'static str = "webhook";
    const SUMMARY: &'static str = "Posts a JSON message to a URL, with a signature (HMAC-SHA256).";
    type Config = Config;
    type Output = Output;

    fn permissions() -> Permissions {
        Permissions::default().network("{config.url}")
    }

    fn run(config: Config) -> Result<Output, Failure> {
        let body = serde_json::to_vec(&config.payload)?;
        let delivery = context::idempotency_key();
        let mut request = Request::post(&*config.url)
            .header("content-type", "application/json")
            .header("user-agent", "shiro")
            .header("x-shiro-delivery", delivery.as_bytes());
        if let Some(limit) = config.timeout.limit() {
            request = request.timeout(limit);
        }
        if let Some(event) = config.event.as_deref().filter(|event| !event.is_empty()) {
            request = request.header("x-shiro-event", event.as_bytes());
        }
        for (name, value) in &config.headers {
            request = request.header(name, value.as_bytes());
        }
        let secret = config.secret.as_deref().filter(|secret| !secret.is_empty());
        if let Some(secret) = secret {
            request = request.header(&*config.signature_header, signature(secret.as_bytes(), &body));
        }
        let response = request.body(body).send()?;
        let (status, wait, success) = (response.status(), response.retry_after(), response.is_success());
        let body = response.excerpt(shiro_notify::EXCERPT);
        if !success {
            return Err(shiro_notify::refused("the receiver", status, wait, &body, &config.url));
        }
        Ok(Output { sent: true, status, body, delivery, signed: secret.is_some() })
    }
}

shiro_step::export!(Webhook);

/// `sha256=` and the HMAC of the body (RFC 2104), in lower-case hexadecimal.
/// <https://docs.github.com/en/webhooks/using-webhooks/validating-webhook-deliveries>
fn signature(secret: &[u8], body: &[u8]) -> String {
    let mut text = "sha256=".to_owned();
    // HMAC takes keys of any length.
    if let Ok(mut mac) = Hmac::<Sha256>::new_from_slice(secret) {
        mac.update(body);
        for byte in mac.finalize().into_bytes() {
            // Writing to a String can't fail.
            let _ = write!(text, "{byte:02x}");
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn the_signature_is_github_s() {
        // The example of GitHub's documentation.
        assert_eq!(
            signature(b"It's a Secret to Everybody", b"Hello, World!"),
            "sha256=757107ea0eb2509fc211221cce984b8a37570b6d7586c22c46f4379c8b043e17"
        );
        assert_ne!(signature(b"a", b"x"), signature(b"b", b"x"));
    }

    #[test]
    fn the_schema_marks_the_secrets() {
        let schema = schemars::schema_for!(Config).to_value();
        for key in ["url", "secret"] {
            assert_eq!(schema["properties"][key]["writeOnly"], json!(true));
        }
        assert_eq!(schema["required"], json!(["url", "payload"]));
        let permissions = serde_json::to_value(Webhook::permissions()).unwrap();
        assert_eq!(permissions, json!({ "network": [{ "url": "{config.url}" }] }));
    }
}
