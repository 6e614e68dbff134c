//! Finding and signalling what runs started, where the system shows nothing but process groups.

use std::sync::Arc;

use rustix::process::{Signal, kill_process_group, test_kill_process_group};

use super::super::registry::Run;

/// What is being ended.
pub(super) struct Hunt<'a> {
    runs: &'a [Arc<Run>],
}

impl<'a> Hunt<'a> {
    pub(super) fn new(runs: &'a [Arc<Run>]) -> Self {
        Self { runs }
    }

    /// Sends the signal to the runs' process groups, and says how many of them there still are.
    pub(super) fn round(&mut self, signal: Option<Signal>) -> usize {
        for run in self.left() {
            if let Some(signal) = signal {
                let _ = kill_process_group(run.pid(), signal);
                // One that is stopped gets no other signal before this.
                let _ = kill_process_group(run.pid(), Signal::CONT);
            }
        }
        self.left().count()
    }

    /// What is still there after the last round: the process groups' leaders.
    pub(super) fn stuck(&self) -> Vec<i32> {
        self.left().map(|run| run.raw_pid()).collect()
    }

    /// There is nothing to remember: nothing but a run's own hunt looks for its processes.
    pub(super) fn give_up(&self) {}

    fn left(&self) -> impl Iterator<Item = &'a Arc<Run>> {
        // A leader that has ended and whose status is not taken still counts as its group.
        self.runs.iter().filter(|run| run.reap().is_none() || test_kill_process_group(run.pid()).is_ok())
    }
}
