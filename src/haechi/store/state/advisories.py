"""What became of imports of advisories, of their sources, and of judging SBOMs again by them.

An import is written down before it is begun and its file stays until it is done, so one that a
crash interrupted is done at the next start.
"""

from __future__ import annotations

import secrets
from collections.abc import Sequence
from typing import Any

import msgspec
from sqlalchemy import Connection, delete, insert, select, update

from haechi.store.dependency_records import (
    AdvisoryImport,
    ImportState,
    Reevaluation,
    SourceState,
)
from haechi.store.records import AuditEntry, Notice
from haechi.store.state.bulk import next_number
from haechi.store.state.dependency_tables import advisory_import, advisory_run, advisory_source
from haechi.store.state.engine import Database, Transaction
from haechi.store.state.plain import clean, from_json, to_json
from haechi.store.state.times import from_us, maybe_us, to_us

_KEPT = 200
_SHOWN = 50
TOPIC = "advisory"
i, s, r = advisory_import.c, advisory_source.c, advisory_run.c
_OPEN = (ImportState.WAITING.value, ImportState.RUNNING.value)


class Waiting(msgspec.Struct, frozen=True, kw_only=True):
    """An import to be done. ``file`` is below the store's folder; "": a configured source."""

    id: str
    place: str
    covers: tuple[str, ...]
    file: str


