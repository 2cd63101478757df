"""Live streams that ask for some events only, by a condition in the Falco language.

Notices show a few events of each batch, so a condition has to be looked at here, over all of the
batch. Streams with the same condition share one look; the looks have a budget of time for each
batch, newest events first, and a notice says when it did not see all of them.
"""

from __future__ import annotations

import threading
import time
from collections import defaultdict
from collections.abc import Iterable, Iterator
from hashlib import blake2b
from itertools import islice
from typing import TYPE_CHECKING, Any

import msgspec

from haechi.errors import TooManyRequests
from haechi.store.records import Notice

if TYPE_CHECKING:
    from haechi.model.event import Event
    from haechi.runtime.filters import Filter
    from haechi.store.events.encoding import EncodedBatch, Row

TOPIC = "event"
MOST, BUDGET_S, SHOWN = 32, 0.05, 20
MOST_PLACES = 20
_LOOK = 64


class _Asked(msgspec.Struct):
    filter: Filter
    streams: int = 0


class Streams:
    """Thread-safe."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._asked: dict[str, _Asked] = {}

    def open(self, condition: str) -> str:
        """A topic of the events for which the condition holds; ``close`` it at the end.
        UsageError, TooManyRequests."""
        from haechi.runtime.filters import made

        found = made(condition)
        topic = f"{TOPIC}/{blake2b(condition.encode(), digest_size=8).hexdigest()}"
        with self._lock:
            if topic not in self._asked and len(self._asked) >= MOST:
                raise TooManyRequests(f"{MOST} filters are followed already", retry_after=30)
            self._asked.setdefault(topic, _Asked(found)).streams += 1
        return topic

    def close(self, topic: str) -> None:
        """One stream less."""
        with self._lock:
            one = self._asked.get(topic)
            if one is not None:
                one.streams -= 1
                if one.streams <= 0:
                    del self._asked[topic]

    @property
    def open_filters(self) -> int:
        """How many conditions are followed."""
        return len(self._asked)

    def notices(self, batch: EncodedBatch) -> list[Notice]:
        """What the streams are told of a batch."""
        if not self._asked:
            return []
        with self._lock:
            asked = {topic: one.filter for topic, one in self._asked.items()}
        looks = {topic: _Look() for topic in asked}
        deadline = time.monotonic() + BUDGET_S
        partial = False
        for number, (row, event) in enumerate(_newest(batch)):
            for topic, filter_ in asked.items():
                if filter_.holds(event):
                    looks[topic].add(row)
            if number % _LOOK == _LOOK - 1 and time.monotonic() > deadline:
                partial = number + 1 < batch.events
                break
        places = batch.places() if partial else ()
        return [notice for topic, look in looks.items() for notice in look.notices(topic, places)]


class _Look:
    """What one condition found in a batch, by place."""

    def __init__(self) -> None:
        self._counts: defaultdict[tuple[str, str], int] = defaultdict(int)
        self._shown: defaultdict[tuple[str, str], list[Any]] = defaultdict(list)

    def add(self, row: Row) -> None:
        from haechi.server.work.intake import sample

        place = row[2][2:4]
        self._counts[place] += 1
        if len(self._shown[place]) < SHOWN:
            self._shown[place].append(sample(row))

    def notices(self, topic: str, partial: Iterable[tuple[str, str]]) -> Iterator[Notice]:
        """``partial`` are the places of a batch that was not seen whole: each is told so, also
        where nothing was found, but no more of them than a batch's other notices tell."""
        cut = list(islice(partial, MOST_PLACES))
        whole = not cut
        for cluster, namespace in dict.fromkeys((*self._counts, *cut)):
            events = self._shown[cluster, namespace][::-1]
            data: dict[str, Any] = {"count": self._counts[cluster, namespace], "events": events}
            if not whole:
                data["partial"] = True
            yield Notice(topic=topic, cluster=cluster, namespace=namespace, data=data)


def _newest(batch: EncodedBatch) -> Iterator[tuple[Row, Event]]:
    from haechi.runtime.detect import decoded

    for _, row in reversed(batch.derived):
        yield row, decoded(row)
    for row in reversed(batch.rows):
        yield row, decoded(row)
