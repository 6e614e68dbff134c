//! Step types as packages: where they come from, what pins them to the byte, and who signed them. Knows nothing of
//! WebAssembly: what a component says of itself comes from `plugin`.
//!
//! ```text
//! reference   oci://HOST/PATH:TAG
//! registry/   fetches components from registries and publishes them there
//! lock        .shiro/shiro.lock: what each type is pinned to
//! store       .shiro/store/: components that were fetched, by digest
//! signature   minisign: whose component it is
//! trust       whose signatures policies require
//!    |
//! packages    all of them together: may these bytes run as this type?
//! ```

mod error;
mod files;
pub mod lock;
#[cfg(test)]
#[path = "../../../tests/support/minisign.rs"]
mod minisign;
mod packages;
pub mod reference;
pub mod registry;
pub mod signature;
mod store;
mod trust;

pub use error::{Kind, PackageError};
pub use packages::Packages;
pub use store::Store;
pub use trust::{Rule, Trust};

/// The largest component, in bytes.
pub const COMPONENT_BYTES: u64 = 64 << 20;
