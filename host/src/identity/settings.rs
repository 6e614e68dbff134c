//! Whom the policy trusts to say who someone is. Pure.
//!
//! There is no trust by default, not even in gitlab.com: a project on another GitLab would believe whoever has registered an
//! approver's name there. Nor is there any from the environment: whoever starts a job can set `CI_SERVER_URL`.

use std::path::PathBuf;

use ipnet::IpNet;
use url::Url;

use super::error::{IdentityError, shown};
use super::keys::KeySet;
use crate::net::is_loopback_name;

/// The audience of tokens for shiro.
const AUDIENCE: &str = "shiro";
/// GitHub's issuer; the tokens of an enterprise server come from `https://HOST/_services/token`.
const GITHUB: &str = "https://token.actions.githubusercontent.com";

/// What one policy says of identity.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Settings {
    /// Whom tokens have to be for.
    pub audience: Option<String>,
    /// Who is trusted.
    pub issuers: Vec<Issuer>,
    /// What has to be protected where someone decides.
    pub protected: Vec<Protected>,
}

/// Someone who is trusted to say who someone is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Issuer {
    /// As its tokens name it, to the letter.
    pub url: String,
    /// What its tokens look like.
    pub provider: Provider,
    /// The one project that its tokens may be of.
    pub project: Option<String>,
    /// Where its API is.
    pub api: Option<Url>,
    /// Its keys, where they are not to be fetched.
    pub keys: Option<Keys>,
    /// The certificate authorities (PEM) that vouch for its host; the machine's without.
    pub authorities: Option<Keys>,
    /// Address ranges that are not the internet's and that its host may have.
    pub private: Vec<IpNet>,
}

/// Something that a policy holds, or the file that holds it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Keys {
    /// The text itself.
    Here(String),
    /// An absolute path: one in the project could come from another job's artifact.
    File(PathBuf),
}

/// What a token looks like.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Provider {
    /// GitLab CI.
    Gitlab,
    /// GitHub Actions.
    Github,
}

/// Something that GitLab can protect.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Protected {
    /// The job's environment.
    Environment,
    /// The branch or tag.
    Ref,
}

impl Issuer {
    /// An issuer whose keys are fetched.
    pub fn new(url: &str, provider: Provider) -> Self {
        Self {
            url: url.to_owned(),
            provider,
            project: None,
            api: None,
            keys: None,
            authorities: None,
            private: Vec::new(),
        }
    }

    /// What issues tokens at this URL, as far as that tells.
    pub fn provider_of(url: &str) -> Provider {
        let github = url == GITHUB || url.starts_with(&format!("{GITHUB}/")) || url.ends_with("/_services/token");
        if github { Provider::Github } else { Provider::Gitlab }
    }

    /// What is wrong with it, if something is: the field, and why.
    pub fn problem(&self) -> Option<(&'static str, String)> {
        if let Some(problem) = url_problem(&self.url) {
            return Some(("url", problem));
        }
        if self.url.ends_with('/') {
            return Some(("url", "tokens name their issuer without a slash at the end".to_owned()));
        }
        if let Some(problem) = self.api.as_ref().and_then(|api| url_problem(api.as_str())) {
            return Some(("api", problem));
        }
        for (field, keys) in [("jwks", &self.keys), ("ca", &self.authorities)] {
            if let Some(Keys::File(path)) = keys
                && !path.is_absolute()
            {
                let problem = "a file in the project could come from another job's artifact: write what it holds here, or \
                               name it by an absolute path";
                return Some((field, problem.to_owned()));
            }
        }
        if let Some(Keys::Here(text)) = &self.keys
            && let Err(error) = KeySet::parse(text.as_bytes(), "jwks")
        {
            return Some(("jwks", error.message));
        }
        None
    }

    /// Where its API is.
    pub fn api(&self) -> String {
        let api = match (&self.api, self.provider) {
            (Some(api), _) => api.to_string(),
            (None, Provider::Gitlab) => format!("{}/api/v4", self.url),
            (None, Provider::Github) => match self.url.strip_suffix("/_services/token") {
                Some(server) => format!("{server}/api/v3"),
                None => "https://api.github.com".to_owned(),
            },
        };
        api.trim_end_matches('/').to_owned()
    }
}

