//! What GitLab's job API and GitHub's API answer, as persons and places.

use std::collections::BTreeMap;

use serde::Deserialize;

use super::error::{IdentityError, shown};
use super::settings::Issuer;
use super::token::Verified;
use super::{Identity, Place, claims};
use crate::approval::{Account, Author, Authorship, Evidence, EvidenceKind, Person};
use crate::id::Digest;

/// The answer to `GET /job` with the job's token (<https://docs.gitlab.com/api/jobs/#get-job-tokens-job>), as far as it counts.
#[derive(Deserialize)]
struct Job {
    id: u64,
    status: String,
    /// `https://gitlab.example.com/group/name/-/jobs/8`.
    web_url: String,
    pipeline: Pipeline,
    user: Option<User>,
    commit: Option<Commit>,
}

/// The commit that a job runs for. Not whose account its author has: GitLab does not say that.
#[derive(Deserialize)]
struct Commit {
    id: String,
    #[serde(default)]
    author_name: String,
    #[serde(default)]
    author_email: String,
}

#[derive(Deserialize)]
struct Pipeline {
    id: u64,
    project_id: Option<u64>,
}

#[derive(Deserialize)]
struct User {
    id: u64,
    #[serde(alias = "login")]
    username: String,
    name: Option<String>,
    /// GitLab's, if they show it.
    public_email: Option<String>,
}

fn bad_job(issuer: &Issuer, what: &str) -> IdentityError {
    IdentityError::new("job-api", format!("{}: the job API's answer {what}", issuer.url))
        .hint("is `api` in the policy the API of this GitLab?")
}

/// Who started the job, by the job API. It does not say what they are a member of, nor whether anything is protected.
pub(super) fn gitlab_job(issuer: &Issuer, body: &[u8]) -> Result<Identity, IdentityError> {
    let bad = |what: &str| bad_job(issuer, what);
    let job: Job = serde_json::from_slice(body).map_err(|_| bad("is not about a job"))?;
    if job.status != "running" {
        return Err(bad(&format!("is about a job that is {}, not running", shown(&job.status))));
    }
    let user = job.user.filter(|user| !user.username.is_empty()).ok_or_else(|| bad("names no user"))?;
    let path = job.web_url.strip_prefix(&format!("{}/", issuer.url));
    let project = path.and_then(|path| path.strip_suffix(&format!("/-/jobs/{}", job.id)));
    let project =
        project.filter(|project| !project.is_empty()).ok_or_else(|| bad("names no project of this GitLab"))?;
    let evidence = Evidence {
        kind: EvidenceKind::JobApi,
        issuer: issuer.url.clone(),
        subject: job.web_url.clone(),
        // However often it is asked, it is one job.
        token_id: Some(format!("job {}", job.id)),
        digest: Digest::of(body),
        issued_at: None,
        expires_at: None,
        key: None,
        algorithm: None,
        user_id: Some(user.id.to_string()),
        groups: Vec::new(),
        started_by: None,
        claims: BTreeMap::from([
            ("project_path".to_owned(), project.into()),
            ("pipeline_id".to_owned(), job.pipeline.id.to_string().into()),
            ("job_id".to_owned(), job.id.to_string().into()),
        ]),
    };
    let place = Place {
        project: project.to_owned(),
        project_id: job.pipeline.project_id.map(|id| id.to_string()),
        pipeline: job.pipeline.id.to_string(),
        job: Some(job.id.to_string()),
        ..Place::default()
    };
    Ok(Identity::new(user.username, "GitLab job API", evidence, place))
}

/// Whether someone who was identified made the commit that their job runs for, by what the job API says of that same job.
///
/// The job's token comes from the environment, which whoever starts a job can set: another job's must not say whose commit
/// this is.
pub(super) fn gitlab_author(identity: &Identity, issuer: &Issuer, body: &[u8]) -> Result<Authorship, IdentityError> {
    let asked = gitlab_job(issuer, body)?;
    let job: Job = serde_json::from_slice(body).map_err(|_| bad_job(issuer, "is not about a job"))?;
    let place = |place: &Place| (place.project.clone(), place.pipeline.clone(), place.job.clone());
    if place(&asked.place) != place(&identity.place) {
        return Err(bad_job(issuer, "is about another job than the ID token"));
    }
    let sha = identity.approver.proof().and_then(|proof| proof.claims.get("sha"));
    let commit = job.commit.ok_or_else(|| bad_job(issuer, "names no commit"))?;
    if sha.is_some_and(|sha| *sha != commit.id) {
        return Err(bad_job(issuer, "is about another commit than the ID token"));
    }
    let user = job.user.as_ref();
    let account = Account {
        login: identity.approver.by.as_deref(),
        id: identity.approver.proof().and_then(|proof| proof.user_id.as_deref()),
        name: user.and_then(|user| user.name.as_deref()),
        email: identity.email.as_deref().or(user.and_then(|user| user.public_email.as_deref())),
    };
    Ok(Author { name: &commit.author_name, email: &commit.author_email }.is(&account))
}

