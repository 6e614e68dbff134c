"""What a step may know of the run it is part of."""

import os

from ._host import context as _host
from ._host import environment as _environment


def workflow() -> str:
    """The workflow's name."""
    return _host.workflow() if _host else "workflow"


def run_id() -> str:
    """The run's id: unique everywhere, the same after a pause."""
    return _host.run_id() if _host else "run"


def step_id() -> str:
    """The step's id in the workflow."""
    return _host.step_id() if _host else "step"


def attempt() -> int:
    """Which attempt this is: 1 on the first."""
    return _host.attempt() if _host else 1


def idempotency_key() -> str:
    """The same for every attempt of this step in this run, on any machine: pass it to services that deduplicate."""
    return _host.idempotency_key() if _host else "run/step"


def time_left() -> float | None:
    """Seconds until the host ends this attempt, if it has a limit."""
    left = _host.time_left_ms() if _host else None
    return None if left is None else left / 1000


def variable(name: str) -> str | None:
    """A variable of the job, if it is there and granted. Needs an `environment` or a `secrets` permission.

    `os.environ` is that of the build: a component is a snapshot.
    """
    if _environment is None:
        return os.environ.get(name)
    return dict(_environment.get_environment()).get(name)
