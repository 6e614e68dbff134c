//! Step types as WebAssembly components: the only place that knows wasmtime.
//!
//! ```text
//! Catalog      names -> bytes (built in, or a file) -> LoadedType: checked, compiled, described, linked once
//! SandboxRunner  one attempt = fresh store + grants + limits -> run -> output, or a classified Failure
//! imports/     what a guest can call, all of it inert without a grant
//! process/     running programs on the machine; knows nothing of WebAssembly
//! ```

pub mod catalog;
pub mod error;
pub mod grants;
pub mod loaded;
pub mod runner;

pub use catalog::{Catalog, KnownType};
pub use error::PluginError;
pub use grants::{GrantPlan, grants_for};
pub use loaded::{LoadedType, Source};
pub use runner::{RunnerOptions, SandboxRunner};
