//! What an attempt is one of.

use crate::plan::StepIndex;

/// A step, or one item of a step that is run for each item of a list.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) struct Unit {
    /// The step.
    pub(super) step: StepIndex,
    /// Which item, from 0.
    pub(super) item: Option<u32>,
}

impl Unit {
    /// The step as a whole.
    pub(super) fn whole(step: StepIndex) -> Self {
        Self { step, item: None }
    }

    /// One of its items.
    pub(super) fn item(step: StepIndex, item: u32) -> Self {
        Self { step, item: Some(item) }
    }
}
