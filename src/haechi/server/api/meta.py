"""The API about itself: its description, the settings in force, the live stream."""

from __future__ import annotations

from typing import Annotated, Any

import msgspec

from haechi.model.access import Role
from haechi.server.endpoint import Call, Operation
from haechi.server.live import TOPICS, Follow
from haechi.server.problems import Refusal
from haechi.server.shapes import Setting
from haechi.store.records import Page, Record


class StreamQuery(Record, frozen=True, kw_only=True):
    """Which topics, parted by commas; none is all. ``filter`` is a condition in the Falco
    language: of the topic ``event`` only what it holds for."""

    topics: Annotated[
        str, msgspec.Meta(max_length=200, description=f"of {', '.join(TOPICS)}; none is all")
    ] = ""
    filter: Annotated[
        str, msgspec.Meta(max_length=4000, description="of events: a Falco condition")
    ] = ""


def follow(call: Call) -> Follow:
    """Begin a stream."""
    asked = frozenset(part.strip() for part in call.query.topics.split(",") if part.strip())
    unknown = sorted(asked - set(TOPICS))
    if unknown:
        raise Refusal(
            400,
            f"there is no topic {unknown[0][:60]!r}",
            do=f"one of: {', '.join(TOPICS)}",
            errors=[("query.topics", "unknown topic")],
        )
    topics = asked or frozenset(TOPICS)
    if not call.query.filter or "event" not in topics:
        return Follow(principal=call.principal, topics=topics)
    streams = call.world.streams
    some = streams.open(call.query.filter)
    return Follow(
        principal=call.principal,
        topics=(topics - {"event"}) | {some},
        done=lambda: streams.close(some),
    )


def openapi(_call: Call) -> msgspec.Raw:
    """The description of all operations."""
    from haechi.server.openapi import encoded

    return encoded()


def settings(call: Call) -> Page[Setting]:
    """What is set, and where it was set."""
    rows = call.world.settings.rows()
    return Page(items=rows, total=len(rows))


OPERATIONS = (
    Operation(
        id="stream.follow",
        method="GET",
        path="/stream",
        role=Role.VIEWER,
        summary="What happens, as server-sent events",
        handler=follow,
        query=StreamQuery,
        answer=Follow,
    ),
    Operation(
        id="settings.list",
        method="GET",
        path="/settings",
        role=Role.ADMIN,
        everywhere=True,
        summary="The settings in force and where each was set",
        handler=settings,
        answer=Page[Setting],
        rows=lambda call: iter(call.world.settings.rows()),
    ),
    Operation(
        id="meta.openapi",
        method="GET",
        path="/openapi.json",
        role=None,
        summary="This description (OpenAPI 3.1)",
        handler=openapi,
        answer=dict[str, Any],
    ),
)
