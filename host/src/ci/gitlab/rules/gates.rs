//! Does a person decide, and can the run come to its end?

use std::sync::Arc;

use super::super::super::finding::{Finding, Place};
use super::super::super::players::{Job as _, Role};
use super::super::super::rules::{gate_names, names};
use super::super::start::{Start, When};
use super::{Given, Player};

/// Go on with it by hand, or nobody can approve.
pub(super) fn needs_manual_resume(given: &Given<'_>, findings: &mut Vec<Finding>) {
    const RULE: &str = "pause-needs-manual-resume";
    if !given.subject.gates.asks() || given.players.with(Role::Resume).any(|player| player.job.is_manual()) {
        return;
    }
    let start = || Place::start_of(&Arc::from(given.subject.file));
    let place = given.players.all.first().map_or_else(start, |player| player.job.place.clone());
    let waits = gate_names(given.subject);
    let message = if given.players.all.is_empty() {
        format!("the workflow waits for approval ({waits}), and no job runs it")
    } else {
        format!("the workflow waits for approval ({waits}), and no job goes on when a person says so")
    };
    let hint = "add a job with `when: manual` that runs `shiro run` without -fresh, or let `shiro ci generate gitlab` write the file";
    findings.push(Finding::error(RULE, &place, message).hint(hint));
}

/// A job that goes on with the run approves what waits: it must not start by itself.
pub(super) fn no_automatic_resume(given: &Given<'_>, findings: &mut Vec<Finding>) {
    const RULE: &str = "automatic-resume";
    if !given.subject.gates.asks() {
        return;
    }
    for player in given.players.with(Role::Resume) {
        for start in player.job.starts.iter().filter(|start| start.when != When::Manual) {
            let how = if start.when == When::Delayed { "after a time" } else { "by itself" };
            let message = format!("`{}` starts {how}, and each start approves: nobody is asked", player.job.name);
            let hint = "make every rule of it `when: manual`";
            findings.push(Finding::error(RULE, &start.place, message).hint(hint));
        }
    }
}

/// A manual job that may fail is one that the pipeline does not wait for.
pub(super) fn pipeline_waits(given: &Given<'_>, findings: &mut Vec<Finding>) {
    const RULE: &str = "pipeline-passes-unapproved";
    if !given.subject.gates.asks() {
        return;
    }
    for player in given.players.with(Role::Resume) {
        let passes = |start: &&Start| start.when == When::Manual && start.allow_failure;
        if let Some(start) = player.job.starts.iter().find(passes) {
            let message = format!("the pipeline passes although nobody started `{}`", player.job.name);
            let hint =
                "`when: manual` alone means `allow_failure: true`: add `allow_failure: false`, so that it is blocked";
            findings.push(Finding::warning(RULE, &start.place, message).hint(hint));
        }
    }
}

/// An artifact is not told what happens in a job beside it.
pub(super) fn rejections_bind(given: &Given<'_>, findings: &mut Vec<Finding>) {
    let beside = |player: &Player<'_>| {
        let next = given.players.with(Role::Resume).filter(|resume| resume.round == player.round + 1);
        names(next.map(|resume| &**resume.job.name()))
    };
    for player in given.players.with(Role::Reject).filter(|player| player.keeps_files()) {
        let beside = beside(player);
        if beside.is_empty() {
            continue;
        }
        let message =
            format!("`{}` does not keep {beside} from going on: each has an artifact of its own", player.job.name());
        let hint = "a store that the jobs share does: `-state-store gitlab-packages` in each, or object storage";
        findings.push(Finding::info("reject-does-not-bind", &player.job.place, message).hint(hint));
    }
}

/// Names that must be true need a token.
pub(super) fn identity(given: &Given<'_>, findings: &mut Vec<Finding>) {
    if !given.subject.gates.needs_identity() {
        return;
    }
    let asked = given.players.with(Role::Resume);
    let starters = given.players.with(Role::Initial).filter(|_| given.subject.gates.needs_starter());
    for player in asked.chain(starters) {
        if player.job.audiences.is_empty() {
            let message =
                format!("`{}` can't prove who started it, and the workflow says who may approve", player.job.name);
            let hint = "add to it\nid_tokens:\n  SHIRO_ID_TOKEN:\n    aud: shiro";
            findings.push(Finding::error("approvers-need-id-token", &player.job.place, message).hint(hint));
        } else if !player.job.audiences.iter().any(|audience| audience == "shiro") {
            let message = format!("no `id_tokens` of `{}` is for the audience `shiro`", player.job.name);
            let finding = Finding::warning("approvers-need-id-token", &player.job.place, message);
            findings.push(finding.hint("add `aud: shiro`"));
        }
    }
}
