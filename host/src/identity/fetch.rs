//! Keys, tokens and answers over HTTP: bounded in size and time, without redirects, and only from whom the policy names.
//!
//! Keys are kept in memory, for this process: a file that the next job trusts could be written by any job before it on the
//! same machine. Whoever has no network gives them by the policy.

use std::collections::HashMap;
use std::ffi::OsString;
use std::time::Duration;

use reqwest::header::{ACCEPT, AUTHORIZATION, HeaderMap, HeaderName, HeaderValue};
use serde::Deserialize;
use tokio::time::{Instant, timeout_at};
use url::Url;

use super::error::{IdentityError, shown};
use super::keys::{KeySet, MOST_BYTES};
use super::settings::{Issuer, Keys, Provider, Trusted};
use super::token::{Token, Verified, verify};
use super::{Identity, answers, claims};
use crate::approval::Authorship;
use crate::capability::{Origin, PrivateRanges};
use crate::net::address::check_host;
use crate::net::client::Clients;
use crate::net::http::causes;
use crate::net::is_loopback_name;
use crate::net::trust;

/// How long all of it may take.
const PATIENCE: Duration = Duration::from_secs(6);
/// The largest answer of an API.
const ANSWER_BYTES: u64 = 1 << 20;

/// Asks issuers.
pub struct Directory {
    trusted: Trusted,
    /// For its proxies alone.
    job_env: Vec<(OsString, OsString)>,
    keys: HashMap<String, KeySet>,
    deadline: Instant,
}

/// How a GitHub job asks for a token: what its environment says. Neither is trusted: what comes back is verified.
#[derive(Clone)]
pub struct GithubRequest {
    /// `ACTIONS_ID_TOKEN_REQUEST_URL`.
    pub url: String,
    /// `ACTIONS_ID_TOKEN_REQUEST_TOKEN`.
    pub token: String,
}

impl Directory {
    /// For issuers that are trusted. All that it asks has to be answered within seconds from now.
    pub fn new(trusted: Trusted, job_env: &[(OsString, OsString)]) -> Self {
        Self { trusted, job_env: job_env.to_vec(), keys: HashMap::new(), deadline: Instant::now() + PATIENCE }
    }

    /// Whom a GitLab token names, verified at `now` (seconds since 1970-01-01 UTC).
    pub async fn by_gitlab_token(&mut self, text: &str, now: u64) -> Result<Identity, IdentityError> {
        claims::gitlab(self.verify(text, Provider::Gitlab, now).await?)
    }

    /// Whom the job API names as the starter of the job that has this token. With several GitLabs, `server`
    /// (`CI_SERVER_URL`) says which of them to ask.
    pub async fn by_job_token(&self, token: &str, server: Option<&str>) -> Result<Identity, IdentityError> {
        let issuer = self.gitlab(server)?;
        let answer = self.get(issuer, &format!("{}/job", issuer.api()), "job-token", token, ANSWER_BYTES).await?;
        answers::gitlab_job(issuer, &answer)
    }

    /// Whether someone made the commit that their GitLab job runs for, as the job API says that the job's token belongs to.
    pub async fn gitlab_author(&self, identity: &Identity, token: Option<&str>) -> Authorship {
        let Some(token) = token else {
            return Authorship::Unknown("there is no CI_JOB_TOKEN to ask GitLab with".to_owned());
        };
        let asked = async {
            let issuer = self.trusted.issuer(identity.issuer())?;
            let answer = self.get(issuer, &format!("{}/job", issuer.api()), "job-token", token, ANSWER_BYTES).await?;
            answers::gitlab_author(identity, issuer, &answer)
        };
        asked.await.unwrap_or_else(|error: IdentityError| Authorship::Unknown(error.message))
    }

