//! Errors as the user sees them: what happened, what to do next, and the exit code.

use std::fmt;

use crate::journal::JournalError;
use crate::secret::Secrets;

/// Exit code: bad usage, or an invalid workflow.
pub(super) const USAGE: u8 = 2;
/// Exit code: a plugin could not be loaded.
pub(super) const PLUGIN: u8 = 3;
/// Exit code: state or approval refused.
pub(super) const STATE: u8 = 6;
/// Exit code: a bug in shiro.
pub(super) const BUG: u8 = 70;

/// Why a command ended without doing its work.
#[derive(Debug)]
pub struct CliError {
    /// The process's exit code.
    pub exit_code: u8,
    /// Shown before the message, as it is: lines of their own, such as diagnostics. May be empty.
    pub details: String,
    /// What happened; more lines for details.
    pub message: String,
    /// What to do next.
    pub hints: Vec<String>,
}

impl CliError {
    /// An error with an exit code.
    pub fn new(exit_code: u8, message: impl Into<String>) -> Self {
        Self { exit_code, details: String::new(), message: message.into(), hints: Vec::new() }
    }

    /// The same with every secret masked.
    pub fn masked(mut self, secrets: &Secrets) -> Self {
        for text in [&mut self.details, &mut self.message].into_iter().chain(&mut self.hints) {
            *text = secrets.mask(text).into_owned();
        }
        self
    }

    /// The same with a hint.
    pub fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hints.push(hint.into());
        self
    }
}

impl fmt::Display for CliError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.details)?;
        write!(f, "error: {}", self.message)?;
        for hint in &self.hints {
            write!(f, "\n  hint: {}", hint.replace('\n', "\n        "))?;
        }
        Ok(())
    }
}

impl From<JournalError> for CliError {
    fn from(error: JournalError) -> Self {
        Self::new(error.exit_code(), error.to_string()).hint(error.hint())
    }
}

impl From<std::io::Error> for CliError {
    /// For what is written to standard output: a reader that has gone away has seen enough.
    fn from(error: std::io::Error) -> Self {
        match error.kind() {
            std::io::ErrorKind::BrokenPipe => Self::new(0, ""),
            _ => Self::new(BUG, format!("can't write to standard output: {error}")),
        }
    }
}
