//! The items of a step that is run for each item of a list: those that something is to be done about.

use std::io::Write;

use super::step_word;
use crate::engine::{RunState, Status};
use crate::id::StepId;

/// More are counted, and not named.
const NAMED: usize = 10;

/// The items that failed or were cut off.
pub(super) fn show(state: &RunState, step: &StepId, width: usize, out: &mut dyn Write) -> std::io::Result<()> {
    let Some(items) = state.items(step.as_str()) else { return Ok(()) };
    let is_trouble = |status: &Status| {
        matches!(status, Status::Failed { .. } | Status::Running { .. } | Status::Interrupted { .. } | Status::Retrying)
    };
    let mut trouble = items.iter().filter(|(_, item)| is_trouble(item.status()));
    for (id, item) in trouble.by_ref().take(NAMED) {
        let why = state
            .failure(id.as_str())
            .map_or_else(String::new, |failure| format!(": {}", failure.message.replace('\n', " ")));
        writeln!(out, "  {:width$}  {id} {}{why}", "", step_word(item.status()))?;
    }
    match trouble.count() {
        0 => Ok(()),
        more => writeln!(out, "  {:width$}  and {more} more", ""),
    }
}
