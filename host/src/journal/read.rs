//! From the bytes of a journal to its records: everything is checked, and what a crash leaves is told from damage.
//!
//! A write that a crash cuts short leaves the front of a batch, possibly with holes where a sector never reached the disk. Only
//! that counts as torn, and only at the end of the file. A line that is all there but does not check was altered.

use std::ops::Range;
use std::path::Path;

use super::error::JournalError;
use super::format::{self, AnyHeader, FORMAT, Header, Line, Position, Sum};
use super::name::RunKey;
use crate::event::{Event, Record};

/// The smallest unit that a disk writes, in bytes.
const SECTOR: usize = 512;

/// What a journal holds.
#[derive(Debug)]
pub(super) struct Contents {
    pub(super) key: RunKey,
    pub(super) records: Vec<Record>,
    pub(super) sealed: bool,
    pub(super) notices: Vec<String>,
    pub(super) end: End,
}

/// Where the next line goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct End {
    /// In bytes from the start.
    pub(super) offset: u64,
    /// The `seq` of the last line.
    pub(super) seq: u64,
    /// Its checksum.
    pub(super) sum: Sum,
}

/// Reads a whole journal. `path` is for messages only.
pub(super) fn read(path: &Path, bytes: Vec<u8>) -> Result<Contents, JournalError> {
    let mut reader = Reader::open(path, bytes)?;
    let first_batch = reader.first_batch();
    while reader.offset < reader.bytes.len() {
        if !reader.step()? {
            break;
        }
    }
    reader.finish(first_batch)
}

struct Reader<'a> {
    path: &'a Path,
    bytes: Vec<u8>,
    /// Everything before has been read and checks.
    offset: usize,
    key: RunKey,
    /// The version that wrote the lines being read.
    writer: String,
    records: Vec<Record>,
    sealed: bool,
    notices: Vec<String>,
    seq: u64,
    batch: u64,
    sum: Sum,
    scratch: Vec<u8>,
}

impl<'a> Reader<'a> {
    /// Reads the header.
    fn open(path: &'a Path, bytes: Vec<u8>) -> Result<Self, JournalError> {
        let damaged = |what: &str| JournalError::Damaged { path: path.to_owned(), line: 1, what: what.to_owned() };
        let end = end_of_line(&bytes, 0).ok_or_else(|| {
            damaged(if bytes.is_empty() { "the file is empty" } else { "the file ends within its first line" })
        })?;
        let line = &bytes[..end];
        let any: AnyHeader = serde_json::from_slice(line)
            .ok()
            .filter(|any: &AnyHeader| any.journal == Header::KIND)
            .ok_or_else(|| damaged("this is not the header of a journal"))?;
        let newer = |what: &str| JournalError::Newer {
            path: path.to_owned(),
            line: 1,
            writer: any.shiro.clone().unwrap_or_else(|| "of an unknown version".to_owned()),
            format: any.format,
            what: what.to_owned(),
        };
        if any.format > FORMAT {
            return Err(newer("a later format"));
        }
        let (covered, sum) = format::split_sum(line).ok_or_else(|| damaged("the header has no checksum"))?;
        let expected = Sum::first(covered);
        if expected.as_bytes() != sum || any.format != FORMAT {
            return Err(damaged("the header is not as it was written (its checksum differs)"));
        }
        let header: Header = serde_json::from_slice(line).map_err(|error| newer(&error.to_string()))?;
        let mut again = Vec::with_capacity(line.len() + 1);
        if format::push_header(&mut again, &header).is_err() || again != bytes[..=end] {
            return Err(newer("a header with a field that is unknown here"));
        }
        Ok(Self {
            path,
            offset: end + 1,
            key: header.key,
            writer: header.shiro,
            records: Vec::with_capacity(bytes.len() / 256),
            sealed: false,
            notices: Vec::new(),
            seq: 0,
            batch: 0,
            sum: expected,
            scratch: Vec::new(),
            bytes,
        })
    }

    /// The last `seq` of the batch that the file was created with.
    fn first_batch(&self) -> u64 {
        Position::of(&self.bytes[self.offset..]).map_or(1, |position| position.batch)
    }

