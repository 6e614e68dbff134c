//! The step type `data.exists`: says whether the shared data has a value.

use schemars::JsonSchema;
use serde::Serialize;
use shiro_plugin_data::{Entry, Output};
use shiro_step::{Failure, Permissions, Step, store};

#[derive(Serialize, JsonSchema)]
struct Found {
    /// There is a value, and its time is not over.
    exists: bool,
}

struct Exists;

impl Step for Exists {
    const NAME: &'static str = "data.exists";
    const SUMMARY: &'static str = "Says whether a value is stored.";
    type Config = Entry;
    type Output = Output<Found>;

    fn permissions() -> Permissions {
        Permissions::default().load("*", "*")
    }

    fn run(entry: Entry) -> Result<Self::Output, Failure> {
        let exists = store::exists(entry.scope.into(), &entry.full_key()?)?;
        Ok(entry.output(Found { exists }))
    }
}

shiro_step::export!(Exists);
