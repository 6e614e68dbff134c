//! Allocates without end, and touches every page.

use shiro_step::{Failure, Step};

/// What it takes at once.
const CHUNK: usize = 1 << 20;

struct Greedy;

impl Step for Greedy {
    const NAME: &'static str = "greedy";
    const SUMMARY: &'static str = "Allocates without end.";
    type Config = serde_json::Value;
    type Output = ();

    fn run(_: serde_json::Value) -> Result<(), Failure> {
        let mut taken = Vec::new();
        loop {
            taken.push(std::hint::black_box(vec![1_u8; CHUNK]));
        }
    }
}

shiro_step::export!(Greedy);
