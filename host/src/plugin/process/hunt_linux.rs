//! Finding and signalling everything that comes from some runs, by what `/proc` tells.

use std::collections::{BTreeSet, HashMap, HashSet};
use std::sync::Arc;

use rustix::io::Errno;
use rustix::process::{Pid, Signal, WaitOptions, kill_process, kill_process_group, waitpid};

use super::super::mark;
use super::super::procfs::{self, Process};
use super::super::registry::{self, Children, Known, Run};

/// What is being ended, and what has been found of it so far.
pub(super) struct Hunt<'a> {
    runs: &'a [Arc<Run>],
    /// Every process found, with its start. When its parent ends, it may be known by nothing else.
    seen: HashMap<i32, u64>,
    /// Those that we may not signal.
    untouchable: HashSet<i32>,
    /// What there was in the last round.
    found: Vec<Process>,
    /// Orphans that could not be attributed in the last round, but can be in a moment.
    undecided: usize,
}

impl<'a> Hunt<'a> {
    pub(super) fn new(runs: &'a [Arc<Run>]) -> Self {
        Self { runs, seen: HashMap::new(), untouchable: HashSet::new(), found: Vec::new(), undecided: 0 }
    }

    /// Looks for what is there, sends it the signal, and says how many there are, or may be, that can still be ended.
    pub(super) fn round(&mut self, signal: Option<Signal>) -> usize {
        // Pids can't come to mean something else as long as no status is taken.
        registry::exclusively(|children| {
            self.found = self.look(children);
            self.seen.extend(self.found.iter().map(|process| (process.pid, process.start)));
            if let Some(signal) = signal {
                self.send(signal);
            }
        });
        self.found.iter().filter(|process| !self.untouchable.contains(&process.pid)).count() + self.undecided
    }

    /// What is still there after the last round. Asked once, at the end.
    pub(super) fn stuck(&self) -> Vec<i32> {
        self.found.iter().map(|process| process.pid).collect()
    }

    /// Has later hunts leave alone what this one could not end.
    pub(super) fn give_up(&self) {
        let me = procfs::own_pid();
        registry::exclusively(|children| {
            let adopted = self.found.iter().filter(|process| process.parent == me);
            children.extend(adopted.map(|process| (process.pid, Known::GivenUp)));
        });
    }

    /// The runs' programs, the orphans that come from them, and all descendants of either.
    ///
    /// Processes end while we look. When one does, its children become orphans before its end can be seen, so there is
    /// nothing only if neither a program nor an orphan was there to begin with.
    fn look(&mut self, children: &Children) -> Vec<Process> {
        loop {
            let programs = self.runs.iter().filter(|run| !run.has_exited()).map(|run| run.raw_pid());
            let mut pids: HashSet<i32> = programs.collect();
            pids.extend(self.orphans(children));
            if pids.is_empty() {
                return Vec::new();
            }
            let all = procfs::all();
            procfs::add_descendants(&mut pids, &all);
            let alive: Vec<_> =
                all.into_iter().filter(|process| !process.zombie && pids.contains(&process.pid)).collect();
            if !alive.is_empty() {
                return alive;
            }
        }
    }

    /// The children of this process that some program of the runs left. Takes the statuses of all orphans that have
    /// ended.
    fn orphans(&mut self, children: &Children) -> Vec<i32> {
        let own_group = rustix::process::getpgrp().as_raw_pid();
        loop {
            let (mut orphans, mut some_ended) = (Vec::new(), false);
            self.undecided = 0;
            for pid in procfs::main_thread_children().into_iter().filter(|pid| !children.contains_key(pid)) {
                match Process::read(pid) {
                    Some(process) if process.group == own_group => {}
                    Some(process) if process.zombie => {
                        reap(pid);
                        some_ended = true;
                    }
                    Some(process) => match self.claims(&process, children) {
                        Some(true) => orphans.push(pid),
                        Some(false) => {}
                        None => self.undecided += 1,
                    },
                    None => {}
                }
            }
            // What ended may have left us its children after we had asked for ours.
            if !some_ended {
                return orphans;
            }
        }
    }

    /// Does this orphan come from one of the runs? `None` if that shows in a moment.
    fn claims(&self, orphan: &Process, children: &Children) -> Option<bool> {
        if self.seen.get(&orphan.pid) == Some(&orphan.start) {
            return Some(true);
        }
        let others: Vec<&Arc<Run>> = children
            .values()
            .filter_map(|known| match known {
                Known::Run(run) if !self.runs.iter().any(|mine| Arc::ptr_eq(mine, run)) => Some(run),
                _ => None,
            })
            .collect();
        let environ = procfs::environ(orphan)?;
        let mut marks = mark::items(&environ, mark::of_this_process()).peekable();
        if marks.peek().is_some() {
            // A mark of neither is of a run that is over: nobody else will end it.
            return Some(!marks.any(|item| others.iter().any(|run| run.mark() == item)));
        }
        let is_in = |pid: i32| orphan.group == pid || orphan.session == pid;
        if self.runs.iter().any(|run| is_in(run.raw_pid())) || self.seen.keys().any(|pid| is_in(*pid)) {
            return Some(true);
        }
        // Nothing tells where it comes from. It may be of any run that is older than it; if no other one is, it is
        // ours.
        let anothers = others.iter().any(|run| {
            is_in(run.raw_pid()) || Process::read(run.raw_pid()).is_none_or(|program| program.start <= orphan.start)
        });
        Some(!anothers)
    }

    /// Whole process groups where they are the runs' own, because no process can slip through there by forking; each
    /// process once, since some take a second SIGTERM for impatience.
    fn send(&mut self, signal: Signal) {
        let ours = |group: i32| self.seen.contains_key(&group) || self.runs.iter().any(|run| run.raw_pid() == group);
        let groups: BTreeSet<i32> =
            self.found.iter().map(|process| process.group).filter(|group| ours(*group)).collect();
        for group in groups.iter().filter_map(|group| Pid::from_raw(*group)) {
            let _ = kill_process_group(group, signal);
        }
        for process in &self.found {
            let Some(pid) = Pid::from_raw(process.pid) else { continue };
            let alone = !groups.contains(&process.group);
            if (alone || signal == Signal::KILL) && kill_process(pid, signal) == Err(Errno::PERM) {
                self.untouchable.insert(process.pid);
            }
            if signal != Signal::KILL {
                // One that is stopped gets no other signal before this.
                let _ = kill_process(pid, Signal::CONT);
            }
        }
    }
}

/// Takes the status of an orphan that has ended, so that the kernel forgets it.
fn reap(orphan: i32) {
    if let Some(pid) = Pid::from_raw(orphan) {
        let _ = waitpid(Some(pid), WaitOptions::NOHANG);
    }
}
