"""What is asked of the event store and what it answers. Values only: importing this is cheap."""

from __future__ import annotations

import datetime as dt

import msgspec

from haechi.errors import StoreBusy as StoreBusy
from haechi.store.records import Record, StoredEvent

KIB, MIB = 1 << 10, 1 << 20
OTHER = "(other)"
"""The name under which counts go on once a minute has too many distinct combinations."""


class EventFilter(msgspec.Struct, frozen=True, kw_only=True):
    """Which events. Lists are "any of"; ``since`` counts in, ``until`` does not.

    ``text`` is looked for in every text, name and value of an event. Upper and lower case are
    the same letter.
    """

    source: list[str] = []
    type: list[str] = []
    rule: list[str] = []
    priority: list[str] = []
    cluster: list[str] = []
    namespace: list[str] = []
    resource: list[str] = []
    text: str = ""
    since: dt.datetime | None = None
    until: dt.datetime | None = None


class Appended(Record, frozen=True, kw_only=True):
    """What became of a batch once it is durable. The numbers of its accepted events lie in
    ``first_seq``…``last_seq`` (both 0 when all were duplicates). ``derived`` are the places of
    the batch's derived rows that were kept; they are not among ``accepted``."""

    accepted: int
    duplicates: int
    first_seq: int
    last_seq: int
    derived: tuple[int, ...] = ()


class Refusal(Record, frozen=True, kw_only=True):
    """An event of a batch that was not taken, by its place in the batch (from 0), and why."""

    index: int
    why: str


class EventsFound(Record, frozen=True, kw_only=True):
    """Part of the events, newest first. ``searched_from`` (included) and ``searched_to`` bound
    what was really searched; ``complete`` says that nothing of the question is left, else
    ``next`` goes on."""

    items: list[StoredEvent]
    next: str | None
    searched_from: dt.datetime
    searched_to: dt.datetime
    complete: bool


class SearchedRange(Record, frozen=True, kw_only=True):
    """Told by a search after each window: from here to there it is done. ``found`` counts the
    events found so far; ``complete`` is set on the last one when nothing is left to search."""

    searched_from: dt.datetime
    searched_to: dt.datetime
    found: int
    complete: bool


class Limits(msgspec.Struct, frozen=True, kw_only=True):
    """What an event may be at most, and how many of them a batch has."""

    event_bytes: int = 64 * KIB
    batch_events: int = 100_000
    depth: int = 16
    name_chars: int = 512
    """Of an id, source, type, cluster, node, container, namespace, rule."""
    resource_chars: int = 1024
    message_chars: int = 16 * KIB


class Options(msgspec.Struct, frozen=True, kw_only=True):
    """How the store works; the defaults suit one machine.

    ``queue_*`` bound what waits for the writer; ``group_events`` what one commit takes.
    ``remember_hours`` and ``remember_rows`` say for how long a sealed event that comes again is
    known as a duplicate. ``kinds_a_minute`` and ``kinds_an_hour`` bound what is counted apart,
    ``minute_hours`` is how long counts stay by the minute, ``count_days`` by the hour.
    """

    limits: Limits = Limits()
    queue_events: int = 100_000
    queue_bytes: int = 64 * MIB
    group_events: int = 10_000
    linger_s: float = 0.0
    hot_hours: int = 72
    hot_rows: int = 5_000_000
    file_rows: int = 250_000
    remember_hours: int = 24
    remember_rows: int = 5_000_000
    kinds_a_minute: int = 1_000
    kinds_an_hour: int = 2_000
    minute_hours: int = 72
    count_days: int = 400
    dictionary_after: int = 3_000
    dictionary_bytes: int = 64 * KIB
    level: int = 3
    file_level: int = 3
    cold_memory_mb: int = 64
    cold_idle_s: float = 60.0
