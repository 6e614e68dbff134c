//! The step ran and says no.

use std::fmt;
use std::time::Duration;

use serde::Serialize;
use serde_json::Value;

/// Whether another attempt makes sense.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FailureKind {
    /// The config is wrong. Never retried.
    InvalidConfig,
    /// Trying again cannot help. Never retried.
    Permanent,
    /// May succeed on another attempt: retried as the step's `retry` says.
    Transient,
}

/// Why a step failed.
///
/// The code is for machines: lower case, e.g. `channel_not_found`. The part of the step's name before its first dot goes in
/// front of a code that has none: `slack.channel_not_found`. The message is for people: one sentence that says what
/// happened and what to do; more lines only for details.
///
/// `?` makes one of the errors of [`http`](crate::http), [`process`](crate::process) and [`store`](crate::store), of `std::io`, of `serde_json` and of
/// parsing numbers and UTF-8, and of a plain string.
#[derive(Clone, Debug, PartialEq)]
pub struct Failure(Box<Parts>);

/// Apart, so that a `Result` with a failure is as small as without.
#[derive(Clone, Debug, PartialEq)]
struct Parts {
    kind: FailureKind,
    code: String,
    message: String,
    retry_after: Option<Duration>,
    output: Option<Value>,
}

impl Failure {
    /// The config is wrong: never retried.
    pub fn invalid_config(message: impl Into<String>) -> Self {
        Self::new(FailureKind::InvalidConfig, "invalid_config", message)
    }

    /// Trying again cannot help: never retried.
    pub fn permanent(code: impl Into<String>, message: impl Into<String>) -> Self {
        Self::new(FailureKind::Permanent, code, message)
    }

    /// May succeed on another attempt: retried as the step's `retry` says.
    pub fn transient(code: impl Into<String>, message: impl Into<String>) -> Self {
        Self::new(FailureKind::Transient, code, message)
    }

    fn new(kind: FailureKind, code: impl Into<String>, message: impl Into<String>) -> Self {
        let (code, message) = (code.into(), message.into());
        Self(Box::new(Parts { kind, code, message, retry_after: None, output: None }))
    }

    /// The same with no attempt before this time has passed (a service's `Retry-After`).
    pub fn retry_after(mut self, wait: Duration) -> Self {
        self.0.retry_after = Some(wait);
        self
    }

    /// The same with what there is to show all the same, for steps that run after a failure. Best of the type that a
    /// success would have. A value that JSON can't hold is left out.
    pub fn output(mut self, output: &impl Serialize) -> Self {
        self.0.output = serde_json::to_value(output).ok();
        self
    }

    /// Whether another attempt makes sense.
    pub fn kind(&self) -> FailureKind {
        self.0.kind
    }

    /// The code, as it was given.
    pub fn code(&self) -> &str {
        &self.0.code
    }

    /// The message.
    pub fn message(&self) -> &str {
        &self.0.message
    }

    /// How long to wait before another attempt.
    pub fn wait(&self) -> Option<Duration> {
        self.0.retry_after
    }

    /// What there is to show all the same.
    pub fn shown(&self) -> Option<&Value> {
        self.0.output.as_ref()
    }

    /// The code with the step type in front, unless it names one already.
    pub(crate) fn qualified_code(&self, step_type: &str) -> String {
        match step_type.split('.').next() {
            Some(prefix) if !self.0.code.contains('.') => format!("{prefix}.{}", self.0.code),
            _ => self.0.code.clone(),
        }
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0.message)
    }
}

impl std::error::Error for Failure {}

impl From<String> for Failure {
    fn from(message: String) -> Self {
        Self::permanent("failed", message)
    }
}

impl From<&str> for Failure {
    fn from(message: &str) -> Self {
        Self::permanent("failed", message)
    }
}

impl From<std::io::Error> for Failure {
    fn from(error: std::io::Error) -> Self {
        use std::io::ErrorKind;
        match error.kind() {
            ErrorKind::Interrupted | ErrorKind::TimedOut | ErrorKind::WouldBlock => {
                Self::transient("io", error.to_string())
            }
            _ => Self::permanent("io", error.to_string()),
        }
    }
}

macro_rules! permanent {
    ($($error:ty => $code:literal),* $(,)?) => {$(
        impl From<$error> for Failure {
            fn from(error: $error) -> Self {
                Self::permanent($code, error.to_string())
            }
        }
    )*};
}

permanent! {
    serde_json::Error => "invalid_json",
    std::num::ParseIntError => "invalid_number",
    std::num::ParseFloatError => "invalid_number",
    std::num::TryFromIntError => "invalid_number",
    std::str::Utf8Error => "invalid_utf8",
    std::string::FromUtf8Error => "invalid_utf8",
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_code_gets_the_step_type_in_front_once() {
        let code = |code: &str| Failure::permanent(code, "no").qualified_code("slack.notify");
        assert_eq!(code("channel_not_found"), "slack.channel_not_found");
        assert_eq!(code("slack.no_team"), "slack.no_team");
    }

    #[test]
    fn carries_what_there_is_to_show() {
        let failure = Failure::transient("exit", "exit code 3")
            .retry_after(Duration::from_secs(2))
            .output(&json!({ "exit_code": 3 }));
        assert_eq!(failure.kind(), FailureKind::Transient);
        assert_eq!(failure.wait(), Some(Duration::from_secs(2)));
        assert_eq!(failure.shown(), Some(&json!({ "exit_code": 3 })));
    }

    #[test]
    fn common_errors_become_failures() {
        fn number(text: &str) -> Result<u32, Failure> {
            Ok(text.parse::<u32>()?)
        }
        assert_eq!(number("x").unwrap_err().code(), "invalid_number");
        assert_eq!(Failure::from("no").code(), "failed");
        let io = Failure::from(std::io::Error::from(std::io::ErrorKind::TimedOut));
        assert_eq!((io.kind(), io.code()), (FailureKind::Transient, "io"));
    }
}
