//! When a step that failed is tried again: pure.

use std::time::Duration;

use crate::outcome::{Failure, FailureClass};
use crate::workflow::model::Retry;

/// A wait is this much longer or shorter at most, so that steps that failed together don't come back together.
const JITTER: f64 = 0.2;

/// What follows an attempt that failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Next {
    /// Another attempt, after this wait.
    After(Duration),
    /// There would be another attempt, but not before a time that is beyond `max_delay`.
    TooLate,
    /// There is no further attempt.
    Never,
}

/// What follows after `attempt` (from 1) failed.
///
/// The wait is `delay * backoff^(attempt-1)`, give or take a fifth (`random`, from 0 to 1), and at most `max_delay`. A
/// service that names a time is not asked before it.
pub(super) fn next(retry: &Retry, attempt: u32, failure: &Failure, random: f64) -> Next {
    if attempt >= retry.max_attempts || !is_worth_it(failure) {
        return Next::Never;
    }
    let least = Duration::from_millis(failure.retry_after_ms.unwrap_or(0));
    if least > retry.max_delay {
        return Next::TooLate;
    }
    if retry.delay.is_zero() {
        return Next::After(least);
    }
    let exponent = i32::try_from(attempt - 1).unwrap_or(i32::MAX);
    let jitter = 1.0 + JITTER * (2.0 * random - 1.0);
    let seconds = retry.delay.as_secs_f64() * retry.backoff.powi(exponent) * jitter;
    let longest = retry.max_delay.as_secs_f64();
    // Also for a product that is infinite.
    let wait = if seconds < longest { Duration::from_secs_f64(seconds) } else { retry.max_delay };
    Next::After(wait.max(least))
}

fn is_worth_it(failure: &Failure) -> bool {
    failure.transient || failure.class == FailureClass::Limit && failure.code == "timeout"
}

#[cfg(test)]
mod tests {
    use super::*;

    const RETRY: Retry =
        Retry { max_attempts: 5, delay: Duration::from_secs(2), backoff: 3.0, max_delay: Duration::from_secs(30) };

    fn after(seconds: u64) -> Next {
        Next::After(Duration::from_secs(seconds))
    }

    fn transient() -> Failure {
        Failure::new(FailureClass::Step, "x", "x").transient()
    }

    #[test]
    fn waits_grow_up_to_a_limit() {
        let waits: Vec<_> = (1..=5).map(|attempt| next(&RETRY, attempt, &transient(), 0.5)).collect();
        assert_eq!(waits, [after(2), after(6), after(18), after(30), Next::Never]);
    }

    #[test]
    fn jitter_is_a_fifth_either_way_and_keeps_the_limit() {
        let wait = |attempt, random| match next(&RETRY, attempt, &transient(), random) {
            Next::After(wait) => wait.as_secs_f64(),
            other => panic!("{other:?}"),
        };
        assert!((wait(1, 0.0) - 1.6).abs() < 1e-6 && (wait(1, 1.0) - 2.4).abs() < 1e-6);
        assert!((wait(4, 1.0) - 30.0).abs() < 1e-6);
    }

    #[test]
    fn only_transient_failures_and_timeouts_are_tried_again() {
        let failure = |class, code| Failure::new(class, code, "x");
        for (failure, again) in [
            (failure(FailureClass::Step, "exit"), false),
            (failure(FailureClass::Step, "exit").transient(), true),
            (failure(FailureClass::Limit, "timeout"), true),
            (failure(FailureClass::Limit, "memory"), false),
            (failure(FailureClass::Plugin, "trap"), false),
            (failure(FailureClass::Denied, "network"), false),
        ] {
            assert_eq!(next(&RETRY, 1, &failure, 0.5) != Next::Never, again, "{failure:?}");
        }
    }

    #[test]
    fn a_service_that_names_a_time_is_not_asked_before() {
        let not_before = |ms| Failure { retry_after_ms: Some(ms), ..transient() };
        assert_eq!(next(&RETRY, 1, &not_before(10_000), 0.5), after(10));
        assert_eq!(next(&RETRY, 3, &not_before(1), 0.5), after(18));
        assert_eq!(next(&RETRY, 1, &not_before(30_001), 0.5), Next::TooLate);
    }

    #[test]
    fn extreme_settings_do_not_overflow() {
        let retry = Retry { max_attempts: u32::MAX, backoff: f64::MAX, max_delay: Duration::MAX, ..RETRY };
        assert_eq!(next(&retry, u32::MAX - 1, &transient(), 1.0), Next::After(Duration::MAX));
        let at_once = Retry { delay: Duration::ZERO, ..retry };
        assert_eq!(next(&at_once, u32::MAX - 1, &transient(), 1.0), after(0));
    }
}
