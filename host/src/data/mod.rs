//! The workflow's shared data: JSON values by key, which outlive the step that stored them. How far each reaches is its scope:
//! a run, a pipeline, a branch, or the project.
//!
//! ```text
//! plugin (a step's calls)  |                          | Files   .shiro/state/data/<room>/<entry>.json
//! cli (shiro data ...)     |--> Data ---> Backend ----| Memory  for -state-store memory, and for tests
//!                               scope, key, value,      room, name,
//!                               time, secrets           bytes
//! ```
//!
//! What holds:
//!
//! * A value is stored as a whole or not at all, and durable when [`Data::set`] returns.
//! * What can't be read is an error, and never "there is nothing": a workflow that looks whether it has deployed already must
//!   not be told that it hasn't.
//! * With a state key, only who has it can store what is read, and only who has it can read what is encrypted.
//! * No secret is at rest: variables of the job stand as references, any other secret is refused.
//! * A value's time is over by the wall clock. From then on it is not there, whether it was removed yet or not.
//!
//! The calls block: they belong on a thread that may wait for the disk.

mod backend;
mod entry;
mod error;
mod files;
mod name;

#[cfg(test)]
mod tests;

use std::collections::BTreeSet;
use std::fmt;
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use serde_json::Value;

pub use backend::{Backend, Guard, Memory};
pub use entry::{Author, Entry};
pub use error::{DataError, Kind};
pub use files::Files;
pub use name::{KEY_BYTES, Room, entry_name};

use crate::capability::Scope;
use crate::id::RunId;
use crate::journal::Seals;
use crate::secret::{Secrets, references};

/// The largest value, as JSON text with its secrets sealed, in bytes.
pub const VALUE_BYTES: usize = 1 << 20;
/// The most entries of a room.
pub const ENTRIES: usize = 10_000;
/// The most bytes of a room, all its entries together.
pub const ROOM_BYTES: u64 = 256 << 20;

/// Which pipeline and which branch this process belongs to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Place {
    /// The CI pipeline; outside of CI a name that all share.
    pub pipeline: String,
    /// The branch or tag, or why there is none.
    pub branch: Result<String, String>,
}

/// Milliseconds since 1970-01-01 UTC.
pub type Clock = Box<dyn Fn() -> u64 + Send + Sync>;

/// The shared data that a process sees.
pub struct Data {
    backend: Box<dyn Backend>,
    place: Place,
    secrets: Arc<Secrets>,
    seals: Seals,
    clock: Clock,
}

impl fmt::Debug for Data {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Data").field("backend", &self.backend).field("place", &self.place).finish_non_exhaustive()
    }
}

impl Data {
    /// What this backend keeps, as seen from a place. `secrets` are those of the process.
    pub fn new(backend: Box<dyn Backend>, place: Place, secrets: Arc<Secrets>) -> Self {
        Self { backend, place, secrets, seals: Seals::default(), clock: Box::new(now) }
    }

    /// The same, protected with the state key, if there is one: what was stored otherwise is refused.
    pub fn protected(self, seals: Seals) -> Self {
        Self { seals, ..self }
    }

    /// The same with another clock.
    pub fn with_clock(self, clock: Clock) -> Self {
        Self { clock, ..self }
    }

    /// Nothing yet, and nothing that outlives the process.
    pub fn in_memory(secrets: Arc<Secrets>) -> Self {
        let place = Place { pipeline: "local".to_owned(), branch: Ok("local".to_owned()) };
        Self::new(Box::<Memory>::default(), place, secrets)
    }

    /// The room of a scope. `run` is the run that asks, if one does.
    ///
    /// # Errors
    ///
    /// This process belongs to no run, or to no branch.
    pub fn room(&self, scope: Scope, run: Option<&RunId>) -> Result<Room, DataError> {
        let none = |what: String, hint: &str| DataError::new(Kind::Invalid, what).with_hint(hint);
        let id = match scope {
            Scope::Project => String::new(),
            Scope::Pipeline => self.place.pipeline.clone(),
            Scope::Branch => self.place.branch.clone().map_err(|why| {
                none(
                    format!("there is no branch to share data with: {why}"),
                    "set CI_COMMIT_REF_NAME to its name, or use another scope",
                )
            })?,
            Scope::Run => {
                let run =
                    run.ok_or_else(|| none("there is no run whose data this could be".to_owned(), "name the run"))?;
                run.to_string()
            }
        };
        Ok(Room { scope, id })
    }

    /// What is stored for a key; `None` if nothing is, or nothing any more.
    ///
    /// # Errors
    ///
    /// The key is none, or what is stored can't be read.
    pub fn get(&self, room: &Room, key: &str) -> Result<Option<Entry>, DataError> {
        Ok(self.find(room, key)?.filter(|entry| !entry.is_expired((self.clock)())))
    }

