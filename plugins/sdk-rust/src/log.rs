//! Messages for whoever reads the job's log.

use serde::Serialize;

use crate::bindings::shiro::step::log as host;

/// How much a message matters.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Level {
    /// For whoever looks for a fault. Shown only when asked for.
    Debug,
    /// Worth knowing.
    Info,
    /// Something may be wrong.
    Warn,
    /// Something is wrong.
    Error,
}

/// Logs what helps to find a fault. Shown only when asked for.
pub fn debug(message: impl AsRef<str>) {
    write(Level::Debug, message.as_ref(), "");
}

/// Logs what is worth knowing.
pub fn info(message: impl AsRef<str>) {
    write(Level::Info, message.as_ref(), "");
}

/// Logs that something may be wrong.
pub fn warn(message: impl AsRef<str>) {
    write(Level::Warn, message.as_ref(), "");
}

/// Logs that something is wrong. The step goes on: return a [`Failure`](crate::Failure) to end it.
pub fn error(message: impl AsRef<str>) {
    write(Level::Error, message.as_ref(), "");
}

/// Logs a message with further fields: something that serialises to a JSON object. Anything else is left out.
pub fn with_fields(level: Level, message: impl AsRef<str>, fields: &impl Serialize) {
    let fields = serde_json::to_value(fields).ok().filter(serde_json::Value::is_object);
    write(level, message.as_ref(), &fields.map(|fields| fields.to_string()).unwrap_or_default());
}

#[expect(clippy::print_stderr, reason = "a native test has no host to log to")]
fn write(level: Level, message: &str, fields: &str) {
    let host_level = match level {
        Level::Debug => host::Level::Debug,
        Level::Info => host::Level::Info,
        Level::Warn => host::Level::Warn,
        Level::Error => host::Level::Error,
    };
    if cfg!(target_family = "wasm") {
        host::log(host_level, message, fields);
    } else {
        eprintln!("[{level:?}] {message} {fields}");
    }
}
