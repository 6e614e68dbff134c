//! Write a step type for shiro in Rust.
//!
//! A step type is a WebAssembly component. Implement [`Step`] for a type, [`export!`] it, and build the crate as a
//! `cdylib` for `wasm32-wasip2`:
//!
//! ```
//! use schemars::JsonSchema;
//! use serde::{Deserialize, Serialize};
//! use shiro_step::{Failure, Step};
//!
//! #[derive(Deserialize, JsonSchema)]
//! #[serde(deny_unknown_fields)]
//! struct Config {
//!     /// Who to greet.
//!     name: String,
//! }
//!
//! #[derive(Serialize, JsonSchema)]
//! struct Output {
//!     greeting: String,
//! }
//!
//! struct Greet;
//!
//! impl Step for Greet {
//!     const NAME: &'static str = "text.greet";
//!     const SUMMARY: &'static str = "Makes a greeting.";
//!     type Config = Config;
//!     type Output = Output;
//!
//!     fn run(config: Config) -> Result<Output, Failure> {
//!         if config.name.is_empty() {
//!             return Err(Failure::permanent("nobody", "there is nobody to greet: set `name`"));
//!         }
//!         Ok(Output { greeting: format!("Hello, {}!", config.name) })
//!     }
//! }
//!
//! shiro_step::export!(Greet);
//! # fn main() {}
//! ```
//!
//! The JSON Schemas that the host checks configs and outputs with come from the two types; what a doc comment says is what
//! an editor shows. `println!` and `eprintln!` go to the step's log. A panic ends the attempt as a fault of the plugin, with
//! its message in the log: return a [`Failure`] for whatever can go wrong.
//!
//! A step can do nothing to the outside that it was not granted; it asks in [`Step::permissions`].
//!
//! Everything also builds for the native target, so a step's logic can be tested with `cargo test`: there, [`log`] writes to
//! stderr, [`context`] tells of a made-up run, and [`http`], [`process`] and [`store`] refuse.

#[doc(hidden)]
pub mod bindings;
mod failure;
mod permissions;
mod settings;
mod step;
mod text;
mod timeout;

pub mod context;
pub mod http;
pub mod log;
pub mod process;
pub mod store;

#[doc(hidden)]
pub mod component;

pub use failure::{Failure, FailureKind};
pub use permissions::{Limits, Permissions};
pub use settings::Settings;
pub use step::Step;
pub use text::Text;
pub use timeout::{Timeout, show_duration};
