//! What users write.

use std::collections::BTreeMap;
use std::time::Duration;

use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::Value;
use shiro_step::{Text, Timeout};

use crate::status::Statuses;

/// In the keys that may be left out, an empty string counts as left out.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(extend("not" = {
    "anyOf": [
        { "required": ["json", "form"] }, { "required": ["json", "body"] }, { "required": ["form", "body"] },
        { "required": ["bearer", "username"] }
    ]
}))]
pub(crate) struct Config {
    /// Where the request goes. The step reaches the scheme, host and port of this URL, and no other. A host that the
    /// workflow, an input or a variable names may have a private address; one that a step returned may not.
    #[schemars(extend("pattern" = "^[Hh][Tt][Tt][Pp][Ss]?://"))]
    pub(crate) url: String,
    /// The method. `CONNECT` and `TRACE` are never sent.
    #[serde(default = "get")]
    #[schemars(extend("pattern" = "^[A-Za-z][A-Za-z-]*$"))]
    pub(crate) method: String,
    /// Parameters for the URL's query, which are escaped. A list gives the same name to each of its items; `null` leaves it
    /// out.
    #[serde(default)]
    pub(crate) query: BTreeMap<String, Value>,
    /// Headers. Take what is secret from a variable whose name says so, e.g. `{{env.API_TOKEN}}`: then it is masked.
    #[serde(default)]
    pub(crate) headers: BTreeMap<String, Text>,
    /// A JSON value as the body, with its content type.
    pub(crate) json: Option<Value>,
    /// Form fields as the body (`application/x-www-form-urlencoded`). A list gives the same name to each of its items;
    /// `null` leaves it out.
    pub(crate) form: Option<BTreeMap<String, Value>>,
    /// Text as the body. Its content type is `text/plain; charset=utf-8`, unless `headers` has one.
    pub(crate) body: Option<Text>,
    /// Authenticates with this bearer token.
    #[schemars(extend("writeOnly" = true))]
    pub(crate) bearer: Option<String>,
    /// Authenticates with this name and `password` (basic authentication).
    pub(crate) username: Option<String>,
    /// The password for `username`.
    #[schemars(extend("writeOnly" = true))]
    pub(crate) password: Option<String>,
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

fn get() -> String {
    "GET".to_owned()
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
pub(crate) fn config(value: Value) -> Config {
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
    }

    #[test]
    fn an_unknown_key_is_refused() {
        assert!(serde_json::from_value::<Config>(json!({ "url": "https://a", "metod": "GET" })).is_err());
    }
}
