//! A workflow of GitHub Actions: its jobs, and what the rules say about them.

mod job;
mod rules;

#[cfg(test)]
mod tests;

use super::check::Subject;
use super::finding::Finding;
use super::players::Players;
use crate::yaml::Node;

/// Reads the jobs and applies every rule.
pub(super) fn check(subject: &Subject<'_>, root: &Node, findings: &mut Vec<Finding>) {
    let workflow = job::workflow(subject, root, findings);
    let players = Players::of(subject, &workflow.jobs);
    super::rules::apply(subject, &players, findings);
    for rule in rules::RULES {
        rule(&rules::Given { subject, workflow: &workflow, players: &players }, findings);
    }
}
