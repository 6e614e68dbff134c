//! Waits for what is asynchronous, on a thread that may block.

use std::future::Future;
use std::io;
use std::sync::mpsc;

use tokio::runtime::{Builder, Runtime};
use tokio::task::JoinHandle;

/// A runtime of its own, so that a caller may itself stand in the middle of another one.
#[derive(Debug)]
pub(super) struct Waiter {
    /// `None` only while it is dropped.
    runtime: Option<Runtime>,
}

impl Waiter {
    pub(super) fn new() -> io::Result<Self> {
        let runtime = Builder::new_multi_thread().worker_threads(1).enable_all().thread_name("shiro-state").build()?;
        Ok(Self { runtime: Some(runtime) })
    }

    /// Blocks until the future is done. `None` if it panicked.
    pub(super) fn wait<T: Send + 'static>(&self, future: impl Future<Output = T> + Send + 'static) -> Option<T> {
        let (done, result) = mpsc::sync_channel(1);
        drop(self.spawn(async move {
            // Nobody is left to tell if this fails.
            let _ = done.send(future.await);
        })?);
        result.recv().ok()
    }

    /// Lets it go on beside the caller.
    pub(super) fn spawn(&self, future: impl Future<Output = ()> + Send + 'static) -> Option<JoinHandle<()>> {
        self.runtime.as_ref().map(|runtime| runtime.spawn(future))
    }
}

impl Drop for Waiter {
    fn drop(&mut self) {
        if let Some(runtime) = self.runtime.take() {
            // To wait here is not allowed within another runtime.
            runtime.shutdown_background();
        }
    }
}
