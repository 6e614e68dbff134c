//! How much of the machine one attempt may use, and the count of it.

use std::fmt;
use std::time::Duration;

use wasmtime::ResourceLimiter;

use crate::capability::Limits;

const MIB: u64 = 1 << 20;
/// Table elements of an attempt, all its tables together: 16 MiB of pointers.
const TABLE_ELEMENTS: usize = 2 << 20;
/// Core instances: components from Python's tool chain have up to 38.
const INSTANCES: usize = 64;
const TABLES: usize = 64;
const MEMORIES: usize = 16;
/// After so many refusals a guest that keeps asking is ended.
const REFUSALS: u32 = 3;
/// Bytes that one call may copy from the guest to the host (strings and lists), in MiB: at least this.
const HOSTCALL_MIB: u32 = 16;
/// Live component-model handles.
pub(super) const HANDLES: usize = 10_000;
/// Live WASI resources.
pub(super) const RESOURCES: usize = 1_000;
/// Open files and directories.
pub(super) const OPEN_FILES: usize = 128;
/// Random bytes in one call.
pub(super) const RANDOM_BYTES: u64 = 64 << 10;
/// Header fields of one HTTP message, with what it takes to store them.
pub(super) const HTTP_FIELD_BYTES: usize = 64 << 10;
/// One log message.
pub(super) const LOG_LINE_BYTES: usize = 64 << 10;
/// Guest CPU time, in seconds, of a third-party attempt whose step has no timeout.
const CPU_WITHOUT_TIMEOUT: u32 = 60;
/// Wall clock, in seconds, of a third-party attempt whose step has no timeout.
const TIME_WITHOUT_TIMEOUT: u32 = 60 * 60;
/// How long `describe` may take.
pub(super) const DESCRIBE_TIME: Duration = Duration::from_secs(10);
/// The largest component file.
pub(super) const COMPONENT_BYTES: u64 = crate::package::COMPONENT_BYTES;

/// The limits of an attempt where no policy sets them. `guarded` is a third-party attempt whose step has no timeout: one
/// that nobody else would end.
pub(super) fn usual(guarded: bool) -> Limits {
    Limits {
        memory_mib: Some(256),
        cpu_seconds: guarded.then_some(CPU_WITHOUT_TIMEOUT),
        wall_seconds: guarded.then_some(TIME_WITHOUT_TIMEOUT),
        output_mib: Some(HOSTCALL_MIB),
        log_mib: Some(4),
        files_mib: Some(64),
        http_mib: Some(64),
        store_mib: Some(16),
        open_requests: Some(16),
    }
}

/// How much one attempt may use.
#[derive(Clone, Copy, Debug)]
pub(super) struct Budget {
    /// Linear memory, all memories together.
    pub(super) memory_mib: u32,
    /// Computing.
    pub(super) cpu_seconds: Option<u32>,
    /// What it returns.
    pub(super) output_mib: u32,
    /// What it writes to its log, stdout and stderr together.
    pub(super) log_mib: u32,
    /// What it writes to files.
    pub(super) files_mib: u32,
    /// HTTP bodies, all together, in each direction.
    pub(super) http_mib: u32,
    /// What it stores in the shared data.
    pub(super) store_mib: u32,
    /// HTTP requests in flight at once; more wait.
    pub(super) open_requests: u32,
}

impl Budget {
    /// From limits that are all set, but for time.
    pub(super) fn of(limits: &Limits) -> Self {
        Self {
            memory_mib: limits.memory_mib.unwrap_or(u32::MAX),
            cpu_seconds: limits.cpu_seconds,
            output_mib: limits.output_mib.unwrap_or(u32::MAX),
            log_mib: limits.log_mib.unwrap_or(u32::MAX),
            files_mib: limits.files_mib.unwrap_or(u32::MAX),
            http_mib: limits.http_mib.unwrap_or(u32::MAX),
            store_mib: limits.store_mib.unwrap_or(u32::MAX),
            open_requests: limits.open_requests.unwrap_or(u32::MAX),
        }
    }

    /// Bytes that one call may copy from the guest to the host.
    pub(super) fn hostcall_bytes(&self) -> usize {
        bytes(self.output_mib.max(HOSTCALL_MIB))
    }
}

impl Default for Budget {
    fn default() -> Self {
        Self::of(&usual(true))
    }
}

/// MiB in bytes.
pub(super) fn bytes(mib: u32) -> usize {
    usize::try_from(u64::from(mib) * MIB).unwrap_or(usize::MAX)
}

/// A limit that an attempt ran into.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Limit {
    /// MiB.
    Memory(u32),
    Tables,
    Instances,
    Handles,
    HostcallBytes,
    /// What it returns, in MiB.
    Answer(u32),
    /// What it logs, in MiB.
    Output(u32),
    /// MiB.
    Files(u32),
    OpenFiles,
    /// MiB.
    HttpBody(u32),
    HttpFields,
    /// What it stores, in MiB.
    Store(u32),
    /// A value, or a scope of the shared data.
    Shared,
    /// Seconds.
    Cpu(u32),
}

