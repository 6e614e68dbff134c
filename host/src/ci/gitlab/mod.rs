//! A `.gitlab-ci.yml` as GitLab reads it: what is included, merged, extended and referred to, and the jobs that come of it.

mod config;
mod extend;
mod include;
mod job;
mod merge;
mod reference;
mod rules;
mod start;

#[cfg(test)]
mod tests;

use super::check::Subject;
use super::finding::Finding;
use super::players::Players;
use crate::yaml::Node;

/// Reads the pipeline and applies every rule.
pub(super) fn check(subject: &Subject<'_>, root: &Node, findings: &mut Vec<Finding>) {
    let config = config::resolve(subject, root, findings);
    let pipeline = job::pipeline(subject, &config, findings);
    let players = Players::of(subject, &pipeline.jobs);
    super::rules::apply(subject, &players, findings);
    for rule in rules::RULES {
        rule(&rules::Given { subject, pipeline: &pipeline, players: &players }, findings);
    }
}
