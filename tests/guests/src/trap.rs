//! Traps: by `unreachable`, by a panic with a message, by a stack without end, or by a read outside of its memory.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use shiro_step::{Failure, Step};

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Config {
    /// How it traps.
    #[serde(default)]
    how: How,
    /// What a panic says.
    #[serde(default)]
    message: String,
}

#[derive(Default, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
enum How {
    #[default]
    Unreachable,
    Panic,
    Recursion,
    OutOfBounds,
}

struct Trap;

impl Step for Trap {
    const NAME: &'static str = "trap";
    const SUMMARY: &'static str = "Traps.";
    type Config = Config;
    type Output = ();

    fn run(config: Config) -> Result<(), Failure> {
        match config.how {
            How::Unreachable => unreachable_instruction(),
            How::Panic => panic!("{}", config.message),
            How::Recursion => Err(Failure::permanent("depth", recurse(1).to_string())),
            How::OutOfBounds => Err(Failure::permanent("read", out_of_bounds().to_string())),
        }
    }
}

shiro_step::export!(Trap);

fn unreachable_instruction() -> ! {
    #[cfg(target_arch = "wasm32")]
    core::arch::wasm32::unreachable();
    #[cfg(not(target_arch = "wasm32"))]
    std::process::abort();
}

/// Calls itself, with something left to do after each call, so that it stays a call.
#[inline(never)]
fn recurse(depth: u64) -> u64 {
    let frame = std::hint::black_box([depth; 16]);
    match std::hint::black_box(depth) {
        0 => 0,
        _ => recurse(depth + 1) + std::hint::black_box(frame)[3],
    }
}

fn out_of_bounds() -> u8 {
    let address = std::hint::black_box(usize::MAX - 15) as *const u8;
    // SAFETY: there is none, which is the point: the sandbox has to trap.
    unsafe { std::ptr::read_volatile(address) }
}
