//! What later steps can refer to, besides what both services have.

use schemars::JsonSchema;
use serde::Serialize;
use shiro_forge::output::Own;

pub(crate) type Output = shiro_forge::output::Output<Diff>;

#[derive(Debug, Default, Serialize, JsonSchema)]
pub(crate) struct Diff {
    /// `get_diff`: the changes, as git writes them.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) diff: Option<String>,
    /// `get_diff`: the end of the diff was left out.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) truncated: Option<bool>,
}

impl Own for Diff {
    const PAGE: &'static str = "html_url";
}
