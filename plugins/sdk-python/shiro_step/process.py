"""Running programs on the machine. Needs a `process` permission."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from . import _host
from .failure import Failure

#: How many bytes of each stream are kept unless the call says otherwise.
DEFAULT_CAPTURE = 256 * 1024


@dataclass
class Captured:
    """A stream as far as it was kept."""

    #: The first bytes: all of them if nothing was left out.
    head: bytes
    #: The last bytes, when `head` is not all.
    tail: bytes
    #: How many bytes the program wrote.
    total: int

    def text(self) -> str:
        """Head and tail as text, with a line between them that says what was left out."""
        omitted = self.total - len(self.head) - len(self.tail)
        if omitted <= 0:
            return (self.head + self.tail).decode(errors="replace")
        head, tail = self.head.decode(errors="replace"), self.tail.decode(errors="replace")
        return f"{head}\n[... {omitted} bytes left out ...]\n{tail}"


@dataclass
class Completed:
    """A program that ran."""

    #: Its exit code; None if a signal ended it.
    exit_code: int | None
    #: The signal that ended it.
    signal: int | None
    #: What it wrote.
    stdout: Captured
    stderr: Captured
    #: Seconds that it ran.
    duration: float

    @property
    def success(self) -> bool:
        """It ended by itself, with code 0."""
        return self.exit_code == 0


class ProcessError(Exception):
    """Why a program did not run to its end.

    `kind` is `denied`, `not_found`, `not_started`, `timeout` or `invalid_command`; `failure` is what the step ends with if it
    lets this through; `completed` is what a program left whose time was over.
    """

    def __init__(self, kind: str, message: str, completed: Completed | None = None) -> None:
        super().__init__(message)
        self.kind, self.completed = kind, completed
        self.failure = (Failure.transient if kind == "timeout" else Failure.permanent)(kind, message)


def run(
    program: str,
    args: Sequence[str] = (),
    *,
    env: Mapping[str, str] | None = None,
    working_dir: str | None = None,
    stdin: bytes | str | None = None,
    capture: int = DEFAULT_CAPTURE,
    timeout: float | None = None,
) -> Completed:
    """Runs a program and waits for its end. One that says no raises nothing: see `Completed.exit_code`.

    `program` is a name to look for on `PATH`, or a path with a slash in it. `env` goes on top of what the grant lets it
    inherit. `working_dir` is relative to the project's directory, which is the default. `capture` is how many bytes of each
    stream to keep: the first and the last half each, 1 MiB at most. `timeout` is in seconds.
    """
    host = _host.process
    if host is None:
        raise ProcessError("not_started", f"`{program}` could not be started: programs run only inside a component")
    command = host.Command(
        program=program,
        args=list(args),
        env=list((env or {}).items()),
        working_dir=working_dir,
        stdin=stdin.encode() if isinstance(stdin, str) else stdin,
        capture_bytes=capture,
        timeout_ms=None if timeout is None else round(timeout * 1000),
    )
    try:
        return _completed(host.run(command))
    except _host.Err as raised:
        raise _error(raised.value, program) from None


def _error(error: Any, program: str) -> ProcessError:
    host = _host.process
    if isinstance(error, host.Error_Denied):
        return ProcessError("denied", f"running `{program}` was denied: {error.value}")
    if isinstance(error, host.Error_NotFound):
        where = f"no program at `{program}`" if "/" in program else f"no program `{program}` on PATH"
        return ProcessError("not_found", f"there is {where}")
    if isinstance(error, host.Error_NotStarted):
        return ProcessError("not_started", f"`{program}` could not be started: {error.value}")
    if isinstance(error, host.Error_TimedOut):
        done = _completed(error.value)
        return ProcessError("timeout", f"`{program}` did not end within {done.duration:.1f}s and was stopped", done)
    return ProcessError("invalid_command", f"`{program}` can't be run like this: {error.value}")


def _completed(done: Any) -> Completed:
    exited = isinstance(done.status, _host.process.Status_Exited)
    return Completed(
        exit_code=done.status.value if exited else None,
        signal=None if exited else done.status.value,
        stdout=Captured(done.stdout.head, done.stdout.tail, done.stdout.total),
        stderr=Captured(done.stderr.head, done.stderr.tail, done.stderr.total),
        duration=done.duration_ms / 1000,
    )
