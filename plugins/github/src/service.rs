//! Which GitHub, which repository, and who asks.

use shiro_forge::api::Api;
use shiro_forge::{filled, variable};
use shiro_step::Failure;
use shiro_step::http::percent_encode;

use crate::config::Settings;

/// Whose host is asked for: the first that there is.
pub(crate) const URL: &str = "{config.url|env.GITHUB_API_URL|https://api.github.com}";

/// What the step reads of the job.
pub(crate) const VARIABLES: [&str; 7] = [
    "GITHUB_API_URL",
    "GITHUB_EVENT_NAME",
    "GITHUB_EVENT_PATH",
    "GITHUB_PR_NUMBER",
    "GITHUB_REF",
    "GITHUB_REPOSITORY",
    "GITHUB_SHA",
];

/// The token.
pub(crate) const TOKEN: &str = "GITHUB_TOKEN";

/// The version of the API that is asked.
const VERSION: &str = "2022-11-28";

/// A repository on a GitHub.
pub(crate) struct Service {
    pub(crate) api: Api,
    /// The owner and the name, escaped.
    repository: (String, String),
}

impl Service {
    pub(crate) fn new(settings: &Settings) -> Result<Self, Failure> {
        let base = filled(settings.url.as_deref()).map(str::to_owned).or_else(|| variable("GITHUB_API_URL"));
        let token = filled(settings.token.as_deref()).map(str::to_owned).or_else(|| variable(TOKEN)).ok_or_else(|| {
            Failure::permanent(
                "no_token",
                "there is no token: set `GITHUB_TOKEN: ${{ secrets.GITHUB_TOKEN }}` in the `env` of the workflow's step",
            )
        })?;
        let headers = vec![
            ("accept", "application/vnd.github+json".to_owned()),
            ("authorization", format!("Bearer {token}")),
            ("x-github-api-version", VERSION.to_owned()),
        ];
        let advice =
            "the job's `permissions` have to allow this, e.g. `pull-requests: write`, or the token's own scopes";
        let api = Api::new("GitHub", base.as_deref().unwrap_or("https://api.github.com"), headers, advice);
        let named = settings.repository.as_deref().and_then(|name| filled(Some(name))).map(str::to_owned);
        let name = named.or_else(|| variable("GITHUB_REPOSITORY")).ok_or_else(|| {
            Failure::invalid_config(
                "which repository? Set `repository`; in a GitHub job it is known from GITHUB_REPOSITORY",
            )
        })?;
        let (owner, name) = name
            .split_once('/')
            .filter(|(owner, name)| !owner.is_empty() && !name.is_empty() && !name.contains('/'))
            .ok_or_else(|| Failure::invalid_config("`repository` has to be an owner and a name, e.g. `owner/name`"))?;
        Ok(Self { api, repository: (percent_encode(owner), percent_encode(name)) })
    }

    /// A path below the repository's.
    pub(crate) fn path(&self, rest: &str) -> String {
        let (owner, name) = &self.repository;
        format!("/repos/{owner}/{name}{rest}")
    }

    /// Who owns the repository.
    pub(crate) fn owner(&self) -> &str {
        &self.repository.0
    }
}
