//! What users write.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::Value;
use shiro_forge::comment::Format;
use shiro_forge::schema::Operation as Keys;
use shiro_step::Text;

/// In the keys that may be left out, an empty string counts as left out.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Settings {
    /// What to do. `get_diff`: the pull request's changes as text. `post_comment`: a comment on it. `post_inline_comments`: a
    /// review with comments on lines of its changes. `create_release`, `set_commit_status`, `dispatch_workflow`,
    /// `create_pull_request`: what their names say.
    pub(crate) operation: Operation,

    /// The API's address, e.g. `https://github.example.com/api/v3`. Without it, the one that the job runs on
    /// (`GITHUB_API_URL`), else `https://api.github.com`. The step reaches this host and no other.
    #[schemars(extend("pattern" = "^(https?://.*)?$"))]
    pub(crate) url: Option<String>,
    /// A token. Without it, the variable `GITHUB_TOKEN`, which a workflow has to set: `GITHUB_TOKEN: ${{ secrets.GITHUB_TOKEN }}`.
    #[schemars(extend("writeOnly" = true))]
    pub(crate) token: Option<String>,
    /// The repository, e.g. `owner/name`. Without it, the job's (`GITHUB_REPOSITORY`).
    pub(crate) repository: Option<Text>,

    /// The pull request's number. Without it, `GITHUB_PR_NUMBER`, else the one that the job runs for.
    pub(crate) pull_request: Option<Text>,
    /// `get_diff`: the longest diff, in bytes: 256 KiB, unless this says otherwise. The end of a longer one is left out.
    pub(crate) max_bytes: Option<usize>,
    /// `post_comment`: the text, in Markdown. `post_inline_comments` with `output_format` text: lines such as
    /// `src/main.rs:12: what there is to say`; others are passed over. `create_release`: the release notes.
    /// `create_pull_request`: the description.
    pub(crate) body: Option<Text>,
    /// `post_inline_comments`: how comments are written.
    #[serde(default)]
    pub(crate) output_format: Format,
    /// `post_inline_comments` with `output_format` json: a list of objects with `file`, `line` and `comment`, or such a list
    /// as text. `"side": "old"` is for lines that were removed.
    pub(crate) comments: Option<Value>,
    /// `post_inline_comments`: the commit that is commented on. Without it, the pull request's newest.
    pub(crate) commit_id: Option<String>,
    /// Whether what is there already, from any job, is not posted again. Usually true for inline comments and false for
    /// `post_comment`. What the same step posted in an earlier attempt is never posted again.
    pub(crate) dedup: Option<bool>,
    /// `post_inline_comments`: the review's heading.
    #[serde(default = "usual_heading")]
    pub(crate) heading: Text,

    /// `create_release`: the tag. One that is not there is made from `target_commitish`.
    pub(crate) tag_name: Option<Text>,
    /// `create_release`: the release's name.
    pub(crate) name: Option<Text>,
    /// `create_release`: the branch or commit that a new tag is made from; without it, the job's commit.
    pub(crate) target_commitish: Option<Text>,
    /// `create_release`, `create_pull_request`: whether it is a draft.
    pub(crate) draft: Option<bool>,
    /// `create_release`: whether it is a pre-release.
    pub(crate) prerelease: Option<bool>,
    /// `create_release`: whether GitHub writes the release notes.
    pub(crate) generate_release_notes: Option<bool>,
    /// `create_release`: whether a release of this tag that is there already gets the new name and notes. Otherwise that is
    /// a failure, unless it is the same.
    #[serde(default)]
    pub(crate) update: bool,

    /// `set_commit_status`: the state. `failed` means `failure`, `running` means `pending`, `canceled` means `error`.
    pub(crate) state: Option<State>,
    /// `set_commit_status`: the commit. Without it, the pull request's newest, else the job's (`GITHUB_SHA`).
    pub(crate) sha: Option<String>,
    /// `set_commit_status`: what the status is of.
    #[serde(default = "usual_context")]
    pub(crate) context: Text,
    /// `set_commit_status`: what happened. GitHub takes 140 characters: the end of a longer text is left out.
    pub(crate) description: Option<Text>,
    /// `set_commit_status`: where the status leads.
    pub(crate) target_url: Option<String>,

    /// `dispatch_workflow`: the workflow's file, e.g. `deploy.yml`, or its number.
    pub(crate) workflow: Option<Text>,
    /// `dispatch_workflow`: the branch or tag that the workflow runs for.
    #[serde(rename = "ref")]
    pub(crate) reference: Option<Text>,
    /// `dispatch_workflow`: inputs of the workflow.
    #[serde(default)]
    pub(crate) inputs: BTreeMap<String, Text>,

    /// `create_pull_request`: its title.
    pub(crate) title: Option<Text>,
    /// `create_pull_request`: the branch that is to be merged, e.g. `feature`, or `owner:feature` of a fork.
    pub(crate) head: Option<Text>,
    /// `create_pull_request`: the branch that it is merged into.
    pub(crate) base: Option<Text>,
    /// `create_pull_request`: labels.
    #[serde(default)]
    pub(crate) labels: Vec<String>,
    /// `create_pull_request`: who is to review it, by their login names.
    #[serde(default)]
    pub(crate) reviewers: Vec<String>,
}

