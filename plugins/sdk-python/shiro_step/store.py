"""The workflow's shared data: values by key, which outlive the step. Needs a `store` permission.

`scope` says how far a value reaches: `run`, `pipeline`, `branch` or `project`.
"""

import json
from collections.abc import Callable
from datetime import datetime, timezone
from typing import Any, TypeVar

from . import _host
from .failure import Failure

_T = TypeVar("_T")


class StoreError(Exception):
    """Why something was not done with shared data.

    `kind` is `denied`, `invalid`, `limit`, `unreadable` or `failed`, or what a later host calls it; `failure` is what the
    step ends with if it lets this through.
    """

    def __init__(self, kind: str, message: str, *, code: str | None = None) -> None:
        super().__init__(message)
        self.kind = kind
        code = code or ("denied" if kind == "denied" else f"store_{kind}")
        self.failure = (Failure.transient if kind == "failed" else Failure.permanent)(code, message)


def get(scope: str, key: str, default: Any = None) -> Any:
    """The value of a key; `default` if there is none, or none any more."""
    text = _call(lambda host: host.get(scope, key))
    return default if text is None else json.loads(text)


def exists(scope: str, key: str) -> bool:
    """Whether a key has a value."""
    return _call(lambda host: host.exists(scope, key))


def set(scope: str, key: str, value: Any, *, ttl: float | None = None) -> None:
    """Stores a value that JSON can hold, in place of one that is there. It is durable when this returns.

    With `ttl` it is gone after so many seconds, by the wall clock.
    """
    try:
        text = json.dumps(value, ensure_ascii=False, allow_nan=False)
    except (TypeError, ValueError) as error:
        raise StoreError("invalid", f"the value is not JSON: {error}") from error
    ttl_ms = None if ttl is None else max(0, round(ttl * 1000))
    _call(lambda host: host.set(scope, key, text, ttl_ms))


def delete(scope: str, key: str) -> bool:
    """Deletes a value. False if there was none."""
    return _call(lambda host: host.delete(scope, key))


def list(scope: str, prefix: str = "") -> "list[str]":
    """The keys that begin with this text (all with an empty one) and have a value, sorted.

    All that begin so have to be granted: `deploy/*` for `deploy/`.
    """
    return _call(lambda host: host.list(scope, prefix))


def expires_at(scope: str, key: str) -> datetime | None:
    """When a key's value is gone, or went, if that is still known; None if it stays, or if there is none."""
    at = _call(lambda host: host.expires_at_ms(scope, key))
    return None if at is None else datetime.fromtimestamp(at / 1000, timezone.utc)


def _call(act: Callable[[Any], _T]) -> _T:
    host = _host.store
    if host is None:
        raise StoreError("failed", "shared data is there only inside a component")
    try:
        return act(host)
    except _host.Err as raised:
        raise _error(raised.value) from None


def _error(error: Any) -> StoreError:
    host = _host.store
    kinds = {
        host.Error_Denied: "denied",
        host.Error_Invalid: "invalid",
        host.Error_Limit: "limit",
        host.Error_Unreadable: "unreadable",
        host.Error_Failed: "failed",
    }
    kind = kinds.get(type(error))
    if kind is not None:
        return StoreError(kind, error.value)
    code, message = error.value
    return StoreError(code, message, code=code)
