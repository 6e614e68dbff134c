//! Which children of this process are whose.
//!
//! Children belong to the process, not to a [`super::ProcessHost`], so there is one registry. It knows every program
//! that a step runs; what else becomes a child of this process is an orphan that a step left, unless it is in shiro's
//! own process group: other code may start children of its own, as long as it leaves them there.
//!
//! A status is taken (and the pid given back to the system) only here.

use std::collections::HashMap;
use std::fmt;
use std::io;
use std::process::{Child, Command};
use std::sync::{Arc, LazyLock, Mutex, MutexGuard, PoisonError, RwLock};

use rustix::process::{Pid, WaitId, WaitIdOptions, WaitOptions, waitid, waitpid};

use super::Status;
use super::watcher::Watcher;
use crate::step::StepSink;

static REGISTRY: LazyLock<Registry> = LazyLock::new(Registry::default);

#[derive(Default)]
struct Registry {
    /// Read while a child is started and entered, written by whoever needs to know that each child is entered.
    starting: RwLock<()>,
    children: Mutex<HashMap<i32, Known>>,
}

/// A child that is no orphan.
#[derive(Clone, Debug)]
pub(super) enum Known {
    /// The program of a run.
    #[cfg_attr(not(target_os = "linux"), allow(dead_code, reason = "only orphans are compared with it"))]
    Run(Arc<Run>),
    /// A watcher.
    Watcher,
    /// Something that not even SIGKILL ended, or that we may not signal: left alone.
    GivenUp,
}

/// Every known child, by pid. No child can be started, entered or removed meanwhile.
pub(super) type Children = HashMap<i32, Known>;

/// One program that a step runs, from its start until its status is taken.
pub(super) struct Run {
    /// Its pid, which is its process group as well.
    pid: Pid,
    /// Its item in the mark.
    mark: String,
    pub(super) sink: Arc<dyn StepSink>,
    watcher: Option<Arc<Watcher>>,
    status: Mutex<Option<Status>>,
}

impl Run {
    pub(super) fn pid(&self) -> Pid {
        self.pid
    }

    pub(super) fn raw_pid(&self) -> i32 {
        self.pid.as_raw_pid()
    }

    #[cfg_attr(not(target_os = "linux"), expect(dead_code, reason = "there is no way to see another process's mark"))]
    pub(super) fn mark(&self) -> &str {
        &self.mark
    }

    /// The program has ended. Takes no status.
    pub(super) fn has_exited(&self) -> bool {
        if locked(&self.status).is_some() {
            return true;
        }
        let options = WaitIdOptions::EXITED | WaitIdOptions::NOHANG | WaitIdOptions::NOWAIT;
        // An error means that there is no such child: its status is gone, so it has ended.
        !matches!(waitid(WaitId::Pid(self.pid), options), Ok(None))
    }

    /// Takes the status if the program has ended. The run is over then. Call it when nothing is left in its process
    /// group.
    pub(super) fn reap(&self) -> Option<Status> {
        if !self.has_exited() {
            return None;
        }
        let mut children = locked(&REGISTRY.children);
        let mut status = locked(&self.status);
        if status.is_none() {
            if let Some(watcher) = &self.watcher {
                watcher.forget(self.pid);
            }
            children.remove(&self.raw_pid());
            *status = Some(take_status(self.pid));
        }
        *status
    }

    /// Its program can't be ended: it is nobody's from now on.
    pub(super) fn give_up(&self) {
        locked(&REGISTRY.children).insert(self.raw_pid(), Known::GivenUp);
    }
}

impl fmt::Debug for Run {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Run").field("pid", &self.raw_pid()).field("mark", &self.mark).finish_non_exhaustive()
    }
}

/// Takes the status of a child that has ended.
fn take_status(pid: Pid) -> Status {
    match waitpid(Some(pid), WaitOptions::empty()) {
        Ok(Some((_, status))) => match (status.exit_status(), status.terminating_signal()) {
            // The system passes 8 bits of an exit code on.
            (Some(code), _) => Status::Exited(code as u8),
            (None, Some(signal)) => Status::Signaled(signal as u8),
            (None, None) => unreachable!("a wait without WUNTRACED reports only ends"),
        },
        // Somebody else took it, which nothing in this program does. No claim of success.
        Ok(None) | Err(_) => Status::Signaled(9),
    }
}

/// Makes this process the parent of whatever its descendants orphan.
pub(super) fn adopt_orphans() {
    #[cfg(target_os = "linux")]
    {
        // It can't fail on a kernel that has it (3.4). Without it the process group is still ended.
        let _ = rustix::process::set_child_subreaper(Some(rustix::process::getpid()));
    }
}

/// Starts the program of a run with this mark. It must lead a process group of its own.
pub(super) fn start_run(
    command: &mut Command,
    mark: String,
    watcher: Option<Arc<Watcher>>,
    sink: &Arc<dyn StepSink>,
) -> io::Result<(Arc<Run>, Child)> {
    let _starting = REGISTRY.starting.read().unwrap_or_else(PoisonError::into_inner);
    let child = command.spawn()?;
    let pid = Pid::from_child(&child);
    if let Some(watcher) = &watcher {
        watcher.watch(pid);
    }
    let run = Arc::new(Run { pid, mark, sink: Arc::clone(sink), watcher, status: Mutex::new(None) });
    locked(&REGISTRY.children).insert(run.raw_pid(), Known::Run(Arc::clone(&run)));
    Ok((run, child))
}

/// Starts a watcher.
pub(super) fn start_watcher(command: &mut Command) -> io::Result<Child> {
    let _starting = REGISTRY.starting.read().unwrap_or_else(PoisonError::into_inner);
    let child = command.spawn()?;
    locked(&REGISTRY.children).insert(Pid::from_child(&child).as_raw_pid(), Known::Watcher);
    Ok(child)
}

/// A watcher has nothing more to do: if it has not ended yet, its status is taken like an orphan's.
pub(super) fn end_watcher(child: &mut Child) {
    let mut children = locked(&REGISTRY.children);
    children.remove(&Pid::from_child(child).as_raw_pid());
    let _ = child.try_wait();
}

/// Quickly: is there a child that nobody here knows? If not, the run, whose program has ended, left nothing.
#[cfg(target_os = "linux")]
pub(super) fn may_have_left_something(_run: &Run) -> bool {
    // The kernel may skip a child in its list when another one is removed meanwhile.
    let children = locked(&REGISTRY.children);
    super::procfs::main_thread_children().iter().any(|pid| !children.contains_key(pid))
}

/// Quickly: may the run, whose program has ended, have left something?
#[cfg(not(target_os = "linux"))]
pub(super) fn may_have_left_something(run: &Run) -> bool {
    // What is left keeps the group's number from being used again, so it means this run also without its leader.
    let _ = run.reap();
    rustix::process::test_kill_process_group(run.pid).is_ok()
}

/// Calls `look` while nothing is started and no status is taken.
#[cfg_attr(not(target_os = "linux"), expect(dead_code, reason = "nothing is known there but the process group"))]
pub(super) fn exclusively<T>(look: impl FnOnce(&mut Children) -> T) -> T {
    let _nothing_starts = REGISTRY.starting.write().unwrap_or_else(PoisonError::into_inner);
    look(&mut locked(&REGISTRY.children))
}

/// What the data says is true even after a panic elsewhere.
fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
