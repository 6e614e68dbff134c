//! Is the pipeline valid, and is what it says true?

use std::sync::Arc;

use super::super::super::dead_link;
use super::super::super::finding::{Finding, Place};
use super::super::super::invocation::Verb;
use super::super::job::{Job, Variables};
use super::Given;

/// GitLab refuses a pipeline with a job in a stage that is not listed.
pub(super) fn stages_exist(given: &Given<'_>, findings: &mut Vec<Finding>) {
    for job in given.pipeline.jobs.iter().filter(|job| job.stage.is_none()) {
        let (name, place) = &job.stage_name;
        let known: Vec<&str> = given.pipeline.stages.iter().map(|stage| &**stage).collect();
        let message = format!("there is no stage `{name}`: GitLab refuses the pipeline");
        let hint = format!("add it to `stages`, which has {}", known.join(", "));
        findings.push(Finding::error("unknown-stage", place, message).hint(hint));
    }
}

/// GitLab refuses a pipeline with a job that needs one that is not there.
pub(super) fn needs_exist(given: &Given<'_>, findings: &mut Vec<Finding>) {
    let included = findings.iter().any(|finding| finding.rule == "include-not-followed");
    for need in given.pipeline.jobs.iter().flat_map(|job| job.needs.iter().flatten()) {
        // It may come from a file that is not seen here.
        if need.optional || included || need.job.contains('$') || given.pipeline.find(&need.job).is_some() {
            continue;
        }
        let message = format!("there is no job `{}` to need: GitLab refuses the pipeline", need.job);
        findings.push(Finding::error("unknown-need", &need.place, message));
    }
}

/// Links that lead nowhere, in the jobs that run shiro.
pub(super) fn links(given: &Given<'_>, findings: &mut Vec<Finding>) {
    let variables = |variables: &Variables| variables.values().cloned().collect::<Vec<_>>();
    let of_jobs = shiro_jobs(given).flat_map(|job| job.texts.iter().cloned().chain(variables(&job.variables)));
    let texts: Vec<(Arc<str>, Place)> = of_jobs.chain(variables(&given.pipeline.variables)).collect();
    for (text, place) in texts {
        if dead_link::find(&text).is_some() {
            let message = "this link is dead: GitLab's pages are found by the project's path, not by its number";
            findings.push(Finding::warning(dead_link::RULE, &place, message).hint(dead_link::HINT));
        }
    }
}

/// The job's token is of another kind than a personal one, and goes into another header.
pub(super) fn job_token(given: &Given<'_>, findings: &mut Vec<Finding>) {
    let own = shiro_jobs(given).flat_map(|job| &job.variables);
    for (name, (value, place)) in own.chain(&given.pipeline.variables) {
        if &**name == "GITLAB_TOKEN" && matches!(value.trim(), "$CI_JOB_TOKEN" | "${CI_JOB_TOKEN}") {
            let message = "GITLAB_TOKEN is for an access token: the job's token sent as one is refused";
            let hint = "leave it out: CI_JOB_TOKEN is there in every job and is used as what it is";
            findings.push(Finding::warning("job-token-as-access-token", place, message).hint(hint));
        }
    }
}

/// Another pipeline has another state.
pub(super) fn child_pipelines(given: &Given<'_>, findings: &mut Vec<Finding>) {
    for job in &given.pipeline.jobs {
        if let Some(place) = &job.trigger {
            let message = format!("`{}` starts another pipeline, which is not looked into", job.name);
            let hint = "check its file on its own: shiro validate -ci FILE. A run goes on only within one pipeline";
            findings.push(Finding::info("child-pipeline", place, message).hint(hint));
        }
    }
}

/// What was not looked at is said.
pub(super) fn size(given: &Given<'_>, findings: &mut Vec<Finding>) {
    let place = Place::start_of(&Arc::from(given.subject.file));
    if given.pipeline.is_too_large {
        findings.push(Finding::error("too-large", &place, "the jobs have more script in all than is read here"));
    }
}

fn shiro_jobs<'a>(given: &'a Given<'_>) -> impl Iterator<Item = &'a Job> {
    given.pipeline.jobs.iter().filter(|job| job.calls.iter().any(|call| call.verb != Verb::Other))
}
