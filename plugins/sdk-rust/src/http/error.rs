//! Why there is no response.

use std::fmt;

use crate::Failure;
use crate::bindings::wasi::http::types::ErrorCode;

/// What kind of thing went wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ErrorKind {
    /// The request can't be sent as it is: a bad URL, header or body.
    InvalidRequest,
    /// Policy says no.
    Denied,
    /// The host's name could not be resolved.
    Dns,
    /// The connection could not be made, or broke before there was an answer.
    Connect,
    /// The two ends could not agree on a secure connection, or the certificate is not trusted.
    Tls,
    /// A timeout passed.
    Timeout,
    /// What came back is no complete HTTP response.
    BadResponse,
    /// The body is longer than the request's limit.
    TooLarge,
}

/// Why there is no response, or not all of it. Its text names the host, and never more of the URL, which may be secret.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Error {
    kind: ErrorKind,
    origin: String,
    detail: String,
}

impl Error {
    pub(crate) fn new(kind: ErrorKind, origin: impl Into<String>, detail: impl Into<String>) -> Self {
        Self { kind, origin: origin.into(), detail: detail.into() }
    }

    pub(crate) fn from_code(code: ErrorCode, origin: &str) -> Self {
        let (kind, detail) = classify(code);
        Self::new(kind, origin, detail)
    }

    /// What kind of thing went wrong.
    pub fn kind(&self) -> ErrorKind {
        self.kind
    }

    /// Another attempt may succeed.
    pub fn is_transient(&self) -> bool {
        matches!(self.kind, ErrorKind::Dns | ErrorKind::Connect | ErrorKind::Timeout | ErrorKind::BadResponse)
    }

    /// What to do about it, where that is known. What the host did not allow, it says itself, with the line of policy.
    pub fn hint(&self) -> Option<String> {
        match self.kind {
            ErrorKind::Tls => Some("a private certificate authority has to be known to shiro".to_owned()),
            _ => None,
        }
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { kind, origin, detail } = self;
        match kind {
            ErrorKind::InvalidRequest => write!(f, "the request can't be sent: {detail}"),
            ErrorKind::Denied => write!(f, "the request to {origin} was denied: {detail}"),
            ErrorKind::Dns => write!(f, "the host of {origin} could not be found: {detail}"),
            ErrorKind::Connect => write!(f, "no connection to {origin}: {detail}"),
            ErrorKind::Tls => write!(f, "no secure connection to {origin}: {detail}"),
            ErrorKind::Timeout => write!(f, "{origin} did not answer in time: {detail}"),
            ErrorKind::BadResponse => write!(f, "the answer of {origin} could not be read: {detail}"),
            ErrorKind::TooLarge => write!(f, "the answer of {origin} is too long: {detail}"),
        }
    }
}

impl std::error::Error for Error {}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        let code = match error.kind {
            ErrorKind::InvalidRequest => "http_invalid_request",
            ErrorKind::Denied => "denied",
            ErrorKind::Dns => "http_dns",
            ErrorKind::Connect => "http_connect",
            ErrorKind::Tls => "http_tls",
            ErrorKind::Timeout => "http_timeout",
            ErrorKind::BadResponse => "http_bad_response",
            ErrorKind::TooLarge => "http_too_large",
        };
        let message = match error.hint() {
            Some(hint) => format!("{error} (hint: {hint})"),
            None => error.to_string(),
        };
        if error.is_transient() { Self::transient(code, message) } else { Self::permanent(code, message) }
    }
}

