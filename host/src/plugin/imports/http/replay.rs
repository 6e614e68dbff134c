//! Answers from a recording in place of the network's.

use bytes::Bytes;
use http::{HeaderName, HeaderValue, Request, Response};
use http_body_util::{BodyExt as _, Full};
use wasmtime_wasi_http::{Error, WasiBody};

use super::target::Target;
use crate::plugin::recording::{HttpError, RecordedResponse, Recording, SentRequest};

/// The recorded answer to this request.
pub(super) async fn answer(
    recording: &Recording,
    target: &Target,
    request: Request<WasiBody>,
) -> Result<Response<WasiBody>, Error> {
    let (parts, body) = request.into_parts();
    let body = body.collect().await?.to_bytes();
    let headers: Vec<(String, String)> = parts
        .headers
        .iter()
        .map(|(name, value)| (name.to_string(), String::from_utf8_lossy(value.as_bytes()).into_owned()))
        .collect();
    let sent = SentRequest { method: parts.method.as_str(), url: target.url.as_str(), headers: &headers, body: &body };
    let exchange = recording.exchange(&sent).map_err(|problem| Error::InternalError(Some(problem)))?;
    match exchange.error {
        None => response(&exchange.response).map_err(|error| Error::InternalError(Some(error.to_string()))),
        Some(HttpError::ConnectionRefused) => Err(Error::ConnectionRefused),
        Some(HttpError::Timeout) => Err(Error::HttpResponseTimeout),
        Some(HttpError::NameNotFound) => {
            Err(Error::DnsError { rcode: Some("the name was not found".into()), info_code: None })
        }
    }
}

fn response(recorded: &RecordedResponse) -> Result<Response<WasiBody>, http::Error> {
    let mut response = Response::builder().status(recorded.status.unwrap_or(200));
    for (name, value) in &recorded.headers {
        response = response.header(HeaderName::try_from(name)?, HeaderValue::try_from(value)?);
    }
    if recorded.is_untyped_json() {
        response = response.header(http::header::CONTENT_TYPE, "application/json");
    }
    let body = Full::new(Bytes::from(recorded.bytes())).map_err(|never| match never {});
    response.body(body.boxed_unsync())
}