/// One of the answers to `GET /repos/OWNER/REPO/commits?sha=SHA` (<https://docs.github.com/en/rest/commits/commits#list-commits>).
/// Unlike that of a single commit, it is small.
#[derive(Deserialize)]
struct Listed {
    sha: String,
    /// The account with the author's address; `null`, or an empty object, where there is none.
    author: Option<GithubAccount>,
}

#[derive(Deserialize)]
struct GithubAccount {
    id: Option<u64>,
    login: Option<String>,
}

/// Whether someone who was identified made this commit, which their job runs for, by what GitHub's API says of it.
pub(super) fn github_author(identity: &Identity, sha: &str, body: &[u8]) -> Authorship {
    let unknown = |why: &str| Authorship::Unknown(why.to_owned());
    let Ok(commits) = serde_json::from_slice::<Vec<Listed>>(body) else {
        return unknown("GitHub's answer is no list of commits");
    };
    let Some(commit) = commits.into_iter().next().filter(|commit| commit.sha == sha) else {
        return unknown("GitHub's answer is about another commit");
    };
    let Some(GithubAccount { id: Some(id), login: Some(login) }) = commit.author else {
        return unknown("no GitHub account has the address of its author");
    };
    let author = Person { login: Some(login), id: Some(id.to_string()) };
    match identity.approver.may_be_person(&author) {
        true => Authorship::Own("its author is this account".to_owned()),
        false => Authorship::Others,
    }
}

/// One of the answers to `GET /repos/OWNER/REPO/actions/runs/RUN/approvals`
/// (<https://docs.github.com/en/rest/actions/workflow-runs#get-the-review-history-for-a-workflow-run>).
#[derive(Deserialize)]
struct Review {
    state: String,
    environments: Vec<Environment>,
    user: Option<User>,
}

#[derive(Deserialize)]
struct Environment {
    name: String,
}

/// Who let a GitHub job go on, by the reviews of its environment. `rejecting`: or who did not, where the job is in none: it
/// records the no that kept another one from starting.
pub(super) fn github_review(verified: &Verified, body: &[u8], rejecting: bool) -> Result<Identity, IdentityError> {
    let reviews: Vec<Review> = serde_json::from_slice(body).map_err(|_| {
        IdentityError::new("reviews", "GitHub's answer is not the reviews of a run")
            .hint("is `api` in the policy the API of this GitHub?")
    })?;
    let (environment, state) = match claims::github(verified)?.environment {
        Some(environment) => (environment, "approved"),
        None => {
            let no = reviews.iter().rfind(|review| rejecting && review.state == "rejected");
            let environment = no.and_then(|review| review.environments.first()).ok_or_else(no_environment)?;
            (environment.name.clone(), "rejected")
        }
    };
    let about = |review: &&Review| review.environments.iter().any(|one| one.name == environment);
    let last = reviews.iter().rfind(about);
    let user = last.filter(|review| review.state == state).and_then(|review| review.user.as_ref());
    let user = user.ok_or_else(|| {
        let name = shown(&environment);
        IdentityError::new("not-reviewed", format!("nobody has {state} this run for the environment `{name}`"))
            .hint(format!("give the environment `{name}` required reviewers (Settings, Environments)"))
    })?;
    // However many tokens the job asks for, the review is one; the next one is another.
    let review = format!("review {} of {environment} in run", reviews.iter().filter(about).count());
    claims::github_reviewer(verified, &review, user.username.clone(), user.id.to_string())
}

