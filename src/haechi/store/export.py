"""Everything that a person may want elsewhere, as NDJSON: ``{"finding": {…}}`` a line, then
waivers, scans and resources. No tokens, sessions or users."""

from __future__ import annotations

import datetime as dt
import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import msgspec

from haechi.errors import StoreError
from haechi.model.access import EVERYWHERE
from haechi.store.folder import storage_errors
from haechi.store.records import FindingFilter, Life, Page
from haechi.store.state.engine import Database
from haechi.store.state.findings import Findings
from haechi.store.state.open import revision_of
from haechi.store.state.resources import Resources
from haechi.store.state.scans import Scans
from haechi.store.state.schema import REVISION
from haechi.store.state.times import utc_now
from haechi.store.state.waivers import Waivers

_ALL = (EVERYWHERE,)
_MOST = 500


def export(folder: Path, to: Path) -> int:
    """Write to a new file ``to``; how many lines. The store may be in use."""
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
    database = Database(folder / "state.db", clock=utc_now)
    try:
        _require_schema(database)
        with storage_errors(to), os.fdopen(os.open(to, flags, 0o600), "wb") as file:
            count = 0
            for kind, record in rows(database, utc_now().date()):
                file.write(msgspec.json.encode({kind: record}) + b"\n")
                count += 1
            file.flush()
            os.fsync(file.fileno())
            return count
    finally:
        database.close()


def rows(database: Database, today: dt.date) -> Iterator[tuple[str, Any]]:
    """(kind, record) of all that is exported, in bounded memory."""
    findings, waivers = Findings(database), Waivers(database)
    scans, resources = Scans(database), Resources(database)
    every = FindingFilter(state=list(Life), other_refs=True)
    for finding in findings.each(every, within=_ALL, sort="first_seen", today=today):
        yield "finding", finding
    for waiver in _all(lambda c: waivers.page(within=_ALL, limit=_MOST, cursor=c, today=today)):
        yield "waiver", waiver
    for scan in _all(lambda c: scans.page(within=_ALL, limit=_MOST, cursor=c)):
        yield "scan", scan
    for resource in _all(lambda c: resources.page(within=_ALL, limit=_MOST, cursor=c)):
        yield "resource", resource


def _all(page: Callable[[str | None], Page[Any]]) -> Iterator[Any]:
    cursor: str | None = None
    while True:
        part = page(cursor)
        yield from part.items
        if part.next is None:
            return
        cursor = part.next


def _require_schema(database: Database) -> None:
    with database.read() as connection:
        revision = revision_of(connection)
    if revision != REVISION:
        raise StoreError(
            f"the store's schema is {revision}, this program's is {REVISION}",
            do="start the server once, it migrates the store",
        )
