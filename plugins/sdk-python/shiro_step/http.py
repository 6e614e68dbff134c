"""HTTP requests. They need a `network` permission. Redirects are not followed: the step sees the 3xx answer."""

import json as _json
import re
import time
from collections.abc import Mapping
from dataclasses import dataclass
from email.utils import parsedate_to_datetime
from typing import Any

from . import _host
from .http_error import HttpError, from_code

__all__ = ["HttpError", "Response", "get", "post", "send"]

_CHUNK = 64 * 1024


@dataclass
class Response:
    """A response with its body."""

    #: The status code.
    status: int
    #: The headers in the order they came, names in lower case.
    headers: list[tuple[str, str]]
    #: The body.
    body: bytes
    #: Scheme and host that it came from.
    origin: str

    @property
    def ok(self) -> bool:
        """The status is 2xx."""
        return 200 <= self.status < 300

    def header(self, name: str) -> str | None:
        """A header's first value. The name may be in any case."""
        return next((value for header, value in self.headers if header.lower() == name.lower()), None)

    def retry_after(self) -> float | None:
        """How many seconds the service asks to wait (`Retry-After`, in seconds or as a date)."""
        value = (self.header("retry-after") or "").strip()
        if value.isdigit():
            return float(value)
        try:
            return max(0.0, parsedate_to_datetime(value).timestamp() - time.time()) if value else None
        except ValueError:
            return None

    def text(self) -> str:
        """The body as text. Bytes that are no UTF-8 become U+FFFD."""
        return self.body.decode(errors="replace")

    def json(self) -> Any:
        """The body as JSON."""
        try:
            return _json.loads(self.body)
        except ValueError as error:
            raise HttpError("bad_response", self.origin, f"not the JSON it should be: {error}") from None


def get(url: str, **options: Any) -> Response:
    """Sends a GET request. Options as for `send`."""
    return send("GET", url, **options)


def post(url: str, **options: Any) -> Response:
    """Sends a POST request. Options as for `send`."""
    return send("POST", url, **options)


def send(
    method: str,
    url: str,
    *,
    headers: Mapping[str, str] | None = None,
    body: bytes | str = b"",
    json: Any = None,
    timeout: float = 30.0,
    max_body: int = 8 * 1024 * 1024,
) -> Response:
    """Sends a request and reads the response. A status that says no raises nothing. Raises an `HttpError` if there is none.

    `url` is absolute, http or https; `method` is any but CONNECT and TRACE. `json` is sent in place of `body`. `timeout` is
    how many seconds it may take in all. `max_body` is the longest response body that is read.
    """
    target = _Target.parse(url)
    if _host.http_types is None:
        raise HttpError("denied", target.origin, "requests are sent only inside a component")
    fields = [(name, value.encode()) for name, value in (headers or {}).items()]
    content = body.encode() if isinstance(body, str) else body
    if json is not None:
        content = _json.dumps(json, ensure_ascii=False).encode()
        fields.append(("content-type", b"application/json"))
    if content:
        fields.append(("content-length", str(len(content)).encode()))
    return _Exchange(target, timeout, max_body).send(method, fields, content)


@dataclass
class _Target:
    """The parts of an absolute http or https URL. What is wrong with one is said without repeating it: it may hold a secret."""

    https: bool
    authority: str
    path: str

    @property
    def origin(self) -> str:
        return f"{'https' if self.https else 'http'}://{self.authority}"

    @classmethod
    def parse(cls, url: str) -> "_Target":
        parts = re.fullmatch(r"(https?)://([^/?#\\]*)(.*)", url, re.IGNORECASE | re.DOTALL)
        if parts is None:
            raise _invalid("the URL does not begin with http:// or https://")
        scheme, authority, rest = parts.groups()
        if any(c.isspace() or ord(c) < 0x20 or 0x7F <= ord(c) < 0xA0 for c in url):
            raise _invalid("the URL has a space, a line break or a control character in it")
        if not authority:
            raise _invalid("the URL has no host")
        if "@" in authority:
            raise _invalid("the URL has a user name or a password in it: pass them in a header")
        if rest.startswith("\\"):
            raise _invalid("the URL has a backslash after its host")
        path = rest.split("#")[0]
        return cls(scheme.lower() == "https", authority, path if path.startswith("/") else f"/{path}")