fn usual_heading() -> Text {
    "AI Code Review".into()
}

fn usual_context() -> Text {
    "shiro".into()
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Operation {
    GetDiff,
    PostComment,
    PostInlineComments,
    CreateRelease,
    SetCommitStatus,
    DispatchWorkflow,
    CreatePullRequest,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub(crate) enum State {
    Pending,
    Success,
    Failure,
    Error,
    Running,
    Failed,
    Canceled,
    Cancelled,
}

impl State {
    /// What GitHub calls it.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Pending | Self::Running => "pending",
            Self::Success => "success",
            Self::Failure | Self::Failed => "failure",
            Self::Error | Self::Canceled | Self::Cancelled => "error",
        }
    }
}

impl shiro_forge::schema::Settings for Settings {
    const OPERATIONS: &'static [Keys] = &[
        Keys { name: "get_diff", required: &[], optional: &["pull_request", "max_bytes"] },
        Keys { name: "post_comment", required: &["body"], optional: &["pull_request", "dedup"] },
        Keys {
            name: "post_inline_comments",
            required: &[],
            optional: &["pull_request", "output_format", "body", "comments", "commit_id", "dedup", "heading"],
        },
        Keys {
            name: "create_release",
            required: &["tag_name"],
            optional: &["name", "body", "target_commitish", "draft", "prerelease", "generate_release_notes", "update"],
        },
        Keys {
            name: "set_commit_status",
            required: &["state"],
            optional: &["sha", "context", "description", "target_url", "pull_request"],
        },
        Keys { name: "dispatch_workflow", required: &["workflow", "ref"], optional: &["inputs"] },
        Keys {
            name: "create_pull_request",
            required: &["title", "head", "base"],
            optional: &["body", "draft", "labels", "reviewers"],
        },
    ];
    const COMMON: &'static [&'static str] = &["url", "token", "repository"];

    fn operation(&self) -> &'static str {
        match self.operation {
            Operation::GetDiff => "get_diff",
            Operation::PostComment => "post_comment",
            Operation::PostInlineComments => "post_inline_comments",
            Operation::CreateRelease => "create_release",
            Operation::SetCommitStatus => "set_commit_status",
            Operation::DispatchWorkflow => "dispatch_workflow",
            Operation::CreatePullRequest => "create_pull_request",
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;
    use shiro_forge::schema::Checked;

    use super::*;

    #[test]
    fn every_key_belongs_to_an_operation_and_every_operation_has_a_name() {
        shiro_forge::schema::assert_complete::<Settings>(&[("state", json!("success"))]);
    }

    #[test]
    fn an_operation_that_is_none_is_refused() {
        // What Go shiro's own example has.
        assert!(
            serde_json::from_value::<Checked<Settings>>(json!({ "operation": "post_pr_comment", "body": "x" }))
                .is_err()
        );
    }
}
