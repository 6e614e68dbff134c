//! What is told of steps that are run for each item of a list.
//!
//! A line of an item's output begins with the item's id (`build[3] |`); its section, or its row in a terminal, is the step's.
//! How an item ended has a line of its own if there are few; of many, only what failed and each tenth of the way is told.

use std::collections::HashMap;
use std::time::Duration;

use super::recap::{Failed, Tail};
use super::run::{Run, Urgency};
use super::text::{Tone, count, milliseconds};
use crate::event::Event;
use crate::id::StepId;

/// More items are not told of one by one.
const FEW: usize = 20;

/// The items of a step that is being run.
#[derive(Default)]
pub(super) struct Items {
    total: usize,
    done: usize,
    running: HashMap<u32, Item>,
    /// One failed in this process, and was told of.
    failed: bool,
}

struct Item {
    prefix: Vec<u8>,
    tail: Tail,
}

/// The items of a step that an earlier process has begun with.
#[derive(Clone, Debug)]
pub struct ItemsBefore {
    /// The step.
    pub step: StepId,
    /// How many items it has.
    pub total: usize,
    /// How many of them ended before.
    pub done: usize,
}

/// The step that a line or an event is told for, and which of its items.
pub(super) fn owner(id: &StepId) -> (&str, Option<u32>) {
    StepId::split_item(id.as_str()).map_or((id.as_str(), None), |(step, item)| (step, Some(item)))
}

impl Items {
    fn new(total: usize, done: usize) -> Self {
        Self { total, done, ..Self::default() }
    }

    /// What stands before an item's lines, and where they are kept; `None` for one that doesn't run.
    pub(super) fn voice(&mut self, item: u32) -> Option<(&[u8], &mut Tail)> {
        self.running.get_mut(&item).map(|item| (&*item.prefix, &mut item.tail))
    }

    /// `3 of 10 items`.
    pub(super) fn progress(&self) -> String {
        format!("{} of {}", self.done, count(self.total, "item"))
    }

    /// What the step failed for was told already.
    pub(super) fn told_failure(&self) -> bool {
        self.failed
    }

    /// How the last item to end is told of, if it is.
    fn is_told(&self) -> Told {
        let tenth = |done: usize| 10 * done / self.total.max(1);
        match self.total {
            total if total <= FEW => Told::ByItself,
            _ if self.done < self.total && tenth(self.done) > tenth(self.done.saturating_sub(1)) => Told::AsProgress,
            _ => Told::Not,
        }
    }
}

enum Told {
    ByItself,
    AsProgress,
    Not,
}

impl Run {
    /// The items of a step were made out.
    pub(super) fn expanded(&mut self, step: &StepId, total: usize, at: u64, now: Duration, out: &mut Vec<u8>) {
        self.tally.interrupted.remove(step.as_str());
        let mut running = self.running_step(step, at, now);
        running.items = Some(Items::new(total, 0));
        self.running.insert(step.clone(), running);
        if !self.is_terminal() {
            self.status(out, &format!("{}: started for {}", self.safe(step.as_str()), count(total, "item")));
        }
    }

    /// Something happened to an item, `id`, of the step.
    pub(super) fn item_event(
        &mut self,
        (id, step, index): (&StepId, &str, u32),
        event: &Event,
        at: u64,
        now: Duration,
        out: &mut Vec<u8>,
    ) -> Urgency {
        match event {
            Event::StepStarted { attempt, .. } => {
                self.tally.interrupted.remove(step);
                let prefix = self.prefix(id);
                let items = self.items_of(step, at, now);
                items.running.insert(index, Item { prefix, tail: Tail::default() });
                if *attempt > 1 {
                    self.attempt_started(id, *attempt, out);
                }
            }
            Event::AttemptFailed { attempt, failure, duration_ms, retry_in_ms, .. } => {
                self.attempt_failed(id, *attempt, failure, *duration_ms, *retry_in_ms, out);
            }
            Event::StepSucceeded { output, duration_ms, .. } => {
                self.item_succeeded((id, step, index), *duration_ms, out);
                let total = self.items(step).map_or(0, |items| items.total);
                if self.settings.outputs.is_some() && !output.is_null() {
                    self.tally.add_item_output(step, index, total, output);
                }
            }
            Event::StepFailed { attempt, failure, duration_ms, tolerated, .. } => {
                self.show_collected(step, true, out);
                let tail = self.item_ended(step, index);
                if let Some(items) = self.items(step) {
                    items.failed = true;
                }
                let failed = Failed {
                    step: id.clone(),
                    failure: failure.clone(),
                    attempt: *attempt,
                    duration_ms: *duration_ms,
                    tolerated: *tolerated,
                    tail,
                };
                self.item_failed(failed, out);
                return Urgency::Now;
            }
            Event::StepInterrupted { attempt, .. } => {
                self.show_collected(step, true, out);
                self.item_ended(step, index);
                self.tally.interrupted.insert(StepId::new(step));
                self.write_interrupted(id, *attempt, out);
                if self.items(step).is_some_and(|items| items.running.is_empty()) {
                    self.end(step, true, out);
                }
                return Urgency::Now;
            }
            Event::StepSkipped { reason, .. } => {
                self.tally.interrupted.remove(step);
                self.status(out, &format!("{}: skipped: {}", self.safe(id.as_str()), self.reason(reason)));
            }
            // Told for steps and items alike.
            _ => {}
        }
        Urgency::Soon
    }

    fn items(&mut self, step: &str) -> Option<&mut Items> {
        self.running.get_mut(step)?.items.as_mut()
    }

    /// Those of a step that is being run, maybe since an earlier process.
    fn items_of(&mut self, step: &str, at: u64, now: Duration) -> &mut Items {
        if !self.running.contains_key(step) {
            let id = StepId::new(step);
            let running = self.running_step(&id, at, now);
            self.running.insert(id, running);
        }
        let mut resumed = self.settings.resumed.iter().flat_map(|resumed| &resumed.items);
        let before = resumed.find(|items| items.step.as_str() == step);
        let (total, done) = before.map_or((0, 0), |before| (before.total, before.done));
        let running = self.running.get_mut(step).expect("it was put there, if it was not");
        running.items.get_or_insert_with(|| Items::new(total, done))
    }

    /// An item has ended well or not; gives its last lines.
    fn item_ended(&mut self, step: &str, index: u32) -> Tail {
        let Some(items) = self.items(step) else { return Tail::default() };
        items.running.remove(&index).map(|item| item.tail).unwrap_or_default()
    }

    fn item_succeeded(&mut self, (id, step, index): (&StepId, &str, u32), duration_ms: u64, out: &mut Vec<u8>) {
        self.item_ended(step, index);
        let Some(items) = self.items(step) else { return };
        items.done += 1;
        match items.is_told() {
            Told::ByItself => {
                let succeeded = self.paint.paint(Tone::Green, "succeeded");
                let time = milliseconds(duration_ms);
                self.status(out, &format!("{}: {succeeded} ({time})", self.safe(id.as_str())));
            }
            Told::AsProgress => {
                let progress = items.progress();
                self.status(out, &format!("{}: {progress} done", self.safe(step)));
            }
            Told::Not => {}
        }
    }
}