    /// The same of a GitHub job. `api_token` (`GITHUB_TOKEN`) may read the repository.
    pub async fn github_author(&self, identity: &Identity, api_token: &str) -> Authorship {
        let sha = identity.approver.proof().and_then(|proof| proof.claims.get("sha")?.as_str());
        let Some(sha) = sha else { return Authorship::Unknown("GitHub's token names no commit".to_owned()) };
        let asked = async {
            let issuer = self.trusted.issuer(identity.issuer())?;
            let mut url = Url::parse(&format!("{}/repos/{}/commits", issuer.api(), identity.place.project))
                .map_err(|_| unreachable_at(&issuer.url, "its API's address is no URL"))?;
            url.query_pairs_mut().append_pair("sha", sha).append_pair("per_page", "1");
            self.get(issuer, url.as_str(), "authorization", &format!("Bearer {api_token}"), ANSWER_BYTES).await
        };
        match asked.await {
            Ok(answer) => answers::github_author(identity, sha, &answer),
            Err(error) => Authorship::Unknown(error.message),
        }
    }

    /// Who has reviewed the environment of this GitHub job; `rejecting`: or who has said no to another one's, if it has none.
    /// `api_token` (`GITHUB_TOKEN`) may read the run's reviews.
    pub async fn by_github_review(
        &mut self,
        request: &GithubRequest,
        api_token: &str,
        rejecting: bool,
        now: u64,
    ) -> Result<Identity, IdentityError> {
        let text = self.github_token(request).await?;
        let verified = self.verify(&text, Provider::Github, now).await?;
        let place = claims::github(&verified)?;
        if place.environment.is_none() && !rejecting {
            return Err(answers::no_environment());
        }
        let issuer = self.trusted.issuer(&verified.evidence.issuer)?;
        let url = format!("{}/repos/{}/actions/runs/{}/approvals", issuer.api(), place.project, place.pipeline);
        let answer = self.get(issuer, &url, "authorization", &format!("Bearer {api_token}"), ANSWER_BYTES).await?;
        answers::github_review(&verified, &answer, rejecting)
    }

    /// Who started the run of this GitHub job.
    pub async fn by_github_token(&mut self, request: &GithubRequest, now: u64) -> Result<Identity, IdentityError> {
        let text = self.github_token(request).await?;
        claims::github_actor(&self.verify(&text, Provider::Github, now).await?)
    }

    /// A token for shiro, from GitHub's endpoint.
    async fn github_token(&self, request: &GithubRequest) -> Result<String, IdentityError> {
        #[derive(Deserialize)]
        struct Answer {
            value: String,
        }
        let bad = |what: &str| {
            IdentityError::new("no-token", format!("GitHub gives no token: {what}"))
                .hint("give the job `permissions: id-token: write`")
        };
        let mut url = Url::parse(&request.url).map_err(|_| bad("ACTIONS_ID_TOKEN_REQUEST_URL is no URL"))?;
        url.query_pairs_mut().append_pair("audience", self.trusted.audience());
        let issuer = self
            .trusted
            .of(Provider::Github)
            .next()
            .ok_or_else(|| self.nobody("https://token.actions.githubusercontent.com"))?;
        let answer =
            self.get(issuer, url.as_str(), "authorization", &format!("Bearer {}", request.token), MOST_BYTES).await?;
        serde_json::from_slice::<Answer>(&answer).map(|answer| answer.value).map_err(|_| bad("its answer holds none"))
    }

    async fn verify(&mut self, text: &str, provider: Provider, now: u64) -> Result<Verified, IdentityError> {
        let token = Token::parse(text)?;
        let issuer = token.issuer(&self.trusted)?.clone();
        if issuer.provider != provider {
            return Err(IdentityError::new(
                "wrong-issuer",
                format!("the token is from {}, which is no {}", issuer.url, name(provider)),
            ));
        }
        let audience = self.trusted.audience().to_owned();
        let keys = self.keys(&issuer).await?;
        verify(&token, &issuer, &audience, keys, now)
    }

