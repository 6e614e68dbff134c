//! The watcher: a small process beside shiro that ends the steps' processes when shiro itself is killed and can't.
//!
//! It is this program again, started with [`WATCH_VERB`] by the first program that a step runs. Its standard input is a
//! pipe that only shiro can write to, and that the system closes when shiro is gone, however it went. On it come lines:
//!
//! ```text
//! =MARK    what the marks of this shiro's runs begin with (first, once)
//! +PGID    a run started: its process group
//! -PGID    it is over, and nothing is left in the group
//! .        shiro ends in good order: there is nothing to do
//! ```
//!
//! The pipe's end without a `.` means that shiro was killed: the groups, every process that carries the mark, and all
//! descendants of these get SIGKILL. The watcher has a process group of its own and takes no notice of SIGTERM and the
//! like, so that whatever is sent to the job does not end it before shiro. It holds nothing open, so it keeps nobody
//! waiting.

use std::collections::BTreeSet;
use std::ffi::OsString;
use std::fs;
use std::io;
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::fs::FileType;
use rustix::io::Errno;
use rustix::process::{Pid, Signal, kill_process_group};
use tokio::signal::unix::{SignalKind, signal};

use super::{mark, registry};

/// The verb with which this program is a watcher (see [`watch_main`]). Not for people.
pub const WATCH_VERB: &str = "__watch";

/// How often the watcher empties the pipe: often enough that it never fills up (a line has about 10 of its 65,536
/// bytes), rarely enough that lines cost next to nothing.
const EMPTY_EVERY: Timespec = Timespec { tv_sec: 1, tv_nsec: 0 };

/// How long the watcher tries to end what is left.
const END_LIMIT: Duration = Duration::from_secs(5);

/// The command line that starts this program as a watcher, if the program can be found.
pub(super) fn own_command() -> Option<Vec<OsString>> {
    Some(vec![own_program()?.into(), WATCH_VERB.into()])
}

/// This program, to be started again as something else.
pub(in crate::plugin) fn own_program() -> Option<PathBuf> {
    // Also right when the file was replaced or removed since shiro started.
    let link = Path::new("/proc/self/exe");
    if link.exists() { Some(link.to_owned()) } else { std::env::current_exe().ok() }
}

/// Shiro's side of its watcher.
pub(super) struct Watcher {
    line: Mutex<Line>,
    process: Mutex<Child>,
}

struct Line {
    /// `None` when the watcher is gone.
    pipe: Option<ChildStdin>,
    /// What did not fit into the pipe yet.
    pending: Vec<u8>,
}

impl Watcher {
    /// Starts a watcher by this command line.
    pub(super) fn start(command_line: &[OsString]) -> io::Result<Self> {
        let (program, args) = command_line.split_first().ok_or(io::ErrorKind::InvalidInput)?;
        let mut command = Command::new(program);
        command.args(args).env_clear().current_dir("/").process_group(0);
        command.stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::null());
        let mut process = registry::start_watcher(&mut command)?;
        let pipe = process.stdin.take();
        if let Some(pipe) = &pipe {
            // A watcher that does not read must not stop the steps.
            rustix::io::ioctl_fionbio(pipe, true)?;
        }
        let watcher = Self { line: Mutex::new(Line { pipe, pending: Vec::new() }), process: Mutex::new(process) };
        watcher.say(&format!("={}\n", mark::of_this_process()));
        Ok(watcher)
    }

    /// A run has started.
    pub(super) fn watch(&self, group: Pid) {
        self.say(&format!("+{}\n", group.as_raw_pid()));
    }

    /// A run is over. Said before the group's number can mean anything else.
    pub(super) fn forget(&self, group: Pid) {
        self.say(&format!("-{}\n", group.as_raw_pid()));
    }

    /// The watcher's process.
    #[cfg(all(test, target_os = "linux"))]
    pub(super) fn pid(&self) -> i32 {
        Pid::from_child(&self.process.lock().unwrap()).as_raw_pid()
    }

    fn say(&self, text: &str) {
        let mut line = self.line.lock().unwrap_or_else(PoisonError::into_inner);
        let Line { pipe: Some(pipe), pending } = &mut *line else { return };
        pending.extend_from_slice(text.as_bytes());
        match rustix::io::write(&*pipe, pending) {
            Ok(count) => {
                pending.drain(..count);
            }
            Err(Errno::AGAIN | Errno::INTR) => {}
            Err(_) => line.pipe = None,
        }
    }
}

impl Drop for Watcher {
    fn drop(&mut self) {
        self.say(".\n");
        self.line.get_mut().unwrap_or_else(PoisonError::into_inner).pipe = None;
        registry::end_watcher(self.process.get_mut().unwrap_or_else(PoisonError::into_inner));
    }
}

/// What the watcher knows.
#[derive(Debug, Default, PartialEq, Eq)]
struct Watched {
    /// The beginning of a line whose end has not come.
    partial: Vec<u8>,
    #[cfg_attr(not(target_os = "linux"), allow(dead_code, reason = "no other process's environment can be seen"))]
    mark: Option<String>,
    groups: BTreeSet<i32>,
    good_order: bool,
}

impl Watched {
    fn hear(&mut self, bytes: &[u8]) {
        self.partial.extend_from_slice(bytes);
        while let Some(end) = self.partial.iter().position(|byte| *byte == b'\n') {
            let line: Vec<u8> = self.partial.drain(..=end).collect();
            if let Ok(line) = std::str::from_utf8(&line[..end]) {
                self.hear_line(line);
            }
        }
    }

