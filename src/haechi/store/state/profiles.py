"""Saved profiles: one row a workload, with a body that only ``runtime.profile`` reads.

Bodies are compressed here and bounded when they are read back, so a damaged row costs its own
profile alone. Nothing waits for these writes: what a crash loses is minutes of learning.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import msgspec
from sqlalchemy import delete, insert, select, tuple_

from haechi.store.records import AuditEntry
from haechi.store.state.bulk import parts
from haechi.store.state.engine import Database, Transaction
from haechi.store.state.plain import clean
from haechi.store.state.profile_tables import profile

LARGEST = 2 << 20
"""No body decompresses to more."""
_NAME = 2_000
_PART = 100
p = profile.c


class SavedProfile(msgspec.Struct, frozen=True, kw_only=True):
    """A row. Times are microseconds since 1970; ``body`` is not compressed."""

    cluster: str
    id: str
    namespace: str
    resource: str
    image: str
    command: str
    state: str
    since: int
    changed: int
    events: int
    body: bytes


class Profiles:
    """Of the whole server; who may see what is for the API to say."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def save(self, rows: Sequence[SavedProfile], gone: Mapping[str, str] | None = None) -> None:
        """Write these over what was there, and forget those (cluster by id). Durable when it
        returns."""
        packed = [_packed(one) for one in rows]
        removed = [(cluster, id_) for id_, cluster in (gone or {}).items()]

        def work(transaction: Transaction) -> None:
            places = [(row["cluster"], row["id"]) for row in packed] + removed
            for some in parts(places, _PART):
                transaction.connection.execute(
                    delete(profile).where(tuple_(p.cluster, p.id).in_(some))
                )
            for rows_ in parts(packed, _PART):
                transaction.connection.execute(insert(profile), rows_)

        if packed or removed:
            self._database.write(work)

    def each(self, *, most: int) -> Iterator[SavedProfile]:
        """Those that changed last, newest first; the body is empty where it is damaged."""
        ask = select(profile).order_by(p.changed.desc(), p.id).limit(most)
        with self._database.read() as connection:
            for row in connection.execute(ask):
                yield _unpacked(row)

    def note(self, id: str, *, cluster: str, namespace: str, by: str, what: str, name: str) -> None:
        """Put into the audit log that somebody changed a profile's state."""

        def work(transaction: Transaction) -> None:
            transaction.audit(
                AuditEntry(
                    at=transaction.now,
                    actor=by,
                    action=f"profile.{what}",
                    object=id,
                    cluster=cluster,
                    namespace=namespace,
                    detail={"workload": clean(name, 400)},
                )
            )

        self._database.write(work)


def _packed(one: SavedProfile) -> dict[str, Any]:
    import zstandard

    row: dict[str, Any] = {
        name: value if not isinstance(value, str) else clean(value, _NAME)
        for name, value in msgspec.structs.asdict(one).items()
    }
    row["body"] = zstandard.ZstdCompressor(level=3).compress(one.body)
    return row


def _unpacked(row: Any) -> SavedProfile:
    import zstandard

    try:
        # The frame's own word on its size is checked first: no more is ever allocated.
        size = zstandard.frame_content_size(row.body)
        whole = 0 <= size <= LARGEST
        body = zstandard.ZstdDecompressor().decompress(row.body) if whole else b""
    except zstandard.ZstdError:
        body = b""
    return SavedProfile(
        cluster=row.cluster,
        id=row.id,
        namespace=row.namespace,
        resource=row.resource,
        image=row.image,
        command=row.command,
        state=row.state,
        since=row.since,
        changed=row.changed,
        events=row.events,
        body=body,
    )
