//! Why a plugin could not be started or built.

/// Whose fault it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// Wrong usage, or a tool is missing.
    Usage,
    /// The plugin's sources.
    Plugin,
}

/// Why a plugin could not be started or built.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct AuthoringError {
    /// Whose fault it is.
    pub fault: Fault,
    /// What happened: one sentence without a full stop; more lines only for what a tool said.
    pub message: String,
    /// What to do next.
    pub hint: Option<String>,
}

impl AuthoringError {
    pub(super) fn usage(message: impl Into<String>) -> Self {
        Self { fault: Fault::Usage, message: message.into(), hint: None }
    }

    pub(super) fn plugin(message: impl Into<String>) -> Self {
        Self { fault: Fault::Plugin, message: message.into(), hint: None }
    }

    pub(super) fn with_hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }
}
