//! What a guest can call. Everything links, and nothing has an effect without a grant.

pub(super) mod context;
pub(super) mod file_use;
pub(super) mod files;
pub(super) mod http;
pub(super) mod log;
pub(super) mod output;
pub(super) mod process;
pub(super) mod store;

use std::sync::{Arc, Mutex, PoisonError};

use super::attempt::Attempt;
use super::bindings::shiro::step::types;
use super::limits::Limit;
use crate::capability::Denial;
use crate::data::DataError;

/// Types have no functions.
impl types::Host for Attempt {}

/// More denials than this are not kept: one is enough to say why a step failed.
const DENIALS: usize = 20;

/// What the host refused or cut while an attempt ran, for the message if it fails.
#[derive(Clone, Debug, Default)]
pub(super) struct Notes {
    inner: Arc<Mutex<Noted>>,
}

#[derive(Debug, Default)]
pub(super) struct Noted {
    /// What it tried and was refused.
    pub(super) denials: Vec<Denial>,
    /// It looked at its variables, or its directories: it does without what it was not given.
    pub(super) looked: Vec<Denial>,
    /// A limit that the guest was told of by an error rather than a trap.
    pub(super) limit: Option<Limit>,
    /// Shared data that is there and can't be read.
    pub(super) unreadable: Option<DataError>,
}

impl Notes {
    /// The guest is about to be told that it may not do this.
    pub(super) fn deny(&self, tried: String, hint: String) {
        let mut noted = self.inner.lock().unwrap_or_else(PoisonError::into_inner);
        let denial = Denial { tried, hint };
        if noted.denials.len() < DENIALS && !noted.denials.contains(&denial) {
            noted.denials.push(denial);
        }
    }

    /// The guest looked where this is missing: no error tells it so, and it may not need it.
    pub(super) fn missing(&self, tried: String, hint: String) {
        let mut noted = self.inner.lock().unwrap_or_else(PoisonError::into_inner);
        let denial = Denial { tried, hint };
        if noted.looked.len() < DENIALS && !noted.looked.contains(&denial) {
            noted.looked.push(denial);
        }
    }

    /// The guest is about to be told that it ran into this.
    pub(super) fn limit(&self, limit: Limit) {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner).limit = Some(limit);
    }

    /// The guest is about to be told that this can't be read.
    pub(super) fn unreadable(&self, error: DataError) {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner).unreadable = Some(error);
    }

    /// What was noted until now.
    pub(super) fn take(&self) -> Noted {
        std::mem::take(&mut *self.inner.lock().unwrap_or_else(PoisonError::into_inner))
    }
}
