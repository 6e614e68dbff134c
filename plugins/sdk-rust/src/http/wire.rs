//! A request over `wasi:http`.

use std::time::{Duration, Instant};

use super::response::Body;
use super::url::Url;
use super::{Error, ErrorKind, Request, Response};
use crate::bindings::wasi::clocks::monotonic_clock;
use crate::bindings::wasi::http::outgoing_handler;
use crate::bindings::wasi::http::types::{
    Fields, FutureIncomingResponse, IncomingBody, IncomingResponse, Method, OutgoingBody, OutgoingRequest,
    RequestOptions, Scheme, http_error_code,
};
use crate::bindings::wasi::io::poll::{Pollable, poll};
use crate::bindings::wasi::io::streams::{InputStream, StreamError};

/// How much of a body is read at once.
const CHUNK: u64 = 64 * 1024;

pub(crate) fn send(request: Request) -> Result<Response, Error> {
    let invalid = |detail: &str| Error::new(ErrorKind::InvalidRequest, "", detail);
    if let Some(detail) = &request.unusable {
        return Err(invalid(detail));
    }
    let url = Url::parse(&request.url).map_err(invalid)?;
    if cfg!(not(target_family = "wasm")) {
        return Err(Error::new(ErrorKind::Denied, url.origin(), "requests are sent only inside a component"));
    }
    let deadline = Deadline::after(request.timeout, &url.origin());
    let outgoing = outgoing(&request, &url)?;
    let body = outgoing.body().map_err(|()| invalid("its body was taken already"))?;
    let handle = outgoing_handler::handle(outgoing, Some(options(&request)));
    let future = handle.map_err(|code| Error::from_code(code, &deadline.origin))?;
    write(body, &request.body, &deadline)?;
    let incoming = answer(&future, &deadline)?;
    Ok(Response {
        status: incoming.status(),
        headers: incoming.headers().entries(),
        origin: deadline.origin.clone(),
        url: request.url,
        max_body: request.max_body,
        body: Body::Stream(Stream::new(incoming, deadline)?),
    })
}

fn outgoing(request: &Request, url: &Url) -> Result<OutgoingRequest, Error> {
    let invalid = |detail: &str| Error::new(ErrorKind::InvalidRequest, url.origin(), detail);
    let mut headers = request.headers.clone();
    if !request.body.is_empty() {
        headers.push(("content-length".to_owned(), request.body.len().to_string().into_bytes()));
    }
    let fields =
        Fields::from_list(&headers).map_err(|_| invalid("a header's name or value is not valid or not allowed"))?;
    let outgoing = OutgoingRequest::new(fields);
    let scheme = if url.https { Scheme::Https } else { Scheme::Http };
    outgoing.set_method(&method(&request.method)).map_err(|()| invalid("the method is not valid"))?;
    outgoing.set_scheme(Some(&scheme)).map_err(|()| invalid("the URL's scheme is not valid"))?;
    outgoing.set_authority(Some(&url.authority)).map_err(|()| invalid("the URL's host is not valid"))?;
    outgoing.set_path_with_query(Some(&url.path_with_query)).map_err(|()| invalid("the URL's path is not valid"))?;
    Ok(outgoing)
}

fn method(name: &str) -> Method {
    match name.to_ascii_uppercase().as_str() {
        "GET" => Method::Get,
        "HEAD" => Method::Head,
        "POST" => Method::Post,
        "PUT" => Method::Put,
        "DELETE" => Method::Delete,
        "OPTIONS" => Method::Options,
        "PATCH" => Method::Patch,
        other => Method::Other(other.to_owned()),
    }
}

/// A host need not know these limits: the deadline holds all the same.
fn options(request: &Request) -> RequestOptions {
    let nanoseconds = |time: Duration| Some(u64::try_from(time.as_nanos()).unwrap_or(u64::MAX));
    let options = RequestOptions::new();
    let connect = request.connect_timeout.unwrap_or(request.timeout).min(request.timeout);
    let _ = options.set_connect_timeout(nanoseconds(connect));
    let _ = options.set_first_byte_timeout(nanoseconds(request.timeout));
    let _ = options.set_between_bytes_timeout(nanoseconds(request.timeout));
    options
}

