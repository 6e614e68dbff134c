//! What one attempt may do, what it was refused, and what it used.

use std::sync::Arc;

use super::imports::Notes;
use crate::capability::{Grants, Origin, Permissions};
use crate::policy::{Advice, Decision, Learned};

/// One attempt's grants, and who hears of what is done with them.
#[derive(Debug)]
pub(super) struct Rights {
    step_type: String,
    builtin: bool,
    grants: Grants,
    hint: Hint,
    notes: Notes,
    learned: Option<Arc<Learned>>,
}

/// What would allow something that is not granted.
#[derive(Debug)]
enum Hint {
    Policy(Box<Advice>),
    Always(&'static str),
}

impl Rights {
    /// What a decision gives. `learned` hears of what is used.
    pub(super) fn new(
        step_type: &str,
        builtin: bool,
        decision: Decision,
        notes: Notes,
        learned: Option<Arc<Learned>>,
    ) -> Self {
        let hint = Hint::Policy(Box::new(decision.advice));
        Self { step_type: step_type.to_owned(), builtin, grants: decision.grants, hint, notes, learned }
    }

    /// Nothing, whatever a policy says: why.
    pub(super) fn none(hint: &'static str, notes: Notes) -> Self {
        let grants = Grants::default();
        Self { step_type: String::new(), builtin: false, grants, hint: Hint::Always(hint), notes, learned: None }
    }

    /// Just these grants, for a type that is built in.
    #[cfg(test)]
    pub(super) fn builtin_for_tests(grants: Grants, notes: Notes) -> Self {
        Self { grants, builtin: true, ..Self::none("the hint", notes) }
    }

    pub(super) fn grants(&self) -> &Grants {
        &self.grants
    }

    pub(super) fn builtin(&self) -> bool {
        self.builtin
    }

    pub(super) fn notes(&self) -> &Notes {
        &self.notes
    }

    /// The guest is about to be told that it may not do this, since `by` does not allow it. `need` is the least that would.
    /// Gives what would allow it.
    pub(super) fn deny(&self, tried: String, by: &Origin, need: &Permissions) -> String {
        let hint = self.hint(by, need);
        self.notes.deny(tried, hint.clone());
        hint
    }

    /// The guest looks where this is missing, since `by` does not allow it.
    pub(super) fn missing(&self, tried: String, by: &Origin, need: &Permissions) {
        self.notes.missing(tried, self.hint(by, need));
    }

    fn hint(&self, by: &Origin, need: &Permissions) -> String {
        match &self.hint {
            Hint::Policy(advice) => advice.allow(by, need),
            Hint::Always(hint) => (*hint).to_owned(),
        }
    }

    /// The guest is about to be told that it may not do this, and no policy changes that.
    pub(super) fn deny_always(&self, tried: String, why: &str) {
        self.notes.deny(tried, why.to_owned());
    }

    /// Somebody hears of what it uses.
    pub(super) fn learning(&self) -> bool {
        self.learned.is_some() && self.grants.layers.iter().any(|layer| layer.open)
    }

    /// It used this.
    pub(super) fn used(&self, what: impl FnOnce() -> Permissions) {
        if let Some(learned) = self.learned.as_ref().filter(|_| self.learning()) {
            learned.note(&self.step_type, what());
        }
    }
}
