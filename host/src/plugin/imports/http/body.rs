//! Bodies with a budget: what has passed counts for the whole attempt.

use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::Bytes;
use futures_util::Stream;
use http_body::{Body, Frame, SizeHint};
use tokio::sync::OwnedSemaphorePermit;
use tokio::time::{Instant, Sleep, sleep};
use wasmtime_wasi_http::{Error, WasiBody};

use crate::plugin::imports::Notes;
use crate::plugin::limits::{Limit, bytes};

/// How many body bytes an attempt has left in one direction.
#[derive(Clone)]
pub(super) struct Budget {
    left: Arc<AtomicU64>,
    /// What there was at first, in MiB.
    mib: u32,
    notes: Notes,
}

impl Budget {
    pub(super) fn new(notes: Notes, mib: u32) -> Self {
        Self { left: Arc::new(AtomicU64::new(bytes(mib) as u64)), mib, notes }
    }

    /// All of it, in bytes.
    fn total(&self) -> u64 {
        bytes(self.mib) as u64
    }

    fn spend(&self, bytes: usize) -> bool {
        let spent = self.left.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |left| left.checked_sub(bytes as u64));
        if spent.is_err() {
            self.notes.limit(Limit::HttpBody(self.mib));
        }
        spent.is_ok()
    }
}

/// A guest's body on its way out.
pub(super) struct Outgoing {
    body: WasiBody,
    budget: Budget,
}

impl Outgoing {
    pub(super) fn new(body: WasiBody, budget: Budget) -> Self {
        Self { body, budget }
    }
}

impl Stream for Outgoing {
    type Item = Result<Bytes, Error>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        loop {
            let frame = match ready!(Pin::new(&mut self.body).poll_frame(cx)) {
                None => return Poll::Ready(None),
                Some(Err(error)) => return Poll::Ready(Some(Err(error))),
                Some(Ok(frame)) => frame,
            };
            // Trailers are dropped: HTTP/1 servers ignore them unless they asked.
            let Ok(data) = frame.into_data() else { continue };
            if !self.budget.spend(data.len()) {
                return Poll::Ready(Some(Err(Error::HttpRequestBodySize(Some(self.budget.total())))));
            }
            return Poll::Ready(Some(Ok(data)));
        }
    }
}

/// A server's body on its way in. Holds the request's place among the parallel ones until it is read or dropped.
pub(super) struct Incoming {
    body: reqwest::Body,
    budget: Budget,
    patience: Duration,
    silence: Pin<Box<Sleep>>,
    permit: Option<OwnedSemaphorePermit>,
}

impl Incoming {
    /// `patience` is the longest wait for the next part.
    pub(super) fn new(body: reqwest::Body, budget: Budget, patience: Duration, permit: OwnedSemaphorePermit) -> Self {
        Self { body, budget, patience, silence: Box::pin(sleep(patience)), permit: Some(permit) }
    }
}

impl Body for Incoming {
    type Data = Bytes;
    type Error = Error;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Error>>> {
        let frame = match Pin::new(&mut self.body).poll_frame(cx) {
            Poll::Ready(frame) => frame,
            Poll::Pending => {
                ready!(self.silence.as_mut().poll(cx));
                return Poll::Ready(Some(Err(Error::ConnectionReadTimeout)));
            }
        };
        let patience = self.patience;
        self.silence.as_mut().reset(Instant::now() + patience);
        let frame = match frame {
            Some(Ok(frame)) if frame.data_ref().is_none_or(|data| self.budget.spend(data.len())) => Some(Ok(frame)),
            Some(Ok(_)) => Some(Err(Error::HttpResponseBodySize(Some(self.budget.total())))),
            Some(Err(_)) => Some(Err(Error::HttpResponseIncomplete)),
            None => None,
        };
        if !matches!(frame, Some(Ok(_))) {
            self.permit = None;
        }
        Poll::Ready(frame)
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }
}
