//! Whose fault it is when a guest does not answer: traps, limits, time.

use std::time::Duration;

use tokio::time::Instant;
use wasmtime::component::ResourceTableError;
use wasmtime::{Trap, WasmBacktrace};
use wasmtime_wasi::I32Exit;

use super::attempt::Attempt;
use super::limits::Limit;
use super::text::shown;
use crate::outcome::{Failure, FailureClass};

/// How many of the guest's last lines on stderr go into a trap's message.
const LAST_LINES: usize = 12;

/// What stands between a Rust guest's mistake and its trap.
const PANIC_MACHINERY: [&str; 5] =
    ["__rustc::", "core::panicking::", "std::panicking::", "std::process::abort", "std::sys::"];

/// Why a guest was ended from outside.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Ending {
    /// The run is being stopped.
    Cancelled,
    /// Its time is up.
    TimedOut,
}

/// Why there is no answer.
#[derive(Debug)]
pub(super) enum Fault {
    /// It was ended from outside.
    Ended(Ending),
    /// It ran into a limit.
    Limit(Limit),
    /// It trapped, or broke the rules of the component model: what happened, with details on further lines.
    Trap(String),
    /// It left by `exit` instead of returning.
    Exit(i32),
    /// The host failed: a bug in shiro, or a machine without resources.
    Host(String),
}

impl Fault {
    /// Classifies an error that a call of a guest ended with.
    pub(super) fn of_guest(error: &wasmtime::Error, attempt: &Attempt, deadline: Option<Instant>) -> Self {
        if let Some(limit) = limit_of(error) {
            return Self::Limit(limit);
        }
        let trap = error.downcast_ref::<Trap>();
        if trap == Some(&Trap::Interrupt) && deadline.is_some_and(|deadline| Instant::now() >= deadline) {
            return Self::Ended(Ending::TimedOut);
        }
        if let Some(I32Exit(status)) = error.downcast_ref::<I32Exit>() {
            return Self::Exit(*status);
        }
        // A tool chain's allocator traps when it is refused memory, and an instance whose first memory is refused never
        // starts.
        if let Some(limit) = attempt.limiter.refused {
            return Self::Limit(limit);
        }
        Self::Trap(trap_message(error, trap, &attempt.output.last_words()))
    }

    /// What the user is told. `name` is the step type, `timeout` the attempt's time limit, `by_user` whether the step sets
    /// it.
    pub(super) fn into_failure(self, name: &str, timeout: Option<Duration>, by_user: bool) -> Failure {
        let report = format!("this is a fault of `{name}`, not of the workflow: report it to whoever makes `{name}`");
        match self {
            Self::Ended(Ending::Cancelled) => {
                Failure::new(FailureClass::Step, "cancelled", "ended, because the run is being stopped")
            }
            Self::Ended(Ending::TimedOut) => timed_out(timeout, by_user),
            Self::Limit(limit) => {
                Failure::new(FailureClass::Limit, limit.code(), format!("the component ran into a limit: {limit}"))
                    .with_hint(limit.hint())
            }
            Self::Trap(message) => Failure::new(FailureClass::Plugin, "trap", message).with_hint(report),
            Self::Exit(status) => Failure::new(
                FailureClass::Plugin,
                "exit",
                format!("the component called `exit` (status {status}) instead of returning a result"),
            )
            .with_hint(report),
            Self::Host(what) => Failure::new(FailureClass::Internal, "host", what),
        }
    }
}

fn timed_out(timeout: Option<Duration>, by_user: bool) -> Failure {
    let after = timeout.map(|time| format!(" after {}", humantime::format_duration(time))).unwrap_or_default();
    let hint = if by_user { "raise the step's `timeout` if it needs longer" } else { "set a `timeout` for the step" };
    Failure::new(FailureClass::Limit, "timeout", format!("timed out{after}")).with_hint(hint).transient()
}

/// The limit that an error stands for. wasmtime has no types for some: their texts are tested.
fn limit_of(error: &wasmtime::Error) -> Option<Limit> {
    if let Some(limit) = error.downcast_ref::<Limit>() {
        return Some(*limit);
    }
    if let Some(ResourceTableError::Full) = error.downcast_ref::<ResourceTableError>() {
        return Some(Limit::Handles);
    }
    if error.downcast_ref::<wasmtime_wasi_http::FieldMapError>().is_some() {
        return Some(Limit::HttpFields);
    }
    let text = error.root_cause().to_string();
    if text.contains("fuel allocated for hostcalls has been exhausted") {
        Some(Limit::HostcallBytes)
    } else if text.contains("store handle limit exceeded") {
        Some(Limit::Handles)
    } else if text.starts_with("resource limit exceeded") {
        Some(Limit::Instances)
    } else {
        None
    }
}

fn trap_message(error: &wasmtime::Error, trap: Option<&Trap>, last_words: &str) -> String {
    let what = match trap {
        Some(trap) => trap.to_string().trim_start_matches("wasm trap: ").to_owned(),
        None => error.root_cause().to_string(),
    };
    let mut message = format!("the component trapped: {what}");
    // The advice of Rust's panic handler does not apply: there is no such variable to set.
    let idle = |line: &str| line.trim().is_empty() || line.starts_with("note: run with `RUST_BACKTRACE");
    let lines: Vec<&str> = last_words.lines().filter(|line| !idle(line)).collect();
    for line in &lines[lines.len().saturating_sub(LAST_LINES)..] {
        message.push_str("\n  ");
        message.push_str(line.trim_end());
    }
    let frames = error.downcast_ref::<WasmBacktrace>().map(WasmBacktrace::frames).unwrap_or_default();
    for frame in frames {
        let name = match frame.func_name() {
            // Without the hash that makes Rust's symbols unique.
            Some(name) => format!("{:#}", rustc_demangle::demangle(name)),
            None => format!("function {}", frame.func_index()),
        };
        if !PANIC_MACHINERY.iter().any(|prefix| name.starts_with(prefix)) {
            message.push_str("\n  at ");
            message.push_str(&shown(&name));
        }
    }
    message
}
