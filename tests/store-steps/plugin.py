"""Does everything that can be done with shared data, and returns what came of it."""

from dataclasses import dataclass
from typing import Any

from shiro_step import Permissions, log, step, store
from shiro_step.permissions import Keys


@dataclass
class Config:
    scope: str
    key: str


@step(
    name="example.store",
    version="0.1.0",
    summary="Uses shared data.",
    permissions=Permissions(store=[Keys("*", "*", "read-write")]),
    idempotent=True,
)
def run(config: Config) -> dict[str, Any]:
    scope, key = config.scope, config.key
    before = store.get(scope, key)
    store.set(scope, key, {"by": "step", "list": [1, "é"]})
    store.set(scope, f"{key}/short", 1, ttl=3600)
    result = {
        "before": before,
        "value": store.get(scope, key),
        "exists": store.exists(scope, key),
        "keys": store.list(scope, key),
        "expires": store.expires_at(scope, f"{key}/short") is not None,
        "stays": store.expires_at(scope, key) is None,
        "deleted": store.delete(scope, f"{key}/short"),
        "again": store.delete(scope, f"{key}/short"),
    }
    log.info("done")
    return result
