//! Recognises a job that is started again where only artifacts carry the state.
//!
//! A retried job gets the artifacts of the jobs before it, not of its own first attempt: what that one completed is not in the
//! journal at hand, and would run again. In GitHub the attempts are numbered. In GitLab a retry is a new job, so it was
//! created after the run began; a job that waits for its first start was created with the pipeline, before that.

use std::ffi::OsString;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use serde::Deserialize;
use url::Url;

use super::args::state::StateStore;
use super::ci::{Ci, Environment};
use super::error::{CliError, STATE};
use super::project::Project;
use crate::engine::RunState;
use crate::event::Job;
use crate::net::http::{chain, client};
use crate::net::is_loopback_name;
use crate::plugin::may_have_effects;
use crate::workflow::model::Role;

/// How long GitLab may take to say when the job was created.
const PATIENCE: Duration = Duration::from_secs(10);
/// How many steps a message names.
const SHOWN: usize = 10;

/// What is known of a start.
#[derive(Debug, PartialEq, Eq)]
enum Start {
    First,
    /// For people: how that is known.
    Again(String),
    /// For people: why not.
    Unknown(String),
}

/// Refuses to go on if an earlier attempt of this job may have completed steps that would run again. Returns a warning if
/// nobody could tell. `began` is when the run began, in milliseconds since 1970-01-01 UTC.
pub(super) fn check(
    store: &StateStore,
    environment: &Environment,
    project: &Project,
    state: &RunState,
    began: u64,
) -> Result<Option<String>, CliError> {
    let by_artifacts = match store {
        StateStore::Gitlab => true,
        StateStore::Filesystem => environment.ci().is_some(),
        StateStore::Memory | StateStore::GitlabPackages | StateStore::Objects(_) => false,
    };
    let steps = would_repeat(project, state);
    let job = environment.job();
    // The journal of the earlier attempt itself is what we go on from.
    let has_earlier = state.has_worked(&job);
    if !by_artifacts || has_earlier || steps.is_empty() {
        return Ok(None);
    }
    match look(environment, &job, state.job(), began) {
        Start::First => Ok(None),
        Start::Unknown(why) => Ok(Some(format!("nobody could say whether this job was started before: {why}"))),
        Start::Again(why) => Err(refused(&why, &steps)),
    }
}

/// The steps that are still to be done as far as the journal knows, and that may not simply run twice.
fn would_repeat(project: &Project, state: &RunState) -> Vec<String> {
    let plan = &project.plan;
    let steps = plan.steps().map(|step| plan.step(step)).filter(|step| {
        let done = state.step(step.id.as_str()).is_some_and(|step| step.is_done());
        let has_effects =
            project.types.get(&step.step_type).is_none_or(|loaded| may_have_effects(loaded, &project.policies));
        !done && !step.idempotent && step.role == Role::Plain && has_effects
    });
    steps.map(|step| step.id.to_string()).collect()
}

fn refused(why: &str, steps: &[String]) -> CliError {
    let mut names: Vec<String> = steps.iter().take(SHOWN).map(|step| format!("`{step}`")).collect();
    if steps.len() > SHOWN {
        names.push(format!("{} more", steps.len() - SHOWN));
    }
    let message = format!(
        "this job was started before ({why}), and what it completed then is not in the artifact at hand: {} could run twice",
        names.join(", ")
    );
    CliError::new(STATE, message)
        .hint("start a new pipeline; or put the artifact of the attempt before (its job keeps it with `artifacts: when: always`) in place of .shiro/state/ and run again")
        .hint("if you know that these steps did not run, or may run again: shiro run -accept-retry")
        .hint("with `-state-store gitlab-packages` or object storage a retry goes on where the attempt before stopped; a step that may run twice says so with \"idempotent\": true")
}

fn look(environment: &Environment, job: &Job, before: &Job, began: u64) -> Start {
    if environment.ci() == Some(Ci::Github) {
        return match (job.attempt, before.attempt) {
            (Some(now), Some(before)) if now > before => Start::Again(format!("GITHUB_RUN_ATTEMPT is {now}")),
            (Some(_), _) => Start::First,
            (None, _) => Start::Unknown("GITHUB_RUN_ATTEMPT is not set".to_owned()),
        };
    }
    if environment.ci() != Some(Ci::Gitlab) {
        // An emulator, or a terminal: their jobs are not retried.
        return Start::First;
    }
    let (Some(api), Some(token)) = (environment.filled("CI_API_V4_URL"), environment.filled("CI_JOB_TOKEN")) else {
        return Start::Unknown("CI_API_V4_URL or CI_JOB_TOKEN is not set".to_owned());
    };
    match created_at(environment, api, token) {
        Err(why) => Start::Unknown(why),
        Ok(created) if millis(created) > began => {
            let when = humantime::format_rfc3339_seconds(created);
            Start::Again(format!("GitLab created it at {when}, after the run had begun"))
        }
        Ok(_) => Start::First,
    }
}

