//! The bytes of a journal.
//!
//! ```text
//! {"journal":"shiro","format":1,"shiro":"0.1.0","run":"0198…","project":"group/name","workflow":"deploy",…,"sum":"5c0f…"}
//! {"seq":1,"batch":2,"at":1767225600000,"event":"run_started",…,"sum":"9a41…"}
//! {"seq":2,"batch":2,"at":1767225600001,"event":"step_started",…,"sum":"07de…"}
//! {"seq":3,"batch":3,"seal":true,"sum":"b233…"}
//! ```
//!
//! `seq` counts records and seals from 1. `batch` is the `seq` of the last one that was written together with this one,
//! so that every line of a batch says how far it goes. `sum` is the first half of a SHA-256 over the `sum` before (nothing, for
//! the header) and over the bytes of its line that stand before it; of an HMAC-SHA256 if the header names a `key`.
//!
//! If the header names recipients (`age`), a batch is one line with one age file, which holds the records' lines without their
//! positions and sums; `seq` is that of the first record:
//!
//! ```text
//! {"seq":1,"batch":2,"age":"YWdlLWVuY3J5…","sum":"9a41…"}
//! ```

use std::io::Write as _;
use std::ops::Range;

use serde::{Deserialize, Serialize};

use super::key::{Recipient, StateKey};
use super::name::{Origin, RunKey};
use super::protect::{self, Chain, Protection, Sum};
use crate::event::Record;

/// The format that this version writes, and the newest it reads.
pub(super) const FORMAT: u64 = 1;

/// How deep arrays and objects of a line may nest for serde_json to read it back.
const DEPTH_MAX: usize = 127;

const SUM_BEGIN: &[u8] = br#","sum":""#;
const SUM_END: &[u8] = br#""}"#;
const SEAL: &[u8] = br#","seal":true"#;
const AGE_BEGIN: &[u8] = br#","age":""#;
const AGE_END: &[u8] = br#"""#;

/// The first line.
#[derive(Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct Header {
    /// `shiro`: what kind of file this is.
    pub(super) journal: String,
    /// The format of all that follows.
    pub(super) format: u64,
    /// The version of shiro that created the file.
    pub(super) shiro: String,
    /// Where the run began.
    #[serde(flatten)]
    pub(super) origin: Origin,
    /// Which run it is.
    #[serde(flatten)]
    pub(super) key: RunKey,
    /// The id of the state key that the sums are made with. `None`: anybody can make them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) state_key: Option<String>,
    /// Whom the batches are encrypted for. Empty: they are not.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(super) age: Vec<String>,
}

impl Header {
    pub(super) const KIND: &str = "shiro";

    pub(super) fn new(key: &RunKey, origin: Origin, state_key: Option<&StateKey>, recipients: &[Recipient]) -> Self {
        Self {
            journal: Self::KIND.to_owned(),
            format: FORMAT,
            shiro: env!("CARGO_PKG_VERSION").to_owned(),
            origin,
            key: key.clone(),
            state_key: state_key.map(|key| key.id().to_owned()),
            age: recipients.iter().map(ToString::to_string).collect(),
        }
    }
}

/// What every format has had and will have in its header, so that a newer one can be named.
#[derive(Deserialize)]
pub(super) struct AnyHeader {
    pub(super) journal: String,
    pub(super) format: u64,
    #[serde(default)]
    pub(super) shiro: Option<String>,
}

