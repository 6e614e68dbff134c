//! What a program reads and writes: fed and read as it goes, in memory that does not grow with it.

use std::future::pending;
use std::io;
use std::os::fd::OwnedFd;
use std::process::Child;
use std::sync::Arc;

use rustix::buffer::spare_capacity;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::unix::pipe;

use super::Captured;
use crate::event::Stream;
use crate::step::StepSink;

/// How much is read at once.
const CHUNK: usize = 64 * 1024;

/// What may still be in a pipe when all that belongs to the run is gone: more than any pipe holds, so that only a
/// process we could not end, and that never stops writing, can exceed it.
const DRAIN_LIMIT: u64 = 16 << 20;

/// Our ends of a program's pipes.
pub(super) struct Pipes {
    pub(super) stdin: Option<OwnedFd>,
    pub(super) stdout: Option<OwnedFd>,
    pub(super) stderr: Option<OwnedFd>,
}

impl Pipes {
    pub(super) fn of(child: Child) -> Self {
        Self {
            stdin: child.stdin.map(OwnedFd::from),
            stdout: child.stdout.map(OwnedFd::from),
            stderr: child.stderr.map(OwnedFd::from),
        }
    }
}

/// A program's three streams.
pub(super) struct Streams {
    stdin: Option<Input>,
    stdout: Output,
    stderr: Output,
}

impl Streams {
    /// Feeds `input`, keeps `capture` bytes of each output, and passes all of it on to `sink`.
    pub(super) fn new(
        pipes: Pipes,
        input: Option<Vec<u8>>,
        capture: usize,
        sink: &Arc<dyn StepSink>,
    ) -> io::Result<Self> {
        let stdin = match (pipes.stdin, input) {
            (Some(pipe), Some(bytes)) => Some(Input { pipe: pipe::Sender::from_owned_fd(pipe)?, bytes, written: 0 }),
            _ => None,
        };
        Ok(Self {
            stdin,
            stdout: Output::new(pipes.stdout, Stream::Stdout, capture, sink)?,
            stderr: Output::new(pipes.stderr, Stream::Stderr, capture, sink)?,
        })
    }

    /// Feeds and reads until the future is done.
    pub(super) async fn carry_during<T>(&mut self, done: impl Future<Output = T>) -> T {
        let feed = async {
            if let Some(input) = &mut self.stdin {
                input.feed().await;
            }
            self.stdin = None;
        };
        let carry = async {
            tokio::join!(feed, self.stdout.carry(), self.stderr.carry());
            pending().await
        };
        tokio::select! {
            biased;
            result = done => result,
            never = carry => never,
        }
    }

    /// Nothing more will be read.
    pub(super) fn close_stdin(&mut self) {
        self.stdin = None;
    }

    /// Reads what is still in the pipes, and gives what was kept. Does not wait for a pipe that somebody else keeps
    /// open.
    pub(super) fn finish(mut self) -> (Captured, Captured) {
        self.stdout.drain();
        self.stderr.drain();
        (self.stdout.capture.finish(), self.stderr.capture.finish())
    }
}

/// What a program reads.
struct Input {
    pipe: pipe::Sender,
    bytes: Vec<u8>,
    written: usize,
}

impl Input {
    /// Writes what is left to write. A program that closes its standard input has read enough.
    async fn feed(&mut self) {
        while self.written < self.bytes.len() {
            match self.pipe.write(&self.bytes[self.written..]).await {
                Ok(count) => self.written += count,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(_) => return,
            }
        }
    }
}

/// What a program writes to one stream.
struct Output {
    /// `None` at its end.
    pipe: Option<pipe::Receiver>,
    buffer: Vec<u8>,
    stream: Stream,
    capture: Capture,
    sink: Arc<dyn StepSink>,
}

impl Output {
    fn new(pipe: Option<OwnedFd>, stream: Stream, capture: usize, sink: &Arc<dyn StepSink>) -> io::Result<Self> {
        let pipe = pipe.map(pipe::Receiver::from_owned_fd).transpose()?;
        Ok(Self { pipe, buffer: Vec::new(), stream, capture: Capture::new(capture), sink: Arc::clone(sink) })
    }

    /// Reads to the end.
    async fn carry(&mut self) {
        while let Some(pipe) = &mut self.pipe {
            self.buffer.reserve(CHUNK);
            match pipe.read_buf(&mut self.buffer).await {
                Ok(0) => self.pipe = None,
                Ok(_) => self.take(),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(_) => self.pipe = None,
            }
        }
    }

