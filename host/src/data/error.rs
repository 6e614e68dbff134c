//! What can go wrong with shared data, and what to do about it.

use std::fmt;

use crate::journal::JournalError;

/// Whose fault it is. Decides the exit code.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// The scope, the key or the value can't be used.
    Invalid,
    /// The value is too large, or the scope is full.
    Limit,
    /// What is there can't be read: never to be taken for "there is nothing".
    Unreadable,
    /// It could not be carried out; what was there before is there still.
    Failed,
    /// Other processes kept the data to themselves for too long.
    Held,
}

/// Why something was not done with shared data.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DataError {
    /// Whose fault it is.
    pub kind: Kind,
    /// What happened.
    pub message: String,
    /// What to do next.
    pub hint: Option<String>,
}

impl DataError {
    /// An error of this kind.
    pub fn new(kind: Kind, message: impl Into<String>) -> Self {
        Self { kind, message: message.into(), hint: None }
    }

    /// The same with a hint.
    pub fn with_hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }

    /// The process's exit code: `docs/exit-codes.md`.
    pub fn exit_code(&self) -> u8 {
        match self.kind {
            Kind::Invalid => 2,
            Kind::Limit => 5,
            Kind::Unreadable => 6,
            Kind::Failed => 7,
            Kind::Held => 8,
        }
    }

    /// An error while something is looked at: what is there can't be read.
    pub(super) fn reading(error: JournalError) -> Self {
        let hint = "what is stored is not taken for lost: make it readable, or remove the file to go on without it";
        Self::new(Kind::Unreadable, error.to_string()).with_hint(hint)
    }

    /// An error while something is written.
    pub(super) fn writing(error: JournalError) -> Self {
        Self::new(Kind::Failed, error.to_string()).with_hint(error.hint())
    }
}

impl fmt::Display for DataError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl std::error::Error for DataError {}