fn url_problem(text: &str) -> Option<String> {
    let Ok(url) = Url::parse(text) else { return Some("it is no URL".to_owned()) };
    let host = url.host_str().unwrap_or_default();
    let https = url.scheme() == "https" || url.scheme() == "http" && is_loopback_name(host);
    if host.is_empty() || !https {
        return Some("it begins with `https://` (`http://` is for this machine alone)".to_owned());
    }
    let bare =
        url.query().is_none() && url.fragment().is_none() && url.username().is_empty() && url.password().is_none();
    (!bare).then(|| "it has neither a user, nor a query, nor a fragment".to_owned())
}

/// All that the policies say of identity, as one.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Trusted {
    issuers: Vec<Issuer>,
    audience: Option<String>,
    protected: Vec<Protected>,
    /// The repository's policy, as it is shown.
    file: String,
    /// Issuers that an operator's policy left none of.
    refused: Vec<(String, String)>,
}

impl Trusted {
    /// What the repository's policy grants (its file as it is shown), as far as operators' policies bound it: an operator's
    /// that names issuers leaves no others, and what one wants to be protected has to be.
    pub fn new(file: &str, repository: Option<&Settings>, operators: &[(&str, &Settings)]) -> Self {
        let repository = repository.cloned().unwrap_or_default();
        let mut trusted = Self {
            issuers: repository.issuers,
            audience: repository.audience,
            protected: repository.protected,
            file: file.to_owned(),
            refused: Vec::new(),
        };
        for (name, settings) in operators {
            trusted.bound(name, settings);
        }
        trusted
    }

    fn bound(&mut self, name: &str, settings: &Settings) {
        self.protected
            .extend(settings.protected.iter().filter(|one| !self.protected.contains(one)).copied().collect::<Vec<_>>());
        if settings.issuers.is_empty() {
            return;
        }
        for mut issuer in std::mem::take(&mut self.issuers) {
            let bound =
                settings.issuers.iter().find(|bound| bound.url == issuer.url && bound.provider == issuer.provider);
            let projects = bound.map(|bound| (&bound.project, &issuer.project));
            match projects {
                Some((Some(theirs), Some(ours))) if theirs != ours => {
                    self.refused.push((issuer.url, (*name).to_owned()))
                }
                Some((theirs, _)) => {
                    issuer.project = theirs.clone().or(issuer.project);
                    self.issuers.push(issuer);
                }
                None => self.refused.push((issuer.url, (*name).to_owned())),
            }
        }
    }

    /// Nobody is.
    pub fn is_empty(&self) -> bool {
        self.issuers.is_empty()
    }

    /// Whom tokens have to be for.
    pub fn audience(&self) -> &str {
        self.audience.as_deref().unwrap_or(AUDIENCE)
    }

    /// The issuer with this name.
    pub fn issuer(&self, url: &str) -> Result<&Issuer, IdentityError> {
        if let Some(issuer) = self.issuers.iter().find(|issuer| issuer.url == url) {
            return Ok(issuer);
        }
        let named = shown(url);
        if let Some((_, by)) = self.refused.iter().find(|(refused, _)| refused == url) {
            let error = IdentityError::new("no-issuer", format!("{by} does not allow tokens of {named}"));
            return Err(error.hint("ask whoever keeps that policy"));
        }
        let error = IdentityError::new("no-issuer", format!("the token is from {named}, which no policy trusts"));
        Err(error.hint(self.advice(url)))
    }

    /// The issuers of this kind.
    pub fn of(&self, provider: Provider) -> impl Iterator<Item = &Issuer> {
        self.issuers.iter().filter(move |issuer| issuer.provider == provider)
    }

    /// The one project that this issuer's tokens may be of.
    pub fn project(&self, url: &str) -> Option<&str> {
        self.issuers.iter().find(|issuer| issuer.url == url)?.project.as_deref()
    }

    /// What has to be protected.
    pub fn protected(&self) -> &[Protected] {
        &self.protected
    }

    /// The lines that would trust this issuer. It may be what a forger wrote: whoever adds it looks at it first.
    pub fn advice(&self, url: &str) -> String {
        let file = if self.file.is_empty() { "the policy" } else { &self.file };
        let issuer = serde_json::json!({ "url": shown(url) });
        format!(
            "if that is the one this project is on, add this to {file}, and commit it:\n\"identity\": {{ \"issuers\": [{issuer}] }}"
        )
    }
}