fn millis(time: SystemTime) -> u64 {
    u64::try_from(time.duration_since(UNIX_EPOCH).unwrap_or_default().as_millis()).unwrap_or(u64::MAX)
}

/// When this job was created, by GitLab (<https://docs.gitlab.com/api/jobs/#get-job-tokens-job>).
fn created_at(environment: &Environment, api: &str, token: &str) -> Result<SystemTime, String> {
    #[derive(Deserialize)]
    struct Answer {
        created_at: String,
    }
    let url = Url::parse(&format!("{}/job", api.trim_end_matches('/'))).map_err(|error| error.to_string())?;
    let loopback = url.host_str().is_some_and(is_loopback_name);
    let job_env: Vec<(OsString, OsString)> =
        environment.iter().map(|(name, value)| (name.into(), value.into())).collect();
    let client = client(&job_env, loopback, url.scheme() == "http", PATIENCE)?;
    let runtime =
        tokio::runtime::Builder::new_current_thread().enable_all().build().map_err(|error| error.to_string())?;
    let answer: Answer = runtime.block_on(async {
        let response = client.get(url).header("JOB-TOKEN", token).send().await;
        let response = response.map_err(|error| chain(&error.without_url()))?;
        let status = response.status();
        if !status.is_success() {
            return Err(format!("GitLab's job API answers {status}"));
        }
        let body = response.bytes().await.map_err(|error| chain(&error.without_url()))?;
        serde_json::from_slice(&body).map_err(|error| format!("GitLab's job API answers something else: {error}"))
    })?;
    parse_time(&answer.created_at).ok_or_else(|| format!("GitLab's job API says {:?} for a time", answer.created_at))
}

/// A time as GitLab writes it: in UTC, or with an offset.
fn parse_time(text: &str) -> Option<SystemTime> {
    if let Ok(time) = humantime::parse_rfc3339(text) {
        return Some(time);
    }
    let (local, offset) = text.split_at_checked(text.len().checked_sub(6)?)?;
    let (ahead, offset) = match offset.strip_prefix('+') {
        Some(offset) => (true, offset),
        None => (false, offset.strip_prefix('-')?),
    };
    let (hours, minutes) = offset.split_once(':')?;
    let offset = Duration::from_secs(hours.parse::<u64>().ok()? * 3600 + minutes.parse::<u64>().ok()? * 60);
    let local = humantime::parse_rfc3339(&format!("{local}Z")).ok()?;
    if ahead { local.checked_sub(offset) } else { local.checked_add(offset) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_read_with_their_offset() {
        let utc = parse_time("2026-01-11T10:14:09.526Z").unwrap();
        assert_eq!(parse_time("2026-01-11T12:14:09.526+02:00"), Some(utc));
        assert_eq!(parse_time("2026-01-11T05:44:09.526-04:30"), Some(utc));
        for wrong in ["", "x", "2026-01-11", "2026-01-11T10:14:09.526é2:00", "2026-01-11T10:14:09.526+0200"] {
            assert_eq!(parse_time(wrong), None, "{wrong}");
        }
    }

    fn environment(variables: &[(&str, &str)]) -> Environment {
        Environment::new(variables.iter().map(|(n, v)| ((*n).to_owned(), (*v).to_owned())).collect())
    }

    #[test]
    fn github_counts_attempts() {
        let attempt = |attempt| Job { attempt, ..Job::default() };
        let look = |now: Option<&str>, before| {
            let mut variables = vec![("GITHUB_ACTIONS", "true")];
            variables.extend(now.map(|now| ("GITHUB_RUN_ATTEMPT", now)));
            let environment = environment(&variables);
            look(&environment, &environment.job(), &attempt(before), 0)
        };
        assert!(matches!(look(Some("2"), Some(1)), Start::Again(_)));
        assert_eq!(look(Some("1"), Some(1)), Start::First);
        // The first job was started again, too.
        assert_eq!(look(Some("2"), Some(2)), Start::First);
        assert!(matches!(look(None, Some(1)), Start::Unknown(_)));
    }

    #[test]
    fn an_emulator_has_no_retries_and_a_gitlab_without_an_api_can_not_tell() {
        let of = |gitlab| {
            let environment = environment(&[("GITLAB_CI", gitlab), ("CI_JOB_NAME", "x")]);
            look(&environment, &environment.job(), &Job::default(), 0)
        };
        assert_eq!(of("false"), Start::First);
        assert!(matches!(of("true"), Start::Unknown(_)));
    }
}