    /// Reads the next line. False if nothing good follows.
    fn step(&mut self) -> Result<bool, JournalError> {
        let checked = match end_of_line(&self.bytes, self.offset) {
            Some(end) => Line::check(&self.bytes, self.offset..end, &self.sum, self.seq + 1).map(|line| (line, end)),
            None => Err("the file ends within the line"),
        };
        let (line, end) = match checked {
            Ok(checked) => checked,
            Err(what) => {
                self.check_torn(what)?;
                return Ok(false);
            }
        };
        self.sealed = line.is_seal(&self.bytes);
        if !self.sealed {
            let record = line.record(&mut self.bytes, &mut self.scratch).map_err(|what| JournalError::Newer {
                path: self.path.to_owned(),
                line: self.line(),
                writer: self.writer.clone(),
                format: FORMAT,
                what,
            })?;
            if let Event::RunResumed { shiro, .. } = &record.event {
                self.writer.clone_from(shiro);
            }
            if self.seq == 0 && !matches!(record.event, Event::RunStarted(_)) {
                return Err(self.damaged("a journal begins with the start of its run"));
            }
            self.records.push(record);
        }
        (self.seq, self.batch, self.sum) = (line.position.seq, line.position.batch, line.sum);
        self.offset = end + 1;
        Ok(true)
    }

    /// Passes what stands from the offset on if it can be what a crash left of one batch.
    fn check_torn(&mut self, what: &'static str) -> Result<(), JournalError> {
        let tail = self.offset..self.bytes.len();
        if !self.is_unfinished_line(tail.clone()) && !self.is_batch_with_hole(tail.clone()) {
            return Err(self.damaged(what));
        }
        self.sealed = false;
        self.notices.push(format!(
            "{}:{}: dropped an unfinished write of {} bytes: the process died, or the disk was full. Nothing that was confirmed is lost",
            self.path.display(),
            self.line(),
            tail.len(),
        ));
        Ok(())
    }

    /// Whether this is the front of the next line, cut off before its end.
    fn is_unfinished_line(&self, tail: Range<usize>) -> bool {
        let text = &self.bytes[tail.clone()];
        let prefix = Position::prefix(self.seq + 1).into_bytes();
        let begins = text.starts_with(&prefix) || prefix.starts_with(text);
        // A line that is all there but for what ends it was not cut off: its end was altered.
        let all_but_end = tail.start..tail.end - 1;
        let altered_end = Line::check(&self.bytes, all_but_end, &self.sum, self.seq + 1).is_ok();
        begins && !text.contains(&b'\n') && !altered_end
    }

    /// Whether a sector in this was never written, and whatever can still be read belongs to one batch.
    fn is_batch_with_hole(&self, tail: Range<usize>) -> bool {
        let text = &self.bytes[tail.clone()];
        let (front, sectors) = text.split_at(text.len().min(tail.start.next_multiple_of(SECTOR) - tail.start));
        let unwritten = |sector: &[u8]| !sector.is_empty() && sector.iter().all(|byte| *byte == 0);
        let hole = unwritten(front) || sectors.chunks(SECTOR).any(unwritten);

        let mut positions = text.split(|byte| *byte == b'\n').filter_map(Position::of);
        let first = positions.next();
        let one_batch = first.is_none_or(|first| {
            let lines = text.iter().filter(|byte| **byte == b'\n').count() as u64;
            let fits = |position: Position| position.seq > self.seq && position.seq <= first.batch;
            lines <= first.batch.saturating_sub(self.seq)
                && fits(first)
                && positions.all(|position| position.batch == first.batch && fits(position))
        });
        hole && one_batch
    }

    fn finish(mut self, first_batch: u64) -> Result<Contents, JournalError> {
        // The file got its name only when this batch was durable.
        if self.seq < first_batch {
            return Err(self.damaged("the file ends before what it was created with"));
        }
        if self.seq < self.batch && self.notices.is_empty() {
            self.notices.push(format!(
                "{}:{}: the last write is not complete: the process died, or the disk was full. Nothing that was confirmed is lost",
                self.path.display(),
                self.line(),
            ));
        }
        Ok(Contents {
            key: self.key,
            records: self.records,
            sealed: self.sealed,
            notices: self.notices,
            end: End { offset: self.offset as u64, seq: self.seq, sum: self.sum },
        })
    }

    /// The line at the offset, from 1.
    fn line(&self) -> u64 {
        self.seq + 2
    }

    fn damaged(&self, what: &str) -> JournalError {
        let what = match self.records.len() {
            0 => what.to_owned(),
            1 => format!("{what}; the event before it is intact"),
            intact => format!("{what}; the {intact} events before it are intact"),
        };
        JournalError::Damaged { path: self.path.to_owned(), line: self.line(), what }
    }
}

/// Where the line that begins at `start` ends, if it does.
fn end_of_line(bytes: &[u8], start: usize) -> Option<usize> {
    bytes[start..].iter().position(|byte| *byte == b'\n').map(|length| start + length)
}
