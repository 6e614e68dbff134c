"""Write a step type for shiro in Python.

    from dataclasses import dataclass
    from typing import Annotated

    from shiro_step import Failure, log, step


    @dataclass
    class Config:
        name: Annotated[str, "Who to greet."]


    @dataclass
    class Output:
        greeting: str


    @step(name="text.greet", version="0.1.0", summary="Makes a greeting.")
    def run(config: Config) -> Output:
        if not config.name:
            raise Failure.permanent("nobody", "there is nobody to greet: set `name`")
        log.info(f"greeting {config.name}")
        return Output(f"Hello, {config.name}!")

`shiro plugin build` makes the component. The JSON Schemas that shiro checks configs and outputs with come from the two
dataclasses: see `shiro_step.schema`. `print` writes to the step's log. Any other exception ends the attempt as a permanent
failure, with its traceback in the log.

Import what you need at the top of a module: a component is a snapshot that was taken after the imports, and finds no modules
later.

Outside of a component, in tests, messages go to standard error, `context` tells of a made-up run, and `http`, `process` and
`store` refuse.
"""

from . import context, http, log, process, store
from ._step import describe, run, step
from .failure import Failure, Kind
from .permissions import Network, Permissions

__all__ = [
    "Failure",
    "Kind",
    "Network",
    "Permissions",
    "context",
    "describe",
    "http",
    "log",
    "process",
    "run",
    "step",
    "store",
]
