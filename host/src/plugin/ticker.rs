//! The clock of the epochs: a thread that ticks while guests run, and sleeps while none does.

use std::io;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::Duration;

use wasmtime::{Engine, EngineWeak};

/// How often the engine's epoch grows: how late a guest that loops notices that its time is up.
pub(super) const TICK: Duration = Duration::from_millis(10);

/// Makes an engine's epoch grow. The thread is started by the first guest, and ends with the ticker.
pub(super) struct Ticker {
    shared: Arc<Shared>,
}

struct Shared {
    engine: EngineWeak,
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Default)]
struct State {
    started: bool,
    ended: bool,
    /// The thread sleeps until there is a guest. Waking it costs a system call, so not more often than that.
    idle: bool,
    guests: usize,
}

/// A guest runs as long as this lives.
pub(super) struct Ticking {
    shared: Arc<Shared>,
}

impl Ticker {
    pub(super) fn new(engine: &Engine) -> Self {
        let shared = Shared { engine: engine.weak(), state: Mutex::default(), changed: Condvar::new() };
        Self { shared: Arc::new(shared) }
    }

    /// Ticks until the answer is dropped. An error means that no thread could be started, so that no guest may run.
    pub(super) fn tick(&self) -> io::Result<Ticking> {
        let mut state = self.shared.lock();
        if !state.started {
            let shared = Arc::clone(&self.shared);
            thread::Builder::new().name("epochs".into()).stack_size(64 << 10).spawn(move || shared.run())?;
            state.started = true;
        }
        state.guests += 1;
        if std::mem::take(&mut state.idle) {
            self.shared.changed.notify_one();
        }
        Ok(Ticking { shared: Arc::clone(&self.shared) })
    }
}

impl Drop for Ticker {
    fn drop(&mut self) {
        self.shared.lock().ended = true;
        self.shared.changed.notify_one();
    }
}

impl Drop for Ticking {
    fn drop(&mut self) {
        self.shared.lock().guests -= 1;
    }
}

impl Shared {
    fn run(&self) {
        loop {
            let mut state = self.lock();
            while state.guests == 0 && !state.ended {
                state.idle = true;
                state = self.changed.wait(state).unwrap_or_else(PoisonError::into_inner);
            }
            if state.ended {
                return;
            }
            drop(state);
            thread::sleep(TICK);
            match self.engine.upgrade() {
                Some(engine) => engine.increment_epoch(),
                None => return,
            }
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use std::time::Instant;

    use super::*;

    #[test]
    fn the_thread_ends_with_the_ticker() {
        let engine = Engine::default();
        let ticker = Ticker::new(&engine);
        let weak = Arc::downgrade(&ticker.shared);
        drop(ticker.tick().unwrap());
        drop(ticker);
        let deadline = Instant::now() + Duration::from_secs(10);
        while weak.upgrade().is_some() {
            assert!(Instant::now() < deadline, "the thread still holds its state");
            thread::yield_now();
        }
    }
}
