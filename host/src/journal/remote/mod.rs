//! Journals away from this machine: in object storage, or in GitLab's package registry.
//!
//! A run's journal is a log of segments there, numbered from 1. A segment holds whole batches, is made in one step and never
//! changes. Each run of a workflow goes on in the same log: its first segment begins with a header, and everything before
//! that belongs to earlier runs.
//!
//! Two processes can't both go on: each needs the next number, and a number is had by one of them only ([`Log::claim`]). A
//! process claims a segment before it starts a step. So whoever was taken for dead, and was not, is fenced off: its next
//! claim fails, and it starts nothing further.

mod gitlab;
mod http;
mod lease;
mod object;
#[cfg(test)]
mod tests;
mod wait;

use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;

use super::append::{Appender, Journal, Sink};
use super::error::JournalError;
use super::expect::Expected;
use super::format::Header;
use super::key::StateKey;
use super::lock::RunLock;
use super::name::RunKey;
use super::protect::Protection;
use super::read::{self, End};
use super::store::{Loaded, RunSummaryFile, Version};
use crate::event::Record;

pub(super) use gitlab::PackagesLog;
pub(super) use lease::Lease;
pub use lease::WaitingFn;
#[cfg(test)]
pub(super) use lease::quietly;
pub(super) use object::ObjectLog;

/// How a header begins, and so the first segment of a run.
const HEADER: &[u8] = br#"{"journal":"#;

/// How many segments are fetched at once, from the end backwards.
const CHUNK: usize = 64;

/// A segment of a log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Segment {
    /// Its number, from 1.
    pub(super) index: u64,
    /// What it is called there.
    pub(super) name: String,
}

/// What is made durable away from this machine. The calls block.
pub(super) trait Log: fmt::Debug + Send + Sync {
    /// Where a run's log is, for messages.
    fn place(&self, stem: &str) -> String;

    /// The names of all runs that have one.
    fn stems(&self) -> Result<Vec<String>, RemoteError>;

    /// The segments of a run's log by their numbers.
    fn segments(&self, stem: &str) -> Result<Vec<Segment>, RemoteError>;

    /// The bytes of these segments, in this order.
    fn fetch(&self, stem: &str, segments: &[Segment]) -> Result<Vec<Vec<u8>>, RemoteError>;

    /// Makes a segment, durably. False if another process has this number.
    fn claim(&self, stem: &str, index: u64, bytes: Vec<u8>) -> Result<bool, RemoteError>;

    /// Takes the run for this process, if this kind of log can tell whether another one has it.
    /// `waiting` hears of it if that takes a while.
    fn hold(&self, stem: &str, waiting: WaitingFn) -> Result<Option<Lease>, JournalError>;
}

/// Why something there failed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct RemoteError {
    /// What was tried, e.g. `write`.
    pub(super) doing: &'static str,
    /// What was said.
    pub(super) what: String,
    /// What to do.
    pub(super) hint: String,
}

impl RemoteError {
    pub(super) fn at(self, place: String) -> JournalError {
        let Self { doing, what, hint } = self;
        JournalError::Remote { place, doing, what, hint }
    }
}

/// The journals of a project that are kept elsewhere.
#[derive(Clone, Debug)]
pub(super) struct RemoteStore {
    log: Arc<dyn Log>,
}

impl RemoteStore {
    pub(super) fn new(log: impl Log + 'static) -> Self {
        Self { log: Arc::new(log) }
    }

    pub(super) fn runs(&self, key: Option<&StateKey>) -> Result<Vec<RunSummaryFile>, JournalError> {
        let mut stems = self.log.stems().map_err(|error| error.at(self.log.place("")))?;
        stems.sort_unstable();
        let mut runs = Vec::new();
        for stem in stems {
            let path = PathBuf::from(self.log.place(&stem));
            let (key, loaded) = match self.read(&stem, key, &Expected::default()) {
                Ok(None) => continue,
                Ok(Some((key, _))) if key.stem() != stem => {
                    (Some(key.clone()), Err(JournalError::Misplaced { path: path.clone(), found: key }))
                }
                Ok(Some((key, loaded))) => (Some(key), Ok(loaded)),
                Err(error) => (None, Err(error)),
            };
            runs.push(RunSummaryFile { name: stem, key, path, loaded });
        }
        Ok(runs)
    }

    pub(super) fn lock(&self, stem: String, waiting: WaitingFn) -> Result<RunLock, JournalError> {
        let lease = self.log.hold(&stem, waiting)?;
        Ok(RunLock::remote(stem, lease))
    }

