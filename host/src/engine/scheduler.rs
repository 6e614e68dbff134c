//! Which steps may start: pure data, no clock, no I/O, no knowledge of what a step does.
//!
//! The rules:
//!
//! * A step is *settled* when nothing more will happen to it: it succeeded (and its gate is open), it failed, or it was
//!   skipped. A step is decided on once everything it depends on is settled.
//! * It runs when none of the steps before it, directly or through others, failed. A failure that is tolerated
//!   (`continue_on_error`) and a step whose `if` was false do not count: what depends on them runs.
//! * A step whose `if` asks how things went (`success()`, `failure()`, `always()`, `outcome()`) is asked in any case. Without
//!   `depends_on` it comes at the end: it waits for all steps that don't come after such a step, and a failure of any of
//!   them counts as one before it.
//! * The steps of `finally` come last: they wait for all others, whatever comes of those, and are asked in any case.
//! * A workflow that runs as a step is a group of its own (see [`super::groups`]), which goes by the same rules within. Its
//!   beginning is decided on like any step; if it does not run, nothing within does. What went wrong around it does not count
//!   within. Its end comes after all that is within: it fails if something did, and is skipped if something was skipped for
//!   what happened elsewhere.
//! * After the first failure no step starts but those that are asked in any case; steps that run, or wait for their next
//!   attempt, go on to their end. With `keep_going`, steps that don't depend on the failure start as well.
//! * A gate (a step with `pause`, and one whose type names a time to wait for) keeps everything behind it, directly or through others, from starting, whatever its `if`
//!   says. When the run has failed and nothing else is left, what is behind a gate is skipped: a failure comes before a pause.
//! * A gate that was refused (rejected, expired) is settled, and so the run ends. Behind it only steps whose `if` says what to
//!   do then (`rejected()`, `expired()`) are asked; `always()` does not open it. Elsewhere a refusal counts like a failure.
//! * A step with `foreach` or `matrix` is expanded instead of started, and is active until the last of its items has ended (see
//!   [`super::fan_out`]). A failure of one of them is one of the run at once; after the first failure in the run no further
//!   item starts where no further step would.
//!
//! Where there is a choice, the step that stands first in the file comes first, with all its items.

mod items;

use std::cmp::Reverse;
use std::collections::{BTreeMap, BinaryHeap};
use std::sync::Arc;

use super::fan_out::Fan;
use super::groups::{EARLY, FINALLY, Groups, LATE, STAGES};
use super::unit::Unit;
use crate::plan::{Group, Plan, StepIndex};
use crate::workflow::condition::Before;

/// What the scheduler wants to be done about a step.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Decision {
    /// Evaluate its `if`, then call [`Scheduler::evaluated`].
    Evaluate {
        step: StepIndex,
        /// What went wrong with what counts as before it.
        before: Before,
    },
    /// Make out its items, then call [`Scheduler::expanded`].
    Expand { step: StepIndex },
    /// None of its items runs, and none will start: say how it ended, and report that as for any active step.
    Conclude { step: StepIndex },
    /// It is the end of a workflow in which this step failed: so it has failed. It is active.
    Fail {
        step: StepIndex,
        /// What failed.
        cause: StepIndex,
    },
    /// It is skipped: say so. It is settled already.
    Skip {
        step: StepIndex,
        /// What for.
        cause: Cause,
    },
}

/// Why a step is skipped.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Cause {
    /// This step, which it depends on, failed.
    Failed(StepIndex),
    /// A step that it does not depend on failed.
    Elsewhere,
    /// The approval of this step was refused.
    Refused(StepIndex),
    /// The workflow that it belongs to, or ends, did not begin.
    NotBegun(Group),
}

/// Where a step stands when a process begins.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Standing {
    /// It is still to be decided on.
    Open,
    /// It has ended well, or well enough for what depends on it.
    Done,
    /// It has ended well and waits for a human, or for a time.
    Waiting,
    /// It has ended well, and what comes after it was refused.
    Refused {
        /// Someone said no, or that is what its expiry means.
        rejected: bool,
        /// Nobody said yes in time.
        expired: bool,
    },
    /// It failed, which fails the workflow that it belongs to, but not the run.
    Failed,
    /// Its `if` was false, or that of a step that it stands in. It is asked again if anything before it runs again.
    ConditionFalse,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Phase {
    /// Something it depends on is not settled.
    Blocked,
    /// Everything it depends on is settled: waits to be decided on.
    Decidable,
    /// It may start.
    Ready,
    /// It started, or waits for its next attempt.
    Active,
    /// It ended and waits for a human, or for a time.
    Gate,
    Settled,
}

