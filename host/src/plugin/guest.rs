//! Calls a guest: a fresh store, `describe` or `run`, and the store is gone.

use std::panic::AssertUnwindSafe;

use futures_util::FutureExt;
use tokio::sync::watch;
use tokio::time::{Instant, sleep_until};
use wasmtime::Store;

use super::attempt::{Attempt, AttemptParts};
use super::bindings::exports::shiro::step::step::Failure as StepFailure;
use super::bindings::{Guest, GuestPre};
use super::fault::{Ending, Fault};
use super::imports::Noted;
use super::runtime::Runtime;
use crate::event::{Level, Stream};
use crate::step::StepSink;

/// What is asked of a guest.
pub(super) enum Call {
    /// `describe`.
    Describe,
    /// `run` with this config.
    Run(String),
}

/// What came of it.
pub(super) enum Said {
    /// The answer: a JSON document, unchecked.
    Yes(String),
    /// The step says no.
    No(StepFailure),
    /// It did not get that far.
    Fault(Fault),
}

/// When a guest is ended from outside.
pub(super) struct Until {
    pub(super) deadline: Option<Instant>,
    /// Turns true when the run is being stopped.
    pub(super) cancel: watch::Receiver<bool>,
}

/// Calls a guest in a store of its own. When the answer is there, nothing of the guest is left but the processes it
/// started.
pub(super) async fn call(
    runtime: &Runtime,
    pre: &GuestPre<Attempt>,
    parts: AttemptParts,
    call: Call,
    mut until: Until,
) -> (Said, Noted) {
    let notes = parts.rights.notes().clone();
    let _ticking = match runtime.ticker().tick() {
        Ok(ticking) => ticking,
        Err(error) => return (Said::Fault(Fault::Host(format!("no thread for the clock: {error}"))), notes.take()),
    };
    let mut store = match Attempt::new(parts) {
        Ok(attempt) => attempt.into_store(runtime.engine()),
        Err(what) => return (Said::Fault(Fault::Host(what)), notes.take()),
    };
    let ending = {
        let guest = AssertUnwindSafe(answer(&mut store, pre, call)).catch_unwind();
        tokio::select! {
            biased;
            () = stopped(&mut until.cancel) => Err(Ending::Cancelled),
            () = reached(until.deadline) => Err(Ending::TimedOut),
            answer = guest => Ok(answer),
        }
    };
    let said = match ending {
        Ok(Ok(Ok(Ok(json)))) => Said::Yes(json),
        Ok(Ok(Ok(Err(failure)))) => Said::No(failure),
        Ok(Ok(Err(error))) => Said::Fault(Fault::of_guest(&error, store.data(), until.deadline)),
        Ok(Err(_)) => Said::Fault(Fault::Host("the host panicked while it served the component".to_owned())),
        Err(ending) => Said::Fault(Fault::Ended(ending)),
    };
    drop(store);
    (said, notes.take())
}

async fn answer(
    store: &mut Store<Attempt>,
    pre: &GuestPre<Attempt>,
    call: Call,
) -> wasmtime::Result<Result<String, StepFailure>> {
    let guest: Guest = pre.instantiate_async(&mut *store).await?;
    match call {
        Call::Describe => guest.shiro_step_step().call_describe(store).await.map(Ok),
        Call::Run(config) => guest.shiro_step_step().call_run(store, &config).await,
    }
}

async fn stopped(cancel: &mut watch::Receiver<bool>) {
    // An error means that nobody is left who could stop the run.
    if cancel.wait_for(|stop| *stop).await.is_err() {
        std::future::pending::<()>().await;
    }
}

async fn reached(deadline: Option<Instant>) {
    match deadline {
        Some(deadline) => sleep_until(deadline).await,
        None => std::future::pending().await,
    }
}

/// A receiver that never says stop.
pub(super) fn never_cancelled() -> watch::Receiver<bool> {
    watch::channel(false).1
}

/// A sink that hears nothing.
pub(super) struct Silence;

impl StepSink for Silence {
    fn output(&self, _: Stream, _: &[u8]) {}

    fn log(&self, _: Level, _: &str) {}

    fn warn(&self, _: &str) {}
}
