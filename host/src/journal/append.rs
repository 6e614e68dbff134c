//! Writing to a journal: a batch is one append, whatever the journal's length.

use std::fmt;
use std::path::{Path, PathBuf};

use super::error::JournalError;
use super::expect::Receipt;
use super::format::{self, EncodeError, Header};
use super::protect::Protection;
use super::read::End;
use crate::event::Record;

/// Where the bytes of a journal go.
pub(super) trait Sink: fmt::Debug + Send {
    /// Appends a batch behind `end` and makes it durable. Never called again after it failed.
    fn append(&mut self, batch: &[u8], end: &End) -> Result<(), JournalError>;
}

/// A run's journal, open for writing. The run's lock must outlive it.
#[derive(Debug)]
pub struct Journal {
    /// `None` in memory: nothing is kept.
    appender: Option<Appender>,
}

impl Journal {
    pub(super) fn in_memory() -> Self {
        Self { appender: None }
    }

    /// Makes these records durable, in this order. When it returns, they survive the machine.
    ///
    /// # Errors
    ///
    /// After any error the journal takes nothing more, and the run must stop: some of the records may be there on resume.
    pub fn append(&mut self, records: &[Record]) -> Result<(), JournalError> {
        match &mut self.appender {
            Some(appender) if !records.is_empty() => appender.append(records),
            _ => Ok(()),
        }
    }

    /// Says that the process ends cleanly: whoever reads the journal knows that nothing is missing. Returns what tells later
    /// whether it still is all there; `None` in memory.
    ///
    /// # Errors
    ///
    /// As for [`Journal::append`]. Without the seal, the journal passes no gate by itself.
    pub fn seal(self) -> Result<Option<Receipt>, JournalError> {
        self.appender.map(|mut appender| appender.seal()).transpose()
    }
}

impl From<Appender> for Journal {
    fn from(appender: Appender) -> Self {
        Self { appender: Some(appender) }
    }
}

/// The end of a journal, and what has to be known of it to go on.
#[derive(Debug)]
pub(super) struct Appender {
    sink: Box<dyn Sink>,
    path: PathBuf,
    protection: Protection,
    end: End,
    /// Kept for its memory.
    buffer: Vec<u8>,
    /// An append failed.
    stopped: bool,
}

impl Appender {
    /// Goes on at the end of a journal.
    pub(super) fn new(sink: Box<dyn Sink>, path: PathBuf, protection: Protection, end: End) -> Self {
        Self { sink, path, protection, end, buffer: Vec::new(), stopped: false }
    }

    /// Begins a journal with a header and its first batch, in one append.
    pub(super) fn create(
        sink: Box<dyn Sink>,
        path: PathBuf,
        protection: Protection,
        header: &Header,
        records: &[Record],
    ) -> Result<Self, JournalError> {
        let start = End { offset: 0, seq: 0, sum: protection.chain.first(b"") };
        let mut appender = Self::new(sink, path, protection, start);
        let sum = format::push_header(&mut appender.buffer, &appender.protection.chain, header);
        appender.end.sum = sum.map_err(|error| appender.unreadable(&error))?;
        let end = appender.encode(records)?;
        appender.write(end)?;
        Ok(appender)
    }

    /// The journal is called so from now on.
    pub(super) fn renamed(mut self, path: &Path) -> Self {
        path.clone_into(&mut self.path);
        self
    }

    fn append(&mut self, records: &[Record]) -> Result<(), JournalError> {
        self.attempt(|appender| {
            let end = appender.encode(records)?;
            appender.write(end)
        })
    }

    fn seal(&mut self) -> Result<Receipt, JournalError> {
        self.attempt(|appender| {
            let seq = appender.end.seq + 1;
            let chain = &appender.protection.chain;
            let sum = format::push_seal(&mut appender.buffer, chain, &appender.end.sum, seq);
            let offset = appender.end.offset + appender.buffer.len() as u64;
            appender.write(End { offset, seq, sum })
        })?;
        Ok(Receipt { seq: self.end.seq, sum: self.end.sum })
    }

    /// Does something once with an empty buffer; never again after it failed.
    fn attempt(&mut self, write: impl FnOnce(&mut Self) -> Result<(), JournalError>) -> Result<(), JournalError> {
        if self.stopped {
            return Err(JournalError::Stopped { path: self.path.clone() });
        }
        self.buffer.clear();
        let result = write(self);
        self.stopped = result.is_err();
        result
    }

    /// Puts the records into the buffer as one batch. Returns the end that the journal has with the whole buffer behind it.
    fn encode(&mut self, records: &[Record]) -> Result<End, JournalError> {
        let (seq, previous) = (self.end.seq + 1, self.end.sum);
        let sum = format::push_batch(&mut self.buffer, &self.protection, &previous, seq, records);
        let sum = sum.map_err(|error| self.unreadable(&error))?;
        let offset = self.end.offset + self.buffer.len() as u64;
        Ok(End { offset, seq: self.end.seq + records.len() as u64, sum })
    }

    /// Appends the buffer and waits until it is durable.
    fn write(&mut self, end: End) -> Result<(), JournalError> {
        self.sink.append(&self.buffer, &self.end)?;
        self.end = end;
        Ok(())
    }

    fn unreadable(&self, error: &EncodeError) -> JournalError {
        JournalError::Unreadable { path: self.path.clone(), what: error.to_string() }
    }
}
