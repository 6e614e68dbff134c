//! The items of a step with `foreach` or `matrix`, and where each of them stands. Part of the fold: see [`super`].

use std::collections::{BTreeMap, HashMap, VecDeque};
use std::sync::Arc;

use serde_json::Value;

use super::step::{Status, StepState};
use crate::event::{Event, SkipReason};
use crate::id::StepId;
use crate::outcome::Failure;
use crate::workflow::size::length;

/// The items of one step: what they are was recorded before any of them started, and doesn't change.
#[derive(Debug)]
pub struct Items {
    /// With references where secrets stand.
    values: Arc<[Value]>,
    ids: Vec<StepId>,
    states: Vec<StepState>,
    failures: BTreeMap<u32, Box<Failure>>,
    /// The one that failed first in the last process.
    first_failure: Option<u32>,
    /// No item before this one waits for its start.
    started: usize,
    /// The lengths of the outputs that are kept, as JSON.
    output_bytes: usize,
    /// The step's definition was changed since, knowingly: the items are made out anew before it goes on.
    stale: bool,
}

impl Items {
    pub(super) fn new(step: &StepId, values: &Arc<[Value]>) -> Self {
        let indices = 0..u32::try_from(values.len()).expect("a list's limit keeps it far below four billion");
        Self {
            values: Arc::clone(values),
            ids: indices.map(|index| step.item(index)).collect(),
            states: vec![StepState::default(); values.len()],
            failures: BTreeMap::new(),
            first_failure: None,
            started: 0,
            output_bytes: 0,
            stale: false,
        }
    }

    /// The items made out anew: what was done for an equal item stays done, wherever that stands now. A failure that was
    /// tolerated is no reason not to try again.
    pub(super) fn renewed(mut self, step: &StepId, values: &Arc<[Value]>) -> Self {
        let mut done: HashMap<String, VecDeque<u32>> = HashMap::new();
        let is_kept = |state: &StepState| state.is_done() && !matches!(state.status, Status::Failed { .. });
        for (index, _) in (0..).zip(&self.states).filter(|(_, state)| is_kept(state)) {
            done.entry(self.values[index as usize].to_string()).or_default().push_back(index);
        }
        let mut new = Self::new(step, values);
        if done.is_empty() {
            return new;
        }
        for (index, value) in (0..).zip(values.iter()) {
            let Some(before) = done.get_mut(&value.to_string()).and_then(VecDeque::pop_front) else { continue };
            let state = std::mem::take(&mut self.states[before as usize]);
            new.output_bytes += state.output.as_deref().map_or(0, length);
            new.states[index as usize] = state;
        }
        new
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.states.len()
    }

    /// The list was empty.
    pub fn is_empty(&self) -> bool {
        self.states.is_empty()
    }

    /// Each with the id that it runs under, in order.
    pub fn iter(&self) -> impl Iterator<Item = (&StepId, &StepState)> {
        self.ids.iter().zip(&self.states)
    }

    /// How many are done.
    pub fn done(&self) -> usize {
        self.states.iter().filter(|state| state.is_done()).count()
    }

    /// Where an item stands; `None` past the end of the list.
    pub fn get(&self, index: u32) -> Option<&StepState> {
        self.states.get(index as usize)
    }

    /// Why an item failed.
    pub fn failure(&self, index: u32) -> Option<&Failure> {
        self.failures.get(&index).map(|failure| &**failure)
    }

    /// The item that failed first, why, and how many failed.
    pub(in crate::engine) fn failures(&self) -> Option<(&StepId, &Failure, usize)> {
        let (first, failure) = match self.first_failure {
            Some(first) => self.failures.get_key_value(&first)?,
            None => self.failures.first_key_value()?,
        };
        Some((&self.ids[*first as usize], failure, self.failures.len()))
    }

    pub(in crate::engine) fn id(&self, index: u32) -> &StepId {
        &self.ids[index as usize]
    }

    /// What the items are.
    pub(in crate::engine) fn values(&self) -> &Arc<[Value]> {
        &self.values
    }

