//! When a step that failed is tried again: pure.

use std::time::Duration;

use crate::outcome::{Failure, FailureClass};
use crate::workflow::model::Retry;

/// A wait is this much longer or shorter at most, so that steps that failed together don't come back together.
const JITTER: f64 = 0.2;

/// How long to wait before the next attempt after `attempt` (from 1) failed; `None` when there is none.
///
/// The wait is `delay * backoff^(attempt-1)`, give or take a fifth (`random`, from 0 to 1), and at most `max_delay`. A
/// service that names a time is not asked before it; if that is longer than `max_delay`, there is no further attempt.
pub(super) fn next_delay(retry: &Retry, attempt: u32, failure: &Failure, random: f64) -> Option<Duration> {
    if attempt >= retry.max_attempts || !is_worth_it(failure) {
        return None;
    }
    let least = Duration::from_millis(failure.retry_after_ms.unwrap_or(0));
    if least > retry.max_delay {
        return None;
    }
    if retry.delay.is_zero() {
        return Some(least);
    }
    let exponent = i32::try_from(attempt - 1).unwrap_or(i32::MAX);
    let jitter = 1.0 + JITTER * (2.0 * random - 1.0);
    let seconds = retry.delay.as_secs_f64() * retry.backoff.powi(exponent) * jitter;
    let longest = retry.max_delay.as_secs_f64();
    // Also for a product that is infinite.
    let wait = if seconds < longest { Duration::from_secs_f64(seconds) } else { retry.max_delay };
    Some(wait.max(least))
}

fn is_worth_it(failure: &Failure) -> bool {
    failure.transient || failure.class == FailureClass::Limit && failure.code == "timeout"
}

#[cfg(test)]
mod tests {
    use super::*;

    const RETRY: Retry =
        Retry { max_attempts: 5, delay: Duration::from_secs(2), backoff: 3.0, max_delay: Duration::from_secs(30) };

    fn transient() -> Failure {
        Failure::new(FailureClass::Step, "x", "x").transient()
    }

    #[test]
    fn waits_grow_up_to_a_limit() {
        let waits: Vec<_> = (1..=5).map(|attempt| next_delay(&RETRY, attempt, &transient(), 0.5)).collect();
        let seconds = |seconds| Some(Duration::from_secs(seconds));
        assert_eq!(waits, [seconds(2), seconds(6), seconds(18), seconds(30), None]);
    }

    #[test]
    fn jitter_is_a_fifth_either_way_and_keeps_the_limit() {
        let wait = |attempt, random| next_delay(&RETRY, attempt, &transient(), random).unwrap().as_secs_f64();
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
            assert_eq!(next_delay(&RETRY, 1, &failure, 0.5).is_some(), again, "{failure:?}");
        }
    }

    #[test]
    fn a_service_that_names_a_time_is_not_asked_before() {
        let after = |ms| Failure { retry_after_ms: Some(ms), ..transient() };
        assert_eq!(next_delay(&RETRY, 1, &after(10_000), 0.5), Some(Duration::from_secs(10)));
        assert_eq!(next_delay(&RETRY, 3, &after(1), 0.5), Some(Duration::from_secs(18)));
        assert_eq!(next_delay(&RETRY, 1, &after(30_001), 0.5), None);
    }

    #[test]
    fn extreme_settings_do_not_overflow() {
        let retry = Retry { max_attempts: u32::MAX, backoff: f64::MAX, max_delay: Duration::MAX, ..RETRY };
        assert_eq!(next_delay(&retry, u32::MAX - 1, &transient(), 1.0), Some(Duration::MAX));
        let at_once = Retry { delay: Duration::ZERO, ..retry };
        assert_eq!(next_delay(&at_once, u32::MAX - 1, &transient(), 1.0), Some(Duration::ZERO));
    }
}
