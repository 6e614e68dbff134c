//! The trait an author implements.

use schemars::JsonSchema;
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::{Failure, Permissions, Settings};

/// A step type. Its version is the crate's.
pub trait Step {
    /// The name users write in `type`: dotted, lower case, e.g. `slack.notify`. The component's file has the same name,
    /// with `.wasm`.
    const NAME: &'static str;

    /// One sentence that says what it does.
    const SUMMARY: &'static str;

    /// What users write in `config`. `#[serde(deny_unknown_fields)]` lets the host catch a misspelt key before a run
    /// starts; `#[schemars(extend("writeOnly" = true))]` marks a secret.
    type Config: DeserializeOwned + JsonSchema;

    /// What later steps can refer to: best a struct, which becomes an object.
    type Output: Serialize + JsonSchema;

    /// Whether an attempt that was cut off, nobody knows where, may simply run again: what it does twice is the same as done
    /// once. Without effects it always may.
    const IDEMPOTENT: bool = false;

    /// What it asks for. Nothing by default.
    fn permissions() -> Permissions {
        Permissions::default()
    }

    /// What of its config may stand in the project's settings, once for all steps. Nothing by default.
    fn settings() -> Option<Settings> {
        None
    }

    /// Runs one attempt. It happens in a fresh instance: nothing is left of an earlier one.
    fn run(config: Self::Config) -> Result<Self::Output, Failure>;
}
