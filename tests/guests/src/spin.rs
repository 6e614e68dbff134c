//! Loops for ever.

use shiro_step::{Failure, Step};

struct Spin;

impl Step for Spin {
    const NAME: &'static str = "spin";
    const SUMMARY: &'static str = "Loops for ever.";
    type Config = serde_json::Value;
    type Output = ();

    fn run(_: serde_json::Value) -> Result<(), Failure> {
        let mut turns = 0_u64;
        loop {
            turns = std::hint::black_box(turns.wrapping_add(1));
        }
    }
}

shiro_step::export!(Spin);