/// Why a record is not written: it would not be read back.
#[derive(Debug, thiserror::Error)]
pub(super) enum EncodeError {
    #[error("the event is not JSON: {0}")]
    Json(#[from] serde_json::Error),
    #[error("the event nests {0} levels deep, and at most {DEPTH_MAX} can be read back")]
    Depth(usize),
    #[error("the event can't be encrypted: {0}")]
    Encryption(String),
}

/// Appends the header's line.
pub(super) fn push_header(buffer: &mut Vec<u8>, chain: &Chain, header: &Header) -> Result<Sum, EncodeError> {
    let start = buffer.len();
    serde_json::to_writer(&mut *buffer, header)?;
    buffer.pop();
    let sum = chain.first(&buffer[start..]);
    push_sum(buffer, &sum);
    Ok(sum)
}

/// Appends records as one batch, after the line with `previous` as its sum; the first of them is `seq`.
pub(super) fn push_batch(
    buffer: &mut Vec<u8>,
    protection: &Protection,
    previous: &Sum,
    seq: u64,
    records: &[Record],
) -> Result<Sum, EncodeError> {
    let last = seq + records.len() as u64 - 1;
    if protection.encrypts() {
        return push_encrypted(buffer, protection, previous, (seq, last), records);
    }
    let mut sum = *previous;
    for (seq, record) in (seq..).zip(records) {
        let start = buffer.len();
        push_position(buffer, seq, last);
        let body = buffer.len();
        push_json(buffer, record)?;
        // The record is an object: its members go on where the position's stopped. `Line::records` does the reverse.
        buffer[body] = b',';
        buffer.pop();
        sum = protection.chain.next(&sum, &buffer[start..]);
        push_sum(buffer, &sum);
    }
    Ok(sum)
}

fn push_encrypted(
    buffer: &mut Vec<u8>,
    protection: &Protection,
    previous: &Sum,
    (seq, last): (u64, u64),
    records: &[Record],
) -> Result<Sum, EncodeError> {
    let mut plain = Vec::new();
    for record in records {
        push_json(&mut plain, record)?;
        plain.push(b'\n');
    }
    let start = buffer.len();
    push_position(buffer, seq, last);
    buffer.extend_from_slice(AGE_BEGIN);
    buffer.extend_from_slice(protection.encrypt(&plain).map_err(EncodeError::Encryption)?.as_bytes());
    buffer.extend_from_slice(AGE_END);
    let sum = protection.chain.next(previous, &buffer[start..]);
    push_sum(buffer, &sum);
    Ok(sum)
}

/// Appends a record as JSON that can be read back.
fn push_json(buffer: &mut Vec<u8>, record: &Record) -> Result<(), EncodeError> {
    let start = buffer.len();
    serde_json::to_writer(&mut *buffer, record)?;
    match depth(&buffer[start..]) {
        depth if depth > DEPTH_MAX => Err(EncodeError::Depth(depth)),
        _ => Ok(()),
    }
}

/// Appends a seal, a batch of its own.
pub(super) fn push_seal(buffer: &mut Vec<u8>, chain: &Chain, previous: &Sum, seq: u64) -> Sum {
    let start = buffer.len();
    push_position(buffer, seq, seq);
    buffer.extend_from_slice(SEAL);
    let sum = chain.next(previous, &buffer[start..]);
    push_sum(buffer, &sum);
    sum
}

fn push_position(buffer: &mut Vec<u8>, seq: u64, batch: u64) {
    write!(buffer, r#"{{"seq":{seq},"batch":{batch}"#).expect("writing to a Vec can't fail");
}

fn push_sum(buffer: &mut Vec<u8>, sum: &Sum) {
    buffer.extend_from_slice(SUM_BEGIN);
    buffer.extend_from_slice(sum.as_bytes());
    buffer.extend_from_slice(SUM_END);
    buffer.push(b'\n');
}

/// How deep the arrays and objects of a JSON text nest.
fn depth(json: &[u8]) -> usize {
    let (mut depth, mut deepest) = (0, 0);
    let mut bytes = json.iter();
    let mut in_string = false;
    while let Some(byte) = bytes.next() {
        match byte {
            b'"' => in_string = !in_string,
            b'\\' => drop(bytes.next()),
            b'{' | b'[' if !in_string => {
                depth += 1;
                deepest = deepest.max(depth);
            }
            b'}' | b']' if !in_string => depth -= 1,
            _ => {}
        }
    }
    deepest
}

/// The bytes of a line (without its end) before its sum, and the sum. `None` if the line does not end in one.
pub(super) fn split_sum(line: &[u8]) -> Option<(&[u8], &[u8])> {
    let line = line.strip_suffix(SUM_END)?;
    let (line, sum) = line.split_at(line.len().checked_sub(32)?);
    Some((line.strip_suffix(SUM_BEGIN)?, sum))
}

/// Where a line stands, as it says itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Position {
    pub(super) seq: u64,
    pub(super) batch: u64,
    /// How many bytes of the line say so.
    len: usize,
}

impl Position {
    /// The position at the front of a line, or of what is left of one.
    pub(super) fn of(line: &[u8]) -> Option<Self> {
        let rest = line.strip_prefix(br#"{"seq":"#)?;
        let (seq, rest) = number(rest)?;
        let (batch, rest) = number(rest.strip_prefix(br#","batch":"#)?)?;
        rest.starts_with(b",").then(|| Self { seq, batch, len: line.len() - rest.len() })
    }

    /// How every line with this `seq` begins.
    pub(super) fn prefix(seq: u64) -> String {
        format!(r#"{{"seq":{seq},"batch":"#)
    }
}

fn number(text: &[u8]) -> Option<(u64, &[u8])> {
    let digits = text.iter().take_while(|byte| byte.is_ascii_digit()).count();
    let (number, rest) = text.split_at(digits);
    Some((std::str::from_utf8(number).ok()?.parse().ok()?, rest))
}

/// A line that checks, within the bytes of its file.
#[derive(Debug)]
pub(super) struct Line {
    pub(super) position: Position,
    pub(super) sum: Sum,
    /// What stands between the position and the sum, with the comma before each.
    body: Range<usize>,
}

impl Line {
    /// Checks the line (without its end) at `range`, which must come after the one with `previous` as its sum.
    pub(super) fn check(
        bytes: &[u8],
        range: Range<usize>,
        chain: &Chain,
        previous: &Sum,
        seq: u64,
    ) -> Result<Self, &'static str> {
        let (covered, written) = split_sum(&bytes[range.clone()]).ok_or("this is not a whole line of a journal")?;
        let sum = chain.next(previous, covered);
        if sum.as_bytes() != written {
            return Err("the line, or the one before it, is not as it was written (its checksum differs)");
        }
        let position = Position::of(covered).ok_or("the line does not say where it belongs")?;
        if position.seq != seq || position.batch < seq {
            return Err("the line does not belong here (its `seq` is not the next)");
        }
        let body = range.start + position.len..range.start + covered.len();
        Ok(Self { position, sum, body })
    }

    /// Whether it is a seal.
    pub(super) fn is_seal(&self, bytes: &[u8]) -> bool {
        bytes[self.body.clone()] == *SEAL
    }

    /// The last `seq` that is in it: that of its batch if it is encrypted.
    pub(super) fn last(&self, bytes: &[u8]) -> u64 {
        if self.is_encrypted(bytes) { self.position.batch } else { self.position.seq }
    }

    fn is_encrypted(&self, bytes: &[u8]) -> bool {
        bytes[self.body.clone()].starts_with(AGE_BEGIN)
    }

    /// Appends the records in it. Turns the line's bytes into the record's own, in place; `scratch` is reused from line to line.
    pub(super) fn records(
        &self,
        bytes: &mut [u8],
        key: Option<&StateKey>,
        scratch: &mut Vec<u8>,
        records: &mut Vec<Record>,
    ) -> Result<(), String> {
        if self.is_encrypted(bytes) {
            let base64 = bytes[self.body.clone()].strip_prefix(AGE_BEGIN).and_then(|body| body.strip_suffix(AGE_END));
            return self.encrypted_records(base64.ok_or("an unknown kind of encryption")?, key, scratch, records);
        }
        let json = &mut bytes[self.body.start..=self.body.end];
        json[0] = b'{';
        json[self.body.len()] = b'}';
        records.push(parse(json, scratch)?);
        Ok(())
    }

    fn encrypted_records(
        &self,
        base64: &[u8],
        key: Option<&StateKey>,
        scratch: &mut Vec<u8>,
        records: &mut Vec<Record>,
    ) -> Result<(), String> {
        let key = key.ok_or("it is encrypted, and there is no state key")?;
        let plain = protect::decrypt(key, base64)?;
        let before = records.len();
        for line in plain.split_inclusive(|byte| *byte == b'\n') {
            records.push(parse(line.strip_suffix(b"\n").unwrap_or(line), scratch)?);
        }
        let expected = self.position.batch - self.position.seq + 1;
        let found = (records.len() - before) as u64;
        if found == expected { Ok(()) } else { Err(format!("a batch of {expected} events that holds {found}")) }
    }
}

/// A record. One that does not give the same bytes again has something in it that this version does not know.
fn parse(json: &[u8], scratch: &mut Vec<u8>) -> Result<Record, String> {
    let record: Record = serde_json::from_slice(json).map_err(|error| shorter(&error.to_string()))?;
    scratch.clear();
    serde_json::to_writer(&mut *scratch, &record).map_err(|error| error.to_string())?;
    if scratch == json { Ok(record) } else { Err("an event with a field that is unknown here".to_owned()) }
}

/// The message without the list of all that would be known, and without a column that is not the file's.
fn shorter(message: &str) -> String {
    let end = message.find(", expected").or(message.find(" at line ")).unwrap_or(message.len());
    message[..end].to_owned()
}
