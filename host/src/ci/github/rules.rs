//! The rules for a workflow of GitHub Actions: `docs/ci.md` has them in a table.

use std::sync::Arc;
use std::time::Duration;

use super::super::artifact::STATE;
use super::super::check::Subject;
use super::super::finding::{Finding, Place};
use super::super::glob;
use super::super::players::{self, Job as _, Role};
use super::super::rules::{gate_names, names};
use super::job::{Job, Upload, Workflow};

/// What a rule looks at.
pub(super) struct Given<'a> {
    pub(super) subject: &'a Subject<'a>,
    pub(super) workflow: &'a Workflow,
    pub(super) players: &'a players::Players<'a, Job>,
}

type Player<'a> = players::Player<'a, Job>;

/// A rule adds what it finds.
pub(super) type Rule = fn(&Given<'_>, &mut Vec<Finding>);

/// All of them.
pub(super) const RULES: &[Rule] = &[
    environment_protects,
    no_automatic_resume,
    store_fits,
    state_is_uploaded,
    hidden_files_are_uploaded,
    state_is_kept_on_failure,
    artifact_outlives_the_wait,
    artifact_names_differ,
    resume_gets_it,
    state_lands_where_it_was,
    one_at_a_time,
    identity,
    needs_exist,
    unseen,
];

/// An environment is where people are asked; whether it asks them is said in the repository's settings.
fn environment_protects(given: &Given<'_>, findings: &mut Vec<Finding>) {
    if !given.subject.gates.asks() {
        return;
    }
    let mut found = false;
    for player in given.players.with(Role::Resume) {
        if let Some((name, place)) = &player.job.environment {
            found = true;
            let message = format!("`{}` waits for the reviewers of the environment `{name}`", player.job.name());
            let hint =
                "required reviewers are set under Settings > Environments: this file can't say whether there are any";
            findings.push(Finding::info("pause-environment-protection-found", place, message).hint(hint));
        }
    }
    if !found && !given.workflow.is_dispatched {
        let place = given.players.all.first().map_or_else(|| start(given), |player| player.job.place().clone());
        let message = format!(
            "the workflow waits for approval ({}), and no job has an environment that asks for it",
            gate_names(given.subject)
        );
        let hint = "give the job that goes on an `environment` with required reviewers, or let `shiro ci generate github` write the file";
        findings.push(Finding::warning("pause-needs-environment-protection", &place, message).hint(hint));
    }
    if given.players.with(Role::Resume).next().is_none() {
        let place = given.players.all.first().map_or_else(|| start(given), |player| player.job.place().clone());
        let message =
            format!("the workflow waits for approval ({}), and no job goes on with it", gate_names(given.subject));
        let hint = "add a job with `needs`, an `environment` and `shiro run -resume`";
        findings.push(Finding::error("pause-needs-resume-job", &place, message).hint(hint));
    }
}

/// A job that goes on with the run approves what waits: it must not start by itself.
fn no_automatic_resume(given: &Given<'_>, findings: &mut Vec<Finding>) {
    if !given.subject.gates.asks() {
        return;
    }
    for player in given.players.with(Role::Resume).filter(|player| !player.job.is_manual()) {
        let message = format!("`{}` starts by itself, and each start approves: nobody is asked", player.job.name());
        let hint = "give it an `environment` that has required reviewers";
        findings.push(Finding::error("automatic-resume", player.job.place(), message).hint(hint));
    }
}

/// GitLab's store is for GitLab.
fn store_fits(given: &Given<'_>, findings: &mut Vec<Finding>) {
    let calls = given.workflow.jobs.iter().flat_map(|job| job.calls());
    for call in calls.filter(|call| call.store.as_deref() == Some("gitlab")) {
        let message = "`-state-store gitlab` keeps one run for each GitLab pipeline: here there is none";
        let hint = "leave -state-store out: here it is `filesystem`";
        findings.push(Finding::error("state-store-gitlab-wrong-platform", &call.place, message).hint(hint));
    }
}

/// Every job that others go on from leaves the state.
fn state_is_uploaded(given: &Given<'_>, findings: &mut Vec<Finding>) {
    if given.subject.gates.is_empty() {
        return;
    }
    let leaves = |player: &&Player<'_>| player.job.uploads.iter().any(|upload| !upload.carries.is_empty());
    let last = given.players.with(Role::Resume).map(|player| player.round).max().unwrap_or(0);
    let goes_on = |player: &&Player<'_>| match player.role {
        Role::Initial => true,
        Role::Resume => player.round < last || given.players.has_successor(player),
        Role::Continue => given.players.has_successor(player),
        Role::Reject => false,
    };
    for player in given.players.all.iter().filter(|player| player.keeps_files()).filter(goes_on) {
        if !leaves(&player) {
            let message =
                format!("`{}` leaves its state behind: it uploads no artifact with {STATE}/", player.job.name());
            let hint = format!(
                "add as its last step\n- uses: actions/upload-artifact@v4\n  if: always()\n  with:\n    name: shiro-state-{}\n    path: {STATE}/\n    include-hidden-files: true",
                player.job.name()
            );
            findings.push(Finding::error("state-needs-upload", player.job.place(), message).hint(hint));
        }
    }
}

