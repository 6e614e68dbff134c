//! From the bytes of a journal to its records: everything is checked, and what a crash leaves is told from damage.
//!
//! A write that a crash cuts short leaves the front of a batch, possibly with holes where a sector never reached the disk. Only
//! that counts as torn, and only at the end of the file. A line that is all there but does not check was altered.

use std::ops::Range;
use std::path::Path;

use super::error::JournalError;
use super::expect::{Expected, Receipt};
use super::format::{self, AnyHeader, FORMAT, Header, Line, Position};
use super::key::{Recipient, StateKey};
use super::name::{Origin, RunKey};
use super::protect::{Chain, Protection, Sum};
use crate::event::{Event, Record};

/// The smallest unit that a disk writes, in bytes.
const SECTOR: usize = 512;

/// What a journal holds.
#[derive(Debug)]
pub(super) struct Contents {
    pub(super) key: RunKey,
    pub(super) origin: Origin,
    pub(super) protection: Protection,
    /// It is authenticated with the state key.
    pub(super) authenticated: bool,
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
///
/// With a state key, the journal must be authenticated with it: one without could be anybody's.
pub(super) fn read(
    path: &Path,
    bytes: Vec<u8>,
    state_key: Option<&StateKey>,
    expected: &Expected,
) -> Result<Contents, JournalError> {
    let mut reader = Reader::open(path, bytes, state_key, expected)?;
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
    state_key: Option<&'a StateKey>,
    /// What the chain must have at some place.
    receipt: Option<&'a Receipt>,
    protection: Protection,
    /// Everything before has been read and checks.
    offset: usize,
    /// The line at the offset, from 1.
    line: u64,
    header: Header,
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
    fn open(
        path: &'a Path,
        bytes: Vec<u8>,
        state_key: Option<&'a StateKey>,
        expected: &'a Expected,
    ) -> Result<Self, JournalError> {
        let damaged = |what: &str| JournalError::Damaged { path: path.to_owned(), line: 1, what: what.to_owned() };
        let end = end_of_line(&bytes, 0).ok_or_else(|| {
            damaged(if bytes.is_empty() { "the file is empty" } else { "the file ends within its first line" })
        })?;
        let (header, chain, sum) = read_header(path, &bytes[..end], state_key, expected)?;
        let recipients = header.age.iter().map(|text| text.parse::<Recipient>()).collect::<Result<Vec<_>, _>>();
        let recipients = recipients.map_err(|error| damaged(&format!("whom it is encrypted for is {error}")))?;
        Ok(Self {
            path,
            state_key: state_key.filter(|_| header.state_key.is_some()),
            receipt: expected.receipt.as_ref(),
            protection: Protection { chain, recipients: recipients.into() },
            offset: end + 1,
            line: 2,
            writer: header.shiro.clone(),
            header,
            records: Vec::with_capacity(bytes.len() / 256),
            sealed: false,
            notices: Vec::new(),
            seq: 0,
            batch: 0,
            sum,
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
            Some(end) => self.check_line(self.offset..end).map(|line| (line, end)),
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
        let last = line.last(&self.bytes);
        if !self.sealed {
            self.read_records(&line)?;
        }
        (self.seq, self.batch, self.sum) = (last, line.position.batch, line.sum);
        self.offset = end + 1;
        self.line += 1;
        match self.receipt.filter(|receipt| !receipt.agrees(self.seq, &self.sum)) {
            None => Ok(true),
            Some(_) => Err(self.rewound("at that place it holds something else")),
        }
    }

    fn check_line(&self, range: Range<usize>) -> Result<Line, &'static str> {
        Line::check(&self.bytes, range, &self.protection.chain, &self.sum, self.seq + 1)
    }

    fn read_records(&mut self, line: &Line) -> Result<(), JournalError> {
        let before = self.records.len();
        let read = line.records(&mut self.bytes, self.state_key, &mut self.scratch, &mut self.records);
        if let Err(what) = read {
            return Err(JournalError::Newer {
                path: self.path.to_owned(),
                line: self.line,
                writer: self.writer.clone(),
                format: FORMAT,
                what,
            });
        }
        for record in &self.records[before..] {
            if let Event::RunResumed { shiro, .. } = &record.event {
                self.writer.clone_from(shiro);
            }
        }
        let is_start = |record: &Record| match &record.event {
            Event::RunStarted(started) => Origin::of(started) == self.header.origin,
            _ => false,
        };
        if before == 0 && !self.records.first().is_some_and(is_start) {
            self.records.clear();
            return Err(self.damaged("a journal begins with the start of the run that its header names"));
        }
        Ok(())
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
            self.line,
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
        let altered_end = self.check_line(all_but_end).is_ok();
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
                self.line,
            ));
        }
        if self.receipt.is_some_and(|receipt| receipt.seq > self.seq) {
            return Err(self.rewound("it ends before that"));
        }
        Ok(Contents {
            key: self.header.key,
            origin: self.header.origin,
            protection: self.protection,
            authenticated: self.header.state_key.is_some(),
            records: self.records,
            sealed: self.sealed,
            notices: self.notices,
            end: End { offset: self.offset as u64, seq: self.seq, sum: self.sum },
        })
    }

    fn rewound(&self, what: &'static str) -> JournalError {
        let seq = self.receipt.map_or(0, |receipt| receipt.seq);
        JournalError::Rewound { path: self.path.to_owned(), seq, what }
    }

    fn damaged(&self, what: &str) -> JournalError {
        let what = match self.records.len() {
            0 => what.to_owned(),
            1 => format!("{what}; the event before it is intact"),
            intact => format!("{what}; the {intact} events before it are intact"),
        };
        JournalError::Damaged { path: self.path.to_owned(), line: self.line, what }
    }
}

