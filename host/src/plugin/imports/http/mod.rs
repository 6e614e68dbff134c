//! `wasi:http/outgoing-handler`: requests to granted hosts, and to no other.
//!
//! ```text
//! target   the URI, the grant, the address if it is written as one
//! body     budgets, the wait for the next part
//! error    what went wrong, as the guest and the log are told
//! replay   answers from a recording, for tests of a component
//! ```
//!
//! Redirects are the guest's business, and their targets are checked like any other. There are no cookies, and nothing is
//! decompressed.

mod body;
mod error;
mod replay;
mod target;

#[cfg(test)]
mod tests;

use std::future::ready;
use std::sync::Arc;
use std::time::Duration;

use futures_util::FutureExt as _;
use futures_util::future::Either;
use http::uri::Scheme;
use http::{Method, Request, Response};
use http_body::Body as _;
use http_body_util::BodyExt;
use tokio::sync::{AcquireError, OwnedSemaphorePermit, Semaphore};
use wasmtime_wasi_http::{Error, RequestOptions, WasiBody, WasiHttpHooks};

use self::body::{Budget, Incoming, Outgoing};
use self::target::{Refusal, Target, target};
use super::Notes;
use crate::capability::{NetworkPermission, Permissions, PrivateRanges};
use crate::event::Level;
use crate::net::address::Prohibited;
pub(in crate::plugin) use crate::net::client::Clients;
use crate::net::http::causes;
use crate::plugin::limits;
use crate::plugin::recording::Recording;
use crate::plugin::rights::Rights;
use crate::step::StepSink;

/// The longest wait for an answer's head, and for the next part of its body, where the guest sets none.
const PATIENCE: Duration = Duration::from_secs(600);

/// What an attempt may ask of the network.
#[derive(Clone)]
pub(in crate::plugin) struct Network {
    shared: Arc<Shared>,
}

struct Shared {
    clients: Arc<Clients>,
    /// Answers in place of the network.
    recording: Option<Arc<Recording>>,
    rights: Arc<Rights>,
    sink: Arc<dyn StepSink>,
    sent: Budget,
    received: Budget,
    places: Arc<Semaphore>,
}

type Answer = (Response<WasiBody>, Box<dyn Future<Output = Result<(), Error>> + Send>);

impl Network {
    /// With a recording, that answers requests, and nothing is sent.
    pub(in crate::plugin) fn new(
        clients: Arc<Clients>,
        rights: Arc<Rights>,
        budget: &limits::Budget,
        sink: Arc<dyn StepSink>,
        recording: Option<Arc<Recording>>,
    ) -> Self {
        let budget_of = |notes: &Notes| Budget::new(notes.clone(), budget.http_mib);
        let places = usize::try_from(budget.open_requests).unwrap_or(usize::MAX).min(Semaphore::MAX_PERMITS);
        let shared = Shared {
            clients,
            recording,
            sink,
            sent: budget_of(rights.notes()),
            received: budget_of(rights.notes()),
            places: Arc::new(Semaphore::new(places)),
            rights,
        };
        Self { shared: Arc::new(shared) }
    }
}

impl WasiHttpHooks for Network {
    fn set_host_header(&mut self) -> bool {
        false // The client sets it from the URL, which is what was checked.
    }

    fn is_supported_scheme(&mut self, scheme: &Scheme) -> bool {
        *scheme == Scheme::HTTP || *scheme == Scheme::HTTPS
    }

    // Each request that waits for its place may hold two of these.
    fn p2_outgoing_body_chunk_size(&mut self) -> usize {
        32 << 10
    }

    fn send_request(
        &mut self,
        request: Request<WasiBody>,
        options: Option<RequestOptions>,
        _: Box<dyn Future<Output = Result<(), Error>> + Send>,
    ) -> Box<dyn Future<Output = wasmtime_wasi_http::Result<Answer>> + Send> {
        let shared = Arc::clone(&self.shared);
        let admitted = shared.admit(&request);
        // Places are given in the order in which requests are made: a guest that waits for its answers in that order would
        // wait for ever for one that comes after those that hold all places.
        let place = admitted.is_ok().then(|| {
            let mut place = Box::pin(Arc::clone(&shared.places).acquire_owned());
            match (&mut place).now_or_never() {
                Some(place) => Either::Left(ready(place)),
                None => Either::Right(place),
            }
        });
        Box::new(async move {
            let (target, Some(place)) = (admitted?, place) else { return Err(Error::ConnectionLimitReached) };
            let response = shared.send(target, place, request, options.unwrap_or_default()).await?;
            Ok((response, Box::new(async { Ok(()) }) as Box<dyn Future<Output = Result<(), Error>> + Send>))
        })
    }
}

