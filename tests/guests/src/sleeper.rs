//! Waits for ever in a host call.

use std::time::Duration;

use shiro_step::{Failure, Step};

struct Sleeper;

impl Step for Sleeper {
    const NAME: &'static str = "sleeper";
    const SUMMARY: &'static str = "Waits for ever.";
    type Config = serde_json::Value;
    type Output = ();

    fn run(_: serde_json::Value) -> Result<(), Failure> {
        loop {
            std::thread::sleep(Duration::MAX);
        }
    }
}

shiro_step::export!(Sleeper);
