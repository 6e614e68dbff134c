//! Writing to a journal: a batch is one write and one fdatasync, whatever the journal's length.

use std::fs::{self, File};
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};

use super::error::JournalError;
use super::files::Identity;
use super::format::{self, EncodeError, Header, Sum};
use super::name::RunKey;
use super::read::End;
use crate::event::Record;

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

    /// Says that the process ends cleanly: whoever reads the journal knows that nothing is missing.
    ///
    /// # Errors
    ///
    /// As for [`Journal::append`]. Without the seal, the journal passes no gate by itself.
    pub fn seal(self) -> Result<(), JournalError> {
        self.appender.map_or(Ok(()), |mut appender| appender.seal())
    }
}

impl From<Appender> for Journal {
    fn from(appender: Appender) -> Self {
        Self { appender: Some(appender) }
    }
}

/// The end of a file, and what has to be known of it to go on.
#[derive(Debug)]
pub(super) struct Appender {
    file: File,
    path: PathBuf,
    identity: Identity,
    end: End,
    /// Kept for its memory.
    buffer: Vec<u8>,
    /// An append failed.
    stopped: bool,
}

impl Appender {
    /// Goes on at the end of a file that was opened to append.
    pub(super) fn new(file: File, path: PathBuf, end: End) -> Result<Self, JournalError> {
        let metadata = file.metadata().map_err(JournalError::io("look at", &path))?;
        Ok(Self { file, path, identity: Identity::of(&metadata), end, buffer: Vec::new(), stopped: false })
    }

    /// Fills a new file, durably but for its name.
    pub(super) fn create(file: File, path: PathBuf, key: &RunKey, records: &[Record]) -> Result<Self, JournalError> {
        let start = End { offset: 0, seq: 0, sum: Sum::first(b"") };
        let mut appender = Self::new(file, path, start)?;
        let header = format::push_header(&mut appender.buffer, &Header::new(key));
        appender.end.sum = header.map_err(|error| appender.unreadable(&error))?;
        let end = appender.encode(records)?;
        appender.write(end)?;
        Ok(appender)
    }

    /// The file has a new name.
    pub(super) fn renamed(mut self, path: &Path) -> Self {
        path.clone_into(&mut self.path);
        self
    }

    fn append(&mut self, records: &[Record]) -> Result<(), JournalError> {
        self.attempt(|appender| {
            let end = appender.encode(records)?;
            appender.write(end)?;
            appender.check_undisturbed()
        })
    }

    fn seal(&mut self) -> Result<(), JournalError> {
        self.attempt(|appender| {
            let seq = appender.end.seq + 1;
            let sum = format::push_seal(&mut appender.buffer, &appender.end.sum, seq);
            let offset = appender.end.offset + appender.buffer.len() as u64;
            appender.write(End { offset, seq, sum })?;
            appender.check_undisturbed()
        })
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

    /// Puts the records into the buffer as one batch. Returns the end that the file has with the whole buffer behind it.
    fn encode(&mut self, records: &[Record]) -> Result<End, JournalError> {
        let batch = self.end.seq + records.len() as u64;
        let mut end = self.end;
        for record in records {
            end.seq += 1;
            end.sum = format::push_record(&mut self.buffer, &end.sum, end.seq, batch, record)
                .map_err(|error| self.unreadable(&error))?;
        }
        end.offset += self.buffer.len() as u64;
        Ok(end)
    }

    /// Writes the buffer and waits until it is on the disk.
    fn write(&mut self, end: End) -> Result<(), JournalError> {
        let (written, result) = write_all(&mut self.file, &self.buffer);
        if let Err(error) = result {
            self.cut_unfinished_line(written);
            return Err(JournalError::io("append to", &self.path)(error));
        }
        // Not tried again when it fails: the kernel may have dropped what it could not write, and would then say yes.
        self.file.sync_data().map_err(JournalError::io("make durable", &self.path))?;
        self.end = end;
        Ok(())
    }

    /// Leaves only whole lines of what was written. The reader would drop the rest too, so this may fail.
    fn cut_unfinished_line(&mut self, written: usize) {
        let whole = self.buffer[..written].iter().rposition(|byte| *byte == b'\n').map_or(0, |index| index + 1);
        if whole < written {
            let _ = self.file.set_len(self.end.offset + whole as u64);
        }
        let _ = self.file.sync_data();
    }

    /// A write to a file that a step has removed succeeds all the same, and everything in it is lost with the process.
    fn check_undisturbed(&self) -> Result<(), JournalError> {
        let disturbed = |what| Err(JournalError::Disturbed { path: self.path.clone(), what });
        match fs::symlink_metadata(&self.path) {
            Ok(metadata) if Identity::of(&metadata) != self.identity => disturbed("replaced"),
            Ok(metadata) if metadata.len() != self.end.offset => disturbed("written to"),
            Ok(_) => Ok(()),
            Err(error) if error.kind() == io::ErrorKind::NotFound => disturbed("removed"),
            Err(error) => Err(JournalError::io("look at", &self.path)(error)),
        }
    }

    fn unreadable(&self, error: &EncodeError) -> JournalError {
        JournalError::Unreadable { path: self.path.clone(), what: error.to_string() }
    }
}

/// Writes all of it, and says how much was written when that fails.
fn write_all(file: &mut File, bytes: &[u8]) -> (usize, io::Result<()>) {
    let mut written = 0;
    while written < bytes.len() {
        match file.write(&bytes[written..]) {
            Ok(0) => return (written, Err(io::ErrorKind::WriteZero.into())),
            Ok(count) => written += count,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return (written, Err(error)),
        }
    }
    (written, Ok(()))
}
