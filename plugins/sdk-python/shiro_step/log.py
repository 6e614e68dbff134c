"""Messages for whoever reads the job's log."""

import json
import sys
from typing import Any

from ._host import log as _host


def debug(message: object, **fields: Any) -> None:
    """What helps to find a fault. Shown only when asked for."""
    _write("DEBUG", message, fields)


def info(message: object, **fields: Any) -> None:
    """What is worth knowing."""
    _write("INFO", message, fields)


def warn(message: object, **fields: Any) -> None:
    """Something may be wrong."""
    _write("WARN", message, fields)


def error(message: object, **fields: Any) -> None:
    """Something is wrong. The step goes on: raise a `Failure` to end it."""
    _write("ERROR", message, fields)


def _write(level: str, message: object, fields: dict[str, Any]) -> None:
    encoded = json.dumps(fields, default=str, ensure_ascii=False) if fields else ""
    if _host is None:
        print(f"[{level.lower()}] {message} {encoded}".rstrip(), file=sys.stderr)
    else:
        _host.log(_host.Level[level], str(message), encoded)
