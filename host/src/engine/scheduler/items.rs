//! The items of steps with `foreach` or `matrix`, among everything else that is scheduled.

use std::cmp::Reverse;

use super::{Cause, Phase, Scheduler};
use crate::engine::fan_out::Fan;
use crate::plan::StepIndex;

impl Scheduler {
    /// A step that was to be expanded has these items to run. It is active from now on.
    pub(in crate::engine) fn expanded(&mut self, step: StepIndex, fan: Fan) {
        self.nodes[step.get()].phase = Phase::Active;
        self.fans.insert(step, fan);
        self.go_on(step);
    }

    /// An item ended, well or well enough for what depends on the step.
    pub(in crate::engine) fn item_done(&mut self, step: StepIndex) {
        if let Some(fan) = self.fans.get_mut(&step) {
            fan.ended();
        }
        self.go_on(step);
    }

    /// An item failed, and so will the step.
    pub(in crate::engine) fn item_failed(&mut self, step: StepIndex) {
        self.note_failure(step);
        if let Some(fan) = self.fans.get_mut(&step).filter(|_| !self.keep_going) {
            fan.stop();
        }
        self.item_done(step);
    }

    /// No further item of the step begins.
    pub(in crate::engine) fn stop_items(&mut self, step: StepIndex) {
        if let Some(fan) = self.fans.get_mut(&step) {
            fan.stop();
        }
    }

    /// The next item of a step may start, or it is over, or neither.
    pub(super) fn go_on(&mut self, step: StepIndex) {
        let Some(fan) = self.fans.get_mut(&step) else { return };
        if fan.has_next() {
            if !std::mem::replace(&mut fan.queued, true) {
                self.ready.push(Reverse(step));
            }
        } else if fan.is_over() && !std::mem::replace(&mut fan.over, true) {
            self.over.push(Reverse(step));
        }
    }

    /// An active step whose items are over has not run to its end, for what happened elsewhere: it is settled, and this says
    /// why it counts as skipped.
    pub(in crate::engine) fn abandoned(&mut self, step: StepIndex) -> Cause {
        self.fans.remove(&step);
        self.skip(step)
    }

    /// The first failure: no further items begin, but of steps that are asked in any case.
    pub(super) fn stop_all_items(&mut self) {
        let expanded: Vec<StepIndex> = self.fans.keys().copied().collect();
        for step in expanded {
            let goes_on = self.goes_on(step);
            if let Some(fan) = self.fans.get_mut(&step) {
                fan.queued = false;
                if !goes_on {
                    fan.stop();
                }
            }
            self.go_on(step);
        }
    }
}