/// `.shiro` begins with a dot.
fn hidden_files_are_uploaded(given: &Given<'_>, findings: &mut Vec<Finding>) {
    for (job, upload) in uploads(given).filter(|(_, upload)| !upload.with_hidden) {
        let message = format!("the artifact of `{}` is empty: upload-artifact leaves hidden files out", job.name());
        let hint = "add `include-hidden-files: true` under `with`";
        findings.push(Finding::error("hidden-files-left-out", &upload.place, message).hint(hint));
    }
}

/// A run that failed goes on from its state, too.
fn state_is_kept_on_failure(given: &Given<'_>, findings: &mut Vec<Finding>) {
    for (job, upload) in uploads(given).filter(|(_, upload)| !upload.on_failure) {
        let message = format!("when a step of `{}` fails, its state is lost", job.name());
        let finding = Finding::warning("state-lost-on-failure", &upload.place, message);
        findings.push(finding.hint("say `if: always()` in the step that uploads it"));
    }
}

/// The artifact is there as long as someone may approve. GitHub itself waits for 30 days.
fn artifact_outlives_the_wait(given: &Given<'_>, findings: &mut Vec<Finding>) {
    const RULE: &str = "artifact-expires-before-approval";
    const DAY: u64 = 24 * 60 * 60;
    if given.subject.gates.is_empty() {
        return;
    }
    let asked = given.subject.gates.longest_wait();
    let wait = asked.unwrap_or(Duration::from_secs(3 * DAY));
    for (job, upload) in uploads(given) {
        let Some((days, place)) = &upload.days else { continue };
        // 0 is the repository's default.
        if *days == 0 || Duration::from_secs(u64::from(*days) * DAY) >= wait {
            continue;
        }
        let finding = if asked.is_some() {
            Finding::error(
                RULE,
                place,
                format!("the artifact of `{}` is gone before its approval or its wait is over", job.name()),
            )
        } else {
            Finding::warning(
                RULE,
                place,
                format!("the artifact of `{}` may be gone before someone approves", job.name()),
            )
        };
        findings.push(finding.hint("keep it longer, e.g. `retention-days: 30`: without it the run can't go on"));
    }
}

/// Artifacts of one name: the second upload fails.
fn artifact_names_differ(given: &Given<'_>, findings: &mut Vec<Finding>) {
    let all: Vec<(&Job, &Upload)> = uploads(given).collect();
    for (index, (job, upload)) in all.iter().enumerate() {
        let earlier = all[..index].iter().find(|(_, earlier)| earlier.name == upload.name);
        let Some((first, _)) = earlier.filter(|_| !upload.overwrites) else { continue };
        let message = format!("`{}` uploads an artifact that `{}` has: `{}`", job.name(), first.name(), upload.name);
        let hint = "give each job's artifact a name of its own";
        findings.push(Finding::error("artifact-name-taken", &upload.place, message).hint(hint));
    }
}

/// A job that goes on has the artifact to go on from.
fn resume_gets_it(given: &Given<'_>, findings: &mut Vec<Finding>) {
    for player in given.players.all.iter().filter(|player| player.role != Role::Initial && player.keeps_files()) {
        let elsewhere = player.job.downloads.iter().any(|download| download.from_other_run);
        // With no other job there is nothing to name: that it is missing is said already.
        if !player.has_no_source() || elsewhere || !given.players.has_other(player) {
            continue;
        }
        let others =
            given.players.all.iter().filter(|other| !std::ptr::eq(*other, player) && other.role != Role::Reject);
        let before = names(others.map(|other| &**other.job.name()));
        let (message, hint) = if player.job.needs.is_empty() {
            (
                format!("`{}` waits for no job, so there is no state yet when it starts", player.job.name()),
                format!("add `needs` with one of {before}"),
            )
        } else {
            let message = format!("`{}` downloads no artifact with state of a job that it needs", player.job.name());
            (
                message,
                format!(
                    "download what {before} uploads: actions/download-artifact, with the same `name` and `path: {STATE}`"
                ),
            )
        };
        findings.push(Finding::error("resume-gets-no-state", player.job.place(), message).hint(hint));
    }
}

