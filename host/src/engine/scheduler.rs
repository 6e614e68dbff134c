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
use super::unit::Unit;
use crate::plan::{Plan, StepIndex};
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
    /// Its `if` was false. It is asked again if anything before it runs again.
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

/// The stage of most steps.
const EARLY: usize = 0;
/// That of final steps, and of what comes after one.
const LATE: usize = 1;
/// That of the steps of `finally`.
const FINALLY: usize = 2;
const STAGES: usize = 3;

struct Node {
    phase: Phase,
    /// How many of the steps it depends on are not settled; one more if it waits for all of the stages before.
    unsettled: u32,
    /// A step before it that failed: the first in the file.
    cause: Option<StepIndex>,
    /// What went wrong elsewhere and reaches it through steps that were skipped; if it waits for the stages before, anywhere.
    /// And which approvals before it were refused.
    before: Before,
    /// It stands behind this gate, which was refused: the first in the file.
    refused_by: Option<StepIndex>,
    /// It stands behind a gate that this run will not open.
    gated: bool,
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
    /// How many steps of each stage are not settled.
    unsettled: [usize; STAGES],
    /// The steps that wait for all of the stages before, until they are released.
    held: [Vec<StepIndex>; STAGES],
    first_failure: Option<StepIndex>,
    /// The first gate in the file that was refused, and what was refused in all.
    first_refusal: Option<StepIndex>,
    refusals: Before,
}

impl Scheduler {
    pub(super) fn new(plan: Arc<Plan>, keep_going: bool, standing: impl Fn(StepIndex) -> Standing) -> Self {
        let nodes = nodes(&plan);
        let mut unsettled = [0; STAGES];
        let mut held: [Vec<StepIndex>; STAGES] = Default::default();
        for (step, node) in plan.steps().zip(&nodes) {
            unsettled[node.stage] += 1;
            if node.held {
                held[node.stage].push(step);
            }
        }
        let mut scheduler = Self {
            unsettled,
            held,
            nodes,
            keep_going,
            decidable: BinaryHeap::new(),
            ready: BinaryHeap::new(),
            fans: BTreeMap::new(),
            over: BinaryHeap::new(),
            first_failure: None,
            first_refusal: None,
            refusals: Before::default(),
            plan,
        };
        scheduler.restore(standing);
        scheduler
    }

    fn restore(&mut self, standing: impl Fn(StepIndex) -> Standing) {
        let plan = Arc::clone(&self.plan);
        let mut runs = [false; STAGES];
        for step in plan.steps().filter(|step| matches!(standing(*step), Standing::Open | Standing::Waiting)) {
            runs[self.nodes[step.get()].stage] = true;
        }
        // What stands behind a step that runs again.
        let mut behind = vec![false; plan.len()];
        for &step in plan.order() {
            let runs_before = |dependency: &StepIndex| behind[dependency.get()];
            let node = &mut self.nodes[step.get()];
            let something_before_runs =
                plan.dependencies(step).iter().any(runs_before) || node.held && runs[..node.stage].contains(&true);
            match standing(step) {
                Standing::Waiting => node.phase = Phase::Gate,
                Standing::Refused { rejected, expired } => {
                    node.before.rejected |= rejected;
                    node.before.expired |= expired;
                    node.refused_by = Some(step);
                    self.refusals = self.refusals.or(Before { rejected, expired, failed: false });
                    self.first_refusal = self.first_refusal.into_iter().chain([step]).min();
                    self.settle(step);
                }
                Standing::Done if something_before_runs => node.ended_before = true,
                Standing::ConditionFalse if something_before_runs => {}
                Standing::Done | Standing::ConditionFalse => self.settle(step),
                Standing::Open => {}
            }
            behind[step.get()] = self.nodes[step.get()].phase != Phase::Settled;
        }
        for step in plan.steps() {
            if self.nodes[step.get()].unsettled == 0 {
                self.release(step);
            }
        }
        self.release_held();
    }

