//! What users write.

use schemars::JsonSchema;
use serde::Deserialize;

/// In the keys that may be left out, an empty string counts as left out.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Config {
    /// `diff`: the changes as text. `get_changes`: the names of the changed files, and how each changed. `log`: the commits.
    /// `merge_base`: the commit in which both histories part.
    pub(crate) operation: Operation,
    /// What is compared with: a branch, tag or commit. Without it: in a merge request's or pull request's pipeline, the
    /// point where its branch left the target; in a push's, the commit that was there before; in a new branch's, the
    /// point where it left the default branch; else in CI the commit before. Outside of CI, the working tree is compared
    /// with `target`.
    pub(crate) base: Option<String>,
    /// What is looked at: a branch, tag or commit.
    #[serde(default = "head")]
    pub(crate) target: String,
    /// Compares with the point where `target` left `base`, and not with `base` as it is now: what a merge request shows.
    /// Without it, that holds for a base that was not given.
    pub(crate) merge_base: Option<bool>,
    /// Looks at the files as they are now in place of `target`: what was changed and not committed. Files that git does
    /// not know are not looked at.
    #[serde(default)]
    pub(crate) working_tree: bool,
    /// Only these files: paths and patterns as git has them (pathspecs), e.g. `src`, `*.rs`, `:(exclude)vendor`.
    #[serde(default)]
    pub(crate) paths: Vec<String>,
    /// How many unchanged lines are shown around a change.
    #[serde(default = "usual_context")]
    #[schemars(range(max = 1000))]
    pub(crate) context: u32,
    /// The longest `diff`, in bytes: 256 KiB, unless this says otherwise. Whole files are left out so that it fits;
    /// `omitted` and `note` say which.
    #[serde(default = "usual_bytes")]
    #[schemars(range(min = 1, max = 1_048_576))]
    pub(crate) max_bytes: usize,
    /// The most commits that `log` gives.
    #[serde(default = "usual_count")]
    #[schemars(range(min = 1, max = 1000))]
    pub(crate) max_count: u32,
    /// Where the repository is: a directory in the project. Without it, the project's.
    pub(crate) working_dir: Option<String>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Operation {
    Diff,
    GetChanges,
    Log,
    MergeBase,
}

pub(crate) fn head() -> String {
    "HEAD".to_owned()
}

fn usual_context() -> u32 {
    3
}

fn usual_bytes() -> usize {
    256 << 10
}

fn usual_count() -> u32 {
    100
}

impl Config {
    /// The base, if one is given.
    pub(crate) fn base(&self) -> Option<&str> {
        self.base.as_deref().map(str::trim).filter(|base| !base.is_empty())
    }

    /// The target: `HEAD` for an empty one.
    pub(crate) fn target(&self) -> &str {
        match self.target.trim() {
            "" => "HEAD",
            target => target,
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn takes_what_go_shiro_takes() {
        let config: Config = serde_json::from_value(json!({ "operation": "get_changes", "base": "" })).unwrap();
        assert_eq!((config.operation, config.base(), config.target()), (Operation::GetChanges, None, "HEAD"));
        assert!(serde_json::from_value::<Config>(json!({ "base": "main" })).is_err(), "operation is required");
        assert!(serde_json::from_value::<Config>(json!({ "operation": "push" })).is_err());
    }
}
