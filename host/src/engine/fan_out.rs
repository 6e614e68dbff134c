//! Which items of a step with `foreach` or `matrix` may start: pure, and part of the [`Scheduler`](super::scheduler).
//!
//! Items start in order, at most `max_parallel` of them are begun and not ended: one that waits for its next attempt keeps
//! its place, so that a step which must not touch more than so many things at once doesn't. When nothing more is to start,
//! those that have begun go on to their end.

use std::cmp::Reverse;
use std::collections::{BinaryHeap, VecDeque};

/// The items of one step that this process has to run.
#[derive(Debug)]
pub(super) struct Fan {
    /// Not started yet, ascending.
    open: VecDeque<u32>,
    /// Their next attempt is due.
    due: BinaryHeap<Reverse<u32>>,
    /// Begun, and not ended.
    begun: usize,
    /// At most as many may be.
    most: usize,
    /// The scheduler has it among what may start.
    pub(super) queued: bool,
    /// It was reported as over.
    pub(super) over: bool,
}

impl Fan {
    /// `open`: the items that are not done, ascending. `most`: at least 1.
    pub(super) fn new(open: impl IntoIterator<Item = u32>, most: usize) -> Self {
        Self {
            open: open.into_iter().collect(),
            due: BinaryHeap::new(),
            begun: 0,
            most: most.max(1),
            queued: false,
            over: false,
        }
    }

    /// Something may start.
    pub(super) fn has_next(&self) -> bool {
        !self.due.is_empty() || self.begun < self.most && !self.open.is_empty()
    }

    /// The next item to start: it has begun from now on.
    pub(super) fn start(&mut self) -> Option<u32> {
        if let Some(Reverse(item)) = self.due.pop() {
            return Some(item);
        }
        if self.begun >= self.most {
            return None;
        }
        let item = self.open.pop_front()?;
        self.begun += 1;
        Some(item)
    }

    /// An item is ready for its next attempt.
    pub(super) fn retry(&mut self, item: u32) {
        self.due.push(Reverse(item));
    }

    /// An item ended.
    pub(super) fn ended(&mut self) {
        self.begun -= 1;
    }

    /// No further item begins.
    pub(super) fn stop(&mut self) {
        self.open.clear();
    }

    /// Nothing is left to do.
    pub(super) fn is_over(&self) -> bool {
        self.begun == 0 && self.open.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn start_all(fan: &mut Fan) -> Vec<u32> {
        std::iter::from_fn(|| fan.has_next().then(|| fan.start().expect("it has a next one"))).collect()
    }

    #[test]
    fn items_start_in_order_and_no_more_at_once_than_asked_for() {
        let mut fan = Fan::new([0, 2, 3, 5], 2);
        assert_eq!(start_all(&mut fan), [0, 2]);
        fan.ended();
        assert_eq!(start_all(&mut fan), [3]);
        fan.ended();
        fan.ended();
        assert_eq!(start_all(&mut fan), [5]);
        assert!(!fan.is_over());
        fan.ended();
        assert!(fan.is_over() && !fan.has_next() && fan.start().is_none());
    }

    #[test]
    fn an_item_that_is_tried_again_keeps_its_place_and_comes_first() {
        let mut fan = Fan::new(0..4, 2);
        assert_eq!(start_all(&mut fan), [0, 1]);
        // Item 0 waits for its next attempt: nothing takes its place.
        assert!(!fan.has_next());
        fan.retry(0);
        assert_eq!(start_all(&mut fan), [0]);
        fan.ended();
        assert_eq!(start_all(&mut fan), [2]);
    }

    #[test]
    fn after_a_stop_only_what_has_begun_goes_on() {
        let mut fan = Fan::new(0..4, 2);
        assert_eq!(start_all(&mut fan), [0, 1]);
        fan.stop();
        fan.ended();
        assert!(!fan.has_next() && !fan.is_over());
        fan.retry(1);
        assert_eq!(start_all(&mut fan), [1]);
        fan.ended();
        assert!(fan.is_over());
    }

    #[test]
    fn an_empty_list_is_over_at_once() {
        assert!(Fan::new([], 1).is_over());
    }
}
