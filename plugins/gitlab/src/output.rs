//! What later steps can refer to, besides what both services have.

use schemars::JsonSchema;
use serde::Serialize;
use serde_json::Value;
use shiro_forge::output::Own;

pub(crate) type Output = shiro_forge::output::Output<Lists>;

#[derive(Debug, Default, Serialize, JsonSchema)]
pub(crate) struct Lists {
    /// `get_mr_participants`: the users.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) participants: Option<Vec<Value>>,
    /// `get_files_changed`: the changed files, with `old_path`, `new_path`, `diff` and more, as GitLab has them.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) files: Option<Vec<Value>>,
}

impl Own for Lists {
    const PAGE: &'static str = "web_url";
}