    /// What is to be done next about a step, in file order. Ask until there is nothing before [`Self::start`].
    pub(super) fn decide(&mut self) -> Option<Decision> {
        if let Some(Reverse(step)) = self.over.pop() {
            return Some(Decision::Conclude { step });
        }
        while let Some(Reverse(step)) = self.decidable.pop() {
            let Node { phase: Phase::Decidable, cause, mut before, refused_by, gated, ended_before, .. } =
                self.nodes[step.get()]
            else {
                continue;
            };
            if ended_before {
                self.settle(step);
                continue;
            }
            before.failed |= cause.is_some();
            let hopeless = !before.success() || self.is_stopping();
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
        let refusals = self.refusals;
        let node = &mut self.nodes[step.get()];
        let cause = match (node.refused_by, node.cause, self.first_failure, self.first_refusal) {
            (Some(gate), ..) => Cause::Refused(gate),
            (None, Some(failed), ..) => Cause::Failed(failed),
            (None, None, None, Some(gate)) => {
                node.before = node.before.or(refusals);
                Cause::Refused(gate)
            }
            _ => Cause::Elsewhere,
        };
        node.before.failed |= !matches!(cause, Cause::Refused(_));
        self.settle(step);
        cause
    }

    /// What a step's `if` said. One that is to be run for each of its items is expanded next, and not reported here.
    pub(super) fn evaluated(&mut self, step: StepIndex, runs: bool) {
        if runs { self.make_ready(step) } else { self.settle(step) }
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
        self.nodes[step.get()].cause = Some(step);
        self.note_failure(step);
        self.settle(step);
    }

    fn note_failure(&mut self, step: StepIndex) {
        if self.first_failure.is_none() {
            self.first_failure = Some(step);
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
        self.unsettled == [0; STAGES]
    }

    /// The step that failed first.
    pub(super) fn first_failure(&self) -> Option<StepIndex> {
        self.first_failure
    }

    /// An approval was refused: the run ends without what it was about.
    pub(super) fn is_refused(&self) -> bool {
        self.first_refusal.is_some()
    }

    fn is_stopping(&self) -> bool {
        (self.first_failure.is_some() || self.is_refused()) && !self.keep_going
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
            if self.nodes[step.get()].phase == Phase::Active || self.asks_how_things_went(step) {
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
        let Node { cause, before, refused_by, gated, stage, .. } = *node;
        self.unsettled[stage] -= 1;
        for &dependent in plan.dependents(step) {
            let node = &mut self.nodes[dependent.get()];
            // The first in the file, whichever failed first.
            node.cause = node.cause.into_iter().chain(cause).min();
            node.refused_by = node.refused_by.into_iter().chain(refused_by).min();
            node.before = node.before.or(before);
            node.gated |= gated;
            node.unsettled -= 1;
            if node.unsettled == 0 {
                self.release(dependent);
            }
        }
        if self.unsettled[stage] == 0 {
            self.release_held();
        }
    }

    fn release(&mut self, step: StepIndex) {
        let node = &mut self.nodes[step.get()];
        if node.phase == Phase::Blocked {
            node.phase = Phase::Decidable;
            self.decidable.push(Reverse(step));
        }
    }

    fn release_held(&mut self) {
        for stage in [LATE, FINALLY] {
            if self.unsettled[..stage].iter().any(|unsettled| *unsettled > 0) {
                return;
            }
            for step in std::mem::take(&mut self.held[stage]) {
                let node = &mut self.nodes[step.get()];
                node.before = node.before.or(self.refusals);
                node.before.failed |= self.first_failure.is_some();
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
                stage: if plan.is_finally(step) { FINALLY } else { EARLY },
                held,
                ended_before: false,
            }
        })
        .collect();
    for &step in plan.order() {
        let after_late = |dependency: &StepIndex| nodes[dependency.get()].stage == LATE;
        if plan.is_final(step) || plan.dependencies(step).iter().any(after_late) {
            nodes[step.get()].stage = LATE;
        }
    }
    nodes
}