    /// An issuer's keys: the policy's, or those that it serves.
    async fn keys(&mut self, issuer: &Issuer) -> Result<&KeySet, IdentityError> {
        if !self.keys.contains_key(&issuer.url) {
            let keys = match &issuer.keys {
                Some(given) => {
                    KeySet::parse(&read(given, "jwks", MOST_BYTES)?, &format!("the keys of {}", issuer.url))?
                }
                None => self.fetch_keys(issuer).await?,
            };
            self.keys.insert(issuer.url.clone(), keys);
        }
        Ok(&self.keys[&issuer.url])
    }

    /// By the discovery document (OpenID Connect Discovery 1.0), which has to be the issuer's own and to name keys on the same
    /// host.
    async fn fetch_keys(&self, issuer: &Issuer) -> Result<KeySet, IdentityError> {
        #[derive(Deserialize)]
        struct Document {
            issuer: String,
            jwks_uri: String,
        }
        let place = format!("{}/.well-known/openid-configuration", issuer.url);
        let bad = |what: &str| {
            IdentityError::new("bad-keys", format!("{place}: {what}"))
                .hint("is `url` in the policy the issuer of this project's tokens? Or give its keys there, as `jwks`")
        };
        let bytes = self.get_public(issuer, &place).await?;
        let document: Document = serde_json::from_slice(&bytes).map_err(|_| bad("this is no discovery document"))?;
        if document.issuer != issuer.url {
            return Err(bad(&format!("this is the discovery document of {}", shown(&document.issuer))));
        }
        let origin = |text: &str| Url::parse(text).ok().map(|url| url.origin());
        if origin(&document.jwks_uri).is_none() || origin(&document.jwks_uri) != origin(&issuer.url) {
            return Err(bad("its keys are on another host"));
        }
        KeySet::parse(&self.get_public(issuer, &document.jwks_uri).await?, &document.jwks_uri)
    }

    fn gitlab(&self, server: Option<&str>) -> Result<&Issuer, IdentityError> {
        let all: Vec<&Issuer> = self.trusted.of(Provider::Gitlab).collect();
        match all[..] {
            [one] => Ok(one),
            [] => Err(self.nobody(server.unwrap_or("https://gitlab.example.com"))),
            _ => all.into_iter().find(|issuer| Some(issuer.url.as_str()) == server).ok_or_else(|| {
                IdentityError::new(
                    "no-issuer",
                    "the policy trusts several GitLabs, and CI_SERVER_URL names none of them",
                )
                .hint("give the job an ID token: `id_tokens: { SHIRO_ID_TOKEN: { aud: shiro } }`")
            }),
        }
    }

    fn nobody(&self, url: &str) -> IdentityError {
        IdentityError::new("no-issuer", "no policy says whom to trust, so nobody can vouch for who this is")
            .hint(self.trusted.advice(url))
    }

    async fn get_public(&self, issuer: &Issuer, url: &str) -> Result<Vec<u8>, IdentityError> {
        self.send(issuer, url, HeaderMap::new(), MOST_BYTES).await
    }

    async fn get(
        &self,
        issuer: &Issuer,
        url: &str,
        header: &'static str,
        secret: &str,
        most: u64,
    ) -> Result<Vec<u8>, IdentityError> {
        let mut value = HeaderValue::try_from(secret.trim())
            .map_err(|_| IdentityError::new("malformed", "the job's token is none that can be sent"))?;
        value.set_sensitive(true);
        let name = HeaderName::from_static(header);
        self.send(issuer, url, HeaderMap::from_iter([(name, value)]), most).await
    }

