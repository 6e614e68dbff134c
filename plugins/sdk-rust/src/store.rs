//! The workflow's shared data: values by key, which outlive the step. Needs [`Permissions::load`](crate::Permissions::load) or
//! [`Permissions::store`](crate::Permissions::store).
//!
//! ```no_run
//! # fn main() -> Result<(), shiro_step::Failure> {
//! use std::time::Duration;
//!
//! use shiro_step::store::{self, Scope};
//!
//! let last: Option<String> = store::get(Scope::Project, "deploy/version")?;
//! store::set(Scope::Project, "deploy/version", "1.2.3")?;
//! store::set_for(Scope::Run, "token-checked", &true, Duration::from_secs(600))?;
//! # Ok(())
//! # }
//! ```

use std::fmt;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::Failure;
use crate::bindings::shiro::step::store as host;

/// How far a value reaches.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Scope {
    /// One run.
    Run,
    /// All runs of one CI pipeline.
    Pipeline,
    /// All runs for one branch or tag.
    Branch,
    /// All runs of the project.
    Project,
}

impl Scope {
    /// Its name in workflows and policies.
    pub fn name(self) -> &'static str {
        match self {
            Self::Run => "run",
            Self::Pipeline => "pipeline",
            Self::Branch => "branch",
            Self::Project => "project",
        }
    }
}

impl fmt::Display for Scope {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

/// The value of a key; `None` if there is none, or none any more. A [`serde_json::Value`] takes any.
pub fn get<T: DeserializeOwned>(scope: Scope, key: &str) -> Result<Option<T>, Error> {
    native()?;
    let Some(json) = host::get(scope.name(), key)? else { return Ok(None) };
    let value = serde_json::from_str(&json);
    value.map(Some).map_err(|error| Error::Unexpected { key: key.to_owned(), reason: error.to_string() })
}

/// Whether a key has a value.
pub fn exists(scope: Scope, key: &str) -> Result<bool, Error> {
    native()?;
    Ok(host::exists(scope.name(), key)?)
}

/// Stores a value, in place of one that is there. It is durable when this returns.
pub fn set<T: Serialize + ?Sized>(scope: Scope, key: &str, value: &T) -> Result<(), Error> {
    write(scope, key, value, None)
}

/// The same for a time, by the wall clock: then the value is gone.
pub fn set_for<T: Serialize + ?Sized>(scope: Scope, key: &str, value: &T, ttl: Duration) -> Result<(), Error> {
    write(scope, key, value, Some(u64::try_from(ttl.as_millis()).unwrap_or(u64::MAX)))
}

fn write<T: Serialize + ?Sized>(scope: Scope, key: &str, value: &T, ttl_ms: Option<u64>) -> Result<(), Error> {
    native()?;
    let json =
        serde_json::to_string(value).map_err(|error| Error::Invalid(format!("the value is not JSON: {error}")))?;
    Ok(host::set(scope.name(), key, &json, ttl_ms)?)
}

/// Deletes a value. False if there was none.
pub fn delete(scope: Scope, key: &str) -> Result<bool, Error> {
    native()?;
    Ok(host::delete(scope.name(), key)?)
}

/// The keys that begin with this text (all with an empty one) and have a value, sorted. All that begin so have to be granted:
/// `deploy/*` for `deploy/`.
pub fn list(scope: Scope, prefix: &str) -> Result<Vec<String>, Error> {
    native()?;
    Ok(host::list(scope.name(), prefix)?)
}

/// When a key's value is gone, or went, if that is still known; `None` if it stays, or if there is none.
pub fn expires_at(scope: Scope, key: &str) -> Result<Option<SystemTime>, Error> {
    native()?;
    let at = host::expires_at_ms(scope.name(), key)?;
    Ok(at.and_then(|at| UNIX_EPOCH.checked_add(Duration::from_millis(at))))
}

fn native() -> Result<(), Error> {
    if cfg!(target_family = "wasm") {
        return Ok(());
    }
    Err(Error::Failed("shared data is there only inside a component".to_owned()))
}

/// Why something was not done with shared data. All texts are whole sentences.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Error {
    /// Not granted. The text says what would allow it.
    Denied(String),
    /// The scope, the key or the value can't be used.
    Invalid(String),
    /// The value is too large, the scope is full, or the attempt has stored as much as it may.
    Limit(String),
    /// What is stored can't be read. Never to be taken for "nothing is there".
    Unreadable(String),
    /// It could not be carried out; what was there before is there still.
    Failed(String),
    /// What is stored is no value of the type that was asked for.
    Unexpected {
        /// The key.
        key: String,
        /// What does not fit.
        reason: String,
    },
    /// What a later host has a word for.
    Other {
        /// For machines.
        code: String,
        /// For people.
        message: String,
    },
}

impl From<host::Error> for Error {
    fn from(error: host::Error) -> Self {
        match error {
            host::Error::Denied(text) => Self::Denied(text),
            host::Error::Invalid(text) => Self::Invalid(text),
            host::Error::Limit(text) => Self::Limit(text),
            host::Error::Unreadable(text) => Self::Unreadable(text),
            host::Error::Failed(text) => Self::Failed(text),
            host::Error::Other((code, message)) => Self::Other { code, message },
        }
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Denied(text)
            | Self::Invalid(text)
            | Self::Limit(text)
            | Self::Unreadable(text)
            | Self::Failed(text)
            | Self::Other { message: text, .. } => f.write_str(text),
            Self::Unexpected { key, reason } => {
                write!(f, "what is stored for `{key}` is not what it should be: {reason}")
            }
        }
    }
}

impl std::error::Error for Error {}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        let message = error.to_string();
        match error {
            Error::Denied(_) => Self::permanent("denied", message),
            Error::Invalid(_) => Self::permanent("store_invalid", message),
            Error::Limit(_) => Self::permanent("store_limit", message),
            Error::Unreadable(_) => Self::permanent("store_unreadable", message),
            Error::Failed(_) => Self::transient("store_failed", message),
            Error::Unexpected { .. } => Self::permanent("store_unexpected", message),
            Error::Other { code, .. } => Self::permanent(code, message),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::FailureKind::{Permanent, Transient};

    #[test]
    fn only_what_could_not_be_carried_out_is_worth_another_attempt() {
        let text = || "why".to_owned();
        for (error, kind, code) in [
            (host::Error::Denied(text()), Permanent, "denied"),
            (host::Error::Invalid(text()), Permanent, "store_invalid"),
            (host::Error::Limit(text()), Permanent, "store_limit"),
            (host::Error::Unreadable(text()), Permanent, "store_unreadable"),
            (host::Error::Failed(text()), Transient, "store_failed"),
            (host::Error::Other(("later".to_owned(), text())), Permanent, "later"),
        ] {
            let failure = Failure::from(Error::from(error));
            assert_eq!((failure.kind(), failure.code(), failure.message()), (kind, code, "why"));
        }
    }

    #[test]
    fn outside_of_a_component_there_is_none() {
        assert!(matches!(get::<u8>(Scope::Run, "a"), Err(Error::Failed(_))));
        assert!(set(Scope::Run, "a", "b").is_err() && delete(Scope::Run, "a").is_err());
        assert!(
            exists(Scope::Run, "a").is_err() && list(Scope::Run, "").is_err() && expires_at(Scope::Run, "a").is_err()
        );
    }
}
