//! A step's log on standard error, line by line, masked and safe to show.

use std::io::{self, Write as _};
use std::sync::{Arc, Mutex, PoisonError};

use crate::event::{Level, Stream};
use crate::report::clean_line;
use crate::secret::{LineMasker, Secrets};
use crate::step::StepSink;

/// Shows what one step writes and logs.
pub(super) struct Console {
    secrets: Arc<Secrets>,
    streams: Mutex<[Option<LineMasker>; 2]>,
}

impl Console {
    /// With nothing shown yet.
    pub(super) fn new(secrets: Arc<Secrets>) -> Self {
        let stream = || Some(LineMasker::new(Arc::clone(&secrets)));
        Self { streams: Mutex::new([stream(), stream()]), secrets }
    }

    /// Shows what is left of lines that were not ended.
    pub(super) fn finish(&self) {
        for stream in self.streams.lock().unwrap_or_else(PoisonError::into_inner).iter_mut() {
            if let Some(masker) = stream.take() {
                masker.finish(&mut |line| show("", line));
            }
        }
    }
}

impl StepSink for Console {
    fn output(&self, stream: Stream, bytes: &[u8]) {
        let index = match stream {
            Stream::Stdout => 0,
            Stream::Stderr => 1,
        };
        let mut streams = self.streams.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(masker) = &mut streams[index] {
            masker.push(bytes, &mut |line| show("", line));
        }
    }

    fn log(&self, level: Level, message: &str) {
        let label = match level {
            Level::Debug => "debug: ",
            Level::Info => "",
            Level::Warn => "warning: ",
            Level::Error => "error: ",
        };
        for line in self.secrets.mask(message).lines() {
            show(label, line);
        }
    }

    fn warn(&self, message: &str) {
        self.log(Level::Warn, message);
    }
}

/// Standard error may be closed: the step goes on.
fn show(label: &str, line: &str) {
    let _ = writeln!(io::stderr(), "  {label}{}", clean_line(line));
}
