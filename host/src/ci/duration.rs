//! Durations as GitLab's `expire_in` takes them: `30 days`, `2h20min`, `6 mos 1 day`, `47 yrs 6 mos and 4d`, `3600`, `never`.

use std::time::Duration;

const MINUTE: f64 = 60.0;
const HOUR: f64 = 60.0 * MINUTE;
const DAY: f64 = 24.0 * HOUR;

/// How long an artifact is kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Kept {
    /// For so long.
    For(Duration),
    /// For ever.
    Always,
}

/// Reads one. `None` where GitLab would refuse it, or where a variable stands in it.
pub(super) fn parse(text: &str) -> Option<Kept> {
    let text = text.trim().to_ascii_lowercase();
    if text == "never" {
        return Some(Kept::Always);
    }
    let mut seconds = 0.0;
    let mut rest = text.trim_start();
    if rest.is_empty() {
        return None;
    }
    while !rest.is_empty() {
        let digits = rest.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(rest.len());
        let number: f64 = rest[..digits].parse().ok()?;
        rest = rest[digits..].trim_start();
        let letters = rest.find(|c: char| !c.is_ascii_alphabetic()).unwrap_or(rest.len());
        seconds += number * unit(&rest[..letters])?;
        rest = rest[letters..].trim_start_matches([' ', ',']);
        rest = rest.strip_prefix("and ").unwrap_or(rest).trim_start();
    }
    Duration::try_from_secs_f64(seconds).ok().map(Kept::For)
}

fn unit(name: &str) -> Option<f64> {
    Some(match name {
        "" | "s" | "sec" | "secs" | "second" | "seconds" => 1.0,
        "m" | "min" | "mins" | "minute" | "minutes" => MINUTE,
        "h" | "hr" | "hrs" | "hour" | "hours" => HOUR,
        "d" | "day" | "days" => DAY,
        "w" | "wk" | "wks" | "week" | "weeks" => 7.0 * DAY,
        "mo" | "mos" | "month" | "months" => 30.0 * DAY,
        "y" | "yr" | "yrs" | "year" | "years" => 365.25 * DAY,
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_documented_form_is_read() {
        for (text, seconds) in [
            ("42", 42.0),
            ("42 seconds", 42.0),
            ("3 mins 4 sec", 184.0),
            ("2 hrs 20 min", 8400.0),
            ("2h20min", 8400.0),
            ("6 mos 1 day", 181.0 * DAY),
            ("47 yrs 6 mos and 4d", 47.0 * 365.25 * DAY + 184.0 * DAY),
            ("3 weeks and 2 days", 23.0 * DAY),
            ("1 week", 7.0 * DAY),
            ("1.5 hours", 5400.0),
        ] {
            assert_eq!(parse(text), Some(Kept::For(Duration::from_secs_f64(seconds))), "{text}");
        }
        assert_eq!(parse("never"), Some(Kept::Always));
        assert!(Kept::Always > Kept::For(Duration::MAX));
        for text in ["", "soon", "1 fortnight", "$EXPIRY", "-1 day", "1.2.3 days"] {
            assert_eq!(parse(text), None, "{text}");
        }
    }
}
