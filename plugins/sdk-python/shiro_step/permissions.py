"""What a step type asks for.

    from shiro_step.permissions import Directory, Network, Permissions

    @step(
        ...,
        permissions=Permissions(
            network=[Network("{config.url}")],
            secrets=["RELEASE_TOKEN"],
            files=[Directory("dist", access="read-write")],
        ),
    )

What it gets is for whoever runs the workflow to decide. `{config.key}` in a URL, a program or a path stands for what the user
configured, and nothing else.
"""

import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Literal


@dataclass(frozen=True)
class Network:
    """HTTP requests to the scheme, host and port of a URL, whose host may be `*.example.com`."""

    url: str
    #: Only with these methods, in upper case; any without them.
    methods: Sequence[str] = ()
    #: Only to paths below this, segment by segment, e.g. `/v1/`.
    path_prefix: str | None = None


@dataclass(frozen=True)
class Process:
    """Running a program, or any with `*`."""

    program: str
    #: Its arguments, one pattern each: a text is itself, `*` any one argument, `**` at the end any further ones. None is any.
    args: Sequence[str] | None = None
    #: The directory it may run in, or below: relative to the project's, which it is without it, or `/` for anywhere.
    working_dir: str | None = None
    #: The variables of the job that it inherits: names, or the beginning of one and `*`.
    environment: Sequence[str] = ()
    #: It inherits the job's environment, with every secret in it.
    inherit_environment: bool = False


@dataclass(frozen=True)
class Directory:
    """The files of a directory: relative to the project's, or absolute. `open` finds it under this name."""

    path: str
    access: Literal["read", "read-write"] = "read"


@dataclass(frozen=True)
class Keys:
    """Keys of the workflow's shared data: one by its name, or with a `*` behind it all keys that begin so."""

    #: `run`, `pipeline`, `branch`, `project`, or `*` for each of them.
    scope: str
    keys: str
    access: Literal["read", "read-write"] = "read"


@dataclass(frozen=True)
class Limits:
    """Limits of one attempt that a step would like raised. They are for a policy to set: this says what it is likely to need."""

    memory_mib: int | None = None
    #: Time in which it computes.
    cpu_seconds: int | None = None
    #: Time in all.
    wall_seconds: int | None = None
    #: What it returns.
    output_mib: int | None = None
    #: What it writes to its log, stdout and stderr.
    log_mib: int | None = None
    #: What it writes to files.
    files_mib: int | None = None
    #: HTTP bodies in each direction.
    http_mib: int | None = None
    #: What it stores in the shared data.
    store_mib: int | None = None
    #: HTTP requests in flight at once; more wait.
    open_requests: int | None = None


@dataclass(frozen=True)
class Permissions:
    """What a step type asks for; nothing to begin with."""

    #: Where it sends HTTP requests to.
    network: Sequence[Network] = ()
    #: The programs it runs.
    process: Sequence[Process] = ()
    #: Variables of the job that it sees, with `context.variable`: names, or the beginning of one and `*`. Never secret ones.
    environment: Sequence[str] = ()
    #: Secret variables of the job that it sees, each by its name. Their values are masked wherever they would show.
    secrets: Sequence[str] = ()
    #: Directories it reads or writes.
    files: Sequence[Directory] = ()
    #: Keys of the shared data that it reads or writes.
    store: Sequence[Keys] = ()
    #: What it is likely to need.
    limits: Limits = field(default_factory=Limits)

    def document(self) -> dict[str, Any]:
        """As the description has it: without what is not asked for."""
        return _plain(self)


def _plain(value: Any) -> Any:
    if dataclasses.is_dataclass(value):
        members = {item.name: getattr(value, item.name) for item in dataclasses.fields(value)}
        # An empty list of arguments is no argument at all, unlike none.
        kept = {name: _plain(member) for name, member in members.items() if name == "args" or member not in ((), [], False)}
        return {name: member for name, member in kept.items() if member is not None and member != {}}
    if isinstance(value, (list, tuple)):
        return [_plain(item) for item in value]
    return value
