//! A config value that is a time limit.

use std::borrow::Cow;
use std::time::Duration;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Deserializer};
use serde_json::Value;

/// A config value that is a time limit, none by default: seconds, or text such as `90s` or `1h30m`. 0 is none, too.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Timeout(Duration);

impl Timeout {
    /// A limit of this long.
    pub const fn of(limit: Duration) -> Self {
        Self(limit)
    }

    /// The limit, if there is one.
    pub fn limit(self) -> Option<Duration> {
        (!self.0.is_zero()).then_some(self.0)
    }
}

impl<'de> Deserialize<'de> for Timeout {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let value = Value::deserialize(deserializer)?;
        let duration = match &value {
            Value::Number(seconds) => seconds.as_f64().and_then(|seconds| Duration::try_from_secs_f64(seconds).ok()),
            Value::String(text) => parse(text),
            _ => None,
        };
        duration.map(Self).ok_or_else(|| {
            serde::de::Error::custom(format!(
                "timeout: {value} is no duration: use seconds, or text such as \"90s\" or \"1h30m\""
            ))
        })
    }
}

impl JsonSchema for Timeout {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> Cow<'static, str> {
        "Timeout".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "type": ["string", "number"],
            "minimum": 0,
            "pattern": r"^\s*(0|([0-9]+(\.[0-9]*)?|\.[0-9]+)\s*(ms|s|m|h|d)(\s*([0-9]+(\.[0-9]*)?|\.[0-9]+)\s*(ms|s|m|h|d))*)\s*$"
        })
    }
}

/// Numbers with units, e.g. `1h30m`, `1.5h`, `2m 30s`; `0` needs none.
fn parse(text: &str) -> Option<Duration> {
    let mut rest = text.trim();
    if rest == "0" {
        return Some(Duration::ZERO);
    }
    let mut total = Duration::ZERO;
    if rest.is_empty() {
        return None;
    }
    while !rest.is_empty() {
        let (number, after) = rest.split_at(rest.find(|c: char| !c.is_ascii_digit() && c != '.')?);
        let after = after.trim_start();
        let (unit, after) = after.split_at(after.find(|c: char| !c.is_ascii_alphabetic()).unwrap_or(after.len()));
        let seconds = match unit {
            "ms" => 0.001,
            "s" => 1.0,
            "m" => 60.0,
            "h" => 3600.0,
            "d" => 86400.0,
            _ => return None,
        };
        let part = Duration::try_from_secs_f64(number.parse::<f64>().ok()? * seconds).ok()?;
        total = total.checked_add(part)?;
        rest = after.trim_start();
    }
    Some(total)
}

/// A duration as a person would write it, e.g. `1h 30m` or `1.5s`.
pub fn show_duration(duration: Duration) -> String {
    let seconds = duration.as_secs();
    if seconds < 60 {
        return format!("{}s", duration.as_millis() as f64 / 1000.0);
    }
    let parts = [(seconds / 3600, 'h'), (seconds / 60 % 60, 'm'), (seconds % 60, 's')];
    let parts = parts.iter().filter(|(count, _)| *count > 0).map(|(count, unit)| format!("{count}{unit}"));
    parts.collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn limit(value: Value) -> Result<Option<Duration>, serde_json::Error> {
        serde_json::from_value::<Timeout>(value).map(Timeout::limit)
    }

    #[test]
    fn reads_seconds_and_text() {
        for (value, milliseconds) in [
            (json!(90), 90_000),
            (json!(0.25), 250),
            (json!("90s"), 90_000),
            (json!("5m"), 300_000),
            (json!("1h30m"), 5_400_000),
            (json!("1.5h"), 5_400_000),
            (json!(" 2m 30s "), 150_000),
            (json!("300ms"), 300),
            (json!("1d"), 86_400_000),
        ] {
            assert_eq!(limit(value.clone()).unwrap(), Some(Duration::from_millis(milliseconds)), "{value}");
        }
    }

    #[test]
    fn nothing_is_no_limit() {
        for value in [json!(0), json!("0"), json!("0s")] {
            assert_eq!(limit(value.clone()).unwrap(), None, "{value}");
        }
        assert_eq!(Timeout::default().limit(), None);
    }

    #[test]
    fn refuses_what_is_no_duration() {
        for value in ["", " ", "5", "m", "5x", "-5m", "5m3", "1..5s", ".s", "1e3s", "9999999999999999999999d", "5 m m"]
        {
            assert!(limit(json!(value)).is_err(), "{value:?}");
        }
        for value in [json!(-1), json!(1e300), json!(null), json!([1])] {
            let error = limit(value.clone()).unwrap_err().to_string();
            assert!(error.contains("1h30m"), "{error}");
        }
    }

    #[test]
    fn shows_durations_for_people() {
        assert_eq!(show_duration(Duration::from_millis(1500)), "1.5s");
        assert_eq!(show_duration(Duration::from_secs(300)), "5m");
        assert_eq!(show_duration(Duration::from_secs(5405)), "1h 30m 5s");
    }
}
