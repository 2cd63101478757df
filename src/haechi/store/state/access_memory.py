"""Rows of credentials, remembered while nothing in the state changes.

Every request is preceded by a look at its token or session; three queries of them cost more than
many an answer. What is remembered carries the state's generation: any commit makes it old, so a
revocation counts at the next request.
"""

from __future__ import annotations

import datetime as dt
import threading
from collections import OrderedDict
from collections.abc import Callable
from typing import Generic, TypeVar

from haechi.store.state.access_tables import Database

T = TypeVar("T")
ROWS = 1_000


class Remembered(Generic[T]):
    """By a credential's digest. What is unknown is not remembered: strangers could fill it."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._rows: OrderedDict[str, tuple[int, T]] = OrderedDict()
        self._lock = threading.Lock()

    def get(self, digest: str, ask: Callable[[], T | None]) -> T | None:
        """What ``ask`` says, or said in this generation."""
        generation = self._database.generation  # before asking: a commit in between makes it old
        with self._lock:
            known = self._rows.get(digest)
        if known is not None and known[0] == generation:
            return known[1]
        found = ask()
        with self._lock:
            self._rows.pop(digest, None)
            if found is not None:
                self._rows[digest] = (generation, found)
                if len(self._rows) > ROWS:
                    self._rows.popitem(last=False)
        return found


class Noted:
    """When the use of a credential was last given to the writer, which may be busy with a large
    push: until it comes to that, the row says an older time, and each request would note it
    again."""

    def __init__(self, every: dt.timedelta) -> None:
        self._every = every
        self._at: OrderedDict[str, dt.datetime] = OrderedDict()
        self._lock = threading.Lock()

    def due(self, key: str, now: dt.datetime) -> bool:
        """True once in a while; whoever is told so notes it."""
        with self._lock:
            last = self._at.get(key)
            if last is not None and abs(now - last) < self._every:
                return False
            self._at[key] = now
            self._at.move_to_end(key)
            if len(self._at) > ROWS:
                self._at.popitem(last=False)
        return True