impl Shared {
    async fn send(
        &self,
        target: Target,
        place: impl Future<Output = Result<OwnedSemaphorePermit, AcquireError>>,
        request: Request<WasiBody>,
        options: RequestOptions,
    ) -> Result<Response<WasiBody>, Error> {
        if let Some(recording) = &self.recording {
            return replay::answer(recording, &target, request).await;
        }
        let client = self.clients.get(&target.url, &target.private).await.map_err(|error| {
            self.sink.warn(&error.to_string());
            Error::InternalError(Some(error.to_string()))
        })?;
        // A closed semaphore is the only error, and nobody closes it.
        let place = place.await.map_err(|_| Error::ConnectionLimitReached)?;
        let origin = target.url.origin().ascii_serialization();
        let head_patience = patience(options.connect_timeout).saturating_add(patience(options.first_byte_timeout));
        let (private, used) = (target.private.clone(), target.used.clone());
        self.rights.used(|| Permissions { network: vec![used.clone()], ..Permissions::default() });
        let request = self.request(target, request);
        let response = match tokio::time::timeout(head_patience, client.execute(request)).await {
            Err(_) => return Err(Error::HttpResponseTimeout),
            Ok(Err(error)) => return Err(self.explain(&origin, &error, &private, &used)),
            Ok(Ok(response)) => response,
        };
        let between_parts = patience(options.between_bytes_timeout);
        let response = Response::from(response);
        Ok(response.map(|body| Incoming::new(body, self.received.clone(), between_parts, place).boxed_unsync()))
    }

    /// Checks everything that is known before the name is looked up.
    fn admit(&self, request: &Request<WasiBody>) -> Result<Target, Error> {
        if request.method() == Method::CONNECT || request.method() == Method::TRACE {
            return Err(Error::HttpRequestMethodInvalid);
        }
        target(request.method(), request.uri(), self.rights.grants()).map_err(|refusal| match *refusal {
            Refusal::InvalidUri => Error::HttpRequestUriInvalid,
            Refusal::UriTooLong => Error::HttpRequestUriTooLong,
            Refusal::NotGranted { tried, by, need } => {
                self.rights.deny(tried, &by, &Permissions { network: vec![need], ..Permissions::default() });
                Error::HttpRequestDenied
            }
            Refusal::Prohibited(prohibited, private, need) => self.prohibit(&prohibited, &private, &need),
        })
    }

    fn prohibit(&self, prohibited: &Prohibited, private: &PrivateRanges, need: &NetworkPermission) -> Error {
        let tried = format!("send a request: {prohibited}");
        let refused = prohibited.ip.and_then(|ip| Some((ip.to_canonical(), private.refuser(ip)?)));
        match refused {
            Some((ip, by)) if !prohibited.metadata && !self.rights.builtin() => {
                let range = format!("{ip}/{}", if ip.is_ipv4() { 32 } else { 128 });
                let need = NetworkPermission { private: vec![range], ..need.clone() };
                self.rights.deny(tried, by, &Permissions { network: vec![need], ..Permissions::default() });
            }
            _ if prohibited.metadata => {
                self.rights.deny_always(tried, "metadata services hand out credentials: no step may reach one");
            }
            _ => self.rights.deny_always(
                tried,
                "a host that comes out of a step's output may not have a private address: write it into the workflow, an \
                 input or a variable",
            ),
        }
        Error::DestinationIpProhibited
    }

    fn request(&self, target: Target, request: Request<WasiBody>) -> reqwest::Request {
        let (parts, body) = request.into_parts();
        let mut request = reqwest::Request::new(parts.method, target.url);
        *request.headers_mut() = parts.headers;
        // Without this a GET would announce a chunked body.
        if body.size_hint().exact() != Some(0) {
            *request.body_mut() = Some(reqwest::Body::wrap_stream(Outgoing::new(body, self.sent.clone())));
        }
        request
    }

    /// What the guest is told; the log gets the details, which WASI's error has no place for.
    fn explain(
        &self,
        origin: &str,
        error: &reqwest::Error,
        private: &PrivateRanges,
        used: &NetworkPermission,
    ) -> Error {
        if let Some(prohibited) = error::find::<Prohibited>(error) {
            return self.prohibit(prohibited, private, used);
        }
        let told = error::classify(error);
        let details = causes(error);
        if matches!(told, Error::TlsCertificateError) {
            self.sink.warn(&format!(
                "{origin}: {details}; if it has a certificate of your own authority, name that in CI_SERVER_TLS_CA_FILE \
                 or SSL_CERT_FILE"
            ));
        } else {
            self.sink.log(Level::Debug, &format!("{origin}: {details}"));
        }
        told
    }
}

/// A guest's patience, within reason: zero is an answer nobody can give in time, not a reason to panic.
fn patience(asked: Option<Duration>) -> Duration {
    asked.unwrap_or(PATIENCE).clamp(Duration::from_millis(1), PATIENCE)
}
