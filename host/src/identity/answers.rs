//! What GitLab's job API and GitHub's API answer, as persons and places.

use std::collections::BTreeMap;

use serde::Deserialize;

use super::error::{IdentityError, shown};
use super::settings::Issuer;
use super::token::Verified;
use super::{Identity, Place, claims};
use crate::approval::{Evidence, EvidenceKind};
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
}

#[derive(Deserialize)]
struct Pipeline {
    id: u64,
}

#[derive(Deserialize)]
struct User {
    id: u64,
    #[serde(alias = "login")]
    username: String,
}

/// Who started the job, by the job API. It does not say what they are a member of, nor whether anything is protected.
pub(super) fn gitlab_job(issuer: &Issuer, body: &[u8]) -> Result<Identity, IdentityError> {
    let bad = |what: &str| {
        IdentityError::new("job-api", format!("{}: the job API's answer {what}", issuer.url))
            .hint("is `api` in the policy the API of this GitLab?")
    };
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
        authors: Vec::new(),
        claims: BTreeMap::from([
            ("project_path".to_owned(), project.into()),
            ("pipeline_id".to_owned(), job.pipeline.id.to_string().into()),
            ("job_id".to_owned(), job.id.to_string().into()),
        ]),
    };
    let place = Place {
        project: project.to_owned(),
        pipeline: job.pipeline.id.to_string(),
        job: Some(job.id.to_string()),
        ..Place::default()
    };
    Ok(Identity::new(user.username, "GitLab job API", evidence, place))
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

/// Who let a GitHub job go on, by the reviews of its environment.
pub(super) fn github_review(verified: &Verified, body: &[u8]) -> Result<Identity, IdentityError> {
    let place = claims::github(verified)?;
    let environment = place.environment.clone().ok_or_else(no_environment)?;
    let reviews: Vec<Review> = serde_json::from_slice(body).map_err(|_| {
        IdentityError::new("reviews", "GitHub's answer is not the reviews of a run")
            .hint("is `api` in the policy the API of this GitHub?")
    })?;
    let about = |review: &&Review| review.environments.iter().any(|one| one.name == environment);
    let last = reviews.iter().rfind(about);
    let user = last.filter(|review| review.state == "approved").and_then(|review| review.user.as_ref());
    let user = user.ok_or_else(|| {
        let name = shown(&environment);
        IdentityError::new("not-reviewed", format!("nobody has approved this run for the environment `{name}`"))
            .hint(format!("give the environment `{name}` required reviewers (Settings, Environments)"))
    })?;
    claims::github_reviewer(verified, user.username.clone(), user.id.to_string())
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
