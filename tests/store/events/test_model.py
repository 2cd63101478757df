"""Pages and searches against a plain list, with seals at random times."""

from __future__ import annotations

import datetime as dt
import tempfile
from pathlib import Path
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from haechi.model.access import Reach
from haechi.model.event import Event
from haechi.store.events.events import Events
from haechi.store.events.shapes import EventFilter, Options, SearchedRange
from haechi.store.records import StoredEvent
from tests.store.events.made import EVERYWHERE, HOUR, NOW, NOW_NS, event, expected

_CLUSTERS, _SPACES = ("prod", "stage", "-"), ("shop", "pay", "-")
_WORDS = ("curl", "CURL", "Größe", "σίσυφος", "ΣΊΣΥΦΟΣ", 'a "b"', "\\n", "", "İ")
_values = st.fixed_dictionaries(
    {
        "cluster": st.sampled_from(_CLUSTERS),
        "namespace": st.sampled_from(_SPACES),
        "rule": st.sampled_from(("r1", "r2", "")),
        "source": st.sampled_from(("falco", "audit")),
        "priority": st.sampled_from(("error", "notice", "")),
        "resource": st.sampled_from(("", "k8s:prod/core/Pod/shop/web", "file:a")),
        "message": st.sampled_from(_WORDS),
        "fields": st.sampled_from(_WORDS).map(lambda word: {"proc": [word], "n": 7}),
    }
)
_event = st.tuples(st.integers(0, 40), st.integers(0, 3), st.integers(0, 2), _values)
_step = st.one_of(
    st.lists(_event, min_size=1, max_size=12),
    st.integers(0, 5),  # seal what is older than so many hours
    st.just("reopen"),
)
_reach = st.lists(
    st.builds(
        Reach,
        cluster=st.sampled_from((*_CLUSTERS, "*")),
        namespace=st.sampled_from((*_SPACES, "*")),
    ),
    max_size=2,
).map(tuple) | st.just(EVERYWHERE)
_ask = st.builds(
    EventFilter,
    cluster=st.just([]) | st.lists(st.sampled_from(_CLUSTERS), max_size=2),
    rule=st.just([]) | st.lists(st.sampled_from(("r1", "r2")), max_size=2),
    priority=st.just([]) | st.just(["error"]),
    resource=st.just([]) | st.just(["file:a"]),
    text=st.sampled_from(("", "", "", *_WORDS, "cur", "pod/", "7", "R1")),
    since=st.none() | st.integers(0, 5).map(lambda h: NOW - dt.timedelta(hours=h)),
    until=st.none() | st.integers(0, 5).map(lambda h: NOW - dt.timedelta(hours=h)),
)


def _made(number: int, told: tuple[int, int, int, dict[str, Any]]) -> Event:
    id, hours, nanoseconds, values = told
    del number
    return event(id, ago_ns=hours * HOUR + nanoseconds * (HOUR // 2), **values)


@settings(max_examples=15)
@given(st.lists(_step, min_size=1, max_size=7), st.lists(st.tuples(_ask, _reach), max_size=6))
def test_answers_are_those_of_a_list(
    steps: list[Any], asks: list[tuple[EventFilter, tuple[Reach, ...]]]
) -> None:
    options = Options(file_rows=4, dictionary_after=15, dictionary_bytes=1024)
    with tempfile.TemporaryDirectory() as name:
        store = Events(Path(name), clock=lambda: NOW, options=options)
        model: list[StoredEvent] = []
        known: set[tuple[str, str, str, int]] = set()
        try:
            for step in steps:
                if isinstance(step, list):
                    _append(store, step, model, known)
                elif isinstance(step, int):
                    store.seal(NOW_NS - step * HOUR)
                else:
                    store.close()
                    store = Events(Path(name), clock=lambda: NOW, options=options)
            for ask, within in [(EventFilter(), EVERYWHERE), *asks]:
                _compare(store, model, ask, within)
            assert store.check() == []
        finally:
            store.close()


def _append(
    store: Events,
    told: list[Any],
    model: list[StoredEvent],
    known: set[tuple[str, str, str, int]],
) -> None:
    made = [_made(n, one) for n, one in enumerate(told)]
    answer = store.append(made).result()
    new = []
    for one in made:
        key = (one.cluster, one.source, one.id, one.ts_ns)
        if key not in known:
            known.add(key)
            new.append(one)
    assert (answer.accepted, answer.duplicates) == (len(new), len(made) - len(new))
    stored = [store.event(seq, within=EVERYWHERE) for seq in _numbers(store, answer.first_seq, new)]
    # an event whose namespace stood in its key or fields comes back with it
    assert [one.event.id for one in stored] == [one.id for one in new]
    model += stored


def _numbers(store: Events, first: int, new: list[Event]) -> list[int]:
    found: list[int] = []
    page = store.page(EventFilter(), within=EVERYWHERE, limit=1000, deadline_s=60)
    found = sorted(one.seq for one in page.items if new and one.seq >= first)
    assert len(found) == len(new)
    return found


def _compare(
    store: Events, model: list[StoredEvent], ask: EventFilter, within: tuple[Reach, ...]
) -> None:
    wanted = expected(model, ask, within)
    for limit in (3, 1000):
        found: list[StoredEvent] = []
        cursor: str | None = None
        while True:
            page = store.page(ask, within=within, limit=limit, cursor=cursor, deadline_s=60)
            found += page.items
            cursor = page.next
            if cursor is None:
                break
        assert found == wanted
    streamed = list(store.search(ask, within=within, limit=1000))
    assert [one for one in streamed if isinstance(one, StoredEvent)] == wanted
    assert isinstance(streamed[-1], SearchedRange)
    assert streamed[-1].complete
