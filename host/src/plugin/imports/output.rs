//! What a guest writes: stdout, stderr and log messages, with one budget for all three.

use std::borrow::Cow;
use std::io;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll};

use bytes::Bytes;
use tokio::io::AsyncWrite;
use wasmtime_wasi::cli::{IsTerminal, StdoutStream};
use wasmtime_wasi::p2::{OutputStream, Pollable, StreamError, StreamResult};

use crate::event::{Level, Stream};
use crate::plugin::limits::{LOG_LINE_BYTES, Limit, bytes};
use crate::plugin::text::cut;
use crate::step::StepSink;

/// What a stream takes at once: also what `write-zeroes` allocates at most.
const CHUNK: usize = 64 << 10;
/// What a message costs besides its text, so that a flood of empty ones ends too.
const MESSAGE_COST: usize = 16;
/// How much of stderr is kept for the message of a trap.
const LAST_WORDS: usize = 4 << 10;

/// Where an attempt's guest writes to.
#[derive(Clone)]
pub(in crate::plugin) struct GuestOutput {
    sink: Arc<dyn StepSink>,
    /// What it may write, in MiB.
    mib: u32,
    state: Arc<Mutex<State>>,
}

struct State {
    left: usize,
    cut: bool,
    last_words: Vec<u8>,
}

impl GuestOutput {
    /// `mib` is what it may write.
    pub(in crate::plugin) fn new(sink: Arc<dyn StepSink>, mib: u32) -> Self {
        let state = State { left: bytes(mib), cut: false, last_words: Vec::new() };
        Self { sink, mib, state: Arc::new(Mutex::new(state)) }
    }

    pub(in crate::plugin) fn sink(&self) -> &Arc<dyn StepSink> {
        &self.sink
    }

    /// The guest wrote to a stream.
    pub(in crate::plugin) fn write(&self, stream: Stream, bytes: &[u8]) -> Result<(), Limit> {
        let taken = self.take(bytes.len());
        let shown = &bytes[..taken.min(bytes.len())];
        if stream == Stream::Stderr {
            self.lock().remember(shown);
        }
        if !shown.is_empty() {
            self.sink.output(stream, shown);
        }
        self.check(taken, bytes.len())
    }

    /// The guest logged a message with a JSON object of fields, or an empty string for none.
    pub(in crate::plugin) fn log(&self, level: Level, message: &str, fields: &str) -> Result<(), Limit> {
        let cost = message.len().saturating_add(fields.len()).saturating_add(MESSAGE_COST);
        let taken = self.take(cost);
        if taken == cost {
            self.sink.log(level, &render(message, fields));
        }
        self.check(taken, cost)
    }

    /// The last lines that the guest wrote to stderr: what a tool chain's panic handler says before the trap.
    pub(in crate::plugin) fn last_words(&self) -> String {
        let state = self.lock();
        String::from_utf8_lossy(&state.last_words).trim().to_owned()
    }

    fn take(&self, wanted: usize) -> usize {
        let mut state = self.lock();
        let taken = wanted.min(state.left);
        state.left -= taken;
        taken
    }