    /// Reads what is there, past tokio, which may not have heard of it yet.
    fn drain(&mut self) {
        let limit = self.capture.total + DRAIN_LIMIT;
        while let Some(pipe) = &self.pipe
            && self.capture.total < limit
        {
            self.buffer.reserve(CHUNK);
            match rustix::io::read(pipe, spare_capacity(&mut self.buffer)) {
                Ok(0) => return,
                Ok(_) => self.take(),
                Err(rustix::io::Errno::INTR) => {}
                Err(_) => return,
            }
        }
    }

    fn take(&mut self) {
        self.sink.output(self.stream, &self.buffer);
        self.capture.push(&self.buffer);
        self.buffer.clear();
    }
}

/// The first and the last part of a stream.
struct Capture {
    limit: usize,
    /// All, up to `limit`; the first half of that once there is more.
    head: Vec<u8>,
    tail: Option<Ring>,
    total: u64,
}

impl Capture {
    fn new(limit: usize) -> Self {
        Self { limit, head: Vec::new(), tail: None, total: 0 }
    }

    fn push(&mut self, bytes: &[u8]) {
        self.total += bytes.len() as u64;
        if let Some(tail) = &mut self.tail {
            return tail.push(bytes);
        }
        if self.head.len() + bytes.len() <= self.limit {
            return self.head.extend_from_slice(bytes);
        }
        let first = self.limit / 2;
        let mut tail = Ring::new(self.limit - first);
        if self.head.len() < first {
            let (for_head, rest) = bytes.split_at(first - self.head.len());
            self.head.extend_from_slice(for_head);
            tail.push(rest);
        } else {
            tail.push(&self.head.split_off(first));
            tail.push(bytes);
        }
        self.tail = Some(tail);
    }

    fn finish(self) -> Captured {
        Captured { head: self.head, tail: self.tail.map(Ring::into_bytes).unwrap_or_default(), total: self.total }
    }
}

/// The last bytes of what is pushed.
struct Ring {
    capacity: usize,
    bytes: Vec<u8>,
    /// Where the oldest byte is, once the ring is full.
    oldest: usize,
}

impl Ring {
    fn new(capacity: usize) -> Self {
        Self { capacity, bytes: Vec::new(), oldest: 0 }
    }

    fn push(&mut self, bytes: &[u8]) {
        // Only the last `capacity` of them can stay.
        let bytes = &bytes[bytes.len().saturating_sub(self.capacity)..];
        let (fill, rest) = bytes.split_at(bytes.len().min(self.capacity - self.bytes.len()));
        self.bytes.extend_from_slice(fill);
        let (to_end, from_start) = rest.split_at(rest.len().min(self.capacity - self.oldest));
        self.bytes[self.oldest..][..to_end.len()].copy_from_slice(to_end);
        self.bytes[..from_start.len()].copy_from_slice(from_start);
        if !rest.is_empty() {
            self.oldest = (self.oldest + rest.len()) % self.capacity;
        }
    }

    fn into_bytes(mut self) -> Vec<u8> {
        self.bytes.rotate_left(self.oldest);
        self.bytes
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn captured(limit: usize, text: &[u8], chunk: usize) -> Captured {
        let mut capture = Capture::new(limit);
        text.chunks(chunk).for_each(|part| capture.push(part));
        capture.finish()
    }

    #[test]
    fn what_fits_is_all_in_the_head() {
        let all = captured(10, b"0123456789", 3);
        assert_eq!(all, Captured { head: b"0123456789".to_vec(), tail: vec![], total: 10 });
    }

    #[test]
    fn what_does_not_fit_leaves_its_first_and_last_half_however_it_comes() {
        let text: Vec<u8> = (0..=255).cycle().take(1000).collect();
        for limit in [0, 1, 2, 7, 10, 333, 999] {
            for chunk in [1, 2, 3, 5, 6, 7, 64, 500, 998, 1000] {
                let kept = captured(limit, &text, chunk);
                let (head, tail) = (limit / 2, limit - limit / 2);
                assert_eq!(kept.head, text[..head], "limit {limit}, chunk {chunk}");
                assert_eq!(kept.tail, text[1000 - tail..], "limit {limit}, chunk {chunk}");
                assert_eq!(kept.total, 1000);
            }
        }
    }
}
