"""A small API of things, for tests of what is around handlers."""

from __future__ import annotations

import datetime as dt
import time
from collections.abc import Iterator
from enum import StrEnum
from typing import Any

import msgspec

from haechi.errors import Conflict, NotFound
from haechi.model.access import Role
from haechi.server.endpoint import Answer, Call, Operation
from haechi.store.records import Page, Record


class Colour(StrEnum):
    """An enumeration for filters."""

    RED = "red"
    BLUE = "blue"


class Thing(Record, frozen=True, kw_only=True):
    """A row."""

    name: str
    colour: Colour = Colour.RED
    at: dt.date | None = None
    tags: list[str] = msgspec.field(default_factory=list)


class ThingQuery(Record, frozen=True, kw_only=True):
    """One key of every kind."""

    text: str = ""
    colour: list[Colour] = msgspec.field(default_factory=list)
    since: dt.datetime | None = None
    day: dt.date | None = None
    big: bool | None = None
    size: int = 0
    limit: int = 100
    cursor: str | None = None


class Secret(Exception):
    """An unknown failure with words that nobody outside may read."""


def listed(call: Call) -> Page[Thing]:
    """A page of things."""
    return Page(items=[Thing(name=call.query.text or "one")], next=call.query.cursor, total=1)


def rows(call: Call) -> Iterator[Thing]:
    """As many things as ``size`` says."""
    for number in range(call.query.size):
        if call.query.text == "broken" and number == 40_000:
            raise Secret("the disk at /secret/place")
        if call.query.text == "missing":
            raise NotFound("there is none")
        yield Thing(name=f"thing {number}")


def made(call: Call) -> Thing:
    """A thing as it was sent, under the name of the path."""
    body: Thing = call.body
    return Thing(name=f"{call.params['id']}:{body.name}", colour=body.colour)


def failing(call: Call) -> Any:
    """Fails as the path says."""
    match call.params["how"]:
        case "conflict":
            raise Conflict("it changed", do="read it again")
        case "missing":
            raise NotFound("there is none")
        case "slow":
            time.sleep(1.5)
            return {}
        case _:
            raise Secret("the disk at /secret/place; Bearer haechi_api_abcdefgh12345678")


def told(call: Call) -> Iterator[dict[str, int]]:
    """Lines that are made while they are read."""
    yield from ({"line": number} for number in range(3))


def seen(call: Call) -> dict[str, Any]:
    """How the call came."""
    return {
        "who": call.principal.id,
        "within": [(one.cluster, one.namespace) for one in call.within],
        "url": call.url,
        "address": call.address,
    }


THINGS: tuple[Operation, ...] = (
    Operation(
        id="things.list",
        method="GET",
        path="/things",
        role=Role.VIEWER,
        summary="List things",
        handler=listed,
        query=ThingQuery,
        answer=Page[Thing],
        rows=rows,
    ),
    Operation(
        id="things.make",
        method="POST",
        path="/things/{id}",
        role=Role.OPERATOR,
        summary="Make a thing",
        handler=made,
        body=Thing,
        answer=Thing,
        status=201,
        limit=64 * 1024,
    ),
    Operation(
        id="things.end",
        method="DELETE",
        path="/things/{id}",
        role=Role.ADMIN,
        everywhere=True,
        summary="End a thing",
        handler=lambda call: None,
    ),
    Operation(
        id="things.count",
        method="GET",
        path="/things/count",
        role=Role.VIEWER,
        summary="Count things",
        handler=lambda call: 7,
        answer=int,
    ),
    Operation(
        id="things.told",
        method="GET",
        path="/told",
        role=Role.VIEWER,
        summary="Lines",
        handler=told,
        answer=Iterator[dict[str, int]],
    ),
    Operation(
        id="things.fail",
        method="GET",
        path="/fail/{how}",
        role=Role.VIEWER,
        summary="Fail",
        handler=failing,
        answer=dict[str, Any],
    ),
    Operation(
        id="things.seen",
        method="GET",
        path="/seen",
        role=Role.VIEWER,
        summary="How the call came",
        handler=seen,
        answer=dict[str, Any],
    ),
    Operation(
        id="things.open",
        method="GET",
        path="/open",
        role=None,
        summary="For everybody",
        handler=lambda call: Answer(
            value={"who": call.principal.id}, cookies=("a=1; Path=/", "b=2; Path=/")
        ),
        answer=dict[str, str],
    ),
    Operation(
        id="things.away",
        method="GET",
        path="/away",
        role=None,
        summary="A redirect",
        handler=lambda call: Answer(
            value=None,
            status=303,
            headers={"Location": "/", "Referrer-Policy": "no-referrer"},
        ),
        status=303,
    ),
)
