//! Here-documents: `<<WORD`, and the bodies behind the end of the line.

use super::scan::{Expect, Frame, HereDocument, Quotes, Scanner, Step};
use super::word::{HOLE, OPAQUE};
use super::{Quoting, Refusal, Warning};

impl Scanner<'_> {
    /// `<<` or `<<-`, and the delimiter.
    pub(super) fn here_document(&mut self) -> Step {
        if self.limit < self.text.len() {
            return Err(self.uncertain("a here-document within another one"));
        }
        self.at += 2;
        let strip_tabs = self.peek(0) == Some(b'-');
        self.at += usize::from(strip_tabs);
        while matches!(self.peek(0), Some(b' ' | b'\t')) {
            self.at += 1;
        }
        let quote = match self.peek(0) {
            Some(quote @ (b'\'' | b'"' | b'\\')) => Some(quote),
            _ => None,
        };
        self.at += usize::from(quote.is_some());
        let start = self.at;
        while self.peek(0).is_some_and(is_delimiter_byte) {
            self.at += 1;
        }
        let delimiter = self.text[start..self.at].to_vec();
        if let Some(closing @ (b'\'' | b'"')) = quote {
            if self.peek(0) != Some(closing) {
                return Err(self.uncertain("the delimiter of a here-document is not a simple word"));
            }
            self.at += 1;
        }
        let ends = self.peek(0).is_some_and(|byte| b" \t\n;&|<>)".contains(&byte));
        if delimiter.is_empty() || !ends {
            return Err(self.uncertain("the delimiter of a here-document is not a simple word"));
        }
        let commands = self.commands();
        commands.prefixed |= commands.expect == Expect::Command;
        commands.here_documents.push_back(HereDocument {
            delimiter,
            quoted: quote.is_some(),
            strip_tabs,
            interpreter: None,
        });
        self.pending += 1;
        Ok(())
    }

    /// At the start of a line: goes through the bodies that begin here, up to one that has to be read.
    pub(super) fn here_bodies(&mut self) -> Step {
        while let Some(document) = self.commands().here_documents.pop_front() {
            self.pending -= 1;
            let (end, resume) = self.body_end(&document)?;
            let body = &self.text[self.at..end];
            let templates = body.iter().filter(|byte| **byte == HOLE).count();
            if document.quoted {
                for _ in 0..templates {
                    self.holes[self.hole] = Err(Refusal::QuotedHereDocument);
                    self.hole += 1;
                }
            } else if body.iter().any(|byte| matches!(byte, b'$' | b'`' | b'\\' | &HOLE)) {
                self.stack.push(Frame::HereBody {
                    resume,
                    outer_limit: self.limit,
                    first_hole: self.hole,
                    interpreter: document.interpreter,
                });
                self.limit = end;
                return Ok(());
            }
            self.at = resume;
        }
        let (hole, commands) = (self.hole, self.commands());
        let start = if commands.piped { commands.pipeline.0 } else { hole };
        commands.pipeline = (start, 0);
        Ok(())
    }

    /// Where the body that begins here ends, and where the line behind its delimiter begins.
    fn body_end(&self, document: &HereDocument) -> Step<(usize, usize)> {
        let mut start = self.at;
        let mut continued = false;
        while start < self.limit {
            let rest = &self.text[start..self.limit];
            let len = rest.iter().position(|byte| *byte == b'\n').unwrap_or(rest.len());
            let tabs = rest[..len].iter().take_while(|byte| document.strip_tabs && **byte == b'\t').count();
            let line = &rest[tabs..len];
            if line == document.delimiter {
                if continued {
                    return Err(self.uncertain("the line before a here-document's delimiter ends with a backslash"));
                }
                return Ok((start, (start + len + 1).min(self.limit)));
            }
            if let Some([b')' | b'`', ..]) = line.strip_prefix(document.delimiter.as_slice()) {
                return Err(self.uncertain("a here-document's delimiter is not alone in its line"));
            }
            let backslashes = line.iter().rev().take_while(|byte| **byte == b'\\').count();
            continued = !document.quoted && backslashes % 2 == 1;
            start += len + 1;
        }
        Err(self.uncertain("a here-document has no end"))
    }

    pub(super) fn here_body_byte(&mut self, byte: u8) -> Step {
        match byte {
            b'\\' => {
                if matches!(self.peek(1), Some(HOLE | OPAQUE)) {
                    return Err(self.uncertain("a backslash quotes what is not known"));
                }
                self.at = (self.at + 2).min(self.limit);
            }
            b'$' => return self.dollar(Quotes::Here),
            b'`' => return self.backtick(),
            HOLE => self.settle(Ok(Quoting::Double)),
            _ => self.at += 1,
        }
        Ok(())
    }

    pub(super) fn close_here_body(&mut self) -> Step {
        if let Some(Frame::HereBody { resume, outer_limit, first_hole, interpreter }) = self.stack.pop() {
            if let Some(interpreter) = interpreter {
                self.warn(first_hole..self.hole, &Warning::Nested(interpreter));
            }
            self.limit = outer_limit;
            self.at = resume;
        }
        self.here_bodies()
    }
}

fn is_delimiter_byte(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"_.,:%+@!-/=".contains(&byte)
}
