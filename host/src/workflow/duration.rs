//! Durations as users write them: seconds as a number, or text such as `"90s"`, `"5m"`, `"1h30m"`.

use std::time::Duration;

use serde_json::Value;

/// A longer one is refused: it is a mistake, and no CI job lives as long.
pub const MAX: Duration = Duration::from_secs(366 * 24 * 60 * 60);

/// How to write one.
pub const HINT: &str = "write seconds, e.g. 90, or text such as \"90s\", \"5m\", \"1h30m\"";

/// Reads a duration; the error says what is wrong with it, without saying where.
pub fn read(value: &Value) -> Result<Duration, String> {
    let duration = match value {
        Value::Number(number) => seconds(number.as_f64().unwrap_or(f64::NAN))?,
        Value::String(text) => parse(text)?,
        other => return Err(format!("a duration is a number of seconds or text, not {}", super::json::kind(other))),
    };
    if duration > MAX {
        return Err("the duration is longer than a year".to_owned());
    }
    Ok(duration)
}

/// Reads the text form, e.g. of a command line's option.
pub fn parse(text: &str) -> Result<Duration, String> {
    let trimmed = text.trim();
    if trimmed.starts_with('-') {
        return Err("a duration can't be negative".to_owned());
    }
    if trimmed == "0" {
        return Ok(Duration::ZERO);
    }
    // An `M` would be a month.
    if trimmed.contains(|c: char| c.is_ascii_uppercase()) {
        return Err(format!("`{text}` is not a duration"));
    }
    humantime::parse_duration(trimmed).map_err(|error| match error {
        humantime::DurationError::NumberOverflow => format!("the duration `{text}` is too large or too precise"),
        humantime::DurationError::UnknownUnit { unit, .. } if unit.is_empty() => {
            format!("the duration `{text}` has no unit")
        }
        humantime::DurationError::UnknownUnit { unit, .. } => {
            format!("the duration `{text}` has the unknown unit `{unit}`")
        }
        _ => format!("`{text}` is not a duration"),
    })
}

fn seconds(seconds: f64) -> Result<Duration, String> {
    if seconds < 0.0 {
        return Err("a duration can't be negative".to_owned());
    }
    Duration::try_from_secs_f64(seconds).map_err(|_| "the duration is longer than a year".to_owned())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn seconds_and_texts() {
        for (value, milliseconds) in [
            (json!(0), 0),
            (json!(90), 90_000),
            (json!(1.5), 1_500),
            (json!(-0.0), 0),
            (json!("0"), 0),
            (json!("0s"), 0),
            (json!("90s"), 90_000),
            (json!("250ms"), 250),
            (json!("5m"), 300_000),
            (json!("1h30m"), 5_400_000),
            (json!(" 1h 30m "), 5_400_000),
            (json!("1.5h"), 5_400_000),
            (json!("2d"), 172_800_000),
        ] {
            assert_eq!(read(&value), Ok(Duration::from_millis(milliseconds)), "{value}");
        }
    }

    #[test]
    fn what_is_no_duration_says_why() {
        for (value, message) in [
            (json!(-1), "a duration can't be negative"),
            (json!("-5s"), "a duration can't be negative"),
            (json!(1e18), "the duration is longer than a year"),
            (json!(1e300), "the duration is longer than a year"),
            (json!("400d"), "the duration is longer than a year"),
            (json!("99999999999999999999s"), "the duration `99999999999999999999s` is too large or too precise"),
            (json!("90"), "the duration `90` has no unit"),
            (json!("5 parsecs"), "the duration `5 parsecs` has the unknown unit `parsecs`"),
            (json!("5M"), "`5M` is not a duration"),
            (json!("soon"), "`soon` is not a duration"),
            (json!(""), "`` is not a duration"),
            (json!(true), "a duration is a number of seconds or text, not a boolean"),
            (json!(["5m"]), "a duration is a number of seconds or text, not an array"),
        ] {
            assert_eq!(read(&value), Err(message.to_owned()), "{value}");
        }
    }
}
