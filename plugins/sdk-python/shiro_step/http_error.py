"""Why there is no response."""

from typing import Any

from .failure import Failure

_TEXTS = {
    "invalid_request": "the request can't be sent: {detail}",
    "denied": "the request to {origin} was denied: {detail}",
    "dns": "the host of {origin} could not be found: {detail}",
    "connect": "no connection to {origin}: {detail}",
    "tls": "no secure connection to {origin}: {detail}",
    "timeout": "{origin} did not answer in time: {detail}",
    "bad_response": "the answer of {origin} could not be read: {detail}",
    "too_large": "the answer of {origin} is too long: {detail}",
}

_TRANSIENT = ("dns", "connect", "timeout", "bad_response")


class HttpError(Exception):
    """Why there is no response, or not all of it. Its text names the host, and never more of the URL, which may be secret.

    `kind` is one of `invalid_request`, `denied`, `dns`, `connect`, `tls`, `timeout`, `bad_response` and `too_large`.
    """

    def __init__(self, kind: str, origin: str, detail: str) -> None:
        super().__init__(_TEXTS[kind].format(origin=origin, detail=detail))
        self.kind, self.origin, self.detail = kind, origin, detail

    @property
    def failure(self) -> Failure:
        """The failure that the step ends with if it lets this through."""
        code = "denied" if self.kind == "denied" else f"http_{self.kind}"
        make = Failure.transient if self.kind in _TRANSIENT else Failure.permanent
        return make(code, f"{self}{self._hint()}")

    def _hint(self) -> str:
        # What the host did not allow, it says itself.
        return " (hint: a private certificate authority has to be known to shiro)" if self.kind == "tls" else ""


def from_code(code: Any, origin: str) -> HttpError:
    """The error that a host's `error-code` stands for."""
    name = type(code).__name__.removeprefix("ErrorCode_")
    kind, detail = _CODES.get(name, ("bad_response", "an error without a name"))
    value = getattr(code, "value", None)
    if name == "DnsError":
        detail = value.rcode or detail
    elif name == "TlsAlertReceived":
        detail = value.alert_message or detail
    elif name == "InternalError":
        detail = value or detail
    return HttpError(kind, origin, detail)


_CODES = {
    "DnsTimeout": ("dns", "the name server did not answer in time"),
    "DnsError": ("dns", "no such name"),
    "DestinationNotFound": ("dns", "no such host"),
    "DestinationUnavailable": ("connect", "it is not available"),
    "DestinationIpProhibited": ("denied", "its address is not allowed"),
    "DestinationIpUnroutable": ("connect", "there is no route to it"),
    "ConnectionRefused": ("connect", "connection refused"),
    "ConnectionTerminated": ("connect", "the connection broke"),
    "ConnectionTimeout": ("timeout", "no connection in time"),
    "ConnectionReadTimeout": ("timeout", "nothing more to read in time"),
    "ConnectionWriteTimeout": ("timeout", "the request could not be written in time"),
    "ConnectionLimitReached": ("connect", "too many connections"),
    "TlsProtocolError": ("tls", "TLS protocol error"),
    "TlsCertificateError": ("tls", "the certificate is not trusted"),
    "TlsAlertReceived": ("tls", "it sent a TLS alert"),
    "HttpRequestDenied": ("denied", "it is not granted"),
    "HttpRequestLengthRequired": ("invalid_request", "its length is required"),
    "HttpRequestBodySize": ("invalid_request", "its body is too long, or not as long as announced"),
    "HttpRequestMethodInvalid": ("invalid_request", "the method is not allowed"),
    "HttpRequestUriInvalid": ("invalid_request", "the URL is not valid"),
    "HttpRequestUriTooLong": ("invalid_request", "the URL is too long"),
    "HttpRequestHeaderSectionSize": ("invalid_request", "the headers are too long"),
    "HttpRequestHeaderSize": ("invalid_request", "the headers are too long"),
    "HttpRequestTrailerSectionSize": ("invalid_request", "the trailers are too long"),
    "HttpRequestTrailerSize": ("invalid_request", "the trailers are too long"),
    "HttpResponseIncomplete": ("bad_response", "it is not complete"),
    "HttpResponseHeaderSectionSize": ("too_large", "its headers are over the host's limit"),
    "HttpResponseHeaderSize": ("too_large", "its headers are over the host's limit"),
    "HttpResponseBodySize": ("too_large", "its body is over the host's limit"),
    "HttpResponseTrailerSectionSize": ("too_large", "its trailers are over the host's limit"),
    "HttpResponseTrailerSize": ("too_large", "its trailers are over the host's limit"),
    "HttpResponseTransferCoding": ("bad_response", "unknown encoding"),
    "HttpResponseContentCoding": ("bad_response", "unknown encoding"),
    "HttpResponseTimeout": ("timeout", "no response in time"),
    "HttpUpgradeFailed": ("bad_response", "the upgrade failed"),
    "HttpProtocolError": ("bad_response", "HTTP protocol error"),
    "LoopDetected": ("bad_response", "loop detected"),
    "ConfigurationError": ("invalid_request", "shiro's network configuration does not allow it"),
    "InternalError": ("bad_response", "an error without a name"),
}
