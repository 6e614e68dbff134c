//! What holds for a workflow as a whole, and for each that runs as a step of it: pure, and part of the
//! [`Scheduler`](super::scheduler).
//!
//! A group is the steps of one workflow; one that runs as a step stands in it with its beginning and its end.
//!
//! * Steps that come at the end, and those of `finally`, wait for the steps of their own group only.
//! * A failure within a group is one of the group around it, unless the step that the group is tolerates failures. So is a
//!   refusal, in any case. After a failure in a group, or around it, no step of it starts but those that are asked in any
//!   case; a group that itself began in any case is not stopped by what is around it.
//! * A group is *closed* if its beginning did not run: then nothing in it does.

use super::scheduler::Cause;
use crate::plan::{Group as GroupIndex, Plan, StepIndex};
use crate::workflow::condition::Before;

/// The stage of most steps.
pub(super) const EARLY: usize = 0;
/// That of final steps, and of what comes after one.
pub(super) const LATE: usize = 1;
/// That of the steps of `finally`.
pub(super) const FINALLY: usize = 2;
pub(super) const STAGES: usize = 3;

/// All groups of a plan; the workflow itself is the first.
pub(super) struct Groups(Vec<Group>);

#[derive(Default)]
pub(super) struct Group {
    outer: Option<GroupIndex>,
    /// Its beginning is asked in any case, so what went wrong around it does not stop it.
    in_any_case: bool,
    /// A failure in it is none of the group around it.
    tolerated: bool,
    /// How many steps of each stage are not settled.
    pub(super) unsettled: [usize; STAGES],
    /// The steps that wait for all of the stages before, until they are released.
    pub(super) held: [Vec<StepIndex>; STAGES],
    /// The step in it that failed first.
    pub(super) first_failure: Option<StepIndex>,
    /// The first gate in the file that was refused, and what was refused in all.
    pub(super) first_refusal: Option<StepIndex>,
    pub(super) refusals: Before,
    /// Its beginning did not run.
    pub(super) closed: bool,
    /// Why a step in it did not run that had nothing against it in the group itself.
    pub(super) cut_short: Option<Cause>,
}

impl Groups {
    pub(super) fn new(plan: &Plan) -> Self {
        let group = |group: GroupIndex| match plan.ends(group) {
            None => Group::default(),
            Some(ends) => {
                let begins_anyway =
                    |step| plan.step(step).condition.as_ref().is_some_and(|asked| asked.admits_failure());
                Group {
                    outer: Some(plan.group(ends.end)),
                    in_any_case: begins_anyway(ends.begin),
                    tolerated: plan.step(ends.end).continue_on_error,
                    ..Group::default()
                }
            }
        };
        Self(plan.groups().map(group).collect())
    }

    pub(super) fn get(&self, group: GroupIndex) -> &Group {
        &self.0[group.get()]
    }

    pub(super) fn get_mut(&mut self, group: GroupIndex) -> &mut Group {
        &mut self.0[group.get()]
    }

    /// The group, and those around it, innermost first.
    fn around(&self, group: GroupIndex) -> impl Iterator<Item = GroupIndex> {
        std::iter::successors(Some(group), |group| self.get(*group).outer)
    }

    /// A step of the group failed. Says whether that is the first failure of any group.
    pub(super) fn fail(&mut self, group: GroupIndex, step: StepIndex) -> bool {
        self.fail_while(group, step, |group| !group.tolerated)
    }

    /// The same where nothing tolerates it.
    pub(super) fn fail_all(&mut self, group: GroupIndex, step: StepIndex) -> bool {
        self.fail_while(group, step, |_| true)
    }

    fn fail_while(&mut self, group: GroupIndex, step: StepIndex, goes_on: impl Fn(&Group) -> bool) -> bool {
        let mut is_first = false;
        let mut next = Some(group);
        while let Some(group) = next {
            let group = self.get_mut(group);
            is_first |= group.first_failure.is_none();
            group.first_failure.get_or_insert(step);
            next = group.outer.filter(|_| goes_on(group));
        }
        is_first
    }

    /// The approval of a step of the group was refused.
    pub(super) fn refuse(&mut self, group: GroupIndex, step: StepIndex, refusal: Before) {
        let mut next = Some(group);
        while let Some(group) = next {
            let group = self.get_mut(group);
            group.first_refusal = group.first_refusal.into_iter().chain([step]).min();
            group.refusals = group.refusals.or(refusal);
            next = group.outer;
        }
    }

    /// Something went wrong in the group, or around it so that it stops the group too: where.
    pub(super) fn stopped_by(&self, group: GroupIndex) -> Option<&Group> {
        for group in self.around(group).map(|group| self.get(group)) {
            if group.has_gone_wrong() {
                return Some(group);
            }
            if group.in_any_case {
                return None;
            }
        }
        None
    }
}

impl Group {
    pub(super) fn has_gone_wrong(&self) -> bool {
        self.first_failure.is_some() || self.first_refusal.is_some()
    }
}
