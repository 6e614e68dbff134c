//! The stream a reporter writes to: buffered, and in a terminal with a live area below the lines.

use std::io::Write;

/// More than this is written at once, however recently that was done.
const FULL: usize = 64 * 1024;

pub(super) struct Screen {
    out: Box<dyn Write + Send>,
    /// Whole lines, not written yet.
    pub(super) pending: Vec<u8>,
    /// The rows of the live area as they stand on the terminal.
    area: Vec<String>,
    /// Writing failed (the reader has gone): nothing is written any more.
    broken: bool,
}

impl Screen {
    pub(super) fn new(out: Box<dyn Write + Send>) -> Self {
        Self { out, pending: Vec::new(), area: Vec::new(), broken: false }
    }

    pub(super) fn is_full(&self) -> bool {
        self.pending.len() >= FULL
    }

    /// Writes what is pending, and the live area below it: all in one write, so that it does not flicker.
    pub(super) fn flush(&mut self, area: Vec<String>) {
        if self.pending.is_empty() && self.area == area {
            return;
        }
        if !self.area.is_empty() {
            let erase = format!("\u{1b}[{}A\u{1b}[J", self.area.len());
            self.pending.splice(..0, erase.into_bytes());
        }
        for row in &area {
            self.pending.extend_from_slice(row.as_bytes());
            self.pending.push(b'\n');
        }
        self.area = area;
        if !self.broken {
            self.broken = self.out.write_all(&self.pending).and_then(|()| self.out.flush()).is_err();
        }
        self.pending.clear();
        self.pending.shrink_to(2 * FULL);
    }
}