    async fn send(
        &self,
        issuer: &Issuer,
        text: &str,
        mut headers: HeaderMap,
        most: u64,
    ) -> Result<Vec<u8>, IdentityError> {
        let url = Url::parse(text).map_err(|_| unreachable_at(text, "this is no URL"))?;
        let place = url.host_str().unwrap_or_default().to_owned();
        let plain = url.scheme() == "http" && is_loopback_name(&place);
        if url.scheme() != "https" && !plain {
            return Err(unreachable_at(&place, "it is asked by HTTPS alone"));
        }
        let private = private(issuer, &url);
        check_host(&url, &private).map_err(|error| unreachable_at(&place, &error.to_string()).hint(PRIVATE))?;
        headers.insert(ACCEPT, HeaderValue::from_static("application/json"));
        let secret = headers.contains_key(AUTHORIZATION) || headers.contains_key("job-token");
        let request = async {
            let client = self.clients(issuer).await?.get(&url, &private).await;
            let client = client.map_err(|error| unreachable_at(&place, &error.to_string()))?;
            let response = client
                .get(url.clone())
                .headers(headers)
                .header("user-agent", concat!("shiro/", env!("CARGO_PKG_VERSION")))
                .send()
                .await;
            let response = response.map_err(|error| unreachable_at(&place, &causes(&error)))?;
            let status = response.status();
            if !status.is_success() {
                let error = IdentityError::new("refused", format!("{place} answers {status} to {}", what(&url)));
                return Err(error.hint(match status.as_u16() {
                    401 | 403 if secret => {
                        "the job's token is not valid there, or may not read this: is it this job's?"
                    }
                    300..=399 => "redirects are not followed: name the right address in the policy",
                    _ => "is the address in the policy right? Or give the issuer's keys there, as `jwks`",
                }));
            }
            read_body(response, &place, &url, most).await
        };
        timeout_at(self.deadline, request).await.unwrap_or_else(|_| {
            Err(IdentityError::new(
                "timeout",
                format!("{place} has not answered within {} seconds", PATIENCE.as_secs()),
            )
            .hint("try again; without a network, give the issuer's keys in the policy, as `jwks`"))
        })
    }

    /// Clients that trust the policy's certificate authorities or the machine's.
    async fn clients(&self, issuer: &Issuer) -> Result<Clients, IdentityError> {
        let authorities = issuer.authorities.as_ref().map(|given| read(given, "ca", MOST_BYTES)).transpose()?;
        let trust = tokio::task::spawn_blocking(move || trust::machine(authorities.as_deref())).await;
        let trust = trust.map_err(|error| error.to_string()).and_then(|trust| trust.map_err(|error| error.to_string()));
        let trust = trust.map_err(|error| IdentityError::new("certificates", error))?;
        if let (true, Some(problem)) = (issuer.authorities.is_some(), trust.problems.first()) {
            return Err(IdentityError::new("certificates", format!("`ca` of {}: {problem}", issuer.url)));
        }
        Ok(Clients::trusting(&self.job_env, trust))
    }
}

const PRIVATE: &str =
    "if it is inside: name its range in the policy, beside the issuer's `url`: \"private\": [\"10.0.0.0/8\"]";

/// An address that the policy writes out is meant; a name's are the internet's, or in the ranges that the policy names.
fn private(issuer: &Issuer, url: &Url) -> PrivateRanges {
    let literal =
        |host: &str| is_loopback_name(host) || host.trim_matches(['[', ']']).parse::<std::net::IpAddr>().is_ok();
    let named = |text: &str| {
        Url::parse(text).is_ok_and(|known| known.origin() == url.origin() && known.host_str().is_some_and(literal))
    };
    if named(&issuer.url) || named(&issuer.api()) {
        return PrivateRanges::any();
    }
    PrivateRanges::of(Origin::Repository, issuer.private.clone())
}

async fn read_body(
    mut response: reqwest::Response,
    place: &str,
    url: &Url,
    most: u64,
) -> Result<Vec<u8>, IdentityError> {
    let too_large = || {
        IdentityError::new("too-large", format!("{place} answers more than {most} bytes to {}: refused", what(url)))
            .hint("this is not what it should answer: is the address in the policy right?")
    };
    if response.content_length().is_some_and(|length| length > most) {
        return Err(too_large());
    }
    let mut bytes = Vec::new();
    while let Some(part) = response.chunk().await.map_err(|error| unreachable_at(place, &causes(&error)))? {
        if (bytes.len() + part.len()) as u64 > most {
            return Err(too_large());
        }
        bytes.extend_from_slice(&part);
    }
    Ok(bytes)
}

