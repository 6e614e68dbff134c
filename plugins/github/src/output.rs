//! What later steps can refer to.

use schemars::JsonSchema;
use serde::Serialize;
use serde_json::Value;
use shiro_forge::inline::{Done, Progress};

#[derive(Debug, Default, Serialize, JsonSchema)]
pub(crate) struct Output {
    /// Always true; false in what a failure shows.
    pub(crate) success: bool,
    /// What was done, in words.
    pub(crate) message: String,
    /// Something new was made or posted; false where it was there already.
    pub(crate) created: bool,
    /// Where it is to be seen, for what has a page.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) url: Option<String>,
    /// What GitHub says of what was made: the comment, review, release, status or pull request.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) info: Option<Value>,
    /// `get_diff`: the changes, as git writes them.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) diff: Option<String>,
    /// `get_diff`: the end of the diff was left out.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) truncated: Option<bool>,
    /// `post_inline_comments`: how many were posted.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) posted_count: Option<usize>,
    /// `post_inline_comments`: how many were there already.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) skipped_count: Option<usize>,
    /// `post_inline_comments`: each comment, and what became of it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) comments: Option<Vec<Done>>,
}

impl Output {
    /// Of something that GitHub knows.
    pub(crate) fn info(message: &str, info: Value) -> Self {
        let url = info.get("html_url").and_then(Value::as_str).map(str::to_owned);
        Self { success: true, message: message.to_owned(), info: Some(info), url, ..Self::default() }
    }

    /// Of comments, as far as they were dealt with.
    pub(crate) fn progress(progress: &Progress) -> Self {
        let (posted, skipped) = (progress.posted(), progress.skipped());
        Self {
            success: true,
            message: format!("posted {posted} comments, {skipped} were there already"),
            created: posted > 0,
            posted_count: Some(posted),
            skipped_count: Some(skipped),
            comments: Some(progress.comments.clone()),
            ..Self::default()
        }
    }
}
