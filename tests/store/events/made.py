"""Events for the tests, and a model of the store: a list."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable, Sequence
from typing import Any

import msgspec

from haechi.model.access import Reach, covered
from haechi.model.event import Event
from haechi.store.events.question import Question
from haechi.store.events.shapes import EventFilter
from haechi.store.records import StoredEvent

NOW = dt.datetime(2026, 5, 1, 12, 30, tzinfo=dt.UTC)
NOW_NS = 1_777_638_600 * 10**9
HOUR = 3600 * 10**9
EVERYWHERE = (Reach(),)


def event(number: int, *, ago_ns: int = 0, **values: Any) -> Event:
    """One event; ``ago_ns`` before NOW."""
    told: dict[str, Any] = {
        "id": f"id-{number}",
        "ts_ns": NOW_NS - ago_ns,
        "source": "falco",
        "type": "execve",
        "cluster": "prod",
        "namespace": "shop",
        "rule": "Terminal shell in container",
        "priority": "warning",
        "resource": "k8s:prod/core/Pod/shop/web",
        "message": f"A shell was started ({number})",
        "fields": {"proc.name": "bash", "proc.pid": number},
    }
    return Event(**(told | values))


def lines(events: Iterable[Event]) -> bytes:
    """As NDJSON."""
    return b"\n".join(msgspec.json.encode(one) for one in events)


def expected(
    stored: Sequence[StoredEvent], ask: EventFilter, within: Sequence[Reach]
) -> list[StoredEvent]:
    """What the store should answer, the plain way."""
    question = Question(ask, within)
    names = ("source", "type", "rule", "priority", "cluster", "namespace", "resource")
    found = [
        one
        for one in stored
        if question.since_ns <= one.event.ts_ns < question.until_ns
        and covered(within, one.event.cluster, one.event.namespace)
        and all(
            not getattr(ask, name) or getattr(one.event, name) in getattr(ask, name)
            for name in names
        )
        and question.mentions(one.event)
    ]
    return sorted(found, key=lambda one: (one.event.ts_ns, one.seq), reverse=True)