/// A request, without what in it may be secret.
fn what(url: &Url) -> String {
    format!("GET {}", url.path())
}

fn unreachable_at(place: &str, why: &str) -> IdentityError {
    IdentityError::new("unreachable", format!("{place} can't be asked: {why}"))
        .hint("check the address in the policy and the network; without one, give the issuer's keys there, as `jwks`")
}

/// What the policy holds, or the file that it names.
fn read(given: &Keys, field: &str, most: u64) -> Result<Vec<u8>, IdentityError> {
    use std::io::Read as _;
    let path = match given {
        Keys::Here(text) => return Ok(text.clone().into_bytes()),
        Keys::File(path) => path,
    };
    let bad = |what: String| IdentityError::new("bad-file", format!("`{field}` {}: {what}", path.display()));
    let file = std::fs::File::open(path).map_err(|error| bad(error.to_string()))?;
    if !file.metadata().is_ok_and(|metadata| metadata.is_file()) {
        return Err(bad("this is no file".to_owned()));
    }
    let mut bytes = Vec::new();
    file.take(most + 1).read_to_end(&mut bytes).map_err(|error| bad(error.to_string()))?;
    if bytes.len() as u64 > most {
        return Err(bad(format!("larger than {most} bytes")));
    }
    Ok(bytes)
}

fn name(provider: Provider) -> &'static str {
    match provider {
        Provider::Gitlab => "GitLab",
        Provider::Github => "GitHub",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn allows(issuer: &str, ranges: &[&str], url: &str, address: &str) -> bool {
        let ranges = ranges.iter().map(|range| range.parse().unwrap()).collect();
        let issuer = Issuer { private: ranges, ..Issuer::new(issuer, Provider::Gitlab) };
        private(&issuer, &Url::parse(url).unwrap()).allow(address.parse().unwrap())
    }

    #[test]
    fn inside_is_only_what_the_policy_says() {
        let (named, keys) = ("https://gitlab.example.com", "https://gitlab.example.com/oauth/discovery/keys");
        assert!(!allows(named, &[], keys, "10.0.0.1"));
        assert!(allows(named, &["10.0.0.0/8"], keys, "10.0.0.1"));
        assert!(!allows(named, &["10.0.0.0/8"], keys, "192.168.0.1"));
        // Whoever writes an address means it, and no other.
        assert!(allows("https://10.0.0.1", &[], "https://10.0.0.1/x", "10.0.0.1"));
        assert!(!allows("https://10.0.0.1", &[], "https://10.0.0.2/x", "10.0.0.2"));
        assert!(allows("http://localhost:80", &[], "http://localhost/x", "127.0.0.1"));
    }

    #[tokio::test]
    async fn what_is_asked_is_asked_by_https_and_never_a_metadata_service() {
        let ask = async |issuer: &str, url: &str| {
            let issuer = Issuer::new(issuer, Provider::Gitlab);
            let directory = Directory::new(Trusted::default(), &[]);
            directory.get_public(&issuer, url).await.unwrap_err()
        };
        let plain = ask("https://gitlab.example.com", "http://gitlab.example.com/keys").await;
        assert!(plain.message.contains("HTTPS"), "{plain}");
        let metadata = ask("https://169.254.169.254", "https://169.254.169.254/keys").await;
        assert!(metadata.message.contains("metadata service"), "{metadata}");
        let private = ask("https://gitlab.example.com", "https://192.168.0.1/keys").await;
        assert!(private.message.contains("private address") && private.hint.unwrap().contains("\"private\""));
    }
}
