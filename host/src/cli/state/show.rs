//! `shiro state show`: what stands in a journal, checked, and in clear if it is encrypted.

use std::io::Write;
use std::time::{Duration, UNIX_EPOCH};

use serde_json::Value;

use super::super::Exit;
use super::super::args::state::ShowArgs;
use super::super::ci::Environment;
use super::super::error::{BUG, CliError};
use super::find;
use crate::journal::Loaded;
use crate::secret::visible::visible;

/// Longer values of a field are cut, in characters.
const SHOWN: usize = 100;

/// Shows one run's events: a line each.
pub(super) fn show(args: &ShowArgs, environment: &Environment, out: &mut dyn Write) -> Exit {
    let (name, _, loaded) = find(&args.run, &args.state, environment)?;
    if !args.json {
        head(&name, &loaded, out)?;
    }
    for record in &loaded.records {
        let record = serde_json::to_value(record)
            .map_err(|error| CliError::new(BUG, format!("an event can't be shown: {error}")))?;
        if args.json {
            writeln!(out, "{record}")?;
        } else {
            writeln!(out, "{}", line(&record))?;
        }
    }
    Ok(0)
}

fn head(name: &str, loaded: &Loaded, out: &mut dyn Write) -> std::io::Result<()> {
    let origin = &loaded.origin;
    writeln!(out, "{name}: {}", loaded.path.display())?;
    writeln!(out, "  run        {}", origin.run)?;
    for (what, value) in [("project", &origin.project), ("pipeline", &origin.pipeline)] {
        if let Some(value) = value {
            writeln!(out, "  {what:9}  {}", visible(value))?;
        }
    }
    let authenticated = if loaded.authenticated { "authenticated with the state key" } else { "not authenticated" };
    let encrypted = if loaded.encrypted() { ", encrypted" } else { "" };
    writeln!(out, "  journal    {authenticated}{encrypted}")?;
    for recipient in loaded.recipients() {
        writeln!(out, "  readable   by {recipient}")?;
    }
    let closed = if loaded.sealed { "yes" } else { "no: a process works on it, or died" };
    writeln!(out, "  closed     {closed}\n  as of      {}:{}", origin.run, loaded.receipt())?;
    for notice in &loaded.notices {
        writeln!(out, "  notice     {}", visible(notice))?;
    }
    writeln!(out)
}

/// When, what, and with which fields; on one line, whatever is in them.
fn line(record: &Value) -> String {
    let at = record["at"].as_u64().unwrap_or_default();
    let time = UNIX_EPOCH.checked_add(Duration::from_millis(at)).filter(|_| at < 253_402_300_800_000);
    let time = time.map_or_else(|| at.to_string(), |time| humantime::format_rfc3339_millis(time).to_string());
    let mut line = format!("{time}  {}", record["event"].as_str().unwrap_or_default());
    let fields = record.as_object().into_iter().flatten().filter(|(name, _)| !matches!(name.as_str(), "at" | "event"));
    for (name, value) in fields {
        let text = match value {
            Value::String(text) => text.clone(),
            other => other.to_string(),
        };
        let text = visible(&text).replace('\n', "\\n");
        let cut: String = text.chars().take(SHOWN).collect();
        let rest = if cut.len() < text.len() { "…" } else { "" };
        line.push_str(&format!("  {name}={cut}{rest}"));
    }
    line
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn an_event_is_one_line_whatever_is_in_it() {
        let record = json!({ "at": 1_767_225_600_000_u64, "event": "step_succeeded", "step": "a",
            "output": { "stdout": format!("\u{1b}[31m\n{}", "x".repeat(300)) } });
        let line = line(&record);
        assert!(line.starts_with("2026-01-01T00:00:00.000Z  step_succeeded  step=a  output={"), "{line}");
        assert!(line.ends_with('…') && !line.contains(['\n', '\u{1b}']), "{line}");
    }
}
