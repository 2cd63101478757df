"""A page of events by a condition: pages of the store are read and looked through until enough is
found or time is up. The answer says, as every page does, how far it looked.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TYPE_CHECKING

import msgspec

from haechi.store.events.question import Position, cursor_of, from_ns
from haechi.store.events.shapes import EventsFound

if TYPE_CHECKING:
    from haechi.runtime.filters import Filter
    from haechi.store.records import StoredEvent

CHUNK = 500
_LEAST_S = 0.05
Page = Callable[[str | None, float], EventsFound]
"""A page of the store after a cursor, within so many seconds."""


def filtered(
    filter_: Filter, page: Page, *, limit: int, cursor: str | None, deadline_s: float
) -> EventsFound:
    """The newest ``limit`` events after the cursor for which the condition holds."""
    deadline = time.monotonic() + deadline_s
    found: list[StoredEvent] = []
    first: EventsFound | None = None
    while True:
        part = page(cursor, max(_LEAST_S, deadline - time.monotonic()))
        first = first or part
        for one in part.items:
            if not filter_.holds(one.event):
                continue
            found.append(one)
            if len(found) >= limit:
                return _ended(part, first, found, one)
        late = time.monotonic() >= deadline
        if part.next is None or late:
            return msgspec.structs.replace(part, items=found, searched_to=first.searched_to)
        cursor = part.next


def _ended(
    part: EventsFound, first: EventsFound, found: list[StoredEvent], last: StoredEvent
) -> EventsFound:
    """Enough was found: it goes on after the last of it."""
    return EventsFound(
        items=found,
        next=cursor_of(Position(last.event.ts_ns, last.seq)),
        searched_from=max(part.searched_from, from_ns(last.event.ts_ns)),
        searched_to=first.searched_to,
        complete=False,
    )
