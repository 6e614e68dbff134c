//! What went wrong with a request, in WASI's words and in people's. No text here holds a path or a query.

use std::error::Error as StdError;
use std::io;

use wasmtime_wasi_http::Error;

use crate::net::http::sources;

/// The first error of this type in the chain.
pub(super) fn find<'a, E: StdError + 'static>(error: &'a (dyn StdError + 'static)) -> Option<&'a E> {
    sources(error).find_map(|error| error.downcast_ref::<E>())
}

/// The nearest of WASI's errors.
pub(super) fn classify(error: &reqwest::Error) -> Error {
    // The guest's own body failed, e.g. its budget was used up.
    if let Some(Error::HttpRequestBodySize(size)) = find::<Error>(error) {
        return Error::HttpRequestBodySize(*size);
    }
    if let Some(error) = find::<rustls::Error>(error) {
        return match error {
            rustls::Error::InvalidCertificate(_) => Error::TlsCertificateError,
            _ => Error::TlsProtocolError,
        };
    }
    if error.is_dns() {
        return Error::DnsError { rcode: Some("the name was not found".into()), info_code: None };
    }
    if let Some(error) = find::<io::Error>(error) {
        match error.kind() {
            io::ErrorKind::ConnectionRefused => return Error::ConnectionRefused,
            io::ErrorKind::TimedOut => return Error::ConnectionTimeout,
            io::ErrorKind::HostUnreachable | io::ErrorKind::NetworkUnreachable => return Error::DestinationUnavailable,
            io::ErrorKind::ConnectionReset
            | io::ErrorKind::ConnectionAborted
            | io::ErrorKind::BrokenPipe
            | io::ErrorKind::UnexpectedEof => return Error::ConnectionTerminated,
            _ => {}
        }
    }
    if error.is_timeout() { Error::ConnectionTimeout } else { Error::HttpProtocolError }
}
