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
}

impl<'a> Hunt<'a> {
    pub(super) fn new(runs: &'a [Arc<Run>]) -> Self {
        Self { runs, seen: HashMap::new(), untouchable: HashSet::new(), found: Vec::new() }
    }

    /// Looks for what is there, sends it the signal, and says how many there are that can still be ended.
    pub(super) fn round(&mut self, signal: Option<Signal>) -> usize {
        // Pids can't come to mean something else as long as no status is taken.
        registry::exclusively(|children| {
            self.found = self.look(children);
            self.seen.extend(self.found.iter().map(|process| (process.pid, process.start)));
            if let Some(signal) = signal {
                self.send(signal);
            }
        });
        self.found.iter().filter(|process| !self.untouchable.contains(&process.pid)).count()
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
    fn look(&self, children: &Children) -> Vec<Process> {
        let programs = self.runs.iter().filter(|run| !run.has_exited()).map(|run| run.raw_pid());
        let mut pids: HashSet<i32> = programs.collect();
        pids.extend(self.orphans(children));
        if pids.is_empty() {
            return Vec::new();
        }
        let all = procfs::all();
        procfs::add_descendants(&mut pids, &all);
        let (over, alive): (Vec<_>, Vec<_>) =
            all.into_iter().filter(|process| pids.contains(&process.pid)).partition(|process| process.zombie);
        // The others' parents are among those that are alive, or will have been.
        over.iter()
            .filter(|process| process.parent == procfs::own_pid() && !children.contains_key(&process.pid))
            .for_each(reap);
        alive
    }

    /// The children of this process that some program of the runs left. Takes the statuses of all orphans that have ended.
    fn orphans(&self, children: &Children) -> Vec<i32> {
        let own_group = rustix::process::getpgrp().as_raw_pid();
        let unknown = procfs::main_thread_children().into_iter().filter(|pid| !children.contains_key(pid));
        let mut orphans = Vec::new();
        for process in unknown.filter_map(Process::read).filter(|process| process.group != own_group) {
            if !process.zombie {
                if self.claims(&process, children) {
                    orphans.push(process.pid);
                }
            } else {
                reap(&process);
            }
        }
        orphans
    }

    /// Does this orphan come from one of the runs?
    fn claims(&self, orphan: &Process, children: &Children) -> bool {
        if self.seen.get(&orphan.pid) == Some(&orphan.start) {
            return true;
        }
        let others: Vec<&Arc<Run>> = children
            .values()
            .filter_map(|known| match known {
                Known::Run(run) if !self.runs.iter().any(|mine| Arc::ptr_eq(mine, run)) => Some(run),
                _ => None,
            })
            .collect();
        let environ = procfs::environ(orphan.pid);
        let mut marks = mark::items(&environ, mark::of_this_process()).peekable();
        if marks.peek().is_some() {
            // A mark of neither is of a run that is over: nobody else will end it.
            return !marks.any(|item| others.iter().any(|run| run.mark() == item));
        }
        let is_in = |pid: i32| orphan.group == pid || orphan.session == pid;
        if self.runs.iter().any(|run| is_in(run.raw_pid())) || self.seen.keys().any(|pid| is_in(*pid)) {
            return true;
        }
        // Nothing tells where it comes from. It may be of any run that is older than it; if no other one is, it is ours.
        !others.iter().any(|run| {
            is_in(run.raw_pid()) || Process::read(run.raw_pid()).is_none_or(|program| program.start <= orphan.start)
        })
    }

    /// Whole process groups where they are the runs' own, because no process can slip through there by forking; each process
    /// once, since some take a second SIGTERM for impatience.
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

/// Takes an orphan's status, so that the kernel forgets it.
fn reap(orphan: &Process) {
    if let Some(pid) = Pid::from_raw(orphan.pid) {
        let _ = waitpid(Some(pid), WaitOptions::NOHANG);
    }
}