    /// When the value of a key is gone, or went, if that is still known.
    ///
    /// # Errors
    ///
    /// As for [`Data::get`].
    pub fn expires_at(&self, room: &Room, key: &str) -> Result<Option<u64>, DataError> {
        Ok(self.find(room, key)?.and_then(|entry| entry.expires_at))
    }

    /// An entry's value, with the secrets that it refers to.
    ///
    /// # Errors
    ///
    /// A secret is not here.
    pub fn open(&self, entry: &Entry) -> Result<Value, DataError> {
        self.secrets.open(&entry.value).map_err(|missing| {
            let what = format!("the value of `{}` can't be read: {missing}", entry.key.escape_debug());
            DataError::new(Kind::Unreadable, what).with_hint(
                "give this job the variable, and list it under `secrets` of the workflow if its name does not say so",
            )
        })
    }

    /// The names of the job's variables that an entry's value refers to.
    ///
    /// # Errors
    ///
    /// It refers to something that is no secret's name.
    pub fn secrets_of(&self, entry: &Entry) -> Result<Vec<String>, DataError> {
        let names = references(&entry.value).map_err(|error| DataError::new(Kind::Unreadable, error.to_string()))?;
        Ok(names.iter().map(|name| name.strip_prefix("env:").unwrap_or(name).to_owned()).collect())
    }

    /// Stores a value, in place of the one that is there. Durable when it returns. With `ttl` it is gone after that time.
    ///
    /// # Errors
    ///
    /// The key is none, the value holds a secret that is no variable of the job, or is too large, the room is full, or it
    /// could not be written: then what was there is there still.
    pub fn set(
        &self,
        room: &Room,
        key: &str,
        value: Value,
        ttl: Option<Duration>,
        by: Author,
    ) -> Result<Entry, DataError> {
        self.check_key(key)?;
        if ttl.is_some_and(|ttl| ttl < Duration::from_millis(1)) {
            return Err(DataError::new(Kind::Invalid, "a time to live of nothing: the value would be gone at once"));
        }
        let value = self.secrets.seal(value);
        check_value(key, &value)?;
        let stored_at = (self.clock)();
        let expires_at = ttl.map(|ttl| stored_at.saturating_add(u64::try_from(ttl.as_millis()).unwrap_or(u64::MAX)));
        let entry =
            Entry { scope: room.scope, of: room.id.clone(), key: key.to_owned(), stored_at, expires_at, by, value };
        let bytes = entry.encode(&self.seals)?;
        let (room_name, name) = (room.name(), entry_name(key));
        let _guard = self.backend.lock()?;
        self.make_room(room, &name, bytes.len() as u64)?;
        self.backend.write(&room_name, &name, &bytes)?;
        Ok(entry)
    }

    /// Deletes a value. False if there was none, or none any more.
    ///
    /// # Errors
    ///
    /// The key is none, what is stored can't be read, or can't be removed.
    pub fn delete(&self, room: &Room, key: &str) -> Result<bool, DataError> {
        let Some(entry) = self.find(room, key)? else { return Ok(false) };
        let _guard = self.backend.lock()?;
        let removed = self.backend.remove(&room.name(), &entry_name(key))?;
        Ok(removed && !entry.is_expired((self.clock)()))
    }

    /// What is stored for the keys that begin with this text, sorted by key.
    ///
    /// # Errors
    ///
    /// One of the room's entries can't be read.
    pub fn entries(&self, room: &Room, prefix: &str) -> Result<Vec<Entry>, DataError> {
        let now = (self.clock)();
        let mut entries = self.all(&room.name())?;
        entries.retain(|entry| entry.key.starts_with(prefix) && !entry.is_expired(now));
        entries.sort_by(|one, other| one.key.cmp(&other.key));
        Ok(entries)
    }

    /// Removes what is over, in all rooms. Gives how many entries that were. What can't be read stays: whoever wants it is told.
    ///
    /// # Errors
    ///
    /// The store can't be read, or something can't be removed.
    pub fn purge(&self) -> Result<usize, DataError> {
        let mut purged = 0;
        for room in self.backend.rooms()? {
            purged += self.purge_room(&room)?;
        }
        Ok(purged)
    }

    /// The names of the rooms that runs have.
    ///
    /// # Errors
    ///
    /// The store can't be read.
    pub fn run_rooms(&self) -> Result<Vec<String>, DataError> {
        let prefix = format!("{}-", Scope::Run);
        Ok(self.backend.rooms()?.into_iter().filter(|room| room.starts_with(&prefix)).collect())
    }