fn classify(code: ErrorCode) -> (ErrorKind, String) {
    use ErrorCode as C;
    use ErrorKind as K;
    let (kind, detail) = match code {
        C::HttpRequestDenied => (K::Denied, "it is not granted"),
        C::DestinationIpProhibited => (K::Denied, "its address is not allowed"),
        C::DnsTimeout => (K::Dns, "the name server did not answer in time"),
        C::DnsError(payload) => return (K::Dns, payload.rcode.unwrap_or_else(|| "no such name".to_owned())),
        C::DestinationNotFound => (K::Dns, "no such host"),
        C::DestinationUnavailable => (K::Connect, "it is not available"),
        C::DestinationIpUnroutable => (K::Connect, "there is no route to it"),
        C::ConnectionRefused => (K::Connect, "connection refused"),
        C::ConnectionTerminated => (K::Connect, "the connection broke"),
        C::ConnectionLimitReached => (K::Connect, "too many connections"),
        C::ConnectionTimeout => (K::Timeout, "no connection in time"),
        C::ConnectionReadTimeout => (K::Timeout, "nothing more to read in time"),
        C::ConnectionWriteTimeout => (K::Timeout, "the request could not be written in time"),
        C::HttpResponseTimeout => (K::Timeout, "no response in time"),
        C::TlsProtocolError => (K::Tls, "TLS protocol error"),
        C::TlsCertificateError => (K::Tls, "the certificate is not trusted"),
        C::TlsAlertReceived(alert) => {
            return (K::Tls, alert.alert_message.unwrap_or_else(|| "it sent a TLS alert".to_owned()));
        }
        C::HttpRequestLengthRequired => (K::InvalidRequest, "its length is required"),
        C::HttpRequestBodySize(_) => (K::InvalidRequest, "its body is too long, or not as long as announced"),
        C::HttpRequestMethodInvalid => (K::InvalidRequest, "the method is not allowed"),
        C::HttpRequestUriInvalid => (K::InvalidRequest, "the URL is not valid"),
        C::HttpRequestUriTooLong => (K::InvalidRequest, "the URL is too long"),
        C::HttpRequestHeaderSectionSize(_) | C::HttpRequestHeaderSize(_) => {
            (K::InvalidRequest, "the headers are too long")
        }
        C::HttpRequestTrailerSectionSize(_) | C::HttpRequestTrailerSize(_) => {
            (K::InvalidRequest, "the trailers are too long")
        }
        C::HttpResponseBodySize(_) => (K::TooLarge, "its body is over the host's limit"),
        C::HttpResponseHeaderSectionSize(_) | C::HttpResponseHeaderSize(_) => {
            (K::TooLarge, "its headers are over the host's limit")
        }
        C::HttpResponseTrailerSectionSize(_) | C::HttpResponseTrailerSize(_) => {
            (K::TooLarge, "its trailers are over the host's limit")
        }
        C::HttpResponseIncomplete => (K::BadResponse, "it is not complete"),
        C::HttpResponseTransferCoding(_) | C::HttpResponseContentCoding(_) => (K::BadResponse, "unknown encoding"),
        C::HttpUpgradeFailed => (K::BadResponse, "the upgrade failed"),
        C::HttpProtocolError => (K::BadResponse, "HTTP protocol error"),
        C::LoopDetected => (K::BadResponse, "loop detected"),
        C::ConfigurationError => (K::InvalidRequest, "shiro's network configuration does not allow it"),
        C::InternalError(detail) => {
            return (K::BadResponse, detail.unwrap_or_else(|| "an error without a name".to_owned()));
        }
    };
    (kind, detail.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::FailureKind;

    #[test]
    fn says_what_kind_of_thing_went_wrong() {
        for (code, kind, failure) in [
            (ErrorCode::HttpRequestDenied, ErrorKind::Denied, FailureKind::Permanent),
            (ErrorCode::DestinationIpProhibited, ErrorKind::Denied, FailureKind::Permanent),
            (ErrorCode::DnsTimeout, ErrorKind::Dns, FailureKind::Transient),
            (ErrorCode::ConnectionRefused, ErrorKind::Connect, FailureKind::Transient),
            (ErrorCode::ConnectionTimeout, ErrorKind::Timeout, FailureKind::Transient),
            (ErrorCode::TlsCertificateError, ErrorKind::Tls, FailureKind::Permanent),
            (ErrorCode::HttpProtocolError, ErrorKind::BadResponse, FailureKind::Transient),
        ] {
            let error = Error::from_code(code, "https://hooks.slack.com");
            assert_eq!(error.kind(), kind);
            assert!(error.to_string().contains("hooks.slack.com"), "{error}");
            assert_eq!(Failure::from(error).kind(), failure, "{kind:?}");
        }
    }

    #[test]
    fn a_denied_request_leaves_it_to_the_host_to_say_what_would_allow_it() {
        let failure = Failure::from(Error::from_code(ErrorCode::HttpRequestDenied, "https://a:8443"));
        assert_eq!(failure.code(), "denied");
        assert_eq!(failure.message(), "the request to https://a:8443 was denied: it is not granted");
    }
}