/// Where a GitHub job has none.
pub(super) fn no_environment() -> IdentityError {
    IdentityError::new(
        "no-environment",
        "GitHub's token says who started the run, which is nobody's decision about it, and the job is in no environment",
    )
    .hint("let the job wait for a review: `environment: production`, with required reviewers (Settings, Environments)")
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;
    use crate::identity::settings::Provider;

    fn issuer() -> Issuer {
        Issuer::new("https://gitlab.example.com", Provider::Gitlab)
    }

    fn job() -> Value {
        json!({
            "id": 8, "name": "resume", "status": "running",
            "web_url": "https://gitlab.example.com/group/sub/name/-/jobs/8",
            "pipeline": { "id": 6, "project_id": 1, "ref": "main", "status": "running" },
            "user": { "id": 5, "username": "alice", "state": "active", "public_email": "" }
        })
    }

    #[test]
    fn a_running_job_names_its_starter() {
        let identity = gitlab_job(&issuer(), job().to_string().as_bytes()).unwrap();
        let proof = identity.approver.proof().unwrap();
        assert_eq!((identity.approver.by.as_deref(), proof.user_id.as_deref()), (Some("alice"), Some("5")));
        assert_eq!((identity.place.project.as_str(), identity.place.pipeline.as_str()), ("group/sub/name", "6"));
        assert!(proof.marks().any(|mark| mark == "https://gitlab.example.com job 8"));
    }

    /// What the job API says of the commit in a job of alice.
    fn authorship(email: Option<&str>, change: impl FnOnce(&mut Value)) -> Result<Authorship, IdentityError> {
        let mut answer = job();
        answer["user"]["name"] = "Alice Example".into();
        answer["commit"] = json!({ "id": "0ff3", "author_name": "Bob", "author_email": "bob@example.com" });
        let identity = gitlab_job(&issuer(), answer.to_string().as_bytes()).unwrap();
        let identity = Identity { email: email.map(str::to_owned), ..identity };
        change(&mut answer);
        gitlab_author(&identity, &issuer(), answer.to_string().as_bytes())
    }

    #[test]
    fn the_job_api_says_whose_commit_it_is() {
        let email = Some("alice@example.com");
        assert_eq!(authorship(email, |_| {}), Ok(Authorship::Others));
        for (pointer, value) in [
            ("/commit/author_email", "alice@example.com"),
            ("/commit/author_name", "Alice Example"),
            ("/user/name", "Bob"),
        ] {
            let own = authorship(email, |job| *job.pointer_mut(pointer).unwrap() = value.into());
            assert!(matches!(own, Ok(Authorship::Own(_))), "{pointer}: {own:?}");
        }
        // The job API alone does not say which address someone has, unless they show it.
        assert!(matches!(authorship(None, |_| {}), Ok(Authorship::Unknown(_))));
        let shown = authorship(None, |job| job["user"]["public_email"] = "alice@example.com".into());
        assert_eq!(shown, Ok(Authorship::Others));
        // The token of another job, whose commit somebody else made.
        for (pointer, value) in [
            ("/id", json!(9)),
            ("/pipeline/id", json!(7)),
            ("/web_url", json!("https://gitlab.example.com/group/other/-/jobs/8")),
            ("/commit", Value::Null),
        ] {
            let other = authorship(email, |job| {
                if pointer == "/id" {
                    job["web_url"] = "https://gitlab.example.com/group/sub/name/-/jobs/9".into();
                }
                *job.pointer_mut(pointer).unwrap() = value;
            });
            assert_eq!(other.unwrap_err().code, "job-api", "{pointer}");
        }
    }

    #[test]
    fn github_says_whose_commit_it_is() {
        let identity = gitlab_job(&issuer(), job().to_string().as_bytes()).unwrap();
        let of = |author: Value| {
            let answer =
                json!([{ "sha": "71", "author": author }, { "sha": "70", "author": { "id": 5, "login": "alice" } }]);
            github_author(&identity, "71", answer.to_string().as_bytes())
        };
        assert_eq!(of(json!({ "id": 6, "login": "bob" })), Authorship::Others);
        for own in [json!({ "id": 5, "login": "was-alice" }), json!({ "id": 9, "login": "Alice" })] {
            assert!(matches!(of(own), Authorship::Own(_)));
        }
        for nobody in [Value::Null, json!({})] {
            assert!(matches!(of(nobody), Authorship::Unknown(_)));
        }
        for other in [&b"[]"[..], b"{}", br#"[{ "sha": "70", "author": { "id": 6, "login": "bob" } }]"#] {
            assert!(matches!(github_author(&identity, "71", other), Authorship::Unknown(_)));
        }
    }

    #[test]
    fn other_answers_name_nobody() {
        for (pointer, value) in [
            ("/status", json!("success")),
            ("/user", Value::Null),
            ("/user/username", json!("")),
            ("/user/id", json!("5")),
            ("/web_url", json!("https://evil.example.com/group/name/-/jobs/8")),
            ("/web_url", json!("https://gitlab.example.com/group/name/-/jobs/9")),
            ("/web_url", json!("https://gitlab.example.com//-/jobs/8")),
            ("/pipeline", Value::Null),
        ] {
            let mut answer = job();
            *answer.pointer_mut(pointer).unwrap() = value.clone();
            let error = gitlab_job(&issuer(), answer.to_string().as_bytes()).unwrap_err();
            assert_eq!(error.code, "job-api", "{pointer} {value}");
        }
        assert_eq!(gitlab_job(&issuer(), b"<html>").unwrap_err().code, "job-api");
    }
}
