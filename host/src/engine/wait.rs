//! Waits: what must not start before a time has come, as the records say. Part of the fold: see [`super::state`].
//!
//! A step whose type says so (`x-not-before` in its output's schema, as `wait` has it) is done at once; the time it names
//! closes the way behind it as a gate does, and opens it again without anybody's decision.

use std::collections::HashMap;

use serde_json::Value;

use crate::approval::time;
use crate::id::StepId;
use crate::outcome::{Failure, FailureClass};
use crate::workflow::duration::MAX;

/// A wait that a step began.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WaitState {
    until: u64,
    guards: Vec<StepId>,
    standing: Standing,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Standing {
    /// It holds back what stands behind it.
    Pending,
    /// The same, but what stands behind it has changed and is not known yet.
    Loose,
    /// It is over.
    Over,
}

impl WaitState {
    /// Until when: milliseconds since 1970-01-01 UTC.
    pub fn until(&self) -> u64 {
        self.until
    }

    /// Changes were accepted since it began: it is to be begun again.
    pub(super) fn is_loose(&self) -> bool {
        self.standing == Standing::Loose
    }

    /// It holds back what stands behind it.
    pub fn is_pending(&self) -> bool {
        self.standing != Standing::Over
    }
}

/// All waits of a run.
#[derive(Debug, Default)]
pub(super) struct Waits {
    waits: HashMap<u32, WaitState>,
    /// For each step, the steps whose waits it stands behind.
    guarded_by: HashMap<StepId, Vec<u32>>,
}

impl Waits {
    pub(super) fn get(&self, step: u32) -> Option<&WaitState> {
        self.waits.get(&step)
    }

    /// When the first of those that are pending is over.
    pub(super) fn earliest(&self) -> Option<u64> {
        self.waits.values().filter(|wait| wait.standing == Standing::Pending).map(WaitState::until).min()
    }

    pub(super) fn begin(&mut self, step: u32, until: u64, guards: &[StepId]) -> Result<(), String> {
        match self.waits.get(&step) {
            None => {}
            Some(wait) if wait.standing != Standing::Loose => return Err("a wait was begun already".into()),
            Some(wait) if wait.until != until => return Err(format!("it waits until {}", time(wait.until))),
            Some(_) => {}
        }
        for guarded in guards {
            self.guarded_by.entry(guarded.clone()).or_default().push(step);
        }
        self.waits.insert(step, WaitState { until, guards: guards.to_vec(), standing: Standing::Pending });
        Ok(())
    }

    /// `latest`: by no clock it is earlier. `skipped`: a human said not to wait.
    pub(super) fn end(&mut self, step: u32, latest: u64, skipped: bool) -> Result<(), String> {
        let wait = self.waits.get_mut(&step).filter(|wait| wait.is_pending()).ok_or("there is nothing to wait for")?;
        if !skipped && latest < wait.until {
            return Err(format!("it waits until {}", time(wait.until)));
        }
        wait.standing = Standing::Over;
        Ok(())
    }

    /// Whether a step may start: no wait that it stands behind is pending. The error says what it stands behind, and until
    /// when.
    pub(super) fn check_start(&self, step: &str) -> Result<(), (u32, u64)> {
        let waits = self.guarded_by.get(step).into_iter().flatten();
        let pending = |step: &u32| self.waits.get(step).filter(|wait| wait.standing == Standing::Pending);
        waits.copied().find_map(|step| Some((step, pending(&step)?.until))).map_or(Ok(()), Err)
    }

    /// The step is to be done again: it begins another wait.
    pub(super) fn forget(&mut self, step: u32) {
        if let Some(wait) = self.waits.remove(&step) {
            self.release(step, &wait.guards);
        }
    }

    /// Changes were accepted: what is pending holds back what stands behind it now.
    pub(super) fn loosen(&mut self) {
        let pending = self.waits.iter_mut().filter(|(_, wait)| wait.standing == Standing::Pending);
        let loosened: Vec<(u32, Vec<StepId>)> = pending
            .map(|(step, wait)| {
                wait.standing = Standing::Loose;
                (*step, std::mem::take(&mut wait.guards))
            })
            .collect();
        loosened.iter().for_each(|(step, guards)| self.release(*step, guards));
    }

    fn release(&mut self, step: u32, guards: &[StepId]) {
        for guarded in guards {
            if let Some(waits) = self.guarded_by.get_mut(guarded) {
                waits.retain(|wait| *wait != step);
            }
        }
    }
}

/// The time that a step's output names in this property, in milliseconds since 1970-01-01 UTC: RFC 3339, in UTC.
///
/// # Errors
///
/// It names none, or one that is more than a year away, which is a mistake.
pub(super) fn not_before(output: &Value, property: &str, now: u64) -> Result<u64, Box<Failure>> {
    let text = output.get(property).and_then(Value::as_str).unwrap_or_default();
    let at = humantime::parse_rfc3339(text).ok().and_then(|at| at.duration_since(std::time::UNIX_EPOCH).ok());
    let at = at.and_then(|at| u64::try_from(at.as_millis()).ok());
    let far = u64::try_from(MAX.as_millis()).map_or(u64::MAX, |year| now.saturating_add(year));
    match at {
        Some(at) if at <= far => Ok(at),
        Some(_) => Err(wrong(format!("`{property}` of its output is more than a year away: {text}"))),
        None => Err(wrong(format!(
            "`{property}` of its output is no time to wait for: it has to be RFC 3339 in UTC, e.g. 2026-12-01T08:00:00Z"
        ))),
    }
}

fn wrong(message: String) -> Box<Failure> {
    Box::new(Failure::new(FailureClass::Plugin, "plugin.not_before", message))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_time_is_in_utc_and_not_far_away() {
        const NOW: u64 = 1_796_112_000_000;
        let read = |text: &str| not_before(&json!({ "until": text }), "until", NOW).map_err(|failure| failure.message);
        assert_eq!(read("2026-12-01T08:00:00Z"), Ok(NOW));
        assert_eq!(read("2026-12-01T08:00:00.250Z"), Ok(NOW + 250));
        assert_eq!(read("1970-01-01T00:00:00Z"), Ok(0));
        assert!(read("2027-12-31T00:00:00Z").unwrap_err().contains("more than a year away"));
        for text in ["", "soon", "2026-12-01T08:00:00+01:00", "2026-12-01"] {
            assert!(read(text).unwrap_err().contains("RFC 3339"), "{text}");
        }
        assert!(not_before(&json!({ "until": 5 }), "until", NOW).is_err());
    }
}
