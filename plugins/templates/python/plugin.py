"""`example.check`: checks that a URL answers with the expected status."""

from dataclasses import dataclass
from typing import Annotated

from shiro_step import Failure, Network, Permissions, http, log, step


@dataclass
class Config:
    """What users write in `config`."""

    url: Annotated[str, "The URL to ask."]
    expect_status: Annotated[int, "The status that it has to answer with.", {"minimum": 100, "maximum": 599}] = 200
    label: Annotated[str, "What to call it in the log."] = ""


@dataclass
class Output:
    """What later steps can refer to."""

    status: Annotated[int, "The status that it answered with.", {"minimum": 100, "maximum": 599}]
    ok: Annotated[bool, "Whether that is the expected one."]


@step(
    name="example.check",
    version="0.1.0",
    summary="Checks that a URL answers with the expected status.",
    permissions=Permissions(network=[Network("{config.url}")]),
)
def check(config: Config) -> Output:
    log.info(f"checking {config.label or 'the URL'}")
    status = http.get(config.url).status
    if status != config.expect_status:
        message = f"expected status {config.expect_status}, got {status}"
        raise Failure.transient("unexpected_status", message, output=Output(status, False))
    return Output(status, True)
