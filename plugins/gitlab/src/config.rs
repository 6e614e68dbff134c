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
    /// What to do. `post_comment`: a comment on the merge request. `post_inline_comments`: comments on lines of its changes.
    /// `get_commit_info`, `get_user_info`, `get_mr_participants`, `get_files_changed`: what GitLab knows of them.
    /// `create_release`, `set_commit_status`, `trigger_pipeline`, `create_merge_request`: what their names say.
    pub(crate) operation: Operation,

    /// GitLab's address, e.g. `https://gitlab.example.com`. Without it, the one that the job runs on (`CI_API_V4_URL`,
    /// `CI_SERVER_URL`), else `https://gitlab.com`. The step reaches this host and no other.
    #[schemars(extend("pattern" = "^(https?://.*)?$"))]
    pub(crate) url: Option<String>,
    /// An access token with the scope `api`. Without it, the variable `GITLAB_TOKEN`, else the job's own token
    /// (`CI_JOB_TOKEN`), which GitLab lets make releases and start pipelines, but not comment.
    #[schemars(extend("writeOnly" = true))]
    pub(crate) token: Option<String>,
    /// The project: its number or its path, e.g. `group/name`. Without it, the job's (`CI_PROJECT_ID`).
    pub(crate) project: Option<Text>,

    /// The merge request's number in its project. Without it, the pipeline's (`CI_MERGE_REQUEST_IID`), else the one that is
    /// open for the pipeline's branch (`CI_OPEN_MERGE_REQUESTS`).
    pub(crate) merge_request_iid: Option<Text>,
    /// `post_comment`: the text, in Markdown. `post_inline_comments` with `output_format` text: lines such as
    /// `src/main.rs:12: what there is to say`; others are passed over.
    pub(crate) body: Option<Text>,
    /// `post_inline_comments`: how comments are written.
    #[serde(default)]
    pub(crate) output_format: Format,
    /// `post_inline_comments` with `output_format` json: a list of objects with `file`, `line` and `comment`, or such a list
    /// as text. `"side": "old"` is for lines that were removed.
    pub(crate) comments: Option<Value>,
    /// `post_inline_comments`: `discussions` starts a thread at each line; `notes` posts plain comments that name the line.
    #[serde(default)]
    pub(crate) api_type: ApiType,
    /// Whether what is there already, from any pipeline, is not posted again. Usually true for inline comments and false
    /// for `post_comment`. What the same step posted in an earlier attempt is never posted again.
    pub(crate) dedup: Option<bool>,
    /// Whether lines that begin with a slash, such as `/merge`, are commands to GitLab, with the token's rights. Otherwise
    /// they are text: a backslash is put before the slash, which Markdown does not show.
    #[serde(default)]
    pub(crate) quick_actions: bool,

    /// `get_commit_info`, `set_commit_status`: the commit. Without it, the pipeline's (`CI_COMMIT_SHA`).
    pub(crate) commit_sha: Option<String>,
    /// `get_user_info`: the user's number.
    pub(crate) user_id: Option<Text>,

    /// `create_release`: the tag. One that is not there is made from `ref`.
    pub(crate) tag_name: Option<Text>,
    /// `create_release`: the release's name. `set_commit_status`: what the status is of; `shiro` without it.
    pub(crate) name: Option<Text>,
    /// `create_release`: the release notes. `set_commit_status`: what happened. `create_merge_request`: the description. In
    /// Markdown.
    pub(crate) description: Option<Text>,
    /// `create_release`: the branch or commit that a new tag is made from; without it, the pipeline's commit.
    /// `set_commit_status`: the branch or tag. `trigger_pipeline`: the branch or tag that the pipeline runs for.
    #[serde(rename = "ref")]
    pub(crate) reference: Option<Text>,
    /// `create_release`: when it was released, e.g. `2026-01-31T12:00:00Z`.
    pub(crate) released_at: Option<String>,
    /// `create_release`: milestones that it belongs to, by their titles.
    #[serde(default)]
    pub(crate) milestones: Vec<String>,
    /// `create_release`: what belongs to it: objects with `name`, `url` and, if wanted, `link_type` and `direct_asset_path`.
    #[serde(default)]
    pub(crate) links: Vec<Value>,
    /// `create_release`: whether a release of this tag that is there already gets the new name and notes. Otherwise that is
    /// a failure, unless it is the same.
    #[serde(default)]
    pub(crate) update: bool,

    /// `set_commit_status`: the state. `failure` and `error` mean `failed`, `cancelled` means `canceled`.
    pub(crate) state: Option<State>,
    /// `set_commit_status`: where the status leads.
    pub(crate) target_url: Option<String>,
    /// `set_commit_status`: the pipeline it belongs to, by its number, where a commit has several.
    pub(crate) pipeline_id: Option<Text>,
    /// `set_commit_status`: the test coverage in percent.
    pub(crate) coverage: Option<f64>,

    /// `trigger_pipeline`: variables of the new pipeline.
    #[serde(default)]
    pub(crate) variables: BTreeMap<String, Text>,
    /// `trigger_pipeline`: inputs of the new pipeline.
    #[serde(default)]
    pub(crate) inputs: BTreeMap<String, Value>,
    /// `trigger_pipeline`: a trigger token of the project. Without it, the step's token starts the pipeline.
    #[schemars(extend("writeOnly" = true))]
    pub(crate) trigger_token: Option<String>,

    /// `create_merge_request`: the branch that is to be merged.
    pub(crate) source_branch: Option<Text>,
    /// `create_merge_request`: the branch that it is merged into.
    pub(crate) target_branch: Option<Text>,
    /// `create_merge_request`: its title.
    pub(crate) title: Option<Text>,
    /// `create_merge_request`: labels.
    #[serde(default)]
    pub(crate) labels: Vec<String>,
    /// `create_merge_request`: who it is assigned to, by their numbers.
    #[serde(default)]
    pub(crate) assignee_ids: Vec<u64>,
    /// `create_merge_request`: who is to review it, by their numbers.
    #[serde(default)]
    pub(crate) reviewer_ids: Vec<u64>,
    /// `create_merge_request`: whether the branch goes when it is merged.
    pub(crate) remove_source_branch: Option<bool>,
    /// `create_merge_request`: whether its commits become one.
    pub(crate) squash: Option<bool>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Operation {
    PostComment,
    PostInlineComments,
    GetCommitInfo,
    GetUserInfo,
    GetMrParticipants,
    GetFilesChanged,
    CreateRelease,
    SetCommitStatus,
    TriggerPipeline,
    CreateMergeRequest,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub(crate) enum ApiType {
    #[default]
    Discussions,
    Notes,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub(crate) enum State {
    Pending,
    Running,
    Success,
    Failed,
    Canceled,
    Skipped,
    Failure,
    Error,
    Cancelled,
}

impl State {
    /// What GitLab calls it.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Pending => "pending",
            Self::Running => "running",
            Self::Success => "success",
            Self::Failed | Self::Failure | Self::Error => "failed",
            Self::Canceled | Self::Cancelled => "canceled",
            Self::Skipped => "skipped",
        }
    }
}

