//! What users write.

use std::time::Duration;

use schemars::JsonSchema;
use serde::Deserialize;
use shiro_request::{Ask, Limits, Statuses};
use shiro_step::Timeout;

/// In the keys that may be left out, an empty string counts as left out.
#[derive(Debug, Deserialize, JsonSchema)]
#[schemars(extend("additionalProperties" = false))]
pub(crate) struct Config {
    /// The request.
    #[serde(flatten)]
    pub(crate) ask: Ask,
    /// Which statuses are a success: numbers, classes such as `2xx`, ranges such as `200-204`.
    #[serde(default = "success")]
    pub(crate) expect_status: Statuses,
    /// Which of the other statuses are worth another attempt, if the step has `retry`. An answer's `Retry-After` is
    /// honoured. Besides these, an attempt without an answer (no connection, a timeout, a broken answer) always is: for
    /// what must not happen twice, set `idempotency_header`, or no `retry`.
    #[serde(default = "passing")]
    pub(crate) retry_status: Statuses,
    /// A header that carries a key which is the same for every attempt of this step in this run, for services that
    /// deduplicate by it, e.g. `Idempotency-Key`.
    pub(crate) idempotency_header: Option<String>,
    /// How long a request may take in all, up to the last byte of its answer.
    #[serde(default = "patience")]
    #[schemars(extend("default" = "30s"))]
    pub(crate) timeout: Timeout,
    /// The longest answer that is taken, in bytes: 1 MiB, unless this says otherwise. A longer one is a failure.
    #[serde(default = "usual_bytes")]
    #[schemars(range(min = 1, max = 6_291_456))]
    pub(crate) max_bytes: usize,
    /// Follows the `next` links of the `Link` header, as far as they lead to the same host. Each page has to be a JSON
    /// array: `json` is then one array with the items of all pages. `max_bytes` holds for all pages together.
    #[serde(default)]
    pub(crate) paginate: bool,
    /// The most pages that `paginate` asks for. If there are more, the step fails.
    #[serde(default = "usual_pages")]
    #[schemars(range(min = 1, max = 10_000))]
    pub(crate) max_pages: u32,
}

impl Config {
    /// Up to where an answer is waited for, and taken.
    pub(crate) fn limits(&self) -> Limits<'_> {
        Limits {
            time: self.timeout.limit(),
            max_bytes: self.max_bytes,
            idempotency_header: self.idempotency_header.as_deref(),
        }
    }
}

fn success() -> Statuses {
    Statuses::parse(&["2xx"])
}

fn passing() -> Statuses {
    Statuses::parse(&["408", "425", "429", "500", "502", "503", "504"])
}

fn patience() -> Timeout {
    Timeout::of(Duration::from_secs(30))
}

fn usual_bytes() -> usize {
    1 << 20
}

fn usual_pages() -> u32 {
    100
}

#[cfg(test)]
pub(crate) fn config(value: serde_json::Value) -> Config {
    serde_json::from_value(value).unwrap()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn the_schema_marks_secrets_and_has_the_defaults() {
        let schema = schemars::schema_for!(Config).to_value();
        let property = |name: &str| &schema["properties"][name];
        for secret in ["bearer", "password"] {
            assert_eq!(property(secret)["writeOnly"], json!(true), "{secret}");
        }
        assert_eq!(property("method")["default"], "GET");
        assert_eq!(property("expect_status")["default"], json!(["2xx"]));
        assert_eq!(property("retry_status")["default"], json!([408, 425, 429, 500, 502, 503, 504]));
        assert_eq!(property("timeout")["default"], "30s");
        assert_eq!(schema["required"], json!(["url"]));
        assert_eq!(schema["additionalProperties"], json!(false));
        assert_eq!(schema["not"]["anyOf"].as_array().map(Vec::len), Some(4), "what excludes each other");
    }
}
