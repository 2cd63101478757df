"""Stored SBOMs: who pushed which when, which counts, and by which advisories it was judged.

What they hold (``bills_contents``) stands once, however often it is pushed.
"""

from __future__ import annotations

import secrets
from collections.abc import Collection, Sequence
from itertools import islice
from typing import Any

import msgspec
from sqlalchemy import Connection, delete, func, insert, select, true, update

from haechi.errors import NotFound
from haechi.model.access import Reach
from haechi.store.dependency_records import PackageUse, Sbom
from haechi.store.records import Page
from haechi.store.state.bills_contents import Content, Contents, Prepared
from haechi.store.state.bills_held import (
    Name,
    bodies_with,
    named,
    numbers_of,
    rows_with,
    used,
)
from haechi.store.state.bulk import next_number, parts
from haechi.store.state.cursor import read_cursor, write_cursor
from haechi.store.state.dependency_tables import bill, bill_body, bill_packages, package
from haechi.store.state.engine import Database, Transaction
from haechi.store.state.plain import clean, from_json
from haechi.store.state.reach import reached
from haechi.store.state.times import from_us, to_us

PUSH, UPLOAD = "push", "upload"
KEPT = 20
"""SBOMs that are kept of one branch."""
_MARKED = 500
b, y, k, p = bill.c, bill_body.c, bill_packages.c, package.c


class Billed(msgspec.Struct, frozen=True, kw_only=True):
    """A bill to be kept; ``judged`` is the generation of advisories that it was judged by."""

    cluster: str
    source: str
    ref: str
    content: Prepared
    facts: str
    kind: str = PUSH
    name: str = ""
    commit: str = ""
    judged_by: str = ""
    judged: int = 0


class Stored(msgspec.Struct, frozen=True, kw_only=True):
    """A bill as it is judged again. ``content`` is packed as it was given."""

    n: int
    cluster: str
    source: str
    ref: str
    kind: str
    name: str
    body: int
    facts: str
    judged_by: str
    judged: int
    content: bytes = b""


class Waiting(msgspec.Struct, frozen=True):
    """A bill that an older generation of advisories judged: its number, that of its content, and
    how many packages that holds."""

    n: int
    body: int
    packages: int