/// An artifact of one directory has what is in it, not the directory.
fn state_lands_where_it_was(given: &Given<'_>, findings: &mut Vec<Finding>) {
    let plain = |path: &str| path.trim_start_matches("./").trim_end_matches('/').to_owned();
    for player in &given.players.all {
        for source in given.players.sources(player) {
            for upload in source.job.uploads.iter().filter(|upload| !upload.carries.is_empty()) {
                let [path] = &upload.carries[..] else { continue };
                if glob::is_pattern(path) || path.contains('$') {
                    continue;
                }
                let wrong = |download: &&super::job::Download| {
                    download.takes(&upload.name) && !download.path.contains('$') && plain(&download.path) != plain(path)
                };
                if let Some(download) = player.job.downloads.iter().find(wrong) {
                    let message = format!("the state is unpacked to `{}`, and was in `{path}`", download.path);
                    let hint = format!("say `path: {path}` in the step that downloads it");
                    findings.push(Finding::error("state-lands-elsewhere", &download.place, message).hint(hint));
                }
            }
        }
    }
}

/// Two of them at once would both deploy; one that is ended in the middle is worse.
fn one_at_a_time(given: &Given<'_>, findings: &mut Vec<Finding>) {
    if given.subject.gates.is_empty() {
        return;
    }
    for player in given.players.all.iter().filter(|player| player.goes_on()) {
        if let Some(place) = &player.job.cancels {
            let message = format!("a newer run may end `{}` in the middle of a step", player.job.name());
            let hint = "set `cancel-in-progress: false`";
            findings.push(Finding::warning("resume-is-interruptible", place, message).hint(hint));
        } else if !player.job.has_concurrency {
            let message = format!("nothing keeps `{}` of two runs from running at once", player.job.name());
            let hint = "give it a `concurrency` group with `cancel-in-progress: false`";
            findings.push(Finding::warning("concurrency-missing", player.job.place(), message).hint(hint));
        }
    }
}

/// Names that must be true need a token.
fn identity(given: &Given<'_>, findings: &mut Vec<Finding>) {
    if !given.subject.gates.needs_identity() {
        return;
    }
    let asked = given.players.with(Role::Resume);
    let starters = given.players.with(Role::Initial).filter(|_| given.subject.gates.needs_starter());
    for player in asked.chain(starters).filter(|player| !player.job.has_id_token) {
        let message =
            format!("`{}` can't prove who let it start, and the workflow says who may approve", player.job.name());
        let hint = "add to it\npermissions:\n  contents: read\n  id-token: write\n  actions: read";
        findings.push(Finding::error("approvers-need-id-token", player.job.place(), message).hint(hint));
    }
    for player in given.players.with(Role::Resume).filter(|player| !player.job.reads_reviews) {
        let message =
            format!("`{}` can't read who reviewed it, and the workflow says who may approve", player.job.name());
        let hint = "add to it\npermissions:\n  contents: read\n  id-token: write\n  actions: read\nenv:\n  GITHUB_TOKEN: ${{ github.token }}";
        findings.push(Finding::error("approvers-need-reviews", player.job.place(), message).hint(hint));
    }
}

/// GitHub refuses a workflow with a job that needs one that is not there.
fn needs_exist(given: &Given<'_>, findings: &mut Vec<Finding>) {
    for (name, place) in given.workflow.jobs.iter().flat_map(|job| &job.needs) {
        if !given.workflow.jobs.iter().any(|job| job.name() == name) {
            let message = format!("there is no job `{name}` to need: GitHub refuses the workflow");
            findings.push(Finding::error("unknown-need", place, message));
        }
    }
}

/// What is not looked into is said.
fn unseen(given: &Given<'_>, findings: &mut Vec<Finding>) {
    for (what, place) in given.workflow.jobs.iter().flat_map(|job| &job.unseen) {
        let message = format!("`uses: {what}` is not looked into: what it runs is not seen here");
        findings.push(Finding::info("action-not-followed", place, message));
    }
}

/// Every upload of the state, in the jobs that run the workflow.
fn uploads<'a>(given: &'a Given<'_>) -> impl Iterator<Item = (&'a Job, &'a Upload)> {
    let jobs = given.players.all.iter().map(|player| player.job);
    jobs.flat_map(|job| job.uploads.iter().map(move |upload| (job, upload)))
        .filter(|(_, upload)| !upload.carries.is_empty())
}

fn start(given: &Given<'_>) -> Place {
    Place::start_of(&Arc::from(given.subject.file))
}