    fn hear_line(&mut self, line: &str) {
        // 0 and 1 are no process groups of a run, and to signal them would be to signal ourselves or everybody.
        let group = |text: &str| text.parse().ok().filter(|pid: &i32| *pid > 1);
        if let Some(mark) = line.strip_prefix('=') {
            self.mark = Some(mark.to_owned()).filter(|mark| !mark.is_empty());
        } else if let Some(pid) = line.strip_prefix('+').and_then(group) {
            self.groups.insert(pid);
        } else if let Some(pid) = line.strip_prefix('-').and_then(group) {
            self.groups.remove(&pid);
        } else if line == "." {
            self.good_order = true;
        }
    }

    /// Ends everything. Never fails: there is nobody to tell.
    fn end_all(&self) {
        let deadline = Instant::now() + END_LIMIT;
        while self.kill() && Instant::now() < deadline {
            std::thread::sleep(Duration::from_millis(2));
        }
    }

    /// Kills all there is, and says whether there was any, or may be.
    #[cfg(target_os = "linux")]
    fn kill(&self) -> bool {
        use super::procfs;
        for group in self.groups.iter().filter_map(|group| Pid::from_raw(*group)) {
            let _ = kill_process_group(group, Signal::KILL);
        }
        let mut undecided = false;
        let mut is_marked = |process: &procfs::Process| {
            let Some(mark) = &self.mark else { return false };
            let environ = procfs::environ(process);
            undecided |= environ.is_none() && !process.zombie;
            environ.is_some_and(|environ| mark::items(&environ, mark).next().is_some())
        };
        let all = procfs::all();
        let ours = all.iter().filter(|process| self.groups.contains(&process.group) || is_marked(process));
        let mut pids = ours.map(|process| process.pid).collect();
        procfs::add_descendants(&mut pids, &all);
        pids.remove(&procfs::own_pid());
        let alive = all.iter().filter(|process| !process.zombie && pids.contains(&process.pid));
        // One that we may not signal is not worth waiting for.
        let killed = alive
            .filter_map(|process| Pid::from_raw(process.pid))
            .filter(|pid| rustix::process::kill_process(*pid, Signal::KILL).is_ok());
        killed.count() > 0 || undecided
    }

    /// Kills all there is, and says whether there was any.
    #[cfg(not(target_os = "linux"))]
    fn kill(&self) -> bool {
        let groups = self.groups.iter().filter_map(|group| Pid::from_raw(*group));
        groups.filter(|group| kill_process_group(*group, Signal::KILL).is_ok()).count() > 0
    }
}

/// Runs this process as a watcher, to its end, and returns the exit code. Must be the first thing the process does: it
/// closes every file descriptor but the standard ones.
pub fn watch_main() -> u8 {
    let stdin = io::stdin();
    // A terminal or a file means that somebody typed the verb.
    if !rustix::fs::fstat(&stdin).is_ok_and(|stat| FileType::from_raw_mode(stat.st_mode) == FileType::Fifo) {
        return 2;
    }
    close_inherited_files();
    ignore_signals();
    let watched = listen(stdin.as_fd());
    if !watched.good_order {
        watched.end_all();
    }
    0
}

/// Hears all lines, until the pipe's other end is closed.
fn listen(pipe: BorrowedFd<'_>) -> Watched {
    let mut watched = Watched::default();
    let mut buffer = [0; 64 * 1024];
    let _ = rustix::io::ioctl_fionbio(pipe, true);
    loop {
        // Nothing is asked for, so only the other end's closing wakes us.
        let _ = poll(&mut [PollFd::from_borrowed_fd(pipe, PollFlags::empty())], Some(&EMPTY_EVERY));
        loop {
            match rustix::io::read(pipe, &mut buffer) {
                Ok(0) => return watched,
                Ok(count) => watched.hear(&buffer[..count]),
                Err(Errno::AGAIN) => break,
                Err(Errno::INTR) => {}
                Err(_) => return watched,
            }
        }
    }
}

/// Whatever the job's parents left open would stay open for as long as we run.
fn close_inherited_files() {
    let directory = if cfg!(target_os = "linux") { "/proc/self/fd" } else { "/dev/fd" };
    let Ok(entries) = fs::read_dir(directory) else { return };
    let files: Vec<i32> = entries.filter_map(|entry| entry.ok()?.file_name().to_str()?.parse().ok()).collect();
    for file in files.into_iter().filter(|file| *file > 2) {
        // SAFETY: the process has just begun, so nothing in it owns any of these. `entries` is closed by now, so its
        // number is looked at first.
        unsafe {
            if rustix::io::fcntl_getfd(BorrowedFd::borrow_raw(file)).is_ok() {
                rustix::io::close(file);
            }
        }
    }
}

/// Shiro decides when it ends; we end after it.
fn ignore_signals() {
    let Ok(runtime) = tokio::runtime::Builder::new_current_thread().enable_io().build() else { return };
    let _inside = runtime.enter();
    for kind in [SignalKind::terminate(), SignalKind::interrupt(), SignalKind::hangup(), SignalKind::quit()] {
        // The handler stays when the stream is dropped.
        let _ = signal(kind);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_may_come_in_pieces() {
        let mut watched = Watched::default();
        for piece in ["=ab", "c\n+1", "2\n+34\n-1", "2\nnonsense\n+1\n+0\n+-5\n"] {
            watched.hear(piece.as_bytes());
        }
        assert_eq!(watched.mark.as_deref(), Some("abc"));
        assert_eq!(watched.groups, BTreeSet::from([34]));
        assert!(!watched.good_order);
        watched.hear(b".\n");
        assert!(watched.good_order);
    }
}
