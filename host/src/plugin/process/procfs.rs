//! What Linux tells about processes, under `/proc`.

use std::collections::HashSet;
use std::fs;

/// A process at one moment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Process {
    pub(super) pid: i32,
    pub(super) parent: i32,
    pub(super) group: i32,
    pub(super) session: i32,
    /// It has ended and waits for its parent to take its status.
    pub(super) zombie: bool,
    /// Where its code begins. The last thing an exec sets: 0 during one, and once the process has ended.
    code: u64,
    /// When it started, in clock ticks since the machine did. With the pid it names a process for good.
    pub(super) start: u64,
}

impl Process {
    /// The process with this pid, if there is one.
    pub(super) fn read(pid: i32) -> Option<Self> {
        Self::parse(&fs::read(format!("/proc/{pid}/stat")).ok()?)
    }

    /// `pid (name) state ppid pgrp session ... starttime ... startcode ...`, where the name may hold anything.
    fn parse(stat: &[u8]) -> Option<Self> {
        let name_end = stat.iter().rposition(|byte| *byte == b')')?;
        let pid = std::str::from_utf8(stat.get(..stat.iter().position(|byte| *byte == b' ')?)?).ok()?.parse().ok()?;
        let mut fields = std::str::from_utf8(stat.get(name_end + 1..)?).ok()?.split_ascii_whitespace();
        let zombie = matches!(fields.next()?, "Z" | "X" | "x");
        let mut number = || fields.next()?.parse::<i32>().ok();
        let (parent, group, session) = (number()?, number()?, number()?);
        // Of the fields after the name, `session` is the 4th, `starttime` the 20th, and `startcode` the 24th.
        let start = fields.nth(15)?.parse().ok()?;
        let code = fields.nth(3)?.parse().ok()?;
        Some(Self { pid, parent, group, session, zombie, code, start })
    }
}

/// Every process there is.
pub(super) fn all() -> Vec<Process> {
    let Ok(entries) = fs::read_dir("/proc") else { return Vec::new() };
    entries.filter_map(|entry| Process::read(entry.ok()?.file_name().to_str()?.parse().ok()?)).collect()
}

/// The environment a process was started with; empty for one that we may not look into. `None` if the process was in
/// the middle of an exec, or of its end, when the kernel does not show it: ask again in a moment.
pub(super) fn environ(process: &Process) -> Option<Vec<u8>> {
    match fs::read(format!("/proc/{}/environ", process.pid)) {
        Ok(environ) if environ.is_empty() => {
            let after = Process::read(process.pid)?;
            let shown = after.code != 0 && after.code == process.code;
            shown.then_some(environ)
        }
        Ok(environ) => Some(environ),
        Err(_) => Some(Vec::new()),
    }
}

/// This process's children that its main thread has: among them every orphan it was given as a subreaper, since the
/// kernel gives those to the first thread that lives.
pub(super) fn main_thread_children() -> Vec<i32> {
    let me = own_pid();
    match fs::read_to_string(format!("/proc/{me}/task/{me}/children")) {
        Ok(list) => list.split_ascii_whitespace().filter_map(|pid| pid.parse().ok()).collect(),
        // A kernel without CONFIG_PROC_CHILDREN.
        Err(_) => all().into_iter().filter(|process| process.parent == me).map(|process| process.pid).collect(),
    }
}

/// Adds to `pids` all their descendants among `processes`.
pub(super) fn add_descendants(pids: &mut HashSet<i32>, processes: &[Process]) {
    loop {
        let before = pids.len();
        for process in processes {
            if pids.contains(&process.parent) {
                pids.insert(process.pid);
            }
        }
        if pids.len() == before {
            return;
        }
    }
}

/// This process's id.
pub(super) fn own_pid() -> i32 {
    rustix::process::getpid().as_raw_pid()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_may_hold_anything() {
        let stat =
            b"42 (a) Z 1 (b) S 7 8 9 0 -1 4194560 1 2 3 4 5 6 7 8 20 0 1 0 987654 1000 2 18446744073709551615 4096 5\n";
        let process = Process { pid: 42, parent: 7, group: 8, session: 9, zombie: false, code: 4096, start: 987_654 };
        assert_eq!(Process::parse(stat), Some(process));
        assert_eq!(Process::parse(b"42 (sh"), None);
        assert_eq!(Process::parse(b""), None);
    }

    #[test]
    fn this_process_is_among_all() {
        let me = Process::read(own_pid()).unwrap();
        assert!(!me.zombie);
        assert!(all().iter().any(|process| process.pid == me.pid && process.start == me.start));
        assert_ne!(me.code, 0);
        assert!(!environ(&me).unwrap().is_empty());
    }

    #[test]
    fn descendants_are_found_in_any_order() {
        let process = |pid, parent| Process { pid, parent, group: pid, session: 1, zombie: false, code: 0, start: 0 };
        let processes = [process(5, 4), process(4, 3), process(3, 2), process(9, 1)];
        let mut pids = HashSet::from([3]);
        add_descendants(&mut pids, &processes);
        assert_eq!(pids, HashSet::from([3, 4, 5]));
    }
}
