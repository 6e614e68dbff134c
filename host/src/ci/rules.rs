//! The rules that hold for every CI system.

use std::fmt::Write as _;
use std::sync::Arc;

use super::check::Subject;
use super::finding::{Finding, Place};
use super::players::{Job, MOST, Player, Players, Role};

/// Applies them all.
pub(super) fn apply<J: Job>(subject: &Subject<'_>, players: &Players<'_, J>, findings: &mut Vec<Finding>) {
    needs_an_initial_job(players, findings);
    resume_is_not_fresh(players, findings);
    size(subject, players, findings);
    if !subject.gates.is_empty() {
        initial_is_fresh(players, findings);
        enough_resume_jobs(subject, players, findings);
        enough_jobs_for_times(subject, players, findings);
    }
    if subject.gates.asks() {
        memory_keeps_nothing(players, findings);
    }
}

/// `a` and `b`, for messages.
pub(super) fn names<'a>(names: impl IntoIterator<Item = &'a str>) -> String {
    let names: Vec<String> = names.into_iter().map(|name| format!("`{name}`")).collect();
    names.join(" and ")
}

/// The gates' names, for messages.
pub(super) fn gate_names(subject: &Subject<'_>) -> String {
    names(subject.gates.iter().map(|gate| gate.step.as_str()))
}

/// Something must begin the run that others go on with.
fn needs_an_initial_job<J: Job>(players: &Players<'_, J>, findings: &mut Vec<Finding>) {
    let Some(resume) = players.with(Role::Resume).next() else { return };
    if players.with(Role::Initial).next().is_some() {
        return;
    }
    let message = format!("`{}` goes on with a run that no job begins", resume.job.name());
    let hint = "add a job before it that runs `shiro run -fresh` and keeps .shiro/state/ as its artifact";
    findings.push(Finding::error("no-initial-job", resume.job.place(), message).hint(hint));
}

/// One job for each round of gates, one after the other.
fn enough_resume_jobs<J: Job>(subject: &Subject<'_>, players: &Players<'_, J>, findings: &mut Vec<Finding>) {
    let needed = subject.gates.starts();
    if needed == 0 {
        return;
    }
    let resumes: Vec<&Player<'_, J>> = players.with(Role::Resume).collect();
    let Some(last) = resumes.iter().max_by_key(|player| player.round) else { return };
    if resumes.len() < needed {
        let mut message = format!("the run stops {needed} times ({}), and {} ", gate_names(subject), resumes.len());
        let _ = write!(message, "{} on with it", if resumes.len() == 1 { "job goes" } else { "jobs go" });
        let hint = "one start approves what waits then, and starting the same job again approves nothing: \
                    add a job for each, with `needs` of the one before";
        findings.push(Finding::error("fewer-resume-jobs-than-gates", last.job.place(), message).hint(hint));
    } else if last.round < needed && !last.has_no_source() {
        let message = format!(
            "the run stops {needed} times, but at most {} of the jobs that go on with it come one after the other",
            last.round
        );
        let hint = "let each of them have `needs` of the one before: its artifact has what was done and approved";
        findings.push(Finding::error("resume-jobs-are-not-chained", last.job.place(), message).hint(hint));
    }
}

/// One job for each time that is waited for, besides those that people start.
fn enough_jobs_for_times<J: Job>(subject: &Subject<'_>, players: &Players<'_, J>, findings: &mut Vec<Finding>) {
    let gates = subject.gates;
    let hold = players.all.iter().filter_map(|player| player.call.hold).max().unwrap_or_default();
    let needed = gates.timed_starts(hold);
    let in_memory = players.all.iter().all(|player| player.store() == "memory");
    let Some(first) = players.all.first().filter(|_| needed > 0 && !in_memory) else { return };
    let go_on = players.all.iter().filter(|player| player.goes_on()).count();
    let have = go_on.saturating_sub(gates.starts());
    if have >= needed {
        return;
    }
    let last = players.all.iter().filter(|player| player.goes_on()).max_by_key(|player| player.round).unwrap_or(first);
    let waits = names(gates.waits().map(|wait| wait.step.as_str()));
    let times = if needed == 1 { "once".to_owned() } else { format!("{needed} times") };
    let message = format!("the run pauses for a time {times} ({waits}), and {have} jobs go on with it after that");
    let hint = "add a job with `shiro run -resume -no-approve` for each, with `needs` of the one before: in GitLab `when: \
                delayed`, in GitHub with an environment that has a wait timer. Or let the job stay: `-hold 10m`";
    findings.push(Finding::error("fewer-jobs-than-waits", last.job.place(), message).hint(hint));
}

/// The first job begins anew.
fn initial_is_fresh<J: Job>(players: &Players<'_, J>, findings: &mut Vec<Finding>) {
    for player in players.with(Role::Initial).filter(|player| !player.call.fresh) {
        let message = format!("`{}` goes on with whatever state it finds", player.job.name());
        let hint = "say -fresh in the job that begins the run: shiro run -fresh";
        findings.push(Finding::warning("pause-initial-needs-fresh", &player.call.place, message).hint(hint));
    }
}

/// What begins anew forgets what was approved.
fn resume_is_not_fresh<J: Job>(players: &Players<'_, J>, findings: &mut Vec<Finding>) {
    for player in players.with(Role::Initial).filter(|player| player.call.fresh && !player.has_no_source()) {
        let before = names(players.sources(player).map(|source| &**source.job.name()));
        let message = format!("`{}` gets the state of {before}, and -fresh makes it begin anew", player.job.name());
        let hint = "leave -fresh out where the run goes on";
        findings.push(Finding::error("resume-starts-over", &player.call.place, message).hint(hint));
    }
}

/// What is nowhere can't be gone on with.
fn memory_keeps_nothing<J: Job>(players: &Players<'_, J>, findings: &mut Vec<Finding>) {
    for player in players.all.iter().filter(|player| player.store() == "memory") {
        let message = format!("`{}` keeps its state in memory: a run that pauses there is lost", player.job.name());
        let hint = format!("leave -state-store out: here it is `{}`", J::DEFAULT_STORE);
        findings.push(Finding::error("memory-store-can-not-pause", &player.call.place, message).hint(hint));
    }
}

/// What was not looked at is said.
fn size<J: Job>(subject: &Subject<'_>, players: &Players<'_, J>, findings: &mut Vec<Finding>) {
    if players.is_cut {
        let place = Place::start_of(&Arc::from(subject.file));
        let message = format!("more than {MOST} jobs run this workflow: only the first of them were looked at");
        findings.push(Finding::error("too-large", &place, message));
    }
}
