//! The step type `wait`: names the time before which nothing that comes after it starts. The host does the waiting.

mod time;

use std::time::{Duration, SystemTime};

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use shiro_step::{Failure, Step, Timeout};

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(extend("oneOf" = [{ "required": ["duration"] }, { "required": ["until"] }]))]
struct Config {
    /// How long, counted from when this step runs: seconds, or text such as `"10m"` or `"1h30m"`. A year at most.
    duration: Option<Timeout>,
    /// Until when: RFC 3339, e.g. `"2026-12-01T08:00:00Z"` or `"2026-12-01T09:00:00+01:00"`. A time that has passed lets the
    /// run go on at once.
    until: Option<String>,
}

#[derive(Serialize, JsonSchema)]
struct Output {
    /// The time, in UTC: what depends on this step starts no earlier.
    #[schemars(extend("format" = "date-time", "x-not-before" = true))]
    until: String,
}

struct Wait;

impl Step for Wait {
    const NAME: &'static str = "wait";
    const SUMMARY: &'static str = "Lets time pass before what depends on it: for a while, or until a time.";
    type Config = Config;
    type Output = Output;

    fn run(config: Config) -> Result<Output, Failure> {
        let until = deadline(&config, SystemTime::now())?;
        let until = time::show(until).ok_or_else(|| Failure::invalid_config("the time is after the year 9999"))?;
        Ok(Output { until })
    }
}

fn deadline(config: &Config, now: SystemTime) -> Result<SystemTime, Failure> {
    match (&config.duration, &config.until) {
        (Some(duration), None) => now
            .checked_add(duration.limit().unwrap_or(Duration::ZERO))
            .ok_or_else(|| Failure::invalid_config("`duration` is too long")),
        (None, Some(until)) => time::parse(until).ok_or_else(|| {
            Failure::invalid_config(format!(
                "`until` is no time: `{until}`; write it as RFC 3339, e.g. \"2026-12-01T08:00:00Z\""
            ))
        }),
        _ => Err(Failure::invalid_config("say either for how long (`duration`) or until when (`until`)")),
    }
}

shiro_step::export!(Wait);

#[cfg(test)]
mod tests {
    use super::*;

    fn config(duration: Option<u64>, until: Option<&str>) -> Config {
        Config {
            duration: duration.map(|seconds| Timeout::of(Duration::from_secs(seconds))),
            until: until.map(str::to_owned),
        }
    }

    #[test]
    fn counts_from_now_or_takes_the_time_as_it_is() {
        let now = SystemTime::UNIX_EPOCH + Duration::from_secs(1_000_000);
        let shown = |config: &Config| deadline(config, now).map(|at| time::show(at).expect("a time"));
        assert_eq!(shown(&config(Some(90), None)).unwrap(), "1970-01-12T13:48:10.000Z");
        assert_eq!(shown(&config(Some(0), None)).unwrap(), "1970-01-12T13:46:40.000Z");
        assert_eq!(shown(&config(None, Some("1970-01-01T00:00:00Z"))).unwrap(), "1970-01-01T00:00:00.000Z");
        for wrong in [config(None, None), config(Some(1), Some("1970-01-01T00:00:00Z")), config(None, Some("noon"))] {
            assert_eq!(deadline(&wrong, now).unwrap_err().code(), "invalid_config");
        }
    }

    #[test]
    fn its_output_says_what_the_host_waits_for() {
        let schema = schemars::schema_for!(Output).to_value();
        assert_eq!(schema["properties"]["until"]["x-not-before"], true);
    }
}
