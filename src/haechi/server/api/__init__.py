"""The operations of the API, one module for each kind of thing."""

from __future__ import annotations

from functools import cache
from importlib import import_module

from haechi.server.endpoint import Operation

MODULES = (
    "session",
    "now",
    "findings",
    "waivers",
    "scans",
    "resources",
    "dependencies",
    "advisories",
    "rules",
    "events",
    "events_read",
    "feeds",
    "runtime",
    "hunts",
    "profiles",
    "incidents",
    "responses",
    "alerts",
    "clusters",
    "admission",
    "policies",
    "audit",
    "tokens",
    "users",
    "health",
    "meta",
)


@cache
def all_operations() -> tuple[Operation, ...]:
    """Every operation, in the order of MODULES. Imported when asked for: the handlers need the
    whole of the server, which in turn asks for this list."""
    return tuple(
        operation
        for name in MODULES
        for operation in import_module(f"haechi.server.api.{name}").OPERATIONS
    )
