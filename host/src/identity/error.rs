//! Why an identity is not believed.

/// What is wrong, and what to do.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct IdentityError {
    /// For machines and tests, e.g. `expired`, `wrong-audience`, `replayed`.
    pub code: &'static str,
    /// What is wrong: one sentence without a full stop. Never holds a token.
    pub message: String,
    /// What to do next.
    pub hint: Option<String>,
}

impl IdentityError {
    /// An error without a hint.
    pub(super) fn new(code: &'static str, message: impl Into<String>) -> Self {
        Self { code, message: message.into(), hint: None }
    }

    /// A GitLab job that starts by itself: its token names whoever started the pipeline, who has decided nothing.
    pub fn nobody_started_the_job() -> Self {
        Self::new(
            "not-manual",
            "nobody has started this job: it starts by itself, so its token names whoever started the pipeline",
        )
        .hint("decide in a job that a person starts: `when: manual`")
    }

    /// The same with a hint.
    pub(super) fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }
}

/// Text from outside, fit to be shown: no control characters, no novels.
pub(super) fn shown(text: &str) -> String {
    const LONGEST: usize = 100;
    let mut shown: String = text.chars().filter(|character| !character.is_control()).take(LONGEST).collect();
    if text.chars().count() > LONGEST {
        shown.push('…');
    }
    shown
}
