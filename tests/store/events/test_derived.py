"""Rows made of others: in the commit of their origins, with them or not at all."""

from __future__ import annotations

import datetime as dt
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest

from haechi.model.access import EVERYWHERE
from haechi.model.event import Event
from haechi.store.events.encoding import EncodedBatch
from haechi.store.events.events import Events
from haechi.store.events.shapes import EventFilter, Options
from haechi.store.records import StoredEvent

NOW = dt.datetime(2026, 11, 22, 12, 0, tzinfo=dt.UTC)
NOW_NS = int(NOW.timestamp()) * 10**9
HOUR_NS = 3600 * 10**9


@pytest.fixture
def events(tmp_path: Path) -> Iterator[Events]:
    made = Events(tmp_path, clock=lambda: NOW, options=Options(linger_s=0.0))
    yield made
    made.close()


def origin(number: int, **given: object) -> Event:
    """An event of a sensor."""
    at = NOW_NS - 3 * HOUR_NS + number
    event = Event(id=f"e{number}", ts_ns=at, source="sensor", type="execve")
    return msgspec.structs.replace(event, **given)


def batch(events: Events, origins: list[Event], rule: str = "Shell") -> EncodedBatch:
    """The origins, each with what was detected in it."""
    encoded = events.encode_events(origins)
    derived = []
    for place, one in enumerate(origins):
        row = events.own_row(
            msgspec.structs.replace(one, id=f"{rule}-{one.id}", source="haechi", rule=rule)
        )
        assert row is not None
        derived.append((place, row))
    kinds = encoded.kinds + Counter(row[2] for _, row in derived)
    return msgspec.structs.replace(encoded, derived=derived, kinds=kinds)


def found(events: Events, source: str) -> list[str]:
    """Ids of a source's events."""
    page = events.page(EventFilter(source=[source]), within=(EVERYWHERE,), limit=1000)
    return sorted(one.event.id for one in page.items)


def test_both_are_kept_and_counted_apart(events: Events) -> None:
    done = events.append(batch(events, [origin(1), origin(2)])).result()
    assert (done.accepted, done.duplicates, done.derived) == (2, 0, (0, 1))
    assert found(events, "sensor") == ["e1", "e2"]
    assert found(events, "haechi") == ["Shell-e1", "Shell-e2"]
    assert events.counts(NOW_NS // 10**9 - 86_400, NOW_NS // 10**9, within=(EVERYWHERE,)) == 4


@pytest.mark.parametrize("sealed", [False, True], ids=["hot", "sealed"])
def test_of_an_origin_that_was_there_nothing_is_made(events: Events, sealed: bool) -> None:
    events.append(batch(events, [origin(1)])).result()
    if sealed:
        events.seal(NOW_NS - HOUR_NS)
    done = events.append(batch(events, [origin(1), origin(2)], "Later")).result()
    assert (done.accepted, done.duplicates, done.derived) == (1, 1, (1,))
    assert found(events, "haechi") == ["Later-e2", "Shell-e1"]


def test_an_event_twice_in_one_batch_makes_one(events: Events) -> None:
    done = events.append(batch(events, [origin(1), origin(1)])).result()
    assert (done.accepted, done.duplicates, done.derived) == (1, 1, (0,))
    assert found(events, "haechi") == ["Shell-e1"]


def test_numbers_are_never_given_twice(events: Events) -> None:
    events.append(batch(events, [origin(1), origin(2)])).result()
    events.append(batch(events, [origin(3)])).result()
    every = events.search(EventFilter(), within=(EVERYWHERE,), limit=100)
    numbers = [one.seq for one in every if isinstance(one, StoredEvent)]
    assert sorted(numbers) == [1, 2, 3, 4, 5, 6]


def test_nobody_sends_what_only_the_server_says(events: Events) -> None:
    assert len(events.encode_events([origin(1, source="haechi")]).refused) == 1
    events.append(batch(events, [origin(1)])).result()
    forged = origin(9, source="haechi", rule="Shell")
    again = events.encode(msgspec.json.encode(forged))
    assert (len(again.rows), len(again.refused)) == (0, 1)
