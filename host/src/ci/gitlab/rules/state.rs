//! Does the run's state get from job to job, whole and in time?

use std::time::Duration;

use super::super::super::artifact::STATE;
use super::super::super::duration::Kept;
use super::super::super::finding::{Finding, Place};
use super::super::super::players::Role;
use super::super::super::rules::names;
use super::super::job::Job;
use super::{Given, Player};

/// Where nothing says how long a request holds: from Friday evening to Monday.
const WEEKEND: Duration = Duration::from_secs(3 * 24 * 60 * 60);

/// The state is in the artifact of every job that others go on from, and of every one that names the store.
pub(super) fn artifact_carries_it(given: &Given<'_>, findings: &mut Vec<Finding>) {
    const RULE: &str = "state-store-gitlab-needs-artifact";
    for player in given.players.all.iter().filter(|player| player.keeps_files()) {
        if player.job.artifacts.as_ref().is_some_and(|artifacts| artifacts.carry_state) {
            continue;
        }
        let waits = !given.subject.gates.is_empty() && player.role != Role::Reject;
        let goes_on = waits && (player.role == Role::Initial || given.players.has_successor(player));
        let named = player.call.store.as_deref() == Some("gitlab");
        if !goes_on && !named {
            continue;
        }
        let place = player.job.artifacts.as_ref().map_or(&player.job.place, |artifacts| &artifacts.place);
        let message = format!("`{}` leaves its state behind: no artifact of it has {STATE}/", player.job.name);
        let hint = format!("add to it\nartifacts:\n  when: always\n  expire_in: 30 days\n  paths:\n    - {STATE}/");
        findings.push(Finding::error(RULE, place, message).hint(hint));
    }
}

/// A run that failed goes on from its state, too.
pub(super) fn artifact_is_kept_on_failure(given: &Given<'_>, findings: &mut Vec<Finding>) {
    for player in carriers(given) {
        let Some(artifacts) = player.job.artifacts.as_ref().filter(|artifacts| !artifacts.on_failure) else { continue };
        let message = format!("when a step of `{}` fails, its state is lost", player.job.name);
        let hint = "say `when: always` under `artifacts`";
        findings.push(Finding::warning("state-lost-on-failure", &artifacts.place, message).hint(hint));
    }
}

/// The artifact is there as long as someone may approve.
pub(super) fn artifact_outlives_the_wait(given: &Given<'_>, findings: &mut Vec<Finding>) {
    const RULE: &str = "artifact-expires-before-approval";
    let asked = given.subject.gates.longest_wait();
    let wait = asked.unwrap_or(WEEKEND);
    for player in carriers(given).filter(|player| given.players.has_successor(player)) {
        let Some((kept, place)) = player.job.artifacts.as_ref().and_then(|artifacts| artifacts.kept.as_ref()) else {
            continue;
        };
        if matches!(kept, Kept::For(kept) if *kept < wait) {
            let wait = humantime::format_duration(wait);
            let finding = match asked {
                Some(_) => {
                    let message = format!(
                        "the artifact of `{}` is gone before its approval or its wait is over ({wait})",
                        player.job.name
                    );
                    Finding::error(RULE, place, message)
                }
                None => {
                    let message = format!("the artifact of `{}` may be gone before someone approves", player.job.name);
                    Finding::warning(RULE, place, message)
                }
            };
            findings.push(finding.hint("keep it longer, e.g. `expire_in: 30 days`: without it the run can't go on"));
        }
    }
}

/// A job that goes on has the artifact to go on from.
pub(super) fn resume_gets_it(given: &Given<'_>, findings: &mut Vec<Finding>) {
    for player in given.players.all.iter().filter(|player| player.role != Role::Initial && player.keeps_files()) {
        if player.has_no_source() && given.players.has_other(player) {
            let place =
                player.job.needs.as_ref().and_then(|needs| needs.first()).map_or(&player.job.place, |need| &need.place);
            let message = format!(
                "`{}` gets no state: the artifacts of no job that runs the workflow come to it",
                player.job.name
            );
            let hint = "name the job that pauses: `needs: [JOB]`, without `artifacts: false` and without `dependencies` that leave it out";
            findings.push(Finding::error("resume-gets-no-state", place, message).hint(hint));
        } else if player.job.needs.is_none() && player.job.dependencies.is_none() {
            let message =
                format!("`{}` waits for all jobs of earlier stages, and gets all their artifacts", player.job.name);
            let before = names(given.players.sources(player).map(|source| &*source.job.name));
            let finding = Finding::warning("pause-resume-needs-dependency", &player.job.place, message);
            findings.push(finding.hint(format!("name what it goes on from: `needs` with {before}")));
        }
    }
}

/// A cache is shared between pipelines.
pub(super) fn not_in_a_cache(given: &Given<'_>, findings: &mut Vec<Finding>) {
    for player in &given.players.all {
        if let Some(place) = &player.job.caches_state {
            let message = format!("the cache of `{}` carries state from one pipeline to another", player.job.name);
            let finding = Finding::warning("state-in-cache", place, message);
            findings.push(finding.hint(format!("leave {STATE}/ out of the cache: it belongs into an artifact")));
        }
    }
}

/// A retry starts from the artifact of the job before.
pub(super) fn retries(given: &Given<'_>, findings: &mut Vec<Finding>) {
    on_resume(
        given,
        findings,
        |job| job.retry.as_ref(),
        |player, place| {
            let message = format!("when `{}` is retried, steps that it completed run again", player.job.name);
            let hint = "set `retry: 0`: the retry gets the artifact of the job before it. Give steps a `retry` of their own in the workflow";
            Finding::warning("retry-repeats-steps", place, message).hint(hint)
        },
    );
}

/// A newer pipeline must not end a deployment in the middle.
pub(super) fn interruptible(given: &Given<'_>, findings: &mut Vec<Finding>) {
    on_resume(
        given,
        findings,
        |job| job.interruptible.as_ref(),
        |player, place| {
            let message = format!("a newer pipeline may end `{}` in the middle of a step", player.job.name);
            Finding::warning("resume-is-interruptible", place, message).hint("set `interruptible: false`")
        },
    );
}

/// Two of them at once would both deploy.
pub(super) fn one_at_a_time(given: &Given<'_>, findings: &mut Vec<Finding>) {
    if given.subject.gates.is_empty() {
        return;
    }
    for player in given.players.all.iter().filter(|player| player.goes_on() && !player.job.has_resource_group) {
        let message = format!("nothing keeps `{}` of two pipelines from running at once", player.job.name);
        let hint = "give the jobs that run this workflow the same `resource_group`";
        findings.push(Finding::warning("resource-group-missing", &player.job.place, message).hint(hint));
    }
}

fn on_resume<'a>(
    given: &'a Given<'_>,
    findings: &mut Vec<Finding>,
    place: impl Fn(&'a Job) -> Option<&'a Place>,
    finding: impl Fn(&Player<'_>, &Place) -> Finding,
) {
    for player in given.players.all.iter().filter(|player| player.goes_on() && player.keeps_files()) {
        findings.extend(place(player.job).map(|place| finding(player, place)));
    }
}

/// The jobs whose artifacts carry the state of a run that waits.
fn carriers<'a>(given: &'a Given<'_>) -> impl Iterator<Item = &'a Player<'a>> {
    let waits = !given.subject.gates.is_empty();
    given.players.all.iter().filter(move |player| {
        waits && player.keeps_files() && player.job.artifacts.as_ref().is_some_and(|artifacts| artifacts.carry_state)
    })
}
