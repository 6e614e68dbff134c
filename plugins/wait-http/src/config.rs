//! What users write.

use std::collections::BTreeMap;
use std::time::Duration;

use schemars::JsonSchema;
use serde::Deserialize;
use shiro_request::{Ask, Limits, Statuses, filled};
use shiro_step::{Failure, Text, Timeout};

/// The shortest pause between two tries.
const SHORTEST: Duration = Duration::from_millis(50);
/// The longest time in all.
const LONGEST: Duration = Duration::from_secs(24 * 60 * 60);

/// In the keys that may be left out, an empty string counts as left out.
#[derive(Debug, Deserialize, JsonSchema)]
#[schemars(extend("additionalProperties" = false))]
pub(crate) struct Config {
    /// The request.
    #[serde(flatten)]
    pub(crate) ask: Ask,
    /// Which statuses are waited for: numbers, classes such as `2xx`, ranges such as `200-204`.
    #[serde(default = "success")]
    pub(crate) expect_status: Statuses,
    /// Headers that the answer must have, with these values.
    #[serde(default)]
    pub(crate) expect_headers: BTreeMap<String, Text>,
    /// A jq filter (<https://jqlang.org/manual>) over the answer's JSON that must give something other than `false` and
    /// `null`, e.g. `.status == "ready"`. An answer that is no JSON is not what is waited for.
    pub(crate) expect_json: Option<String>,
    /// Which statuses end the waiting at once: asking again won't help. By default those that say that the credentials are
    /// wrong.
    #[serde(default = "hopeless")]
    pub(crate) fail_status: Statuses,
    /// How long to wait between two tries: at least 50 ms. An answer's `Retry-After` is honoured if it is longer.
    #[serde(default = "pause")]
    #[schemars(extend("default" = "5s"))]
    pub(crate) interval: Timeout,
    /// How long to go on in all: 24 hours at most.
    #[serde(default = "patience")]
    #[schemars(extend("default" = "5m"))]
    pub(crate) timeout: Timeout,
    /// How long one try may take, up to the last byte of its answer.
    #[serde(default = "one_try")]
    #[schemars(extend("default" = "10s"))]
    pub(crate) request_timeout: Timeout,
    /// The longest answer that is taken, in bytes. All tries together read 64 MiB at most, unless a policy says otherwise.
    #[serde(default = "usual_bytes")]
    #[schemars(range(min = 1, max = 1_048_576))]
    pub(crate) max_bytes: usize,
}

impl Config {
    /// Refuses what contradicts itself, before anything is asked.
    pub(crate) fn check(&self) -> Result<(), Failure> {
        self.ask.check()?;
        if self.interval.limit().is_none_or(|interval| interval < SHORTEST) {
            return Err(Failure::invalid_config("`interval` has to be at least 50ms"));
        }
        if self.timeout.limit().is_none_or(|timeout| timeout > LONGEST) {
            return Err(Failure::invalid_config("`timeout` has to be more than nothing and at most 24h"));
        }
        match filled(self.expect_json.as_deref()) {
            Some(query) => shiro_jq::check("expect_json", query),
            None => Ok(()),
        }
    }

    /// How long to go on in all.
    pub(crate) fn patience(&self) -> Duration {
        self.timeout.limit().unwrap_or(LONGEST)
    }

    /// The pause between two tries.
    pub(crate) fn pause(&self) -> Duration {
        self.interval.limit().unwrap_or(SHORTEST)
    }

    /// Up to where an answer is waited for, and taken.
    pub(crate) fn limits(&self, left: Duration) -> Limits<'_> {
        let time = self.request_timeout.limit().unwrap_or(left).min(left);
        Limits { time: Some(time), max_bytes: self.max_bytes, idempotency_header: None }
    }
}

fn success() -> Statuses {
    Statuses::parse(&["2xx"])
}

fn hopeless() -> Statuses {
    Statuses::parse(&["401", "403", "407"])
}

fn pause() -> Timeout {
    Timeout::of(Duration::from_secs(5))
}

fn patience() -> Timeout {
    Timeout::of(Duration::from_secs(5 * 60))
}

fn one_try() -> Timeout {
    Timeout::of(Duration::from_secs(10))
}

fn usual_bytes() -> usize {
    64 << 10
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
    fn the_schema_has_the_defaults_and_no_other_keys() {
        let schema = schemars::schema_for!(Config).to_value();
        let default = |name: &str| schema["properties"][name]["default"].clone();
        assert_eq!(default("fail_status"), json!([401, 403, 407]));
        assert_eq!((default("interval"), default("timeout")), (json!("5s"), json!("5m")));
        assert_eq!(schema["properties"]["bearer"]["writeOnly"], json!(true));
        assert_eq!((&schema["required"], &schema["additionalProperties"]), (&json!(["url"]), &json!(false)));
        assert_eq!(schema["not"]["anyOf"].as_array().map(Vec::len), Some(4), "what excludes each other");
    }

    #[test]
    fn what_can_not_work_is_refused_before_anything_is_asked() {
        for (key, value) in [
            ("interval", json!("10ms")),
            ("interval", json!(0)),
            ("timeout", json!("25h")),
            ("timeout", json!(0)),
            ("expect_json", json!(".status ==")),
        ] {
            let config = config(json!({ "url": "https://a", key: value }));
            assert!(config.check().unwrap_err().message().contains(key), "{key}");
        }
        assert!(config(json!({ "url": "https://a", "expect_json": "" })).check().is_ok());
    }
}