struct Node {
    phase: Phase,
    /// How many of the steps it depends on are not settled; one more if it waits for all of the stages before.
    unsettled: u32,
    /// A step before it that failed: the first in the file.
    cause: Option<StepIndex>,
    /// What went wrong elsewhere and reaches it through steps that were skipped; if it waits for the stages before, anywhere
    /// in its group. And which approvals before it were refused.
    before: Before,
    /// It stands behind this gate, which was refused: the first in the file.
    refused_by: Option<StepIndex>,
    /// It stands behind a gate that this run will not open.
    gated: bool,
    group: Group,
    stage: usize,
    /// It waits for all of the stages before.
    held: bool,
    /// It ended well in an earlier process, but something before it runs again: what comes after it waits for that.
    ended_before: bool,
}

/// The state of scheduling. Every step that is started or skipped must be reported back by exactly one of the methods that
/// end it.
pub(super) struct Scheduler {
    plan: Arc<Plan>,
    keep_going: bool,
    nodes: Vec<Node>,
    decidable: BinaryHeap<Reverse<StepIndex>>,
    ready: BinaryHeap<Reverse<StepIndex>>,
    /// The items of the steps that are being run for each of theirs. Such a step is in `ready` while one of them may start.
    fans: BTreeMap<StepIndex, Fan>,
    /// Steps whose items are over.
    over: BinaryHeap<Reverse<StepIndex>>,
    groups: Groups,
    /// How many steps are not settled.
    unsettled: usize,
}

impl Scheduler {
    pub(super) fn new(plan: Arc<Plan>, keep_going: bool, standing: impl Fn(StepIndex) -> Standing) -> Self {
        let nodes = nodes(&plan);
        let mut groups = Groups::new(&plan);
        for (step, node) in plan.steps().zip(&nodes) {
            let group = groups.get_mut(node.group);
            group.unsettled[node.stage] += 1;
            if node.held {
                group.held[node.stage].push(step);
            }
        }
        let mut scheduler = Self {
            unsettled: nodes.len(),
            groups,
            nodes,
            keep_going,
            decidable: BinaryHeap::new(),
            ready: BinaryHeap::new(),
            fans: BTreeMap::new(),
            over: BinaryHeap::new(),
            plan,
        };
        scheduler.restore(standing);
        scheduler
    }

    fn restore(&mut self, standing: impl Fn(StepIndex) -> Standing) {
        let plan = Arc::clone(&self.plan);
        let mut runs = vec![[false; STAGES]; plan.groups().count()];
        for step in plan.steps().filter(|step| matches!(standing(*step), Standing::Open | Standing::Waiting)) {
            let node = &self.nodes[step.get()];
            runs[node.group.get()][node.stage] = true;
        }
        // What stands behind a step that runs again.
        let mut behind = vec![false; plan.len()];
        for &step in plan.order() {
            let runs_before = |dependency: &StepIndex| behind[dependency.get()];
            let node = &mut self.nodes[step.get()];
            let earlier_runs = node.held && runs[node.group.get()][..node.stage].contains(&true);
            let something_before_runs = earlier_runs || plan.dependencies(step).iter().any(runs_before);
            match standing(step) {
                Standing::Waiting => node.phase = Phase::Gate,
                Standing::Refused { rejected, expired } => {
                    node.before.rejected |= rejected;
                    node.before.expired |= expired;
                    node.refused_by = Some(step);
                    let group = node.group;
                    self.groups.refuse(group, step, Before { rejected, expired, failed: false });
                    self.settle(step);
                }
                Standing::Failed => self.settle_failed(step),
                Standing::Done if something_before_runs => node.ended_before = true,
                Standing::ConditionFalse if something_before_runs => {}
                Standing::Done => self.settle(step),
                Standing::ConditionFalse => {
                    self.close(step);
                    self.settle(step);
                }
                Standing::Open => {}
            }
            behind[step.get()] = self.nodes[step.get()].phase != Phase::Settled;
        }
        for step in plan.steps() {
            if self.nodes[step.get()].unsettled == 0 {
                self.release(step);
            }
        }
        plan.groups().for_each(|group| self.release_held(group));
    }

