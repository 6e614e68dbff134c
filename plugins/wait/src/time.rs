//! Times as users write them: RFC 3339, with any offset.

use std::time::{Duration, SystemTime};

/// Reads a time such as `2026-12-01T08:00:00Z` or `2026-12-01 09:30:00.5+01:00`. `None` for anything else, and for times
/// before 1970.
pub(crate) fn parse(text: &str) -> Option<SystemTime> {
    let text = text.trim().to_ascii_uppercase();
    if let Some(local) = text.strip_suffix('Z') {
        return at(local);
    }
    let split = text.len().checked_sub("+00:00".len())?;
    let (local, offset) = (text.get(..split)?, text.get(split..)?);
    let (hours, minutes) = offset.get(1..)?.split_once(':')?;
    let is_number = |part: &str| part.len() == 2 && part.bytes().all(|byte| byte.is_ascii_digit());
    if !is_number(hours) || !is_number(minutes) {
        return None;
    }
    let (hours, minutes): (u64, u64) = (hours.parse().ok()?, minutes.parse().ok()?);
    if hours > 23 || minutes > 59 {
        return None;
    }
    let offset_by = Duration::from_secs(3600 * hours + 60 * minutes);
    let time = match offset.as_bytes().first()? {
        b'+' => at(local)?.checked_sub(offset_by)?,
        b'-' => at(local)?.checked_add(offset_by)?,
        _ => return None,
    };
    (time >= SystemTime::UNIX_EPOCH).then_some(time)
}

/// A date and time as if it were in UTC.
fn at(local: &str) -> Option<SystemTime> {
    let local = local.replacen(' ', "T", 1);
    humantime::parse_rfc3339(&format!("{local}Z")).ok()
}

/// In UTC, with milliseconds. `None` where it can't be written: after the year 9999.
pub(crate) fn show(time: SystemTime) -> Option<String> {
    let year_10000 = SystemTime::UNIX_EPOCH + Duration::from_secs(253_402_300_800);
    (SystemTime::UNIX_EPOCH..year_10000).contains(&time).then(|| humantime::format_rfc3339_millis(time).to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(text: &str) -> Option<String> {
        show(parse(text)?)
    }

    #[test]
    fn any_offset_is_read() {
        for (text, utc) in [
            ("2026-12-01T08:00:00Z", "2026-12-01T08:00:00.000Z"),
            (" 2026-12-01t08:00:00z ", "2026-12-01T08:00:00.000Z"),
            ("2026-12-01 09:30:00.25+01:30", "2026-12-01T08:00:00.250Z"),
            ("2026-12-31T20:00:00-08:00", "2027-01-01T04:00:00.000Z"),
            ("1970-01-01T01:00:00+01:00", "1970-01-01T00:00:00.000Z"),
        ] {
            assert_eq!(shown(text).as_deref(), Some(utc), "{text}");
        }
    }

    #[test]
    fn what_is_no_time_is_refused() {
        for text in [
            "",
            "Z",
            "tomorrow",
            "2026-12-01",
            "2026-12-01T08:00:00",
            "2026-02-30T08:00:00Z",
            "2026-12-01T25:00:00Z",
            "2026-12-01T08:00:00+24:00",
            "2026-12-01T08:00:00+1:00",
            "2026-12-01T08:00:00+01:60",
            "2026-12-01T08:00:00++1:00",
            "1970-01-01T00:00:00+01:00",
            "2026-12-01T08:00:00é01:00",
        ] {
            assert_eq!(shown(text), None, "{text}");
        }
        assert_eq!(show(SystemTime::UNIX_EPOCH + Duration::from_secs(1 << 40)), None);
    }
}
