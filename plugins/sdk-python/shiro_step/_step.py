"""What stands between the decorated function and the component's exports."""

import json
import sys
import traceback
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, get_type_hints

from . import _host, log, schema
from .failure import Failure
from .permissions import Permissions


@dataclass
class _Registered:
    name: str
    document: dict[str, Any]
    function: Callable[[Any], Any]
    config: Any


_registered: _Registered | None = None


def step(
    *,
    name: str,
    version: str,
    summary: str,
    permissions: Permissions | None = None,
    idempotent: bool = False,
    config_schema: schema.Schema | None = None,
    output_schema: schema.Schema | None = None,
) -> Callable[[Callable[[Any], Any]], Callable[[Any], Any]]:
    """Makes the decorated function the step type of this component. Once.

    The function takes the config and returns the output. Their schemas come from its annotations, best two dataclasses,
    unless they are given; without either, the config is a dict and anything goes.

    `permissions` is what the step asks for, e.g. `Permissions(network=[Network("{config.url}")])`: see
    `shiro_step.permissions`.
    `idempotent` says that an attempt that was cut off, nobody knows where, may simply run again.
    """

    def register(function: Callable[[Any], Any]) -> Callable[[Any], Any]:
        global _registered
        hints = get_type_hints(function, include_extras=True)
        returned = hints.pop("return", Any)
        config = next(iter(hints.values()), Any)
        document: dict[str, Any] = {
            "name": name,
            "version": version,
            "summary": summary,
            "config_schema": schema.of(config, closed=True) if config_schema is None else config_schema,
            "output_schema": schema.of(returned, closed=False) if output_schema is None else output_schema,
        }
        if permissions is not None:
            document["permissions"] = permissions.document()
        if idempotent:
            document["idempotent"] = True
        _registered = _Registered(name, document, function, config)
        return function

    return register


def _the_step() -> _Registered:
    if _registered is None:
        raise RuntimeError("no step type: put @step(...) before a function of plugin.py")
    return _registered


def describe() -> str:
    """The description document of the step type, as the component answers it."""
    return json.dumps(_the_step().document, ensure_ascii=False)


def run(config: str) -> str:
    """Runs one attempt, as the component does: for tests. Raises a `Failure` whatever goes wrong."""
    try:
        return _attempt(_the_step(), config)
    except Failure:
        raise
    except Exception as error:
        own = getattr(error, "failure", None)
        if isinstance(own, Failure):
            raise own from error
        log.error(_traceback(error))
        raise Failure.permanent("unexpected", str(error) or type(error).__name__) from error


def _attempt(registered: _Registered, text: str) -> str:
    try:
        config = schema.build(registered.config, json.loads(text))
    except (ValueError, TypeError) as error:
        raise Failure.invalid_config(f"config: {error}") from error
    output = registered.function(config)
    try:
        return json.dumps(schema.plain(output), ensure_ascii=False, allow_nan=False)
    except (ValueError, TypeError) as error:
        raise Failure.permanent("invalid_output", f"the output does not fit into JSON: {error}") from error


def _traceback(error: BaseException) -> str:
    # The sources are not there: a component is a snapshot.
    frames = traceback.extract_tb(error.__traceback__, limit=20)
    lines = [f"  {frame.filename}:{frame.lineno} in {frame.name}" for frame in frames]
    return "\n".join([f"{type(error).__name__}: {error}", *lines])


class Exports:
    """What the component exports as `step`."""

    def describe(self) -> str:
        return describe()

    def run(self, config: str) -> str:
        try:
            return run(config)
        except Failure as failure:
            wait = failure.retry_after
            shown = schema.plain(failure.output)
            raise _host.Err(
                _host.step_types.Failure(
                    kind=_host.step_types.FailureKind(failure.kind.value),
                    code=failure.qualified_code(_the_step().name),
                    message=failure.message,
                    retry_after_ms=None if wait is None else max(0, round(wait * 1000)),
                    output=None if shown is None else json.dumps(shown, ensure_ascii=False),
                )
            ) from failure
        finally:
            sys.stdout.flush()
            sys.stderr.flush()
