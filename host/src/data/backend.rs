//! What keeps entries: bytes by room and name. Knows nothing of keys, values and time.

use std::any::Any;
use std::collections::BTreeMap;
use std::fmt;
use std::sync::{Mutex, MutexGuard, PoisonError};

use super::error::DataError;

/// Held by whoever writes, until it is dropped.
pub type Guard = Box<dyn Any + Send>;

/// Keeps entries. A room and an entry's name are single path components of `[a-z0-9._-]`, different from one another even
/// where case does not count. The calls block.
pub trait Backend: Send + Sync + fmt::Debug {
    /// One writer at a time, in all processes that share this store. Where a store can't promise that, the last write of an
    /// entry holds.
    ///
    /// # Errors
    ///
    /// Others write for too long, or the store can't be written to.
    fn lock(&self) -> Result<Guard, DataError>;

    /// The names of the rooms that have entries.
    ///
    /// # Errors
    ///
    /// The store can't be read: never to be taken for "there are none".
    fn rooms(&self) -> Result<Vec<String>, DataError>;

    /// The names of a room's entries, each with its size in bytes.
    ///
    /// # Errors
    ///
    /// As for [`Backend::rooms`].
    fn names(&self, room: &str) -> Result<Vec<(String, u64)>, DataError>;

    /// The bytes of an entry; `None` if there is none.
    ///
    /// # Errors
    ///
    /// It can't be read: never to be taken for "there is none".
    fn read(&self, room: &str, name: &str) -> Result<Option<Vec<u8>>, DataError>;

    /// Writes an entry, durably and as a whole: whatever happens, the old bytes are there or the new ones. For who holds the
    /// lock.
    ///
    /// # Errors
    ///
    /// It could not be written; the old bytes are there.
    fn write(&self, room: &str, name: &str, bytes: &[u8]) -> Result<(), DataError>;

    /// Removes an entry, durably, and a room that has no more of them. False if it was not there. For who holds the lock.
    ///
    /// # Errors
    ///
    /// It could not be removed.
    fn remove(&self, room: &str, name: &str) -> Result<bool, DataError>;

    /// Where an entry is, for people.
    fn place(&self, room: &str, name: &str) -> String;
}

/// Entries that end with the process.
#[derive(Debug, Default)]
pub struct Memory {
    rooms: Mutex<BTreeMap<String, BTreeMap<String, Vec<u8>>>>,
}

impl Memory {
    fn all(&self) -> MutexGuard<'_, BTreeMap<String, BTreeMap<String, Vec<u8>>>> {
        self.rooms.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Backend for Memory {
    fn lock(&self) -> Result<Guard, DataError> {
        // Each call is whole by itself, and nothing but the limits depends on two of them.
        Ok(Box::new(()))
    }

    fn rooms(&self) -> Result<Vec<String>, DataError> {
        Ok(self.all().keys().cloned().collect())
    }

    fn names(&self, room: &str) -> Result<Vec<(String, u64)>, DataError> {
        let all = self.all();
        let entries = all.get(room).into_iter().flatten();
        Ok(entries.map(|(name, bytes)| (name.clone(), bytes.len() as u64)).collect())
    }

    fn read(&self, room: &str, name: &str) -> Result<Option<Vec<u8>>, DataError> {
        Ok(self.all().get(room).and_then(|entries| entries.get(name)).cloned())
    }

    fn write(&self, room: &str, name: &str, bytes: &[u8]) -> Result<(), DataError> {
        self.all().entry(room.to_owned()).or_default().insert(name.to_owned(), bytes.to_vec());
        Ok(())
    }

    fn remove(&self, room: &str, name: &str) -> Result<bool, DataError> {
        let mut all = self.all();
        let Some(entries) = all.get_mut(room) else { return Ok(false) };
        let was_there = entries.remove(name).is_some();
        if entries.is_empty() {
            all.remove(room);
        }
        Ok(was_there)
    }

    fn place(&self, room: &str, name: &str) -> String {
        format!("{room}/{name} in memory")
    }
}
