//! What later steps can refer to.

use schemars::JsonSchema;
use serde::Serialize;

#[derive(Debug, Default, Serialize, JsonSchema)]
pub(crate) struct Output {
    /// Always true.
    pub(crate) success: bool,
    /// The commit that was compared with, by its hash; empty for `log` without one.
    pub(crate) base: String,
    /// The commit that was looked at, by its hash, or `working tree`.
    pub(crate) target: String,
    /// Where `base` comes from, e.g. `the merge request's base`.
    pub(crate) base_from: String,
    /// `diff`: the changes, as git writes them; if files were left out, with the note at its end.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) diff: Option<String>,
    /// `diff` and `get_changes`: the changed files, by their names now.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) files: Option<Vec<String>>,
    /// How many files, or with `log` how many commits.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) count: Option<usize>,
    /// `diff` and `get_changes`: how each file changed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) changes: Option<Vec<Change>>,
    /// `log`: the commits, the newest first.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) commits: Option<Vec<Commit>>,
    /// `merge_base`: the commit.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) sha: Option<String>,
    /// Something was left out.
    pub(crate) truncated: bool,
    /// `diff`: the files whose changes were left out.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(crate) omitted: Vec<String>,
    /// What was left out, for people; empty if nothing was.
    pub(crate) note: String,
}

impl Output {
    pub(crate) fn of(base: String, target: String, base_from: String) -> Self {
        Self { success: true, base, target, base_from, ..Self::default() }
    }
}

/// How a file changed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, JsonSchema)]
pub(crate) struct Change {
    /// Its name now; for one that was deleted, the name it had.
    pub(crate) path: String,
    /// `added`, `modified`, `deleted`, `renamed`, `copied`, `type_changed` or `unmerged`.
    pub(crate) status: &'static str,
    /// The name it had, where that is another.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) old_path: Option<String>,
    /// How many lines it gained; left out for a binary file.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) additions: Option<u64>,
    /// How many lines it lost; left out for a binary file.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) deletions: Option<u64>,
}

/// A commit.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, JsonSchema)]
pub(crate) struct Commit {
    /// Its hash.
    pub(crate) sha: String,
    /// The hashes of its parents.
    pub(crate) parents: Vec<String>,
    /// Who wrote it: what the commit says, which proves nothing.
    pub(crate) author: String,
    /// The author's address, as the commit says.
    pub(crate) email: String,
    /// When it was written, e.g. `2026-01-31T12:00:00+01:00`.
    pub(crate) date: String,
    /// The first line of its message.
    pub(crate) subject: String,
    /// The rest of its message.
    pub(crate) body: String,
}