    /// Removes all that is in these rooms, but for those of runs that are still of use.
    ///
    /// # Errors
    ///
    /// The store can't be read, or something can't be removed.
    pub fn forget_rooms(&self, rooms: &[String], keep: &BTreeSet<RunId>) -> Result<(), DataError> {
        let kept: BTreeSet<String> =
            keep.iter().map(|run| Room { scope: Scope::Run, id: run.to_string() }.name()).collect();
        for room in rooms.iter().filter(|room| !kept.contains(*room)) {
            let _guard = self.backend.lock()?;
            for (name, _) in self.backend.names(room)? {
                self.backend.remove(room, &name)?;
            }
        }
        Ok(())
    }

    /// What is stored for a key, over or not.
    fn find(&self, room: &Room, key: &str) -> Result<Option<Entry>, DataError> {
        self.check_key(key)?;
        let (room, name) = (room.name(), entry_name(key));
        let entry = self.read(&room, &name)?;
        match entry {
            Some(entry) if entry.key != key => {
                let what = format!("{}: what is stored there is another key's", self.backend.place(&room, &name));
                Err(DataError::new(Kind::Unreadable, what)
                    .with_hint("it was moved or copied: put it back, or remove it"))
            }
            entry => Ok(entry),
        }
    }

    fn read(&self, room: &str, name: &str) -> Result<Option<Entry>, DataError> {
        let Some(bytes) = self.backend.read(room, name)? else { return Ok(None) };
        Entry::decode(&bytes, room, &self.backend.place(room, name), &self.seals).map(Some)
    }

    fn all(&self, room: &str) -> Result<Vec<Entry>, DataError> {
        let mut entries = Vec::new();
        for (name, _) in self.backend.names(room)? {
            // One that is gone by now was deleted.
            entries.extend(self.read(room, &name)?);
        }
        Ok(entries)
    }

    /// Sees to it that an entry fits. For who holds the lock.
    fn make_room(&self, room: &Room, name: &str, bytes: u64) -> Result<(), DataError> {
        let name_of_room = room.name();
        if self.fits(&name_of_room, name, bytes)? {
            return Ok(());
        }
        self.remove_expired(&name_of_room)?;
        if self.fits(&name_of_room, name, bytes)? {
            return Ok(());
        }
        let what = format!("the scope {} is full: it may have {ENTRIES} keys and {} MiB", room.scope, ROOM_BYTES >> 20);
        Err(DataError::new(Kind::Limit, what).with_hint("delete what is not needed any more, or store with a `ttl`"))
    }

    fn fits(&self, room: &str, name: &str, bytes: u64) -> Result<bool, DataError> {
        let (mut count, mut sum) = (1, bytes);
        for (_, size) in self.backend.names(room)?.iter().filter(|(other, _)| other != name) {
            count += 1;
            sum += size;
        }
        Ok(count <= ENTRIES && sum <= ROOM_BYTES)
    }

    fn purge_room(&self, room: &str) -> Result<usize, DataError> {
        if self.expired(room)?.is_empty() {
            return Ok(0);
        }
        let _guard = self.backend.lock()?;
        self.remove_expired(room)
    }

    /// For who holds the lock: nobody stores anew what is removed here.
    fn remove_expired(&self, room: &str) -> Result<usize, DataError> {
        let expired = self.expired(room)?;
        for name in &expired {
            self.backend.remove(room, name)?;
        }
        Ok(expired.len())
    }

    fn expired(&self, room: &str) -> Result<Vec<String>, DataError> {
        let now = (self.clock)();
        let mut expired = Vec::new();
        for (name, _) in self.backend.names(room)? {
            if matches!(self.read(room, &name), Ok(Some(entry)) if entry.is_expired(now)) {
                expired.push(name);
            }
        }
        Ok(expired)
    }

    fn check_key(&self, key: &str) -> Result<(), DataError> {
        name::check_key(key)?;
        if self.secrets.mask(key) == key {
            return Ok(());
        }
        Err(DataError::new(Kind::Invalid, "the key holds a secret, and keys are stored as they are"))
    }
}

/// Refuses a sealed value that can't be stored.
fn check_value(key: &str, sealed: &Value) -> Result<(), DataError> {
    let key = key.escape_debug();
    let names = references(sealed).map_err(|error| DataError::new(Kind::Invalid, error.to_string()))?;
    if names.iter().any(|name| !name.starts_with("env:")) {
        let what =
            format!("the value for `{key}` holds a secret that is no variable of the job, so it can't be stored");
        return Err(DataError::new(Kind::Invalid, what)
            .with_hint("a secret that comes from a variable is stored as a reference to it: pass this one so"));
    }
    let length = sealed.to_string().len();
    if length > VALUE_BYTES {
        let what = format!("the value for `{key}` has {length} bytes as JSON, and {VALUE_BYTES} are the most");
        return Err(
            DataError::new(Kind::Limit, what).with_hint("store it in a file, and the file's name or digest here")
        );
    }
    Ok(())
}

fn now() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
}
