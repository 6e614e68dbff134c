//! The step type `data.delete`: deletes a value of the shared data.

use schemars::JsonSchema;
use serde::Serialize;
use shiro_plugin_data::{Entry, Output};
use shiro_step::{Failure, Permissions, Step, store};

#[derive(Serialize, JsonSchema)]
struct Deleted {
    /// There was a value, and now there is none.
    deleted: bool,
}

struct Delete;

impl Step for Delete {
    const NAME: &'static str = "data.delete";
    const SUMMARY: &'static str = "Deletes a value that was stored, if there is one.";
    const IDEMPOTENT: bool = true;
    type Config = Entry;
    type Output = Output<Deleted>;

    fn permissions() -> Permissions {
        Permissions::default().store("*", "*")
    }

    fn run(entry: Entry) -> Result<Self::Output, Failure> {
        let deleted = store::delete(entry.scope.into(), &entry.full_key()?)?;
        Ok(entry.output(Deleted { deleted }))
    }
}

shiro_step::export!(Delete);