/// Writes the body. A host that stopped reading has an answer, or a reason: that is what counts then.
fn write(body: OutgoingBody, mut bytes: &[u8], deadline: &Deadline) -> Result<(), Error> {
    if !bytes.is_empty() {
        let Ok(stream) = body.write() else { return Ok(()) };
        let ready = stream.subscribe();
        while !bytes.is_empty() {
            deadline.wait(&ready)?;
            let Ok(room) = stream.check_write() else { return Ok(()) };
            let now = bytes.len().min(usize::try_from(room).unwrap_or(usize::MAX));
            let (chunk, rest) = bytes.split_at(now);
            if stream.write(chunk).is_err() {
                return Ok(());
            }
            bytes = rest;
        }
        if stream.flush().is_ok() {
            deadline.wait(&ready)?;
        }
    }
    let _ = OutgoingBody::finish(body, None);
    Ok(())
}

fn answer(future: &FutureIncomingResponse, deadline: &Deadline) -> Result<IncomingResponse, Error> {
    let ready = future.subscribe();
    loop {
        deadline.wait(&ready)?;
        match future.get() {
            Some(Ok(answer)) => return answer.map_err(|code| Error::from_code(code, &deadline.origin)),
            Some(Err(())) => {
                return Err(Error::new(ErrorKind::BadResponse, &*deadline.origin, "the response was taken already"));
            }
            None => {}
        }
    }
}

/// When a request must be over.
#[derive(Debug)]
struct Deadline {
    start: Instant,
    timeout: Duration,
    origin: String,
}

impl Deadline {
    fn after(timeout: Duration, origin: &str) -> Self {
        Self { start: Instant::now(), timeout, origin: origin.to_owned() }
    }

    /// Waits until something is ready.
    fn wait(&self, ready: &Pollable) -> Result<(), Error> {
        if ready.ready() {
            return Ok(());
        }
        let left = self.timeout.saturating_sub(self.start.elapsed());
        let timer = monotonic_clock::subscribe_duration(u64::try_from(left.as_nanos()).unwrap_or(u64::MAX));
        if poll(&[ready, &timer]).contains(&0) {
            return Ok(());
        }
        Err(Error::new(ErrorKind::Timeout, &*self.origin, format!("not done after {:?}", self.timeout)))
    }
}

/// A body that is still coming. The stream goes before the body, which goes before the response.
#[derive(Debug)]
pub(crate) struct Stream {
    stream: InputStream,
    _body: IncomingBody,
    _response: IncomingResponse,
    deadline: Deadline,
}

impl Stream {
    fn new(response: IncomingResponse, deadline: Deadline) -> Result<Self, Error> {
        let taken = || Error::new(ErrorKind::BadResponse, &*deadline.origin, "the body was taken already");
        let body = response.consume().map_err(|()| taken())?;
        let stream = body.stream().map_err(|()| taken())?;
        Ok(Self { stream, _body: body, _response: response, deadline })
    }

    /// Some more bytes, none at the end.
    pub(crate) fn next(&mut self) -> Result<Vec<u8>, Error> {
        loop {
            match self.stream.read(CHUNK) {
                Ok(bytes) if !bytes.is_empty() => return Ok(bytes),
                Ok(_) => self.deadline.wait(&self.stream.subscribe())?,
                Err(StreamError::Closed) => return Ok(Vec::new()),
                Err(StreamError::LastOperationFailed(error)) => {
                    return Err(match http_error_code(&error) {
                        Some(code) => Error::from_code(code, &self.deadline.origin),
                        None => Error::new(ErrorKind::BadResponse, &*self.deadline.origin, "it broke off"),
                    });
                }
            }
        }
    }
}