/// Reads a header's line (without its end). Returns how the lines after it are linked, too.
fn read_header(
    path: &Path,
    line: &[u8],
    state_key: Option<&StateKey>,
    expected: &Expected,
) -> Result<(Header, Chain, Sum), JournalError> {
    let damaged = |what: &str| JournalError::Damaged { path: path.to_owned(), line: 1, what: what.to_owned() };
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
    let (covered, written) = format::split_sum(line).ok_or_else(|| damaged("the header has no checksum"))?;
    let parsed = serde_json::from_slice::<Header>(line);
    let named = parsed.as_ref().ok().and_then(|header| header.state_key.as_deref());
    let wrong_key = named.is_some() && named != state_key.map(StateKey::id);
    let chain = Chain::new(state_key.filter(|_| named.is_some()));
    let sum = chain.first(covered);
    if any.format != FORMAT || (!wrong_key && sum.as_bytes() != written) {
        return Err(damaged("the header is not as it was written (its checksum differs)"));
    }
    let header = parsed.map_err(|error| newer(&error.to_string()))?;
    // Whose it is says more than which key it has, even where the key can't tell whether it is true.
    expected.check(path, &header.key, &header.origin)?;
    if let (true, Some(found)) = (wrong_key, &header.state_key) {
        let given = state_key.map(|key| key.id().to_owned());
        return Err(JournalError::WrongKey { path: path.to_owned(), found: found.clone(), given });
    }
    if state_key.is_some() && header.state_key.is_none() {
        return Err(JournalError::Unauthenticated { path: path.to_owned() });
    }
    let mut again = Vec::with_capacity(line.len() + 1);
    if format::push_header(&mut again, &chain, &header).is_err() || again.strip_suffix(b"\n") != Some(line) {
        return Err(newer("a header with a field that is unknown here"));
    }
    Ok((header, chain, sum))
}

/// Where the line that begins at `start` ends, if it does.
fn end_of_line(bytes: &[u8], start: usize) -> Option<usize> {
    bytes[start..].iter().position(|byte| *byte == b'\n').map(|length| start + length)
}
