//! What later steps can refer to.

use schemars::JsonSchema;
use serde::Serialize;
use serde_json::Value;

use crate::inline::{Done, Progress};

/// What only one of the services has to say.
pub trait Own: Default {
    /// The member of what a service says of something that leads to its page.
    const PAGE: &'static str;
}

/// What a step returns.
#[derive(Debug, Default, Serialize, JsonSchema)]
#[schemars(description = "")]
pub struct Output<O> {
    /// Always true; false in what a failure shows.
    pub success: bool,
    /// What was done, in words.
    pub message: String,
    /// Something new was made or posted; false where it was there already.
    pub created: bool,
    /// Where it is to be seen, for what has a page.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub url: Option<String>,
    /// What the service says of what was made or found, e.g. the comment, release, status, pipeline or merge request.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub info: Option<Value>,
    /// `post_inline_comments`: how many were posted.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub posted_count: Option<usize>,
    /// `post_inline_comments`: how many were there already.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub skipped_count: Option<usize>,
    /// `post_inline_comments`: each comment, and what became of it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub comments: Option<Vec<Done>>,
    /// What else there is.
    #[serde(flatten)]
    pub own: O,
}

impl<O: Own> Output<O> {
    /// Of something that was there, or has no name.
    pub fn done(message: impl Into<String>) -> Self {
        Self { success: true, message: message.into(), ..Self::default() }
    }

    /// Of something that the service knows.
    pub fn info(message: &str, info: Value) -> Self {
        let url = info.get(O::PAGE).and_then(Value::as_str).map(str::to_owned);
        Self { info: Some(info), url, ..Self::done(message) }
    }

    /// Of comments, as far as they were dealt with.
    pub fn progress(progress: &Progress) -> Self {
        let (posted, skipped) = (progress.posted(), progress.skipped());
        Self {
            created: posted > 0,
            posted_count: Some(posted),
            skipped_count: Some(skipped),
            comments: Some(progress.comments.clone()),
            ..Self::done(format!("posted {posted} comments, {skipped} were there already"))
        }
    }
}
