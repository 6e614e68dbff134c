//! One process per run: an advisory lock on a file of its own, which says who holds it.
//!
//! The lock belongs to the open file and ends with the process, however that ends; the file stays, and means nothing without the
//! lock, so it may travel along with the state.

use std::fmt;
use std::fs::{File, OpenOptions};
use std::io::{self, Read as _, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;
use std::thread;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use rustix::fs::{FlockOperation, flock};
use rustix::io::Errno;
use serde::{Deserialize, Serialize};

use super::error::JournalError;
use super::files;
use super::remote::Lease;

/// How long a lock that is held is tried again.
const PATIENCE: Duration = Duration::from_millis(400);

/// No holder's description is longer.
const HOLDER_MAX: u64 = 4096;

/// A process that holds a run.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Holder {
    /// Its id, in its own container.
    pub pid: u32,
    /// The machine's name, where the system tells it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub host: Option<String>,
    /// Since when, in milliseconds since 1970-01-01 UTC by that machine's clock.
    pub since: u64,
}

impl Holder {
    pub(super) fn this_process() -> Self {
        let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        Self { pid: std::process::id(), host: host_name(), since: u64::try_from(since.as_millis()).unwrap_or(u64::MAX) }
    }
}

impl fmt::Display for Holder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "process {}", self.pid)?;
        if let Some(host) = &self.host {
            write!(f, " on {}", host.escape_debug())?;
        }
        match UNIX_EPOCH.checked_add(Duration::from_millis(self.since)) {
            // Later times have no four-digit year to print.
            Some(since) if self.since < 253_402_300_800_000 => {
                write!(f, ", since {}", humantime::format_rfc3339_seconds(since))
            }
            _ => Ok(()),
        }
    }
}

fn host_name() -> Option<String> {
    let name =
        std::fs::read_to_string("/proc/sys/kernel/hostname").or_else(|_| std::fs::read_to_string("/etc/hostname"));
    name.ok().map(|name| name.trim().to_owned()).filter(|name| !name.is_empty())
}

/// The right to write to one run's journal, until it is dropped.
#[derive(Debug)]
pub struct RunLock {
    stem: String,
    /// `None` where no other process of this machine can get at the run.
    file: Option<File>,
    /// Held while this is, where no file lock reaches.
    _lease: Option<Lease>,
}

impl RunLock {
    pub(super) fn in_memory(stem: String) -> Self {
        Self { stem, file: None, _lease: None }
    }

    /// For a run that is kept elsewhere.
    pub(super) fn remote(stem: String, lease: Option<Lease>) -> Self {
        Self { stem, file: None, _lease: lease }
    }

    /// Takes the lock, or says who has it. Of a process that was killed, a child that it was about to start may hold the
    /// lock for a moment longer: so a lock that is held is tried again for a little while.
    pub(super) fn acquire(stem: String, path: &Path, mode: u32) -> Result<Self, JournalError> {
        let io_error = |error| JournalError::io("lock", path)(error);
        let mut options = OpenOptions::new();
        options.read(true).write(true).create(true).mode(mode);
        let (mut file, _) =
            files::open(path, "lock", &mut options)?.ok_or_else(|| io_error(io::ErrorKind::NotFound.into()))?;
        let started = Instant::now();
        loop {
            match flock(&file, FlockOperation::NonBlockingLockExclusive) {
                Ok(()) => break,
                Err(Errno::INTR) => {}
                Err(Errno::WOULDBLOCK) if started.elapsed() < PATIENCE => thread::sleep(PATIENCE / 20),
                Err(Errno::WOULDBLOCK) => {
                    return Err(JournalError::Held { path: path.to_owned(), holder: read_holder(file) });
                }
                Err(errno) => return Err(io_error(errno.into())),
            }
        }
        let holder = serde_json::to_vec(&Holder::this_process()).map_err(|error| io_error(error.into()))?;
        file.set_len(0).and_then(|()| file.write_all(&holder)).map_err(io_error)?;
        Ok(Self { stem, file: Some(file), _lease: None })
    }

    /// The run it is for.
    pub(super) fn stem(&self) -> &str {
        &self.stem
    }
}

impl Drop for RunLock {
    fn drop(&mut self) {
        if let Some(file) = &self.file {
            // Only so that nobody who reads the file takes it for held; the lock itself goes when the file is closed.
            let _ = file.set_len(0);
        }
    }
}

/// Who holds the lock. `None` if they have not come to say so.
fn read_holder(file: File) -> Option<Holder> {
    let mut text = Vec::new();
    file.take(HOLDER_MAX).read_to_end(&mut text).ok()?;
    serde_json::from_slice(&text).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_holder_is_shown_on_one_line() {
        let mut holder = Holder { pid: 7, host: Some("build-1".to_owned()), since: 1_767_225_600_000 };
        assert_eq!(holder.to_string(), "process 7 on build-1, since 2026-01-01T00:00:00Z");
        holder.host = Some("\u{1b}[31m\n".to_owned());
        assert_eq!(holder.to_string(), "process 7 on \\u{1b}[31m\\n, since 2026-01-01T00:00:00Z");
        for since in [253_402_300_800_000, u64::MAX] {
            assert_eq!(Holder { pid: 7, host: None, since }.to_string(), "process 7");
        }
    }

    #[test]
    fn the_second_is_told_who_holds_it() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("x.lock");
        // What an earlier process left must not show up as the holder's.
        std::fs::write(&path, "x".repeat(10_000)).unwrap();
        let lock = RunLock::acquire("x".to_owned(), &path, 0o600).unwrap();
        let error = RunLock::acquire("x".to_owned(), &path, 0o600).unwrap_err();
        assert_eq!(error.exit_code(), 8);
        let JournalError::Held { holder: Some(holder), .. } = error else { panic!("{error:?}") };
        assert_eq!(holder.pid, std::process::id());
        drop(lock);
        assert_eq!(std::fs::read(&path).unwrap(), b"");
        RunLock::acquire("x".to_owned(), &path, 0o600).unwrap();
    }
}