    /// What is to be done next about a step, in file order. Ask until there is nothing before [`Self::start`].
    pub(super) fn decide(&mut self) -> Option<Decision> {
        if let Some(Reverse(step)) = self.over.pop() {
            return Some(Decision::Conclude { step });
        }
        while let Some(Reverse(step)) = self.decidable.pop() {
            let Node { phase: Phase::Decidable, cause, mut before, refused_by, gated, group, ended_before, .. } =
                self.nodes[step.get()]
            else {
                continue;
            };
            if ended_before {
                self.settle(step);
                continue;
            }
            if self.groups.get(group).closed {
                self.close(step);
                self.settle(step);
                return Some(Decision::Skip { step, cause: Cause::NotBegun(group) });
            }
            if let Some(inner) = self.plan.concludes(step) {
                match self.end_of(inner, step) {
                    Some(decision) => return Some(decision),
                    None => continue,
                }
            }
            before.failed |= cause.is_some();
            let hopeless = !before.success() || self.is_stopping(group);
            let is_asked =
                if refused_by.is_some() { self.admits_refusal(step) } else { self.asks_how_things_went(step) };
            if gated || hopeless && !is_asked {
                return Some(Decision::Skip { step, cause: self.skip(step) });
            }
            if self.plan.step(step).condition.is_some() {
                return Some(Decision::Evaluate { step, before });
            }
            if self.plan.step(step).fan_out.is_some() {
                return Some(Decision::Expand { step });
            }
            self.make_ready(step);
        }
        None
    }

    /// Settles a step as skipped, and says why.
    fn skip(&mut self, step: StepIndex) -> Cause {
        let group = self.nodes[step.get()].group;
        let elsewhere = self.groups.stopped_by(group);
        let (failure, refusal) = elsewhere.map_or((None, None), |group| (group.first_failure, group.first_refusal));
        let refusals = elsewhere.map(|group| group.refusals).unwrap_or_default();
        let node = &mut self.nodes[step.get()];
        let cause = match (node.refused_by, node.cause, failure, refusal) {
            (Some(gate), ..) => Cause::Refused(gate),
            (None, Some(failed), ..) => Cause::Failed(failed),
            (None, None, None, Some(gate)) => {
                node.before = node.before.or(refusals);
                Cause::Refused(gate)
            }
            _ => Cause::Elsewhere,
        };
        node.before.failed |= !matches!(cause, Cause::Refused(_));
        self.groups.get_mut(group).cut_short.get_or_insert(cause);
        self.close(step);
        self.settle(step);
        cause
    }

    /// All that is within a workflow is settled: what that means for its end. `None`: it is ready.
    fn end_of(&mut self, inner: Group, step: StepIndex) -> Option<Decision> {
        let group = self.groups.get(inner);
        let (closed, failure, refusal) = (group.closed, group.first_failure, group.first_refusal);
        let (refusals, cut_short) = (group.refusals, group.cut_short);
        let node = &mut self.nodes[step.get()];
        let cause = match refusal {
            // A failed beginning closes the group too.
            None if failure.is_some() && !node.gated => {
                node.phase = Phase::Active;
                return Some(Decision::Fail { step, cause: failure? });
            }
            None if failure.is_some() => {
                node.cause = failure;
                Cause::Failed(failure?)
            }
            _ if closed => Cause::NotBegun(inner),
            Some(gate) => {
                node.refused_by = Some(gate);
                node.before = node.before.or(refusals);
                Cause::Refused(gate)
            }
            None if node.gated => Cause::Elsewhere,
            None => match cut_short {
                Some(cause) => cause,
                None => {
                    self.make_ready(step);
                    return None;
                }
            },
        };
        if !closed {
            node.before.failed |= refusal.is_none();
            let around = node.group;
            self.groups.get_mut(around).cut_short.get_or_insert(cause);
        }
        self.settle(step);
        Some(Decision::Skip { step, cause })
    }

    /// A step did not run: if it begins a workflow, nothing in that does.
    fn close(&mut self, step: StepIndex) {
        if let Some(group) = self.plan.begins(step) {
            self.groups.get_mut(group).closed = true;
        }
    }

