//! How often and how long to ask.

use std::time::{Duration, Instant};

use shiro_step::{Failure, log, show_duration};

use crate::answer::Seen;
use crate::config::Config;

/// What is left of it.
pub(crate) struct Patience {
    began: Instant,
    whole: Duration,
    pause: Duration,
    tried: u32,
    /// What was said last: the same is not said again.
    said: String,
}

impl Patience {
    pub(crate) fn new(config: &Config) -> Self {
        Self { began: Instant::now(), whole: config.patience(), pause: config.pause(), tried: 1, said: String::new() }
    }

    /// For one more try.
    pub(crate) fn left(&self) -> Duration {
        self.whole.saturating_sub(self.began.elapsed())
    }

    /// How many tries there were, with the one that is made now.
    pub(crate) fn tried(&self) -> u32 {
        self.tried
    }

    /// Tells why it is not yet so, if that is something new.
    pub(crate) fn note(&mut self, why: &str) {
        if self.said != why {
            log::info(format!("not yet: {why}"));
            self.said = why.to_owned();
        }
    }

    /// Waits for the next try. False if none is left.
    pub(crate) fn sleep(&mut self, at_least: Option<Duration>) -> bool {
        let pause = self.pause.max(at_least.unwrap_or_default());
        if pause >= self.left() {
            return false;
        }
        std::thread::sleep(pause);
        self.tried = self.tried.saturating_add(1);
        true
    }

    /// The failure that ends it, with the last answer.
    pub(crate) fn exhausted(&self, why: &str, seen: Seen) -> Failure {
        let tries = if self.tried == 1 { "once".to_owned() } else { format!("{} times", self.tried) };
        let message = format!("asked {tries} within {} (`timeout`), and still: {why}", show_duration(self.whole));
        Failure::transient("not_ready", message).output(&seen.output(self.tried))
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::config::config;

    #[test]
    fn goes_on_while_there_is_time_for_another_try() {
        let mut patience = Patience::new(&config(json!({ "url": "https://a", "interval": "50ms", "timeout": "1h" })));
        assert!(patience.sleep(None) && patience.sleep(Some(Duration::from_millis(60))));
        assert_eq!(patience.tried(), 3);
        assert!(!patience.sleep(Some(Duration::from_secs(4000))));
        let failure = patience.exhausted("the answer's status is 503", Seen::default());
        assert!(failure.message().starts_with("asked 3 times within 1h (`timeout`), and still: "), "{failure}");
        assert_eq!(failure.shown().unwrap()["attempts"], 3);
        let mut short = Patience::new(&config(json!({ "url": "https://a", "interval": "1s", "timeout": "1s" })));
        assert!(!short.sleep(None));
    }
}
