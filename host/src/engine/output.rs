//! An attempt's live output on its way to those who show it: split into lines and masked before anyone hears of it.

use std::sync::{Arc, Mutex, PoisonError};

use crate::event::{Level, Notice, Stream, Tell};
use crate::id::StepId;
use crate::secret::{LineMasker, Secrets};
use crate::step::StepSink;

/// The sink of one attempt. What a quiet step writes is dropped, but not what it warns of.
pub(super) struct Output {
    step: StepId,
    quiet: bool,
    secrets: Arc<Secrets>,
    tell: Arc<dyn Tell>,
    /// `None` once the attempt has ended: nothing is shown after its end.
    lines: Mutex<Option<Lines>>,
}

struct Lines {
    stdout: LineMasker,
    stderr: LineMasker,
}

impl Output {
    pub(super) fn new(step: StepId, quiet: bool, secrets: Arc<Secrets>, tell: Arc<dyn Tell>) -> Self {
        let masker = || LineMasker::new(Arc::clone(&secrets));
        let lines = Mutex::new(Some(Lines { stdout: masker(), stderr: masker() }));
        Self { step, quiet, secrets, tell, lines }
    }

    /// The attempt has ended: tells what is left of lines without an end.
    pub(super) fn finish(&self) {
        let lines = self.lines.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(Lines { stdout, stderr }) = lines {
            stdout.finish(&mut |line| self.line(Stream::Stdout, line));
            stderr.finish(&mut |line| self.line(Stream::Stderr, line));
        }
    }

    fn line(&self, stream: Stream, line: &str) {
        self.tell.tell(Notice::Output { step: &self.step, stream, line });
    }
}

impl StepSink for Output {
    fn output(&self, stream: Stream, bytes: &[u8]) {
        if self.quiet {
            return;
        }
        // Held while telling, so that two writers of one stream can't swap their lines.
        let mut lines = self.lines.lock().unwrap_or_else(PoisonError::into_inner);
        let masker = match (lines.as_mut(), stream) {
            (None, _) => return,
            (Some(lines), Stream::Stdout) => &mut lines.stdout,
            (Some(lines), Stream::Stderr) => &mut lines.stderr,
        };
        masker.push(bytes, &mut |line| self.line(stream, line));
    }

    fn log(&self, level: Level, message: &str) {
        if !self.quiet || level >= Level::Warn {
            self.tell.tell(Notice::Log { step: &self.step, level, message: &self.secrets.mask(message) });
        }
    }

    fn warn(&self, message: &str) {
        self.tell.tell(Notice::Warning { step: Some(&self.step), message: &self.secrets.mask(message) });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Default)]
    struct Heard(Mutex<Vec<String>>);

    impl Tell for Heard {
        fn tell(&self, notice: Notice<'_>) {
            let text = match notice {
                Notice::Output { stream, line, .. } => format!("{stream:?} {line}"),
                Notice::Log { level, message, .. } => format!("{level:?} {message}"),
                Notice::Warning { message, .. } => format!("warning {message}"),
                Notice::Recorded(_) => unreachable!("a sink records nothing"),
            };
            self.0.lock().unwrap().push(text);
        }
    }

    fn hear(quiet: bool) -> Vec<String> {
        let secrets = Arc::new(Secrets::new());
        secrets.add("env:TOKEN", "s3cr3t-value");
        let heard = Arc::new(Heard::default());
        let output = Output::new(StepId::new("a"), quiet, secrets, heard.clone());
        output.output(Stream::Stdout, b"one\nthe s3cr3");
        output.output(Stream::Stderr, b"other\n");
        output.output(Stream::Stdout, b"t-value!\nlast");
        output.log(Level::Info, "s3cr3t-value");
        output.log(Level::Error, "bad s3cr3t-value");
        output.warn("no s3cr3t-value");
        output.finish();
        output.output(Stream::Stdout, b"too late\n");
        output.finish();
        heard.0.lock().unwrap().clone()
    }

    #[test]
    fn lines_are_whole_and_masked() {
        assert_eq!(
            hear(false),
            [
                "Stdout one",
                "Stderr other",
                "Stdout the ***!",
                "Info ***",
                "Error bad ***",
                "warning no ***",
                "Stdout last",
            ]
        );
    }

    #[test]
    fn a_quiet_step_only_warns() {
        assert_eq!(hear(true), ["Error bad ***", "warning no ***"]);
    }
}
