//! The rules for `.gitlab-ci.yml`: `docs/ci.md` has them in a table.

mod gates;
mod pipeline;
mod state;

use super::super::check::Subject;
use super::super::finding::Finding;
use super::super::players;
use super::job::{Job, Pipeline};

/// What a rule looks at.
pub(super) struct Given<'a> {
    pub(super) subject: &'a Subject<'a>,
    pub(super) pipeline: &'a Pipeline,
    pub(super) players: &'a Players<'a>,
}

/// A job with a role.
pub(super) type Player<'a> = players::Player<'a, Job>;
/// The jobs with one.
pub(super) type Players<'a> = players::Players<'a, Job>;

/// A rule adds what it finds.
pub(super) type Rule = fn(&Given<'_>, &mut Vec<Finding>);

/// All of them.
pub(super) const RULES: &[Rule] = &[
    gates::needs_manual_resume,
    gates::no_automatic_resume,
    gates::pipeline_waits,
    gates::rejections_bind,
    gates::identity,
    state::artifact_carries_it,
    state::artifact_is_kept_on_failure,
    state::artifact_outlives_the_wait,
    state::resume_gets_it,
    state::not_in_a_cache,
    state::retries,
    state::interruptible,
    state::one_at_a_time,
    pipeline::stages_exist,
    pipeline::needs_exist,
    pipeline::links,
    pipeline::job_token,
    pipeline::child_pipelines,
    pipeline::size,
];