    /// What a step's `if` said. One that is to be run for each of its items is expanded next, and not reported here.
    pub(super) fn evaluated(&mut self, step: StepIndex, runs: bool) {
        if runs {
            self.make_ready(step);
        } else {
            self.close(step);
            self.settle(step);
        }
    }

    /// The step of what [`Self::start`] would give.
    pub(super) fn peek(&mut self) -> Option<StepIndex> {
        loop {
            let Reverse(step) = *self.ready.peek()?;
            let fan = self.fans.get_mut(&step);
            if self.plan.step(step).fan_out.is_none() || fan.as_ref().is_some_and(|fan| fan.has_next()) {
                return Some(step);
            }
            // Its items were stopped since.
            self.ready.pop();
            if let Some(fan) = fan {
                fan.queued = false;
            }
        }
    }

    /// The next step, or item, to start, in file order: it is active from now on.
    pub(super) fn start(&mut self) -> Option<Unit> {
        let step = self.peek()?;
        let Some(fan) = self.fans.get_mut(&step) else {
            self.ready.pop();
            self.nodes[step.get()].phase = Phase::Active;
            return Some(Unit::whole(step));
        };
        let item = fan.start()?;
        if !fan.has_next() {
            fan.queued = false;
            self.ready.pop();
        }
        Some(Unit::item(step, item))
    }

    /// An active step, or item, is ready for its next attempt.
    pub(super) fn retry(&mut self, unit: Unit) {
        match unit.item.zip(self.fans.get_mut(&unit.step)) {
            Some((item, fan)) => {
                fan.retry(item);
                self.go_on(unit.step);
            }
            None => self.ready.push(Reverse(unit.step)),
        }
    }

    /// An active step ended, well or well enough for what depends on it.
    pub(super) fn done(&mut self, step: StepIndex) {
        self.fans.remove(&step);
        if self.plan.step(step).approval.is_some() {
            self.nodes[step.get()].phase = Phase::Gate;
        } else {
            self.settle(step);
        }
    }

    /// An active step ended well, and a time has to pass: until [`Self::open`].
    pub(super) fn wait(&mut self, step: StepIndex) {
        self.nodes[step.get()].phase = Phase::Gate;
    }

    /// Nothing waits any more after a step that ended well.
    pub(super) fn open(&mut self, step: StepIndex) {
        if self.nodes[step.get()].phase == Phase::Gate {
            self.settle(step);
        }
    }

    /// An active step, or one that could not be evaluated, failed for good.
    pub(super) fn failed(&mut self, step: StepIndex) {
        self.fans.remove(&step);
        self.settle_failed(step);
    }

    /// An active step, or item, failed, and so has the run, whatever is tolerated.
    pub(super) fn failed_run(&mut self, step: StepIndex) {
        if self.groups.fail_all(self.nodes[step.get()].group, step) {
            self.stop_what_is_ready();
        }
    }

    fn settle_failed(&mut self, step: StepIndex) {
        // That of a beginning is the end's cause.
        if self.plan.begins(step).is_none() {
            self.nodes[step.get()].cause = Some(step);
        }
        self.note_failure(step);
        self.close(step);
        self.settle(step);
    }

    /// What begins a workflow fails within it.
    fn note_failure(&mut self, step: StepIndex) {
        let group = self.plan.begins(step).unwrap_or(self.nodes[step.get()].group);
        if self.groups.fail(group, step) {
            self.stop_what_is_ready();
        }
    }

    /// Gives up the gates that are still closed: what is behind them will be skipped. For a run that has failed, or was
    /// refused, and has nothing else to do.
    pub(super) fn give_up_gates(&mut self) {
        for step in self.gates() {
            self.nodes[step.get()].gated = true;
            self.settle(step);
        }
    }

    /// The steps that wait for a human, or for a time, in file order.
    pub(super) fn gates(&self) -> Vec<StepIndex> {
        self.plan.steps().filter(|step| self.nodes[step.get()].phase == Phase::Gate).collect()
    }

    /// Every step is settled.
    pub(super) fn is_complete(&self) -> bool {
        self.unsettled == 0
    }

    /// The run has failed, or an approval was refused: it ends without what it was about.
    pub(super) fn has_gone_wrong(&self) -> bool {
        self.groups.get(Group::OUTERMOST).has_gone_wrong()
    }

    fn is_stopping(&self, group: Group) -> bool {
        !self.keep_going && self.groups.stopped_by(group).is_some()
    }