class AdvisoryRecords:
    """Thread-safe. What it tells is about the whole server, of which everybody hears that there
    is news and administrators what."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def ask(
        self, place: str, *, by: str, file: str = "", covers: Sequence[str] = (), id_: str = ""
    ) -> AdvisoryImport:
        """Write down that something is to be imported; audited."""

        def work(transaction: Transaction) -> AdvisoryImport:
            connection = transaction.connection
            number = next_number(connection, advisory_import)
            row = {
                "n": number,
                "id": id_ or secrets.token_hex(10),
                "place": clean(place, 1_000),
                "covers": to_json([clean(one, 100) for one in covers]),
                "file": file,
                "state": ImportState.WAITING.value,
                "actor": by,
                "asked": to_us(transaction.now),
                "finished": 0,
                "generation": 0,
                "records": 0,
                "changed": 0,
                "error": "",
            }
            connection.execute(insert(advisory_import), row)
            old = (i.n <= number - _KEPT) & i.state.not_in(_OPEN)
            connection.execute(delete(advisory_import).where(old))
            transaction.audit(
                AuditEntry(
                    at=transaction.now,
                    actor=by,
                    action="advisories.import",
                    object=str(row["id"]),
                    detail={"place": row["place"], "covers": list(covers)},
                )
            )
            transaction.tell(Notice(topic=TOPIC, data={"import": row["id"], "state": "waiting"}))
            return _import(connection.execute(select(advisory_import).where(i.n == number)).one())

        return self._database.write(work)

    def next(self) -> Waiting | None:
        """The oldest that is not done, also one that was interrupted; it runs from now on."""

        def work(transaction: Transaction) -> Waiting | None:
            ask = select(advisory_import).where(i.state.in_(_OPEN)).order_by(i.n).limit(1)
            row = transaction.connection.execute(ask).one_or_none()
            if row is None:
                return None
            running = update(advisory_import).where(i.n == row.n)
            transaction.connection.execute(running.values(state=ImportState.RUNNING.value))
            return Waiting(
                id=row.id, place=row.place, covers=tuple(from_json(row.covers)), file=row.file
            )

        with self._database.read() as connection:
            if connection.execute(select(i.n).where(i.state.in_(_OPEN))).first() is None:
                return None
        return self._database.write(work)

    def done(
        self,
        id_: str,
        state: ImportState,
        *,
        generation: int = 0,
        records: int = 0,
        changed: int = 0,
        error: str = "",
    ) -> None:
        """How it went."""

        def work(transaction: Transaction) -> None:
            values = {
                "state": state.value,
                "file": "",
                "finished": to_us(transaction.now),
                "generation": generation,
                "records": records,
                "changed": changed,
                "error": clean(error, 2_000),
            }
            change = update(advisory_import).where(i.id == id_)
            transaction.connection.execute(change.values(**values))
            data = {"import": id_, "state": state.value, "generation": generation}
            transaction.tell(Notice(topic=TOPIC, data=data))

        self._database.write(work)

    def files(self) -> list[str]:
        """Files that wait, below the folder of what came in."""
        ask = select(i.file).where(i.state.in_(_OPEN), i.file != "")
        with self._database.read() as connection:
            return list(connection.execute(ask).scalars())

    def one(self, id_: str) -> AdvisoryImport | None:
        """An import by its id."""
        with self._database.read() as connection:
            ask = select(advisory_import).where(i.id == id_)
            row = connection.execute(ask).one_or_none()
        return None if row is None else _import(row)

    def imports(self) -> list[AdvisoryImport]:
        """The newest."""
        ask = select(advisory_import).order_by(i.n.desc()).limit(_SHOWN)
        with self._database.read() as connection:
            return [_import(row) for row in connection.execute(ask)]

    def heard(self, place: str, error: str) -> None:
        """How a configured source answered; ``error`` "": well."""

        def work(transaction: Transaction) -> None:
            at = to_us(transaction.now)
            state = "failed" if error else "ok"
            _source(transaction.connection, place, state, clean(error, 1_000), at)
            transaction.tell(Notice(topic=TOPIC, data={"state": state}))

        self._database.write(work)

    def configured(self, places: Sequence[str]) -> None:
        """The sources that the settings name; others are forgotten."""

        def work(transaction: Transaction) -> None:
            connection = transaction.connection
            connection.execute(delete(advisory_source).where(s.place.not_in(list(places))))
            known = set(connection.execute(select(s.place)).scalars())
            for place in dict.fromkeys(places):
                if place not in known:
                    row = {"place": place, "state": "waiting", "last": 0, "error": ""}
                    row = {**row, "since": to_us(transaction.now)}
                    connection.execute(insert(advisory_source), row)

        self._database.write(work)

    def sources(self) -> list[SourceState]:
        """Configured ones with how they are."""
        with self._database.read() as connection:
            return [
                SourceState(
                    place=row.place,
                    state=row.state,
                    since=from_us(row.since),
                    last=maybe_us(row.last),
                    error=row.error,
                )
                for row in connection.execute(select(advisory_source).order_by(s.place))
            ]

    def begin(self, identity: str, generation: int) -> Reevaluation:
        """Judging again by this generation begins, or goes on after a crash."""

        def work(transaction: Transaction) -> Reevaluation:
            connection = transaction.connection
            ask = select(advisory_run).where(
                r.identity == identity, r.generation == generation, r.finished == 0
            )
            row = connection.execute(ask.order_by(r.n.desc())).first()
            if row is None:
                number = next_number(connection, advisory_run)
                values: dict[str, Any] = {
                    "n": number,
                    "identity": identity,
                    "generation": generation,
                    "started": to_us(transaction.now),
                    "finished": 0,
                    **dict.fromkeys(("sboms", "affected", "opened", "fixed", "ms"), 0),
                }
                connection.execute(insert(advisory_run), values)
                connection.execute(delete(advisory_run).where(r.n <= number - _KEPT))
                row = connection.execute(select(advisory_run).where(r.n == number)).one()
            return _run(row)

        return self._database.write(work)

    def finish(self, identity: str, generation: int, ms: int) -> None:
        """All SBOMs were judged by this generation."""

        def work(transaction: Transaction) -> None:
            values = {"finished": to_us(transaction.now), "ms": r.ms + ms}
            here = (r.identity == identity, r.generation == generation, r.finished == 0)
            transaction.connection.execute(update(advisory_run).where(*here).values(**values))
            data = {"reevaluated": generation}
            transaction.tell(Notice(topic=TOPIC, data=data))

        self._database.write(work)

    def last(self) -> Reevaluation | None:
        """The newest run."""
        with self._database.read() as connection:
            row = connection.execute(select(advisory_run).order_by(r.n.desc())).first()
        return None if row is None else _run(row)


def counted(connection: Connection, identity: str, generation: int, counts: dict[str, int]) -> None:
    """Add to the figures of the run that goes on, in the transaction of what they count."""
    here = (r.identity == identity, r.generation == generation, r.finished == 0)
    values = {name: r[name] + count for name, count in counts.items() if count}
    if values:
        connection.execute(update(advisory_run).where(*here).values(**values))


def _source(connection: Connection, place: str, state: str, error: str, at: int) -> None:
    row = connection.execute(select(advisory_source).where(s.place == place)).one_or_none()
    if row is None:
        values = {"place": place, "state": state, "since": at, "last": at, "error": error}
        connection.execute(insert(advisory_source), values)
        return
    since = row.since if row.state == state else at
    change = update(advisory_source).where(s.place == place)
    connection.execute(change.values(state=state, since=since, last=at, error=error))


def _import(row: Any) -> AdvisoryImport:
    return AdvisoryImport(
        id=row.id,
        place=row.place,
        state=ImportState(row.state),
        by=row.actor,
        asked=from_us(row.asked),
        finished=maybe_us(row.finished),
        generation=row.generation,
        records=row.records,
        changed=row.changed,
        error=row.error,
    )


def _run(row: Any) -> Reevaluation:
    return Reevaluation(
        generation=row.generation,
        started=from_us(row.started),
        finished=maybe_us(row.finished),
        sboms=row.sboms,
        affected=row.affected,
        opened=row.opened,
        fixed=row.fixed,
        seconds=row.ms / 1000,
    )
