//! Step types as WebAssembly components: the only place that knows wasmtime.
//!
//! ```text
//! catalog   names -> bytes: built in, a file, or what the lock file pins
//!    |
//! compile   bytes -> compiled code, by a child process with limits, or from the cache
//!    |
//! load      compiled code -> a component that fits: imports and exports checked
//!    |
//! describe  asks it what it is, in the sandbox
//!    v
//! loaded    a step type that is ready to run
//!    |
//! runner    one attempt = grants + limits + a fresh store (attempt) -> guest -> output, or a classified failure (fault)
//!
//! grants, rights, surroundings   what policy gives an attempt, and what becomes of it
//! imports/  what a guest can call, all of it without effect unless granted
//! recording answers to those calls, for tests of a component
//! process/  running programs on the machine; knows nothing of WebAssembly
//! ```

mod answer;
mod attempt;
mod bindings;
mod builtin;
mod catalog;
mod compile;
mod describe;
mod engine_config;
mod error;
mod fault;
mod file;
mod grants;
mod guest;
mod imports;
mod limits;
mod load;
mod loaded;
pub mod process;
mod recording;
mod rights;
mod runner;
mod runtime;
mod schema;
mod surroundings;
#[cfg(test)]
mod testing;
mod text;
mod ticker;
mod watch;

pub use catalog::{Catalog, KnownType};
pub use compile::{COMPILE_VERB, Compiler, compile_main};
pub use error::PluginError;
pub use file::check_new_name;
pub use grants::{aliases, builtin_name, grants_for, grants_for_any_config, may_have_effects};
pub use loaded::{LoadedType, Source};
pub use recording::{Exchange, HttpError, RecordedProcess, RecordedRequest, RecordedResponse, Recording};
pub use runner::{RunnerOptions, SandboxRunner};

/// The version of the step interface (`shiro:step`) that components are built for.
pub const INTERFACE_VERSION: &str = "0.1.0";

/// The version of the WebAssembly runtime.
pub const WASMTIME_VERSION: &str = env!("WASMTIME_VERSION");
