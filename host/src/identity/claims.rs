//! What GitLab's and GitHub's tokens say, as a person and a place.

use std::collections::BTreeMap;

use serde_json::{Map, Value};

use super::error::IdentityError;
use super::token::{Verified, optional, text};
use super::{Identity, Place};
use crate::approval::{Evidence, Person};

/// What else of a GitLab token is kept.
const GITLAB: &[&str] = &[
    "job_project_path",
    "project_path",
    "project_id",
    "pipeline_id",
    "pipeline_source",
    "job_id",
    "sha",
    "ref",
    "ref_protected",
    "environment",
    "environment_protected",
    "deployment_tier",
    "user_access_level",
];
/// And of a GitHub one.
const GITHUB: &[&str] = &[
    "repository",
    "repository_id",
    "run_id",
    "run_attempt",
    "actor",
    "actor_id",
    "sha",
    "ref",
    "ref_protected",
    "environment",
    "event_name",
    "job_workflow_ref",
];

/// The person who started a GitLab job, and the job.
///
/// In a merge request's pipeline `project_path` is the project that the changes come from: `job_project_path` (since GitLab
/// 18.4) is the one that the job runs in, and counts where it is there.
pub(super) fn gitlab(verified: Verified) -> Result<Identity, IdentityError> {
    let Verified { claims, evidence } = verified;
    let groups = claims.get("groups_direct").and_then(Value::as_array);
    let evidence = Evidence {
        user_id: Some(text(&claims, "user_id")?),
        groups: groups.into_iter().flatten().filter_map(Value::as_str).map(str::to_owned).collect(),
        claims: kept(&claims, GITLAB),
        ..evidence
    };
    let (project, project_id) = match optional(&claims, "job_project_path") {
        Some(project) => (project, optional(&claims, "job_project_id")),
        None => (text(&claims, "project_path")?, optional(&claims, "project_id")),
    };
    let place = Place {
        project,
        project_id,
        pipeline: text(&claims, "pipeline_id")?,
        job: Some(text(&claims, "job_id")?),
        environment: optional(&claims, "environment"),
        environment_protected: flag(&claims, "environment_protected"),
        ref_protected: flag(&claims, "ref_protected"),
    };
    let email = optional(&claims, "user_email");
    Ok(Identity { email, ..Identity::new(text(&claims, "user_login")?, "GitLab ID token", evidence, place) })
}

/// The person who started a GitHub run: nobody's decision about it, but of use to know whose work it is.
pub(super) fn github_actor(verified: &Verified) -> Result<Identity, IdentityError> {
    let claims = &verified.claims;
    let evidence = Evidence {
        user_id: Some(text(claims, "actor_id")?),
        claims: kept(claims, GITHUB),
        ..verified.evidence.clone()
    };
    Ok(Identity::new(text(claims, "actor")?, "GitHub OIDC token", evidence, github(verified)?))
}

/// Someone who has reviewed the environment that a GitHub token names, in a run that another may have started.
/// `review`: which, e.g. `review 2 of production in run`.
pub(super) fn github_reviewer(
    verified: &Verified,
    review: &str,
    login: String,
    id: String,
) -> Result<Identity, IdentityError> {
    let claims = &verified.claims;
    let place = github(verified)?;
    let actor = Person { login: Some(text(claims, "actor")?), id: Some(text(claims, "actor_id")?) };
    let evidence = Evidence {
        token_id: Some(format!("{review} {}", place.pipeline)),
        user_id: Some(id),
        started_by: Some(actor),
        claims: kept(claims, GITHUB),
        ..verified.evidence.clone()
    };
    Ok(Identity::new(login, "GitHub review", evidence, place))
}

/// The place of a GitHub job.
pub(super) fn github(verified: &Verified) -> Result<Place, IdentityError> {
    let claims = &verified.claims;
    Ok(Place {
        project: text(claims, "repository")?,
        project_id: optional(claims, "repository_id"),
        pipeline: text(claims, "run_id")?,
        job: optional(claims, "check_run_id"),
        environment: optional(claims, "environment"),
        environment_protected: None,
        ref_protected: flag(claims, "ref_protected"),
    })
}

fn kept(claims: &Map<String, Value>, names: &[&str]) -> BTreeMap<String, Value> {
    names.iter().filter_map(|name| Some(((*name).to_owned(), claims.get(*name)?.clone()))).collect()
}

/// `true` or `false`, which both issuers write as texts.
fn flag(claims: &Map<String, Value>, name: &str) -> Option<bool> {
    match claims.get(name)? {
        Value::Bool(flag) => Some(*flag),
        Value::String(text) if text == "true" => Some(true),
        Value::String(text) if text == "false" => Some(false),
        _ => None,
    }
}
