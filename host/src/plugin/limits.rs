//! How much of the machine one attempt may use, and the count of it.

use std::fmt;
use std::time::Duration;

use wasmtime::ResourceLimiter;

/// Linear memory of an attempt, all its memories together, in bytes.
pub(super) const MEMORY: usize = 256 << 20;
/// Table elements of an attempt, all its tables together: 16 MiB of pointers.
const TABLE_ELEMENTS: usize = 2 << 20;
/// Core instances: components from Python's tool chain have up to 38.
const INSTANCES: usize = 64;
const TABLES: usize = 64;
const MEMORIES: usize = 16;
/// After so many refusals a guest that keeps asking is ended.
const REFUSALS: u32 = 3;
/// Bytes that one call may copy from the guest to the host (strings and lists): also the largest config output.
pub(super) const HOSTCALL_BYTES: usize = 16 << 20;
/// Live component-model handles.
pub(super) const HANDLES: usize = 10_000;
/// Live WASI resources.
pub(super) const RESOURCES: usize = 1_000;
/// Random bytes in one call.
pub(super) const RANDOM_BYTES: u64 = 64 << 10;
/// Header fields of one HTTP message, with what it takes to store them.
pub(super) const HTTP_FIELD_BYTES: usize = 64 << 10;
/// HTTP bodies of an attempt, all together, in each direction.
pub(super) const HTTP_BODY_BYTES: u64 = 64 << 20;
/// HTTP requests of an attempt that are in flight at once; more wait.
pub(super) const HTTP_REQUESTS: usize = 16;
/// What an attempt may write to its log, stdout and stderr together.
pub(super) const OUTPUT_BYTES: usize = 4 << 20;
/// One log message.
pub(super) const LOG_LINE_BYTES: usize = 64 << 10;
/// Guest CPU time of a third-party attempt whose step has no timeout.
pub(super) const CPU_WITHOUT_TIMEOUT: Duration = Duration::from_secs(60);
/// Wall clock of a third-party attempt whose step has no timeout.
pub(super) const TIME_WITHOUT_TIMEOUT: Duration = Duration::from_secs(60 * 60);
/// How long `describe` may take.
pub(super) const DESCRIBE_TIME: Duration = Duration::from_secs(10);
/// The largest component file.
pub(super) const COMPONENT_BYTES: u64 = crate::package::COMPONENT_BYTES;

/// A limit that an attempt ran into.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Limit {
    Memory,
    Tables,
    Instances,
    Handles,
    HostcallBytes,
    Output,
    HttpBody,
    HttpFields,
    Cpu,
}

impl Limit {
    /// The failure's code.
    pub(super) fn code(self) -> &'static str {
        match self {
            Self::Memory => "memory",
            Self::Tables => "tables",
            Self::Instances => "instances",
            Self::Handles => "handles",
            Self::HostcallBytes => "call-size",
            Self::Output => "output",
            Self::HttpBody => "http-body",
            Self::HttpFields => "http-fields",
            Self::Cpu => "cpu",
        }
    }

    /// What to do about it.
    pub(super) fn hint(self) -> &'static str {
        match self {
            Self::Memory | Self::Tables | Self::Instances | Self::Handles => {
                "give it less to do at once: the limit is the same for every component"
            }
            Self::HostcallBytes => "give it less data in one piece, or pass the data by a file",
            Self::Output => "let it write less, or what matters only",
            Self::HttpBody | Self::HttpFields => "ask the service for less at once, page by page",
            Self::Cpu => "give the step a `timeout` if it needs longer",
        }
    }
}

impl fmt::Display for Limit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Memory => write!(f, "it asked for more than {} MiB of memory", MEMORY >> 20),
            Self::Tables => write!(f, "it asked for more than {TABLE_ELEMENTS} table elements"),
            Self::Instances => {
                write!(f, "it has more than {INSTANCES} core instances, {TABLES} tables or {MEMORIES} memories")
            }
            Self::Handles => write!(f, "it held more than {HANDLES} handles or {RESOURCES} resources at once"),
            Self::HostcallBytes => write!(f, "it passed more than {} MiB in one call", HOSTCALL_BYTES >> 20),
            Self::Output => write!(f, "it wrote more than {} MiB to its log", OUTPUT_BYTES >> 20),
            Self::HttpBody => write!(f, "its HTTP bodies are larger than {} MiB", HTTP_BODY_BYTES >> 20),
            Self::HttpFields => write!(f, "an HTTP header is larger than {} KiB", HTTP_FIELD_BYTES >> 10),
            Self::Cpu => write!(f, "it computed for more than {}", humantime::format_duration(CPU_WITHOUT_TIMEOUT)),
        }
    }
}