class Bills:
    """All reads narrow to ``within``: an SBOM belongs to its cluster, as a scan does."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._contents = Contents(database)

    def prepare(self, content: Content) -> Prepared:
        """A content on its way to ``keep_bill``."""
        return self._contents.prepare(content)

    def page(
        self,
        *,
        within: tuple[Reach, ...],
        source: str = "",
        cluster: str = "",
        name: str = "",
        ecosystem: str = "",
        version: str = "",
        current: bool = True,
        limit: int = 100,
        cursor: str | None = None,
    ) -> Page[Sbom]:
        """Newest first."""
        question = ["sboms", within, source, cluster, name, ecosystem, version, current]
        where = [reached(within, b.cluster)]
        where += [b.is_current == 1] if current else []
        where += [b.source == clean(source, 2_000)] if source else []
        where += [b.cluster == clean(cluster, 400)] if cluster else []
        which = named(name, ecosystem, version, whole=True) if name else None
        ask = select(bill, *_CONTENT).join(bill_body, y.n == b.body).where(*where)
        if cursor is not None:
            (after,) = read_cursor(question, cursor, (int,))
            ask = ask.where(b.n < after)
        with self._database.read() as connection:
            rows = _newest(connection, ask, which, limit + 1)
        following = write_cursor(question, [rows[limit - 1].n]) if len(rows) > limit else None
        return Page(items=[_record(row) for row in rows[:limit]], next=following)

    def uses(
        self,
        *,
        within: tuple[Reach, ...],
        name: str = "",
        ecosystem: str = "",
        version: str = "",
        limit: int = 100,
        skip: int = 0,
    ) -> list[PackageUse]:
        """Where packages are used, by name; only what current SBOMs hold."""
        which = named(name, ecosystem, version, whole=False)
        with self._database.read() as connection:
            return used(connection, which, reached(within, b.cluster), limit=limit, skip=skip)

    def detail(self, id_: str, *, within: tuple[Reach, ...]) -> tuple[Sbom, Stored]:
        """One with its content; NotFound when there is none within reach."""
        ask = select(bill, y.body.label("content"), *_CONTENT).join(bill_body, y.n == b.body)
        with self._database.read() as connection:
            row = connection.execute(
                ask.where(b.id == id_, reached(within, b.cluster))
            ).one_or_none()
        if row is None:
            raise NotFound(f"there is no SBOM {clean(id_, 80)!r}", do="list the SBOMs")
        return _record(row), _stored(row, row.content)

    def current(self, cluster: str, source: str, kind: str, name: str = "") -> Stored | None:
        """What a repository is judged by now."""
        ask = select(bill, y.body.label("content")).join(bill_body, y.n == b.body)
        where = (b.cluster == cluster, b.source == source, b.kind == kind, b.name == name)
        with self._database.read() as connection:
            row = connection.execute(ask.where(*where, b.is_current == 1)).first()
        return None if row is None else _stored(row, row.content)

    def behind(self, identity: str, generation: int) -> list[tuple[str, int]]:
        """Generations (with the database's identity) by which current bills were judged, other
        than this one."""
        ask = select(b.judged_by, b.judged).where(b.is_current == 1).distinct()
        other = (b.judged != generation) | (b.judged_by != identity)
        with self._database.read() as connection:
            return [(by, judged) for by, judged in connection.execute(ask.where(other))]

    def waiting(self, judged_by: str, judged: int) -> list[Waiting]:
        """The current bills that were judged by this."""
        ask = (
            select(b.n, b.body, y.packages)
            .join(bill_body, y.n == b.body)
            .where(b.is_current == 1, b.judged == judged, b.judged_by == judged_by)
        )
        with self._database.read() as connection:
            return [Waiting(*row) for row in connection.execute(ask.order_by(b.n))]

    def holding(self, names: Collection[Name]) -> frozenset[int]:
        """Contents of current bills with any version of these packages."""
        with self._database.read() as connection:
            return bodies_with(connection, numbers_of(connection, names))

    def read(self, numbers: Sequence[int]) -> list[Stored]:
        """These bills with their contents; a content that several share is read once."""
        ask = select(bill).where(b.n.in_(list(numbers)), b.is_current == 1)
        with self._database.read() as connection:
            rows = connection.execute(ask.order_by(b.n)).all()
            wanted = {row.body for row in rows}
            ask = select(y.n, y.body).where(y.n.in_(wanted))
            bodies = {row.n: row.body for row in connection.execute(ask)}
        return [_stored(row, bodies.get(row.body, b"")) for row in rows]

    def mark(self, numbers: Sequence[int], identity: str, generation: int) -> None:
        """These were judged by this generation: none of their packages is concerned."""
        for some in parts(numbers, _MARKED):
            self._database.write(lambda t, some=some: marked(t, some, identity, generation))  # type: ignore[misc]

    def ecosystems(self, *, within: tuple[Reach, ...]) -> dict[str, int]:
        """How many current SBOMs have packages of each."""
        each = func.json_each(y.ecosystems).table_valued("key")
        ask = (
            select(each.c.key, func.count())
            .select_from(bill.join(bill_body, y.n == b.body).join(each, true()))
            .where(b.is_current == 1, reached(within, b.cluster), each.c.key != "")
            .group_by(each.c.key)
        )
        with self._database.read() as connection:
            rows = connection.execute(ask.order_by(each.c.key))
            return {row[0]: row[1] for row in rows}

    def counts(self) -> tuple[int, int, int]:
        """How many current bills, contents, and versions of packages there are: for metrics."""
        with self._database.read() as connection:
            return (
                _count(connection, select(func.count()).where(b.is_current == 1)),
                _count(connection, select(func.count()).select_from(bill_body)),
                _count(connection, select(func.count()).select_from(package)),
            )

    def tidy(self) -> int:
        """Contents that no bill names, now and at the last tidying; how many went."""
        return self._contents.tidy()


_CONTENT = (
    y.files.label("n_files"),
    y.packages.label("n_packages"),
    y.ecosystems.label("n_ecosystems"),
    y.formats.label("formats"),
    func.length(y.body).label("size"),
)


def _newest(connection: Connection, ask: Any, which: Any, most: int) -> list[Any]:
    """The newest bills; with ``which`` those that hold such a package."""
    ask = ask.order_by(b.n.desc())
    if which is None:
        return list(connection.execute(ask.limit(most)))
    wanted = frozenset(connection.execute(select(p.n).where(which)).scalars())
    ask = ask.add_columns(k.packages).join(bill_packages, k.body == b.body)
    return list(islice(rows_with(connection, ask, wanted), most))


def keep_bill(transaction: Transaction, one: Billed, *, scan: str, by: str) -> str:
    """The bill, in the transaction of its push; it is current from now on. Its id."""
    connection = transaction.connection
    body = one.content.write(connection)
    same = [b.cluster == one.cluster, b.source == one.source, b.kind == one.kind]
    same.append(b.name == one.name)
    connection.execute(update(bill).where(*same, b.is_current == 1).values(is_current=0))
    id_ = secrets.token_hex(10)
    row = {
        "n": next_number(connection, bill),
        "id": id_,
        "cluster": one.cluster,
        "source": one.source,
        "ref": one.ref,
        "kind": one.kind,
        "name": one.name,
        "is_current": 1,
        "commit_id": one.commit,
        "scan": scan,
        "received": to_us(transaction.now),
        "actor": by,
        "body": body,
        "facts": one.facts,
        "judged_by": one.judged_by,
        "judged": one.judged,
    }
    connection.execute(insert(bill), row)
    newest = select(b.n).where(*same).order_by(b.n.desc())
    last = connection.execute(newest.offset(KEPT).limit(1)).scalar()
    if last is not None:
        connection.execute(delete(bill).where(*same, b.n <= last))
    return id_


def marked(
    transaction: Transaction, numbers: Collection[int], identity: str, generation: int
) -> None:
    """These bills were judged by this generation."""
    values = {"judged": generation, "judged_by": identity}
    for some in parts(numbers, 500):
        transaction.connection.execute(update(bill).where(b.n.in_(some)).values(**values))


def still_current(connection: Connection, numbers: Collection[int]) -> frozenset[int]:
    """Those that no later push has replaced."""
    found: set[int] = set()
    for some in parts(numbers, 500):
        ask = select(b.n).where(b.n.in_(some), b.is_current == 1)
        found.update(connection.execute(ask).scalars())
    return frozenset(found)


def default_ref(connection: Connection, cluster: str, source: str) -> str | None:
    """The branch whose SBOM counts; None where there is none yet."""
    ask = select(b.ref).where(
        b.cluster == cluster, b.source == source, b.kind == PUSH, b.is_current == 1
    )
    return connection.execute(ask).scalar()


def _count(connection: Connection, ask: Any) -> int:
    return int(connection.execute(ask).scalar_one())


def _record(row: Any) -> Sbom:
    facts = from_json(row.facts)
    missing = [f"{one['path']}: {one['reason']}" for one in facts.get("missing", ())]
    if facts.get("left_out"):
        missing.append(f"{facts['left_out']:,} further packages")
    return Sbom(
        id=row.id,
        kind=row.kind,
        name=row.name,
        source=row.source,
        ref=row.ref,
        cluster=row.cluster,
        commit=row.commit_id,
        current=bool(row.is_current),
        received=from_us(row.received),
        by=row.actor,
        scan=row.scan,
        format=", ".join(from_json(row.formats)),
        files=row.n_files,
        packages=row.n_packages,
        ecosystems=from_json(row.n_ecosystems),
        missing=missing,
        bytes=row.size,
        judged=row.judged,
    )


def _stored(row: Any, content: bytes) -> Stored:
    return Stored(
        n=row.n,
        cluster=row.cluster,
        source=row.source,
        ref=row.ref,
        kind=row.kind,
        name=row.name,
        body=row.body,
        facts=row.facts,
        judged_by=row.judged_by,
        judged=row.judged,
        content=content,
    )