    /// It starts, or goes on with its items, although something has gone wrong.
    fn goes_on(&self, step: StepIndex) -> bool {
        self.asks_how_things_went(step)
            || self.plan.concludes(step).is_some()
            || !self.is_stopping(self.nodes[step.get()].group)
    }

    fn admits_refusal(&self, step: StepIndex) -> bool {
        self.plan.step(step).condition.as_ref().is_some_and(|condition| condition.admits_refusal())
    }

    fn asks_how_things_went(&self, step: StepIndex) -> bool {
        self.plan.step(step).condition.as_ref().is_some_and(|condition| condition.admits_failure())
    }

    fn make_ready(&mut self, step: StepIndex) {
        self.nodes[step.get()].phase = Phase::Ready;
        self.ready.push(Reverse(step));
    }

    /// The first failure: whatever may start but has not is decided on anew, and no further items begin.
    fn stop_what_is_ready(&mut self) {
        if self.keep_going {
            return;
        }
        for Reverse(step) in std::mem::take(&mut self.ready).into_vec() {
            if self.fans.contains_key(&step) {
                continue;
            }
            if self.nodes[step.get()].phase == Phase::Active || self.goes_on(step) {
                self.ready.push(Reverse(step));
            } else {
                self.nodes[step.get()].phase = Phase::Decidable;
                self.decidable.push(Reverse(step));
            }
        }
        self.stop_all_items();
    }

    fn settle(&mut self, step: StepIndex) {
        let plan = Arc::clone(&self.plan);
        let node = &mut self.nodes[step.get()];
        debug_assert_ne!(node.phase, Phase::Settled, "a step is settled once");
        node.phase = Phase::Settled;
        let Node { cause, before, refused_by, gated, group, stage, .. } = *node;
        self.unsettled -= 1;
        self.groups.get_mut(group).unsettled[stage] -= 1;
        for &dependent in plan.dependents(step) {
            let node = &mut self.nodes[dependent.get()];
            node.gated |= gated;
            // What went wrong around a workflow does not count within; and its end asks the group what went wrong within.
            if node.group == group {
                // The first in the file, whichever failed first.
                node.cause = node.cause.into_iter().chain(cause).min();
                node.refused_by = node.refused_by.into_iter().chain(refused_by).min();
                node.before = node.before.or(before);
            }
            node.unsettled -= 1;
            if node.unsettled == 0 {
                self.release(dependent);
            }
        }
        if self.groups.get(group).unsettled[stage] == 0 {
            self.release_held(group);
        }
    }

    fn release(&mut self, step: StepIndex) {
        let node = &mut self.nodes[step.get()];
        if node.phase == Phase::Blocked {
            node.phase = Phase::Decidable;
            self.decidable.push(Reverse(step));
        }
    }

    fn release_held(&mut self, group: Group) {
        for stage in [LATE, FINALLY] {
            let group = self.groups.get_mut(group);
            if group.unsettled[..stage].iter().any(|unsettled| *unsettled > 0) {
                return;
            }
            let (refusals, failed) = (group.refusals, group.first_failure.is_some());
            for step in std::mem::take(&mut group.held[stage]) {
                let node = &mut self.nodes[step.get()];
                node.before = node.before.or(refusals);
                node.before.failed |= failed;
                node.unsettled -= 1;
                if node.unsettled == 0 {
                    self.release(step);
                }
            }
        }
    }
}

fn nodes(plan: &Plan) -> Vec<Node> {
    let mut nodes: Vec<Node> = plan
        .steps()
        .map(|step| {
            let held = plan.is_final(step) || plan.is_finally(step);
            let dependencies = plan.dependencies(step).len();
            Node {
                phase: Phase::Blocked,
                unsettled: u32::try_from(dependencies).expect("there are fewer steps than that") + u32::from(held),
                cause: None,
                before: Before::default(),
                refused_by: None,
                gated: false,
                group: plan.group(step),
                stage: if plan.is_finally(step) { FINALLY } else { EARLY },
                held,
                ended_before: false,
            }
        })
        .collect();
    for &step in plan.order() {
        let group = plan.group(step);
        let after_late = |before: &StepIndex| nodes[before.get()].stage == LATE && plan.group(*before) == group;
        if plan.is_final(step) || plan.dependencies(step).iter().any(after_late) {
            nodes[step.get()].stage = LATE;
        }
    }
    nodes
}