impl shiro_forge::schema::Settings for Settings {
    const OPERATIONS: &'static [Keys] = &[
        Keys { name: "post_comment", required: &["body"], optional: &["merge_request_iid", "dedup", "quick_actions"] },
        Keys {
            name: "post_inline_comments",
            required: &[],
            optional: &["merge_request_iid", "output_format", "body", "comments", "api_type", "dedup", "quick_actions"],
        },
        Keys { name: "get_commit_info", required: &[], optional: &["commit_sha"] },
        Keys { name: "get_user_info", required: &["user_id"], optional: &[] },
        Keys { name: "get_mr_participants", required: &[], optional: &["merge_request_iid"] },
        Keys { name: "get_files_changed", required: &[], optional: &["merge_request_iid"] },
        Keys {
            name: "create_release",
            required: &["tag_name"],
            optional: &["name", "description", "ref", "released_at", "milestones", "links", "update"],
        },
        Keys {
            name: "set_commit_status",
            required: &["state"],
            optional: &["commit_sha", "name", "description", "ref", "target_url", "pipeline_id", "coverage"],
        },
        Keys { name: "trigger_pipeline", required: &["ref"], optional: &["variables", "inputs", "trigger_token"] },
        Keys {
            name: "create_merge_request",
            required: &["source_branch", "target_branch", "title"],
            optional: &[
                "description",
                "labels",
                "assignee_ids",
                "reviewer_ids",
                "remove_source_branch",
                "squash",
                "quick_actions",
            ],
        },
    ];
    const COMMON: &'static [&'static str] = &["url", "token", "project"];

    fn operation(&self) -> &'static str {
        match self.operation {
            Operation::PostComment => "post_comment",
            Operation::PostInlineComments => "post_inline_comments",
            Operation::GetCommitInfo => "get_commit_info",
            Operation::GetUserInfo => "get_user_info",
            Operation::GetMrParticipants => "get_mr_participants",
            Operation::GetFilesChanged => "get_files_changed",
            Operation::CreateRelease => "create_release",
            Operation::SetCommitStatus => "set_commit_status",
            Operation::TriggerPipeline => "trigger_pipeline",
            Operation::CreateMergeRequest => "create_merge_request",
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
    fn a_key_of_another_operation_is_refused() {
        let config = json!({ "operation": "post_comment", "body": "x", "title": "y" });
        let checked: Checked<Settings> = serde_json::from_value(config).unwrap();
        assert!(checked.settings().unwrap_err().message().contains("`title`"));
        assert!(serde_json::from_value::<Checked<Settings>>(json!({ "operation": "post_pr_comment" })).is_err());
    }

    #[test]
    fn tokens_are_secret() {
        let schema = schemars::schema_for!(Checked<Settings>).to_value();
        for key in ["token", "trigger_token"] {
            assert_eq!(schema["properties"][key]["writeOnly"], json!(true));
        }
    }
}
