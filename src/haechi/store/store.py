"""The store: one folder, one owner process, and what is kept in it.

Opening locks the folder, makes or migrates the databases, opens the signed log and gives it the
records that a crash left waiting. Closing writes all that is noted, in the other order.
"""

from __future__ import annotations

import datetime as dt
import logging
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path

from haechi.store.audit.log import AuditLog
from haechi.store.events.events import Events
from haechi.store.folder import Folder
from haechi.store.records import Notice
from haechi.store.state.state import State
from haechi.store.state.times import utc_now
from haechi.store.whole import refuse_lost_log, refuse_lost_state, refuse_older_log

log = logging.getLogger(__name__)


class Store:
    """``Store.open`` gives one; ``close`` is idempotent."""

    def __init__(
        self, folder: Folder, state: State, events: Events, audit: AuditLog, closing: ExitStack
    ) -> None:
        self.folder = folder
        self.state = state
        self.events = events
        self.audit = audit
        self._closing = closing

    @classmethod
    def open(
        cls,
        folder: Path,
        *,
        clock: Callable[[], dt.datetime] = utc_now,
        witness: Path | None = None,
    ) -> Store:
        """Open or make the store in ``folder``; StoreError says what is in the way. ``witness``
        is a file elsewhere to which the log's signed heads are added."""
        with ExitStack() as opened:
            owned = Folder(folder)
            opened.callback(owned.close)
            refuse_lost_log(owned)
            audit = AuditLog(owned.path, clock=clock, witness=witness)
            opened.callback(audit.close)
            refuse_lost_state(owned, audit)
            state = State(owned.state_db, backups=owned.backup, clock=clock)
            opened.callback(state.close)
            refuse_older_log(state, audit)
            state.attach(audit)
            if state.opened != "made" and not owned.hot_db.exists():
                log.error("hot.db is gone, and with it the newest events: a new one is made")
            events = Events(owned.path, clock=clock)
            opened.callback(events.close)
            return cls(owned, state, events, audit, opened.pop_all())

    def subscribe(self, listener: Callable[[Notice], None]) -> Callable[[], None]:
        """Called after each commit of the state, from its writer's thread: it must be quick.
        The answer ends it."""
        return self.state.subscribe(listener)

    def close(self) -> None:
        """Write what waits, close everything, give the folder up."""
        self._closing.close()