    pub(super) fn load(
        &self,
        stem: &str,
        key: Option<&StateKey>,
        expected: &Expected,
    ) -> Result<Option<Loaded>, JournalError> {
        Ok(self.read(stem, key, expected)?.map(|(_, loaded)| loaded))
    }

    /// Begins a new run behind what is there.
    pub(super) fn begin(
        &self,
        stem: &str,
        header: &Header,
        protection: Protection,
        first: &[Record],
    ) -> Result<Journal, JournalError> {
        let segments = self.log.segments(stem).map_err(|error| error.at(self.log.place(stem)))?;
        let sink = self.sink(stem, segments.last().map_or(1, |last| last.index + 1));
        Ok(Appender::create(Box::new(sink), self.path(stem), protection, header, first)?.into())
    }

    /// Goes on with a run whose next segment has this number.
    pub(super) fn resume(&self, stem: &str, loaded: &Loaded, next: u64) -> Journal {
        let sink = self.sink(stem, next);
        Appender::new(Box::new(sink), self.path(stem), loaded.protection.clone(), loaded.end).into()
    }

    fn read(
        &self,
        stem: &str,
        key: Option<&StateKey>,
        expected: &Expected,
    ) -> Result<Option<(RunKey, Loaded)>, JournalError> {
        let path = self.path(stem);
        let segments = self.log.segments(stem).map_err(|error| error.at(self.log.place(stem)))?;
        let Some(last) = segments.last() else { return Ok(None) };
        let bytes = self.current_run(stem, &segments)?;
        let len = bytes.len() as u64;
        let contents = read::read(&path, bytes, key, expected)?;
        if contents.end.offset < len {
            // A segment is there as a whole or not at all.
            let what = "its last segment is not as it was written".to_owned();
            return Err(JournalError::Damaged { path, line: contents.end.seq + 2, what });
        }
        let version = Version::Log { next: last.index + 1 };
        Ok(Some((contents.key.clone(), Loaded::new(contents, path, version))))
    }

    /// The bytes from the last header on.
    fn current_run(&self, stem: &str, segments: &[Segment]) -> Result<Vec<u8>, JournalError> {
        let damaged = |what: String| JournalError::Damaged { path: self.path(stem), line: 1, what };
        let mut chunks: Vec<Vec<Vec<u8>>> = Vec::new();
        let mut rest = segments;
        loop {
            let Some(first) = rest.first() else {
                return Err(damaged("its first segment is missing: was it deleted?".to_owned()));
            };
            let (before, chunk) = rest.split_at(rest.len().saturating_sub(CHUNK));
            let gap = chunk.windows(2).find(|pair| pair[0].index + 1 != pair[1].index);
            let mut fetched = self.log.fetch(stem, chunk).map_err(|error| error.at(self.log.place(stem)))?;
            let start = fetched.iter().rposition(|bytes| bytes.starts_with(HEADER));
            let begins = start.map_or(first.index, |start| chunk[start].index);
            if let Some(pair) = gap.filter(|pair| pair[0].index >= begins) {
                return Err(damaged(format!("its segment {} is missing: was it deleted?", pair[0].index + 1)));
            }
            chunks.push(fetched.split_off(start.unwrap_or(0)));
            if start.is_some() {
                break;
            }
            if before.last().is_some_and(|last| last.index + 1 != chunk[0].index) {
                return Err(damaged(format!("its segment {} is missing: was it deleted?", chunk[0].index - 1)));
            }
            rest = before;
        }
        Ok(chunks.into_iter().rev().flatten().flatten().collect())
    }

    fn sink(&self, stem: &str, next: u64) -> LogSink {
        LogSink { log: Arc::clone(&self.log), stem: stem.to_owned(), next }
    }

    fn path(&self, stem: &str) -> PathBuf {
        PathBuf::from(self.log.place(stem))
    }
}

/// The end of a log.
#[derive(Debug)]
struct LogSink {
    log: Arc<dyn Log>,
    stem: String,
    /// The number of the next segment.
    next: u64,
}

impl Sink for LogSink {
    fn append(&mut self, batch: &[u8], _end: &End) -> Result<(), JournalError> {
        let place = || self.log.place(&self.stem);
        match self.log.claim(&self.stem, self.next, batch.to_vec()) {
            Ok(true) => {
                self.next += 1;
                Ok(())
            }
            Ok(false) => Err(JournalError::Fenced { place: place() }),
            Err(error) => Err(error.at(place())),
        }
    }
}