    /// Before the step goes on, its items are to be made out anew.
    pub(in crate::engine) fn is_stale(&self) -> bool {
        self.stale
    }

    /// How long the outputs that are kept are as JSON, all together.
    pub(in crate::engine) fn output_bytes(&self) -> usize {
        self.output_bytes
    }

    pub(super) fn make_stale(&mut self) {
        self.stale = true;
    }

    /// Another process goes on: what failed is still to be done.
    pub(super) fn resume(&mut self) {
        self.first_failure = None;
        self.started = 0;
        for (index, state) in (0..).zip(&mut self.states) {
            if matches!(state.status, Status::Failed { tolerated: false } | Status::Retrying) {
                *state = StepState::default();
                self.failures.remove(&index);
            }
        }
    }

    /// Takes in an event of one item. `open`: the step's items are being run.
    pub(super) fn take_in(&mut self, index: u32, event: &Event, open: bool, keeps: bool) -> Result<(), String> {
        let position = index as usize;
        if position >= self.states.len() {
            return Err(format!("the list has {} items", self.states.len()));
        }
        // What humans say of an interruption comes before the step goes on.
        let of_interruption = match event {
            Event::StepInterrupted { .. } | Event::InterruptionResolved { .. } => true,
            Event::StepSkipped { reason, .. } if *reason == SkipReason::Human => true,
            Event::StepSkipped { .. } => return Err("items are not skipped one by one".into()),
            _ => false,
        };
        if !open && !of_interruption {
            return Err("the step's items are not being run".into());
        }
        let state = &self.states[position];
        if matches!(event, Event::StepStarted { .. }) && state.status == Status::Pending {
            let next = self.next_pending();
            if next != position {
                return Err(format!("item {next} starts before it"));
            }
        }
        self.states[position].take_in(event, keeps)?;
        match event {
            Event::StepSucceeded { .. } => {
                self.output_bytes += self.states[position].output.as_deref().map_or(0, length);
            }
            Event::StepFailed { failure, .. } => {
                self.failures.insert(index, Box::new(failure.clone()));
                self.first_failure.get_or_insert(index);
            }
            _ => {}
        }
        Ok(())
    }

    /// The first item that has not started. Items start in order, so this looks at each of them once.
    fn next_pending(&mut self) -> usize {
        while self.states.get(self.started).is_some_and(|state| state.status != Status::Pending) {
            self.started += 1;
        }
        self.started
    }

    /// Whether the step may end like this now: none of its items runs, and what counts as done is done for all of them.
    pub(super) fn check_end(&self, event: &Event) -> Result<(), String> {
        if let Some((id, state)) = self.iter().find(|(_, state)| state.is_active()) {
            return Err(format!("`{id}` {}", state.status));
        }
        let all_done = || match self.iter().find(|(_, state)| !state.is_done()) {
            Some((id, state)) => Err(format!("`{id}` {}", state.status)),
            None => Ok(()),
        };
        match event {
            Event::StepSucceeded { output, .. } if !output.is_null() => {
                Err("its output is the list of what its items gave out".into())
            }
            Event::StepSucceeded { .. } => match self.failures() {
                Some((id, ..)) => Err(format!("`{id}` failed")),
                None => all_done(),
            },
            // What it stands in tolerates failures, and items may be left then.
            Event::StepFailed { step, tolerated: true, .. } if step.around().next().is_some() => {
                match self.failures() {
                    Some(_) => Ok(()),
                    None => all_done(),
                }
            }
            Event::StepFailed { tolerated: true, .. } => all_done(),
            Event::StepFailed { .. } => Ok(()),
            Event::StepSkipped { reason, .. } if *reason != SkipReason::Human => Ok(()),
            _ => Err("it is run for each of its items".into()),
        }
    }

    /// The outputs in order, `null` for an item without one. They are not kept twice.
    pub(super) fn take_outputs(&mut self) -> Value {
        let take = |state: &mut StepState| state.output.take().map_or(Value::Null, Arc::unwrap_or_clone);
        self.states.iter_mut().map(take).collect()
    }
}
