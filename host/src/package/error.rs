//! Why a package could not be found, fetched, pinned or believed.

/// What went wrong, and what to do.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct PackageError {
    /// Whose mistake it is.
    pub kind: Kind,
    /// For machines and tests, e.g. `wrong-digest`, `not-fetched`, `bad-lock`.
    pub code: &'static str,
    /// What is wrong: one sentence without a full stop, naming the file or the registry; more lines only for details.
    pub message: String,
    /// What to do next.
    pub hint: Option<String>,
}

/// Whose mistake it is: decides the exit code.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// What was asked for makes no sense (exit code 2).
    Usage,
    /// What was found is not what it should be (exit code 3).
    Refused,
}

impl PackageError {
    pub(super) fn refused(code: &'static str, message: impl Into<String>) -> Self {
        Self { kind: Kind::Refused, code, message: message.into(), hint: None }
    }

    pub(super) fn usage(code: &'static str, message: impl Into<String>) -> Self {
        Self { kind: Kind::Usage, ..Self::refused(code, message) }
    }

    pub(super) fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }
}
