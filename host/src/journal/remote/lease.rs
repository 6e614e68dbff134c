//! One process per run where no file lock reaches: a lease in the object storage itself.
//!
//! Leases are objects with numbers, each made by whoever could make it first, and the highest is the one that counts. Its
//! holder writes a new beat into it every few seconds, and says at its end that it is free. Whoever finds one that is held
//! watches it: a beat that changes is somebody alive. No clock is compared with another machine's.
//!
//! A lease is a courtesy: it tells early and by name. What keeps a second process from going on is the log itself.

use std::collections::BTreeSet;
use std::fmt;
use std::sync::Arc;
use std::time::{Duration, Instant};

use futures_util::TryStreamExt as _;
use object_store::path::Path;
use object_store::{ObjectStore, ObjectStoreExt as _, PutMode};
use serde::{Deserialize, Serialize};
use tokio::task::JoinHandle;

use super::super::lock::Holder;
use super::wait::Waiter;

/// How often a holder says that it is alive, and after how long without that it counts as dead.
#[derive(Clone, Copy, Debug)]
pub(super) struct Pace {
    pub(super) beat: Duration,
    pub(super) dead: Duration,
}

impl Default for Pace {
    fn default() -> Self {
        Self { beat: Duration::from_secs(5), dead: Duration::from_secs(20) }
    }
}

/// Hears, at once, that it has to be found out whether a holder lives, and how long that takes at most.
pub type WaitingFn = Arc<dyn Fn(&Holder, Duration) + Send + Sync>;

/// Tells nobody.
#[cfg(test)]
pub(in super::super) fn quietly() -> WaitingFn {
    Arc::new(|_, _| {})
}

/// What a lease's object says.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Entry {
    holder: Holder,
    /// Changes as long as the holder lives.
    beat: u64,
    /// The holder has ended.
    #[serde(default)]
    free: bool,
}

/// Why a lease is not had.
#[derive(Debug)]
pub(super) enum NotHeld {
    /// A process that lives has it.
    By(Option<Holder>),
    /// The storage made the same object twice: it can't keep two processes apart.
    Unconditional,
    /// The storage refused.
    Store(object_store::Error),
}

impl From<object_store::Error> for NotHeld {
    fn from(error: object_store::Error) -> Self {
        Self::Store(error)
    }
}

/// A lease that is held, until it is dropped.
pub(in super::super) struct Lease {
    store: Arc<dyn ObjectStore>,
    waiter: Arc<Waiter>,
    path: Path,
    entry: Entry,
    beats: Option<JoinHandle<()>>,
}

impl fmt::Debug for Lease {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Lease").field("path", &self.path).finish_non_exhaustive()
    }
}

impl Lease {
    /// Takes the lease whose objects are in this directory, at once if it is free, after a while if its holder is dead:
    /// `waiting` hears of that when it begins.
    pub(super) async fn acquire(
        store: Arc<dyn ObjectStore>,
        waiter: Arc<Waiter>,
        directory: Path,
        pace: Pace,
        waiting: WaitingFn,
    ) -> Result<Self, NotHeld> {
        let latest = numbers(&store, &directory).await?.last().copied();
        if let Some(number) = latest {
            watch(&store, &directory, number, pace, &waiting).await?;
        }
        let number = latest.unwrap_or(0) + 1;
        let path = entry_path(&directory, number);
        let entry = Entry { holder: Holder::this_process(), beat: 1, free: false };
        if !create(&store, &path, &entry).await? {
            return Err(NotHeld::By(read(&store, &path).await?.map(|entry| entry.holder)));
        }
        if create(&store, &path, &entry).await? {
            return Err(NotHeld::Unconditional);
        }
        // One that another process had deleted meanwhile could be made again.
        let numbers = numbers(&store, &directory).await?;
        if numbers.last() != Some(&number) {
            return Err(NotHeld::By(None));
        }
        for old in numbers.into_iter().filter(|old| *old < number) {
            let _ = store.delete(&entry_path(&directory, old)).await;
        }
        let beats = waiter.spawn(beat(Arc::clone(&store), path.clone(), entry.clone(), pace.beat));
        Ok(Self { store, waiter, path, entry, beats })
    }

    /// As if the process had died: nothing is said any more.
    #[cfg(test)]
    pub(super) fn abandon(mut self) {
        if let Some(beats) = self.beats.take() {
            beats.abort();
        }
    }
}

impl Drop for Lease {
    fn drop(&mut self) {
        let Some(beats) = self.beats.take() else { return };
        beats.abort();
        let (store, path) = (Arc::clone(&self.store), self.path.clone());
        let entry = Entry { free: true, ..self.entry.clone() };
        self.waiter.wait(async move {
            // If it can't be said, the next process waits a while.
            let _ = overwrite(&store, &path, &entry).await;
        });
    }
}

async fn beat(store: Arc<dyn ObjectStore>, path: Path, mut entry: Entry, every: Duration) {
    loop {
        tokio::time::sleep(every).await;
        entry.beat += 1;
        // If it fails, the next one may not; and if another process takes over, the log stops this one.
        let _ = overwrite(&store, &path, &entry).await;
    }
}

/// Returns when the lease is free or its holder dead.
async fn watch(
    store: &Arc<dyn ObjectStore>,
    directory: &Path,
    number: u64,
    pace: Pace,
    waiting: &WaitingFn,
) -> Result<(), NotHeld> {
    let path = entry_path(directory, number);
    let started = Instant::now();
    let Some(first) = read(store, &path).await? else { return Ok(()) };
    if first.free {
        return Ok(());
    }
    waiting(&first.holder, pace.dead);
    while started.elapsed() < pace.dead {
        tokio::time::sleep(pace.beat / 4).await;
        match read(store, &path).await? {
            Some(now) if now == first => {}
            // It lives, or lived while we watched: what it did is not what this process was started for.
            Some(now) => return Err(NotHeld::By(Some(now.holder))),
            None => return Err(NotHeld::By(None)),
        }
    }
    Ok(())
}

fn entry_path(directory: &Path, number: u64) -> Path {
    directory.clone().join(format!("{number:010}.json"))
}

async fn numbers(store: &Arc<dyn ObjectStore>, directory: &Path) -> object_store::Result<BTreeSet<u64>> {
    let numbers = store.list(Some(directory)).try_filter_map(|meta| {
        let number = meta.location.filename().and_then(|name| name.strip_suffix(".json")?.parse::<u64>().ok());
        async move { Ok(number) }
    });
    numbers.try_collect().await
}

/// `None` if it is gone, or says nothing that can be read.
async fn read(store: &Arc<dyn ObjectStore>, path: &Path) -> object_store::Result<Option<Entry>> {
    match store.get(path).await {
        Ok(found) => Ok(serde_json::from_slice(&found.bytes().await?).ok()),
        Err(object_store::Error::NotFound { .. }) => Ok(None),
        Err(error) => Err(error),
    }
}

/// False if it is there already.
async fn create(store: &Arc<dyn ObjectStore>, path: &Path, entry: &Entry) -> object_store::Result<bool> {
    match store.put_opts(path, json(entry).into(), PutMode::Create.into()).await {
        Ok(_) => Ok(true),
        Err(object_store::Error::AlreadyExists { .. } | object_store::Error::Precondition { .. }) => Ok(false),
        Err(error) => Err(error),
    }
}

async fn overwrite(store: &Arc<dyn ObjectStore>, path: &Path, entry: &Entry) -> object_store::Result<()> {
    store.put(path, json(entry).into()).await.map(drop)
}

fn json(entry: &Entry) -> Vec<u8> {
    serde_json::to_vec(entry).unwrap_or_default()
}
