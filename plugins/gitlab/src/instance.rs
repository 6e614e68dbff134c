//! Which GitLab, which project, and who asks.

use shiro_forge::api::Api;
use shiro_forge::{filled, variable};
use shiro_step::Failure;
use shiro_step::http::percent_encode;

use crate::config::Settings;

/// Whose host is asked for: the first that there is.
pub(crate) const URL: &str = "{config.url|env.CI_API_V4_URL|env.CI_SERVER_URL|https://gitlab.com}";

/// What the step reads of the job.
pub(crate) const VARIABLES: [&str; 7] = [
    "CI_API_V4_URL",
    "CI_COMMIT_SHA",
    "CI_MERGE_REQUEST_IID",
    "CI_OPEN_MERGE_REQUESTS",
    "CI_PROJECT_ID",
    "CI_PROJECT_PATH",
    "CI_SERVER_URL",
];

/// The tokens, the better one first.
pub(crate) const SECRETS: [&str; 2] = ["GITLAB_TOKEN", "CI_JOB_TOKEN"];

/// What the tokens of jobs begin with, unless an instance was told otherwise.
const JOB_TOKEN: &str = "glcbt-";

/// A project on a GitLab.
pub(crate) struct Instance {
    pub(crate) api: Api,
    /// The token is the job's own.
    pub(crate) job_token: Option<String>,
    base: String,
    project: Option<String>,
}

impl Instance {
    pub(crate) fn new(settings: &Settings) -> Result<Self, Failure> {
        let base = base(settings.url.as_deref());
        let given = filled(settings.token.as_deref()).map(str::to_owned).or_else(|| variable("GITLAB_TOKEN"));
        let token = Token::choose(given, variable("CI_JOB_TOKEN")).ok_or_else(|| {
            Failure::permanent(
                "no_token",
                "there is no token: make an access token with the scope `api`, and put it into the variable GITLAB_TOKEN",
            )
        })?;
        let (header, value, advice) = token.header();
        let api = Api::new("GitLab", &base, vec![(header, value)], advice);
        let project = settings.project.as_deref().and_then(|project| filled(Some(project))).map(str::to_owned);
        let project = project.or_else(|| variable("CI_PROJECT_ID"));
        let job_token = match token {
            Token::Job(token) => Some(token),
            Token::Access(_) => None,
        };
        Ok(Self { api, job_token, base, project })
    }

    /// The same without a token.
    pub(crate) fn anonymous(&self) -> Api {
        Api::new("GitLab", &self.base, Vec::new(), "is the trigger token right, and of this project?")
    }

    /// A path below the project's.
    pub(crate) fn project(&self, rest: &str) -> Result<String, Failure> {
        match &self.project {
            Some(project) => Ok(format!("/projects/{}{rest}", percent_encode(project))),
            None => Err(Failure::invalid_config(
                "which project? Set `project`; in a GitLab job it is known from CI_PROJECT_ID",
            )),
        }
    }
}

/// Who asks.
#[derive(Debug, PartialEq, Eq)]
enum Token {
    /// An access token.
    Access(String),
    /// The job's own, which GitLab takes under another name and lets do less.
    Job(String),
}

impl Token {
    fn choose(given: Option<String>, job: Option<String>) -> Option<Self> {
        match given {
            // `GITLAB_TOKEN: $CI_JOB_TOKEN` does not make an access token of it.
            Some(token) if Some(&token) == job.as_ref() || token.starts_with(JOB_TOKEN) => Some(Self::Job(token)),
            Some(token) => Some(Self::Access(token)),
            None => job.map(Self::Job),
        }
    }

    /// The header, and what to say where it is refused.
    fn header(&self) -> (&'static str, String, &'static str) {
        match self {
            Self::Access(token) => {
                ("private-token", token.clone(), "the token needs the scope `api`, and its owner a role in the project")
            }
            Self::Job(token) => (
                "job-token",
                token.clone(),
                "this was asked with the job's own token, which GitLab lets do little: make a project access token with \
                 the scope `api`, and put it into the variable GITLAB_TOKEN",
            ),
        }
    }
}

/// The API's address.
fn base(url: Option<&str>) -> String {
    let named = filled(url).map(str::to_owned);
    let url = named.or_else(|| variable("CI_API_V4_URL")).or_else(|| variable("CI_SERVER_URL"));
    api_of(url.as_deref().unwrap_or("https://gitlab.com"))
}

fn api_of(url: &str) -> String {
    let url = url.trim_end_matches('/');
    if url.ends_with("/api/v4") { url.to_owned() } else { format!("{url}/api/v4") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_job_s_token_is_never_sent_as_an_access_token() {
        let text = |text: &str| Some(text.to_owned());
        for (given, job, chosen) in [
            (text("glpat-1"), text("job-1"), Some(Token::Access("glpat-1".into()))),
            (text("job-1"), text("job-1"), Some(Token::Job("job-1".into()))),
            (text("glcbt-64_x"), None, Some(Token::Job("glcbt-64_x".into()))),
            (None, text("job-1"), Some(Token::Job("job-1".into()))),
            (None, None, None),
        ] {
            assert_eq!(Token::choose(given, job), chosen);
        }
        assert_eq!(Token::Access("t".into()).header().0, "private-token");
        assert_eq!(Token::Job("t".into()).header().0, "job-token");
    }

    #[test]
    fn the_api_is_below_the_instance_s_address() {
        assert_eq!(api_of("https://gitlab.example.com"), "https://gitlab.example.com/api/v4");
        assert_eq!(api_of("https://example.com/gitlab/"), "https://example.com/gitlab/api/v4");
        assert_eq!(api_of("https://gitlab.example.com/api/v4/"), "https://gitlab.example.com/api/v4");
    }
}
