"""The step ran and says no."""

from enum import Enum
from typing import Any


class Kind(Enum):
    """Whether another attempt makes sense."""

    #: The config is wrong. Never retried.
    INVALID_CONFIG = 0
    #: Trying again cannot help. Never retried.
    PERMANENT = 1
    #: May succeed on another attempt: retried as the step's `retry` says.
    TRANSIENT = 2


class Failure(Exception):
    """Why a step failed: raise it.

    The code is for machines: lower case, e.g. `channel_not_found`. The part of the step's name before its first dot goes in
    front of a code that has none. The message is for people: one sentence that says what happened and what to do.
    `retry_after` is how many seconds to wait at least before another attempt. `output` is what there is to show all the same,
    for steps that run after a failure: best of the type that a success would have.
    """

    def __init__(
        self, kind: Kind, code: str, message: str, *, retry_after: float | None = None, output: Any = None
    ) -> None:
        super().__init__(message)
        self.kind, self.code, self.message = kind, code, message
        self.retry_after, self.output = retry_after, output

    @classmethod
    def invalid_config(cls, message: str) -> "Failure":
        """The config is wrong: never retried."""
        return cls(Kind.INVALID_CONFIG, "invalid_config", message)

    @classmethod
    def permanent(cls, code: str, message: str, *, output: Any = None) -> "Failure":
        """Trying again cannot help: never retried."""
        return cls(Kind.PERMANENT, code, message, output=output)

    @classmethod
    def transient(
        cls, code: str, message: str, *, retry_after: float | None = None, output: Any = None
    ) -> "Failure":
        """May succeed on another attempt: retried as the step's `retry` says."""
        return cls(Kind.TRANSIENT, code, message, retry_after=retry_after, output=output)

    def qualified_code(self, step_type: str) -> str:
        """The code with the step type in front, unless it names one already."""
        return self.code if "." in self.code else f"{step_type.split('.')[0]}.{self.code}"
