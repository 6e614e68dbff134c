//! Writing plugins: `shiro plugin new` and `shiro plugin build`.
//!
//! ```text
//! language    which languages there are, and which one a folder is in
//! files       the templates, the SDKs and the WIT, embedded
//! template    a new folder
//! build       a folder, or a core module -> a component
//!    |
//! toolchain/  what each language's tools are called with
//! tools       finding and running them
//! component   a core module -> a component
//! ```
//!
//! What was built is checked elsewhere: this module knows no WebAssembly runtime.

mod build;
mod component;
mod error;
mod files;
mod language;
mod template;
mod toolchain;
mod tools;

pub use build::build;
pub use error::{AuthoringError, Fault};
pub use language::{Engine, Language};
pub use template::create;
