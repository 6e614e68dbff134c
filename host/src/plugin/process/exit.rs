//! Waiting for a program's end without taking its status: as long as the status is not taken, its pid and its process
//! group can't mean anything else.

#[cfg(target_os = "linux")]
use std::os::fd::OwnedFd;

#[cfg(target_os = "linux")]
use tokio::io::{Interest, unix::AsyncFd};
use tokio::signal::unix::{SignalKind, signal};

use super::registry::Run;

/// Waits until the program has ended.
pub(super) async fn exited(run: &Run) {
    #[cfg(target_os = "linux")]
    if let Some(pidfd) = pidfd(run) {
        let _ = pidfd.readable().await;
    }
    exited_by_signal(run).await;
}

/// A file that can be read once the program has ended. Not every kernel (before 5.3) and sandbox has them.
#[cfg(target_os = "linux")]
fn pidfd(run: &Run) -> Option<AsyncFd<OwnedFd>> {
    let pidfd = rustix::process::pidfd_open(run.pid(), rustix::process::PidfdFlags::empty()).ok()?;
    // SAFETY: an `OwnedFd` names one open file for as long as it lives.
    unsafe { AsyncFd::register_with_interest(pidfd, Interest::READABLE) }.ok()
}

/// The same where there are no pidfds: the signal says that some child ended.
async fn exited_by_signal(run: &Run) {
    if run.has_exited() {
        return;
    }
    let mut ended = signal(SignalKind::child()).ok();
    while !run.has_exited() {
        match &mut ended {
            Some(signal) => {
                signal.recv().await;
            }
            None => tokio::time::sleep(std::time::Duration::from_millis(10)).await,
        }
    }
}

/// Whoever started shiro may have had it ignore SIGCHLD, which is inherited and makes the kernel throw statuses away. A
/// handler undoes that.
pub(super) fn keep_statuses() {
    if ignores_child_signal() {
        // The handler stays when the stream is dropped.
        let _ = signal(SignalKind::child());
    }
}

#[cfg(target_os = "linux")]
fn ignores_child_signal() -> bool {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let ignored = status.lines().find_map(|line| line.strip_prefix("SigIgn:"));
    let mask = ignored.and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok()).unwrap_or(0);
    mask & (1 << (rustix::process::Signal::CHILD.as_raw() - 1)) != 0
}

#[cfg(not(target_os = "linux"))]
fn ignores_child_signal() -> bool {
    true
}
