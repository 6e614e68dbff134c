//! Words and colours.

use std::fmt::{self, Display};
use std::time::Duration;

use crate::outcome::FailureClass;

/// A colour or weight: the parameter of an SGR sequence.
#[derive(Clone, Copy)]
pub(super) enum Tone {
    Bold = 1,
    Dim = 2,
    Red = 31,
    Green = 32,
    Yellow = 33,
    Cyan = 36,
}

/// Colours text, or doesn't.
#[derive(Clone, Copy)]
pub(super) struct Paint(pub(super) bool);

impl Paint {
    pub(super) fn paint(self, tone: Tone, text: impl Display) -> impl Display {
        fmt::from_fn(move |f| match self.0 {
            true => write!(f, "\u{1b}[{}m{text}\u{1b}[0m", tone as u8),
            false => write!(f, "{text}"),
        })
    }
}

/// For people: `850ms`, `1.2s`, `3m 05s`, `1h 02m`.
pub(super) fn duration(time: Duration) -> impl Display {
    fmt::from_fn(move |f| {
        let seconds = time.as_secs();
        match seconds {
            0 => write!(f, "{}ms", time.as_millis()),
            1..60 => write!(f, "{seconds}.{}s", time.subsec_millis() / 100),
            60..3600 => write!(f, "{}m {:02}s", seconds / 60, seconds % 60),
            _ => write!(f, "{}h {:02}m", seconds / 3600, seconds / 60 % 60),
        }
    })
}

pub(super) fn milliseconds(time: u64) -> impl Display {
    duration(Duration::from_millis(time))
}

/// `1 step`, `2 steps`.
pub(super) fn count(number: usize, what: &str) -> impl Display {
    fmt::from_fn(move |f| write!(f, "{number} {what}{}", if number == 1 { "" } else { "s" }))
}

/// What kind of failure it is.
pub(super) fn class(class: FailureClass) -> &'static str {
    match class {
        FailureClass::Step => "step failed",
        FailureClass::Config => "invalid config",
        FailureClass::Plugin => "plugin fault",
        FailureClass::Denied => "permission denied",
        FailureClass::Limit => "limit reached",
        FailureClass::State => "state refused",
        FailureClass::Internal => "bug in shiro",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_are_short() {
        for (time, text) in [(0, "0ms"), (850, "850ms"), (1_250, "1.2s"), (185_999, "3m 05s"), (3_725_000, "1h 02m")] {
            assert_eq!(milliseconds(time).to_string(), text);
        }
    }
}
