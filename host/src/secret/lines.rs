//! Turns the bytes that a step writes into masked lines, however they are split across writes.

use std::sync::Arc;

use super::matcher::Matcher;
use super::{Secrets, mask};

/// A longer line is shown in pieces of about this many bytes.
const LONGEST_LINE: usize = 64 * 1024;
/// At most this much of a line's end is kept back when it is shown in pieces, to see a secret that goes on.
const LONGEST_OVERLAP: usize = LONGEST_LINE / 2;

/// Assembles one stream's lines and masks them. Text that is not UTF-8 is shown with replacement characters. A carriage
/// return ends a line too, with or without a line feed, so that a progress bar shows. Memory is bounded: a line longer than
/// 64 KiB comes in pieces, cut where no secret stands.
pub struct LineMasker {
    secrets: Arc<Secrets>,
    partial: Vec<u8>,
    after: After,
}

/// What the last byte was, as far as it matters to the next one.
#[derive(Clone, Copy, PartialEq, Eq)]
enum After {
    /// Part of a line, or its end.
    Other,
    /// A carriage return that ended a line: a line feed belongs to it.
    Return,
    /// A carriage return with nothing before it: an empty line only if a line feed follows.
    EmptyReturn,
}

impl LineMasker {
    /// For one stream.
    pub fn new(secrets: Arc<Secrets>) -> Self {
        Self { secrets, partial: Vec::new(), after: After::Other }
    }

    /// Takes what was written, and emits every line that it completes, without its end.
    pub fn push(&mut self, bytes: &[u8], emit: &mut dyn FnMut(&str)) {
        let matcher = self.secrets.matcher();
        let matcher = matcher.as_deref();
        let mut rest = bytes;
        while let Some(&first) = rest.first() {
            if self.after != After::Other {
                let after = std::mem::replace(&mut self.after, After::Other);
                if first == b'\n' {
                    if after == After::EmptyReturn {
                        emit("");
                    }
                    rest = &rest[1..];
                    continue;
                }
            }
            let Some(end) = memchr::memchr2(b'\n', b'\r', rest) else {
                self.keep(matcher, rest, emit);
                return;
            };
            let (line, ended) = rest.split_at(end);
            rest = &ended[1..];
            let is_return = ended[0] == b'\r';
            if is_return {
                let empty = line.is_empty() && self.partial.is_empty();
                self.after = if empty { After::EmptyReturn } else { After::Return };
                if empty {
                    continue;
                }
            }
            self.complete(matcher, line, emit);
        }
    }

    /// Emits what is left when the stream has ended.
    pub fn finish(mut self, emit: &mut dyn FnMut(&str)) {
        if !self.partial.is_empty() {
            let matcher = self.secrets.matcher();
            self.complete(matcher.as_deref(), &[], emit);
        }
    }

    /// Emits a line: what was kept and its last part.
    fn complete(&mut self, matcher: Option<&Matcher>, last: &[u8], emit: &mut dyn FnMut(&str)) {
        if self.partial.is_empty() && last.len() <= LONGEST_LINE {
            show(matcher, last, emit);
            return;
        }
        self.keep(matcher, last, emit);
        show(matcher, &self.partial, emit);
        self.partial.clear();
    }

    /// Keeps the beginning of a line, and emits pieces of it when it becomes too long.
    fn keep(&mut self, matcher: Option<&Matcher>, part: &[u8], emit: &mut dyn FnMut(&str)) {
        for chunk in part.chunks(LONGEST_LINE) {
            self.partial.extend_from_slice(chunk);
            while self.partial.len() > LONGEST_LINE {
                let cut = cut(matcher, &self.partial);
                show(matcher, &self.partial[..cut], emit);
                self.partial.drain(..cut);
            }
        }
    }
}

fn show(matcher: Option<&Matcher>, line: &[u8], emit: &mut dyn FnMut(&str)) {
    let line = String::from_utf8_lossy(line);
    match matcher {
        Some(matcher) => emit(&mask(matcher, &line)),
        None => emit(&line),
    }
}

/// Where to cut a long line: not within a character, nor within a secret or what may be the beginning of one.
fn cut(matcher: Option<&Matcher>, line: &[u8]) -> usize {
    let mut cut = line.len();
    if let Some(matcher) = matcher {
        cut -= matcher.longest().saturating_sub(1).min(LONGEST_OVERLAP);
        for hit in matcher.hits(line).iter().rev() {
            if hit.range.start < cut && cut < hit.range.end {
                cut = hit.range.start;
            }
        }
    }
    match character_start(line, cut) {
        // One secret from the line's beginning on: it is shown masked, and what follows of it is a fragment.
        0 => line.len(),
        cut => cut,
    }
}

/// `at`, or the beginning of the UTF-8 character that stands across it.
fn character_start(line: &[u8], at: usize) -> usize {
    for start in (at.saturating_sub(3)..at).rev() {
        let length = match line[start] {
            0x80..=0xbf => continue,
            0xc0..=0xdf => 2,
            0xe0..=0xef => 3,
            0xf0..=0xff => 4,
            _ => 1,
        };
        return if start + length > at { start } else { at };
    }
    at
}