impl Limit {
    /// The failure's code.
    pub(super) fn code(self) -> &'static str {
        match self {
            Self::Memory(_) => "memory",
            Self::Tables => "tables",
            Self::Instances => "instances",
            Self::Handles => "handles",
            Self::HostcallBytes => "call-size",
            Self::Answer(_) => "answer",
            Self::Output(_) => "output",
            Self::Files(_) => "files",
            Self::OpenFiles => "open-files",
            Self::HttpBody(_) => "http-body",
            Self::HttpFields => "http-fields",
            Self::Store(_) | Self::Shared => "store",
            Self::Cpu(_) => "cpu",
        }
    }

    /// What to do about it.
    pub(super) fn hint(self) -> &'static str {
        match self {
            Self::Memory(_) => "give it less to do at once, or raise `limits`, `memory_mib` of its type in the policy",
            Self::Tables | Self::Instances | Self::Handles | Self::OpenFiles => {
                "give it less to do at once: the limit is the same for every component"
            }
            Self::HostcallBytes => "give it less data in one piece, or pass the data by a file",
            Self::Answer(_) => "let it return less, or raise `limits`, `output_mib` of its type in the policy",
            Self::Output(_) => "let it write less, or raise `limits`, `log_mib` of its type in the policy",
            Self::Files(_) => "let it write less, or raise `limits`, `files_mib` of its type in the policy",
            Self::HttpBody(_) => {
                "ask the service for less at once, page by page, or raise `limits`, `http_mib` of its type in the policy"
            }
            Self::HttpFields => "ask the service for less at once, page by page",
            Self::Store(_) => "let it store less, or raise `limits`, `store_mib` of its type in the policy",
            Self::Shared => "store less, or delete what is not needed any more",
            Self::Cpu(_) => {
                "give the step a `timeout` if it needs longer, or raise `limits`, `cpu_seconds` of its type in the policy"
            }
        }
    }
}

impl fmt::Display for Limit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Memory(mib) => write!(f, "it asked for more than {mib} MiB of memory"),
            Self::Tables => write!(f, "it asked for more than {TABLE_ELEMENTS} table elements"),
            Self::Instances => {
                write!(f, "it has more than {INSTANCES} core instances, {TABLES} tables or {MEMORIES} memories")
            }
            Self::Handles => write!(f, "it held more than {HANDLES} handles or {RESOURCES} resources at once"),
            Self::HostcallBytes => write!(f, "it passed more than {HOSTCALL_MIB} MiB in one call"),
            Self::Answer(mib) => write!(f, "what it returned takes more than {mib} MiB"),
            Self::Output(mib) => write!(f, "it wrote more than {mib} MiB to its log"),
            Self::Files(mib) => write!(f, "it wrote more than {mib} MiB to files"),
            Self::OpenFiles => write!(f, "it had more than {OPEN_FILES} open files at once"),
            Self::HttpBody(mib) => write!(f, "its HTTP bodies are larger than {mib} MiB"),
            Self::HttpFields => write!(f, "an HTTP header is larger than {} KiB", HTTP_FIELD_BYTES >> 10),
            Self::Store(mib) => write!(f, "it stored more than {mib} MiB of shared data"),
            Self::Shared => f.write_str("a value or a scope of the shared data is too large"),
            Self::Cpu(seconds) => {
                let time = Duration::from_secs(u64::from(*seconds));
                write!(f, "it computed for more than {}", humantime::format_duration(time))
            }
        }
    }
}

impl std::error::Error for Limit {}

/// Counts what a store's memories and tables take, all together.
#[derive(Debug, Default)]
pub(super) struct Limiter {
    memory_mib: u32,
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
    pub(super) fn new(memory_mib: u32) -> Self {
        Self { memory_mib, ..Self::default() }
    }

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
        let granted = self.memory.grow(current, desired, bytes(self.memory_mib));
        self.answer(granted, Limit::Memory(self.memory_mib))
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

    const MIB: u32 = 16;
    const MEMORY: usize = 16 << 20;

    #[test]
    fn memories_count_together() {
        let mut limiter = Limiter::new(MIB);
        assert!(limiter.memory_growing(0, MEMORY / 2, None).unwrap());
        assert!(limiter.memory_growing(0, MEMORY / 2, None).unwrap());
        assert!(!limiter.memory_growing(0, 1 << 16, None).unwrap());
        assert_eq!(limiter.refused, Some(Limit::Memory(MIB)));
    }

    #[test]
    fn growth_that_failed_does_not_count() {
        let mut limiter = Limiter::new(MIB);
        assert!(limiter.memory_growing(0, MEMORY, None).unwrap());
        limiter.memory_grow_failed(wasmtime::Error::msg("no")).unwrap();
        limiter.memory_grow_failed(wasmtime::Error::msg("no")).unwrap();
        assert!(limiter.memory_growing(0, MEMORY, None).unwrap());
    }

    #[test]
    fn who_keeps_asking_is_ended() {
        let mut limiter = Limiter::new(MIB);
        for _ in 0..REFUSALS {
            assert!(!limiter.table_growing(0, TABLE_ELEMENTS + 1, None).unwrap());
        }
        let error = limiter.table_growing(0, TABLE_ELEMENTS + 1, None).unwrap_err();
        assert_eq!(error.downcast_ref::<Limit>(), Some(&Limit::Tables));
    }
}