    fn check(&self, taken: usize, wanted: usize) -> Result<(), Limit> {
        if taken == wanted {
            return Ok(());
        }
        if !std::mem::replace(&mut self.lock().cut, true) {
            self.sink.warn(&format!("output cut off: an attempt may write {} MiB to its log", self.mib));
        }
        Err(Limit::Output(self.mib))
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn remember(&mut self, bytes: &[u8]) {
        self.last_words.extend_from_slice(&bytes[bytes.len().saturating_sub(LAST_WORDS)..]);
        let surplus = self.last_words.len().saturating_sub(LAST_WORDS);
        self.last_words.drain(..surplus);
    }
}

/// One line's worth of text: the message, then ` key=value` for each field.
fn render(message: &str, fields: &str) -> String {
    let mut line = cut(message, LOG_LINE_BYTES).into_owned();
    // What is not shown need not be understood.
    if line.len() + fields.len() > LOG_LINE_BYTES {
        line.push(' ');
        line.push_str(&cut(fields, LOG_LINE_BYTES));
    } else if !fields.is_empty() {
        match serde_json::from_str::<serde_json::Map<String, serde_json::Value>>(fields) {
            Ok(fields) => {
                for (key, value) in &fields {
                    line.push(' ');
                    line.push_str(key);
                    line.push('=');
                    line.push_str(&value.to_string());
                }
            }
            Err(_) => {
                line.push(' ');
                line.push_str(fields);
            }
        }
    }
    match cut(&line, LOG_LINE_BYTES) {
        Cow::Borrowed(_) => line,
        Cow::Owned(short) => short,
    }
}

/// The guest's stdout or stderr.
#[derive(Clone)]
pub(in crate::plugin) struct GuestStream {
    output: GuestOutput,
    stream: Stream,
    terminal: bool,
}

impl GuestStream {
    pub(in crate::plugin) fn new(output: GuestOutput, stream: Stream, terminal: bool) -> Self {
        Self { output, stream, terminal }
    }
}

impl IsTerminal for GuestStream {
    fn is_terminal(&self) -> bool {
        self.terminal
    }
}

impl StdoutStream for GuestStream {
    fn async_stream(&self) -> Box<dyn AsyncWrite + Send + Sync> {
        Box::new(self.clone())
    }

    fn p2_stream(&self) -> Box<dyn OutputStream> {
        Box::new(self.clone())
    }
}

#[wasmtime_wasi::async_trait]
impl OutputStream for GuestStream {
    fn write(&mut self, bytes: Bytes) -> StreamResult<()> {
        self.output.write(self.stream, &bytes).map_err(|limit| StreamError::Trap(wasmtime::Error::new(limit)))
    }

    fn flush(&mut self) -> StreamResult<()> {
        Ok(())
    }

    fn check_write(&mut self) -> StreamResult<usize> {
        Ok(CHUNK)
    }
}

#[wasmtime_wasi::async_trait]
impl Pollable for GuestStream {
    async fn ready(&mut self) {}
}

impl AsyncWrite for GuestStream {
    fn poll_write(self: Pin<&mut Self>, _: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        Poll::Ready(self.output.write(self.stream, bytes).map(|()| bytes.len()).map_err(io::Error::other))
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plugin::testing::Recorder;

    #[test]
    fn a_message_shows_its_fields() {
        assert_eq!(render("posted", r#"{"status":200,"channel":"ops"}"#), r#"posted status=200 channel="ops""#);
        assert_eq!(render("posted", "no json"), "posted no json");
        assert_eq!(render("posted", ""), "posted");
    }

    #[test]
    fn a_long_message_is_cut_between_characters() {
        let line = render(&"é".repeat(LOG_LINE_BYTES), "");
        assert!(line.len() <= LOG_LINE_BYTES + '…'.len_utf8());
        assert!(line.ends_with('…'));
        let fields = format!(r#"{{"key":"{}"}}"#, "x".repeat(LOG_LINE_BYTES));
        assert!(render("posted", &fields).starts_with(r#"posted {"key":"xxx"#));
    }

    #[test]
    fn the_budget_holds_for_streams_and_messages_together() {
        let recorder = Recorder::new();
        let output = GuestOutput::new(recorder.clone(), 1);
        output.write(Stream::Stdout, &vec![b'x'; bytes(1) - MESSAGE_COST - 2]).unwrap();
        output.log(Level::Info, "ab", "").unwrap();
        assert_eq!(output.log(Level::Info, "", ""), Err(Limit::Output(1)));
        assert_eq!(output.write(Stream::Stderr, b"y"), Err(Limit::Output(1)));
        assert_eq!(recorder.stdout().len(), bytes(1) - MESSAGE_COST - 2);
        assert_eq!(recorder.stderr(), "");
        assert_eq!(recorder.warnings().len(), 1, "one notice, however often it is refused");
    }

    #[test]
    fn the_last_words_are_the_end_of_stderr() {
        let output = GuestOutput::new(Recorder::new(), 1);
        output.write(Stream::Stderr, &[b'a'; 10_000]).unwrap();
        output.write(Stream::Stderr, b"\nthe end\n").unwrap();
        let words = output.last_words();
        assert!(words.len() <= LAST_WORDS);
        assert!(words.ends_with("\nthe end"));
    }
}
