//! How the WebAssembly engine is set up. The build script includes this file too: what it compiles ahead of time only
//! loads into an engine with these settings.

use std::num::NonZeroUsize;

use wasmtime::{Config, OptLevel, WasmBacktraceDetails};

/// The settings that every engine has.
pub(crate) fn engine_config() -> Config {
    let mut config = Config::new();
    config
        // Ends loops: the callback of each store looks at the clock whenever a tick has passed.
        .epoch_interruption(true)
        .max_wasm_stack(512 << 10)
        // What the guest's stack leaves is for the host functions that it calls.
        .async_stack_size(2 << 20)
        .cranelift_opt_level(OptLevel::Speed)
        .wasm_backtrace_max_frames(NonZeroUsize::new(20))
        // Offsets within the WebAssembly in a backtrace: half the size of what is compiled, and functions have names.
        .generate_address_map(false)
        // Never read from the environment.
        .wasm_backtrace_details(WasmBacktraceDetails::Disable)
        // Proposals that no tool chain needs for a step: less code for a guest to attack.
        .wasm_memory64(false)
        .wasm_relaxed_simd(false)
        .shared_memory(false)
        .gc_support(false)
        .concurrency_support(false);
    config
}
