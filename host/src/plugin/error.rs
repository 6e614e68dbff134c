//! Why a step type could not be loaded.

use crate::outcome::{Failure, FailureClass};
use crate::package::{Kind, PackageError};

/// Why a step type could not be loaded: what is wrong with which file, and what to do.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct PluginError {
    /// `Plugin`, or `Limit` where a limit was hit while it loaded.
    pub class: FailureClass,
    /// For machines and tests, e.g. `unknown-type`, `core-module`, `unknown-imports`.
    pub code: &'static str,
    /// What is wrong: one sentence without a full stop, naming the file where there is one; more lines only for details.
    pub message: String,
    /// What to do next.
    pub hint: Option<String>,
}

impl PluginError {
    pub(crate) fn new(code: &'static str, message: impl Into<String>) -> Self {
        Self { class: FailureClass::Plugin, code, message: message.into(), hint: None }
    }

    /// The same with a hint.
    pub fn with_hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }
}

impl From<PluginError> for Failure {
    fn from(error: PluginError) -> Self {
        Failure { hint: error.hint, ..Failure::new(error.class, error.code, error.message) }
    }
}

impl From<PackageError> for PluginError {
    fn from(error: PackageError) -> Self {
        let class = match error.kind {
            Kind::Usage => FailureClass::Config,
            Kind::Refused => FailureClass::Plugin,
        };
        Self { class, code: error.code, message: error.message, hint: error.hint }
    }
}
