//! Ending what runs have started: politely, then not.

use std::sync::Arc;
use std::time::{Duration, Instant};

use rustix::process::Signal;

use super::registry::Run;

#[cfg(target_os = "linux")]
#[path = "hunt_linux.rs"]
mod hunt;
#[cfg(not(target_os = "linux"))]
#[path = "hunt_group.rs"]
mod hunt;

use hunt::Hunt;

/// How long SIGKILL may take to work. Longer means a process that is stuck in the kernel.
const KILL_LIMIT: Duration = Duration::from_secs(5);

/// How long a last resort may block its thread.
const KILL_NOW_LIMIT: Duration = Duration::from_millis(500);

/// How often to look whether something is still there, at first and at most.
const FIRST_PAUSE: Duration = Duration::from_millis(1);
const LONGEST_PAUSE: Duration = Duration::from_millis(16);

/// Ends everything that the runs started, and takes their statuses. What can't be ended is warned of.
pub(super) async fn end(runs: &[Arc<Run>], grace: Duration) {
    if runs.is_empty() {
        return;
    }
    let mut hunt = Hunt::new(runs);
    let polite = !grace.is_zero();
    let gone = polite && (hunt.round(Some(Signal::TERM)) == 0 || gone_within(&mut hunt, None, grace).await);
    if !gone {
        gone_within(&mut hunt, Some(Signal::KILL), KILL_LIMIT).await;
    }
    finish(runs, &hunt);
}

/// Ends everything that the runs started with SIGKILL, and blocks until it is gone.
pub(super) fn kill_now(runs: &[Arc<Run>]) {
    if runs.is_empty() {
        return;
    }
    let mut hunt = Hunt::new(runs);
    let deadline = Instant::now() + KILL_NOW_LIMIT;
    while hunt.round(Some(Signal::KILL)) > 0 && Instant::now() < deadline {
        std::thread::sleep(FIRST_PAUSE);
    }
    finish(runs, &hunt);
}

/// Looks, and signals, until nothing is left. False if something still is when the time is over.
async fn gone_within(hunt: &mut Hunt<'_>, signal: Option<Signal>, limit: Duration) -> bool {
    let started = Instant::now();
    let mut pause = FIRST_PAUSE;
    while hunt.round(signal) > 0 {
        let left = limit.saturating_sub(started.elapsed());
        if left.is_zero() {
            return false;
        }
        tokio::time::sleep(pause.min(left)).await;
        pause = (pause * 2).min(LONGEST_PAUSE);
    }
    true
}

fn finish(runs: &[Arc<Run>], hunt: &Hunt<'_>) {
    for run in runs {
        if run.reap().is_none() {
            run.give_up();
        }
    }
    let stuck = hunt.stuck();
    if !stuck.is_empty() {
        hunt.give_up();
        let pids: Vec<String> = stuck.iter().map(i32::to_string).collect();
        runs[0].sink.warn(&format!(
            "the step left processes that could not be ended (pid {}): they run with other rights (sudo?) or are stuck in the \
             kernel. See `ps -fp {}`",
            pids.join(", "),
            pids.join(",")
        ));
    }
}
