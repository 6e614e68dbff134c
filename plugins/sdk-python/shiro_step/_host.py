"""The interfaces that the host offers; None for each outside of a component."""

try:
    from componentize_py_types import Err, Ok
    from wit_world.imports import context, environment, log, monotonic_clock, outgoing_handler, poll, process, store, streams
    from wit_world.imports import shiro_step_types as step_types
    from wit_world.imports import wasi_http_types as http_types
except ImportError:
    context = environment = log = monotonic_clock = outgoing_handler = poll = process = store = streams = None
    step_types = http_types = None
    Err = Ok = None

__all__ = [
    "Err",
    "Ok",
    "context",
    "environment",
    "http_types",
    "log",
    "monotonic_clock",
    "outgoing_handler",
    "poll",
    "process",
    "step_types",
    "store",
    "streams",
]