def _invalid(detail: str) -> HttpError:
    return HttpError("invalid_request", "", detail)


class _Exchange:
    """One request on its way. What depends on another resource of the host is let go of before it."""

    def __init__(self, target: _Target, timeout: float, max_body: int) -> None:
        self.target, self.timeout, self.max_body = target, timeout, max_body
        self.end = time.monotonic() + timeout

    def send(self, method: str, fields: list[tuple[str, bytes]], content: bytes) -> Response:
        outgoing = self._outgoing(method, fields)
        body = outgoing.body()
        try:
            future = _host.outgoing_handler.handle(outgoing, self._options())
        except _host.Err as raised:
            raise from_code(raised.value, self.target.origin) from None
        with future:
            self._write(body, content)
            incoming = self._answer(future)
        with incoming:
            with incoming.headers() as entries:
                headers = [(name, value.decode(errors="replace")) for name, value in entries.entries()]
            with incoming.consume() as incoming_body, incoming_body.stream() as stream:
                return Response(incoming.status(), headers, self._read(stream), self.target.origin)

    def _fail(self, kind: str, detail: str) -> HttpError:
        return HttpError(kind, self.target.origin, detail)

    def _outgoing(self, method: str, entries: list[tuple[str, bytes]]) -> Any:
        types = _host.http_types
        target = self.target
        try:
            what = "a header's name or value is not valid or not allowed"
            outgoing = types.OutgoingRequest(types.Fields.from_list(entries))
            what = "the method is not valid"
            known = getattr(types, f"Method_{method.capitalize()}", None)
            outgoing.set_method(types.Method_Other(method) if known in (None, types.Method_Other) else known())
            what = "the URL's scheme is not valid"
            outgoing.set_scheme(types.Scheme_Https() if target.https else types.Scheme_Http())
            what = "the URL's host is not valid"
            outgoing.set_authority(target.authority)
            what = "the URL's path is not valid"
            outgoing.set_path_with_query(target.path)
        except _host.Err:
            raise self._fail("invalid_request", what) from None
        return outgoing

    def _options(self) -> Any:
        """Limits that a host need not know: the deadline holds all the same."""
        options = _host.http_types.RequestOptions()
        nanoseconds = max(0, round(self.timeout * 1e9))
        options.set_connect_timeout(nanoseconds)
        options.set_first_byte_timeout(nanoseconds)
        options.set_between_bytes_timeout(nanoseconds)
        return options

    def _wait(self, resource: Any) -> None:
        left = max(0, round((self.end - time.monotonic()) * 1e9))
        with resource.subscribe() as ready, _host.monotonic_clock.subscribe_duration(left) as timer:
            if 0 not in _host.poll.poll([ready, timer]):
                raise self._fail("timeout", f"not done after {self.timeout:g}s")

    def _write(self, body: Any, content: bytes) -> None:
        """Writes the body. A host that stopped reading has an answer, or a reason: that is what counts then."""
        try:
            if content:
                with body.write() as stream:
                    while content:
                        self._wait(stream)
                        room = min(stream.check_write(), len(content))
                        stream.write(content[:room])
                        content = content[room:]
                    stream.flush()
                    self._wait(stream)
            _host.http_types.OutgoingBody.finish(body, None)
        except _host.Err:
            pass

    def _answer(self, future: Any) -> Any:
        while True:
            self._wait(future)
            answer = future.get()
            if answer is None:
                continue
            if isinstance(answer, _host.Err):
                raise self._fail("bad_response", "the response was taken already")
            if isinstance(answer.value, _host.Err):
                raise from_code(answer.value.value, self.target.origin)
            return answer.value.value

    def _read(self, stream: Any) -> bytes:
        whole = bytearray()
        while True:
            try:
                chunk = stream.read(_CHUNK)
            except _host.Err as raised:
                if isinstance(raised.value, _host.streams.StreamError_Closed):
                    return bytes(whole)
                raise self._broken(raised.value.value) from None
            whole += chunk
            if len(whole) > self.max_body:
                raise self._fail("too_large", f"more than {self.max_body} bytes")
            if not chunk:
                self._wait(stream)

    def _broken(self, error: Any) -> HttpError:
        code = _host.http_types.http_error_code(error)
        return self._fail("bad_response", "it broke off") if code is None else from_code(code, self.target.origin)
