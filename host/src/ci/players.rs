//! What each job does with the workflow's run: begins it, goes on with it when a person says so, or rejects it; and from
//! which job it gets the run's state. The same for every CI system.

use std::sync::Arc;

use super::check::Subject;
use super::finding::Place;
use super::invocation::{Invocation, Verb};

/// More jobs that run one workflow are not looked at: each is compared with each.
pub(super) const MOST: usize = 300;

/// A job of a CI system, as far as the rules for all of them must know.
pub(super) trait Job {
    /// The store that is used where none is named.
    const DEFAULT_STORE: &'static str;

    /// Its name.
    fn name(&self) -> &Arc<str>;
    /// Where its name stands.
    fn place(&self) -> &Place;
    /// The calls of shiro in its scripts, in order.
    fn calls(&self) -> &[Invocation];
    /// In every pipeline that has it, a person lets it start.
    fn is_manual(&self) -> bool;
    /// It comes after the other one and, where the state is in files, gets the artifact with them.
    fn gets(&self, from: &Self, in_files: bool) -> bool;
}

/// What a job is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Role {
    /// It begins a run.
    Initial,
    /// It records an approval, or goes on with a run, which approves.
    Resume,
    /// It goes on with what others approved.
    Continue,
    /// It rejects one.
    Reject,
}

/// A job with a role.
#[derive(Debug)]
pub(super) struct Player<'a, J> {
    /// The job.
    pub(super) job: &'a J,
    /// What it is for.
    pub(super) role: Role,
    /// The call that says so.
    pub(super) call: &'a Invocation,
    /// The players whose state it gets, by their numbers.
    sources: Vec<usize>,
    /// How many resume jobs are on the way to it, itself included, on the longest way.
    pub(super) round: usize,
}

impl<J: Job> Player<'_, J> {
    /// The store it uses.
    pub(super) fn store(&self) -> &str {
        self.call.store.as_deref().unwrap_or(J::DEFAULT_STORE)
    }

    /// The state is in files that an artifact must carry.
    pub(super) fn keeps_files(&self) -> bool {
        matches!(self.store(), "gitlab" | "filesystem")
    }

    /// It runs what comes after a gate.
    pub(super) fn goes_on(&self) -> bool {
        matches!(self.role, Role::Resume | Role::Continue)
    }

    /// It gets the state of none.
    pub(super) fn has_no_source(&self) -> bool {
        self.sources.is_empty()
    }
}

/// The jobs that have to do with the workflow.
#[derive(Debug)]
pub(super) struct Players<'a, J> {
    /// In the order of the text.
    pub(super) all: Vec<Player<'a, J>>,
    /// There are more than are looked at.
    pub(super) is_cut: bool,
}

impl<'a, J: Job> Players<'a, J> {
    /// Finds them.
    pub(super) fn of(subject: &Subject<'_>, jobs: &'a [J]) -> Self {
        let mut all: Vec<Player<'a, J>> = jobs.iter().filter_map(|job| player(subject, job)).collect();
        let is_cut = all.len() > MOST;
        all.truncate(MOST);
        let gets = |to: &Player<'a, J>, from: &Player<'a, J>| to.job.gets(from.job, to.keeps_files());
        let sources: Vec<Vec<usize>> = (0..all.len())
            .map(|to| (0..all.len()).filter(|&from| from != to && gets(&all[to], &all[from])).collect())
            .collect();
        for (player, sources) in all.iter_mut().zip(sources) {
            if player.role == Role::Initial && !player.call.fresh && (player.job.is_manual() || !sources.is_empty()) {
                player.role = Role::Resume;
            }
            player.sources = sources;
        }
        let mut players = Self { all, is_cut };
        players.count_rounds();
        players
    }

    /// The players of a role.
    pub(super) fn with(&self, role: Role) -> impl Iterator<Item = &Player<'a, J>> {
        self.all.iter().filter(move |player| player.role == role)
    }

    /// The players whose state this one gets.
    pub(super) fn sources(&self, player: &Player<'a, J>) -> impl Iterator<Item = &Player<'a, J>> {
        player.sources.iter().map(|&index| &self.all[index])
    }

    /// Another job goes on from what this one leaves.
    pub(super) fn has_successor(&self, player: &Player<'a, J>) -> bool {
        self.all.iter().any(|other| self.sources(other).any(|source| std::ptr::eq(source, player)))
    }

    /// Another job has to do with the workflow, too.
    pub(super) fn has_other(&self, player: &Player<'a, J>) -> bool {
        self.all.iter().any(|other| !std::ptr::eq(other, player))
    }

    /// As many passes as there are players settle every chain; one that is not settled then goes in a circle.
    fn count_rounds(&mut self) {
        for _ in 0..self.all.len() {
            let mut changed = false;
            for index in 0..self.all.len() {
                let before = self.sources(&self.all[index]).map(|source| source.round).max().unwrap_or(0);
                let round = before + usize::from(self.all[index].role == Role::Resume);
                changed |= std::mem::replace(&mut self.all[index].round, round) != round;
            }
            if !changed {
                break;
            }
        }
    }
}

fn player<'a, J: Job>(subject: &Subject<'_>, job: &'a J) -> Option<Player<'a, J>> {
    let find = |test: &dyn Fn(&Invocation) -> bool| job.calls().iter().find(|call| test(call));
    let run = find(&|call| call.verb == Verb::Run && subject.is_meant(call));
    let approval = find(&|call| matches!(call.verb, Verb::Approve(_)));
    let rejection = find(&|call| matches!(call.verb, Verb::Reject(_)));
    let (role, call) = match (rejection, approval, run) {
        (Some(call), ..) => (Role::Reject, call),
        (None, Some(approval), run) => (Role::Resume, run.unwrap_or(approval)),
        (None, None, Some(run)) if !run.approves => (Role::Continue, run),
        (None, None, run) => (Role::Initial, run?),
    };
    Some(Player { job, role, call, sources: Vec::new(), round: 0 })
}