impl std::error::Error for Limit {}

/// Counts what a store's memories and tables take, all together.
#[derive(Debug, Default)]
pub(super) struct Limiter {
    memory: Gauge,
    tables: Gauge,
    refusals: u32,
    /// The last thing that was refused: a guest that then traps most likely traps for it.
    pub(super) refused: Option<Limit>,
}

#[derive(Debug, Default)]
struct Gauge {
    used: usize,
    last: usize,
}

impl Gauge {
    fn grow(&mut self, current: usize, desired: usize, limit: usize) -> bool {
        self.last = desired.saturating_sub(current);
        let granted = self.used.checked_add(self.last).is_some_and(|sum| sum <= limit);
        if granted {
            self.used += self.last;
        } else {
            self.last = 0;
        }
        granted
    }

    fn undo(&mut self) {
        self.used -= std::mem::take(&mut self.last);
    }
}

impl Limiter {
    fn answer(&mut self, granted: bool, limit: Limit) -> wasmtime::Result<bool> {
        if granted {
            return Ok(true);
        }
        self.refused = Some(limit);
        self.refusals += 1;
        if self.refusals > REFUSALS {
            return Err(wasmtime::Error::new(limit));
        }
        Ok(false)
    }
}

impl ResourceLimiter for Limiter {
    fn memory_growing(&mut self, current: usize, desired: usize, _: Option<usize>) -> wasmtime::Result<bool> {
        let granted = self.memory.grow(current, desired, MEMORY);
        self.answer(granted, Limit::Memory)
    }

    fn memory_grow_failed(&mut self, _: wasmtime::Error) -> wasmtime::Result<()> {
        self.memory.undo();
        Ok(())
    }

    fn table_growing(&mut self, current: usize, desired: usize, _: Option<usize>) -> wasmtime::Result<bool> {
        let granted = self.tables.grow(current, desired, TABLE_ELEMENTS);
        self.answer(granted, Limit::Tables)
    }

    fn table_grow_failed(&mut self, _: wasmtime::Error) -> wasmtime::Result<()> {
        self.tables.undo();
        Ok(())
    }

    fn instances(&self) -> usize {
        INSTANCES
    }

    fn tables(&self) -> usize {
        TABLES
    }

    fn memories(&self) -> usize {
        MEMORIES
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn memories_count_together() {
        let mut limiter = Limiter::default();
        assert!(limiter.memory_growing(0, MEMORY / 2, None).unwrap());
        assert!(limiter.memory_growing(0, MEMORY / 2, None).unwrap());
        assert!(!limiter.memory_growing(0, 1 << 16, None).unwrap());
        assert_eq!(limiter.refused, Some(Limit::Memory));
    }

    #[test]
    fn growth_that_failed_does_not_count() {
        let mut limiter = Limiter::default();
        assert!(limiter.memory_growing(0, MEMORY, None).unwrap());
        limiter.memory_grow_failed(wasmtime::Error::msg("no")).unwrap();
        limiter.memory_grow_failed(wasmtime::Error::msg("no")).unwrap();
        assert!(limiter.memory_growing(0, MEMORY, None).unwrap());
    }

    #[test]
    fn who_keeps_asking_is_ended() {
        let mut limiter = Limiter::default();
        for _ in 0..REFUSALS {
            assert!(!limiter.table_growing(0, TABLE_ELEMENTS + 1, None).unwrap());
        }
        let error = limiter.table_growing(0, TABLE_ELEMENTS + 1, None).unwrap_err();
        assert_eq!(error.downcast_ref::<Limit>(), Some(&Limit::Tables));
    }
}
