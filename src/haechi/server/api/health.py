"""How the server is, part by part, each with what it is and what to do."""

from __future__ import annotations

from haechi import __version__
from haechi.model.access import Role
from haechi.server.endpoint import Call, Operation
from haechi.server.readiness import FAILED, parts
from haechi.server.shapes import Health


def shown(call: Call) -> Health:
    """All parts, tried now; ready when none failed, as /readyz says it."""
    found = parts(call.world)
    return Health(
        ready=all(part.state != FAILED for part in found),
        version=__version__,
        started=call.world.started,
        parts=found,
    )


OPERATIONS: tuple[Operation, ...] = (
    Operation(
        id="health.show",
        method="GET",
        path="/health",
        role=Role.VIEWER,
        summary="How the server is, part by part, and what to do",
        handler=shown,
        answer=Health,
    ),
)
