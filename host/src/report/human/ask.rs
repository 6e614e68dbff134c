//! What a gate asks for, and what a paused run takes to go on.

use crate::approval::Request;
use crate::id::StepId;

/// What a step with `approval` asks for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ask {
    /// What, in words.
    pub words: String,
    /// The command that approves it.
    pub command: String,
    /// It takes a form that is filled in, which a mere start is not.
    pub form: bool,
}

impl Ask {
    /// What is asked for after this step while so many approvals are missing.
    pub fn of(step: &StepId, request: &Request, missing: u32) -> Self {
        let rule = &request.rule;
        Self { words: request.in_words(missing), command: rule.approve_command(step), form: rule.asks_for_form() }
    }
}

/// The last line of a pause: `resume` goes on with the run, and approves what needs no form. `None`: the short form, which asks
/// for nothing in particular.
pub fn to_go_on<'a>(asks: impl IntoIterator<Item = Option<&'a Ask>>, resume: &str) -> String {
    let approves = asks.into_iter().any(|ask| ask.is_none_or(|ask| !ask.form));
    let when = if approves { "To approve and go on" } else { "To go on once it is approved" };
    format!("{when}: {resume}")
}
