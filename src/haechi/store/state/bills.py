"""Stored SBOMs: contents once, who pushed which when, and which of them hold a package.

A content is written before the push that names it, in small steps, so that a push of ten thousand
packages does not hold the writer; one that no push came to name goes with the daily tidying.
"""

from __future__ import annotations

import hashlib
import secrets
from collections.abc import Collection, Iterable, Sequence
from typing import Any

import msgspec
from sqlalchemy import Connection, and_, delete, func, insert, literal, select, text, update

from haechi.errors import NotFound, StoreBusy
from haechi.model.access import Reach
from haechi.store.dependency_records import PackageUse, Sbom
from haechi.store.records import Page
from haechi.store.state.bulk import next_number, parts
from haechi.store.state.cursor import read_cursor, write_cursor
from haechi.store.state.dependency_tables import bill, bill_body, bill_package, package
from haechi.store.state.engine import Database, Transaction
from haechi.store.state.plain import clean, from_json, to_json
from haechi.store.state.reach import reached
from haechi.store.state.times import from_us, to_us

PUSH, UPLOAD = "push", "upload"
KEPT = 20
"""SBOMs that are kept of one branch."""
_LINKED = 1_000
_NAMES = 400
_MARKED = 2_000
Key = tuple[str, str, str]
"""Ecosystem, name, version."""
Name = tuple[str, str]
_KEY = ("ecosystem", "name", "version")
# One statement for each row, run by the driver: a list of ten thousand triples would be compiled
# anew each time.
_ADD_PACKAGE = text(
    "INSERT INTO package (n, ecosystem, name, version)"
    " SELECT coalesce(max(n), 0) + 1, :ecosystem, :name, :version FROM package WHERE true"
    " ON CONFLICT DO NOTHING"
)
_ADD_LINK = text(
    "INSERT INTO bill_package (package, body) SELECT n, :body FROM package"
    " WHERE ecosystem = :ecosystem AND name = :name AND version = :version"
    " ON CONFLICT DO NOTHING"
)
b, y, k, p = bill.c, bill_body.c, bill_package.c, package.c


class Content(msgspec.Struct, frozen=True, kw_only=True):
    """What a bill holds, packed. ``keys`` are its packages, each once."""

    body: bytes
    files: int
    packages: int
    ecosystems: dict[str, int]
    formats: tuple[str, ...]
    keys: Sequence[Key]

    @property
    def digest(self) -> str:
        """By which equal contents are one."""
        return hashlib.blake2b(self.body, digest_size=20).hexdigest()


class Billed(msgspec.Struct, frozen=True, kw_only=True):
    """A bill to be kept. ``body`` is the number of its content; ``judged`` the generation of
    advisories that it was judged by."""

    cluster: str
    source: str
    ref: str
    body: int
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
    content: bytes = b""


class Bills:
    """All reads narrow to ``within``: an SBOM belongs to its cluster, as a scan does."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._unused: frozenset[int] = frozenset()

    def keep_content(self, content: Content) -> int:
        """Its number. What is there already costs one look."""
        digest = content.digest

        def begin(transaction: Transaction) -> tuple[int, bool]:
            ask = select(y.n, y.linked).where(y.digest == digest)
            known = transaction.connection.execute(ask).one_or_none()
            if known is not None:
                return known.n, bool(known.linked)
            number = next_number(transaction.connection, bill_body)
            row = {
                "n": number,
                "digest": digest,
                "files": content.files,
                "packages": content.packages,
                "ecosystems": to_json(content.ecosystems),
                "formats": to_json(list(content.formats)),
                "linked": 0,
                "body": content.body,
            }
            transaction.connection.execute(insert(bill_body), row)
            return number, False

        with self._database.read() as connection:
            ask = select(y.n).where(y.digest == digest, y.linked == 1)
            known = connection.execute(ask).scalar()
        if known is not None:
            return int(known)
        number, linked = self._database.write(begin)
        if not linked:
            for some in parts(content.keys, _LINKED):
                self._link(number, some)
            self._database.write(lambda transaction: _whole(transaction.connection, number))
        return number

    def _link(self, body: int, keys: Sequence[Key]) -> None:
        def work(transaction: Transaction) -> None:
            connection = transaction.connection
            rows = [dict(zip(_KEY, key, strict=True)) | {"body": body} for key in keys]
            connection.execute(_ADD_PACKAGE, rows)
            connection.execute(_ADD_LINK, rows)

        self._database.write(work)

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
        if name:
            holds = _named(name, ecosystem, version, whole=True)
            held = select(k.body).join(package, p.n == k.package).where(holds)
            where.append(b.body.in_(held))
        ask = select(bill, *_CONTENT).join(bill_body, y.n == b.body).where(*where)
        if cursor is not None:
            (after,) = read_cursor(question, cursor, (int,))
            ask = ask.where(b.n < after)
        with self._database.read() as connection:
            rows = connection.execute(ask.order_by(b.n.desc()).limit(limit + 1)).all()
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
        columns = (p.ecosystem, p.name, p.version, b.source, b.ref, b.cluster, b.id)
        ask = (
            select(*columns)
            .select_from(package)
            .join(bill_package, k.package == p.n)
            .join(bill, and_(b.body == k.body, b.is_current == 1))
            .where(_named(name, ecosystem, version, whole=False), reached(within, b.cluster))
            .order_by(p.ecosystem, p.name, p.version, b.n)
            .offset(skip)
            .limit(limit)
        )
        names = PackageUse.__struct_fields__
        with self._database.read() as connection:
            return [
                PackageUse(**dict(zip(names, row, strict=True))) for row in connection.execute(ask)
            ]

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

    def waiting(self, judged_by: str, judged: int) -> list[tuple[int, int]]:
        """(number, content) of the current bills that were judged by this."""
        ask = select(b.n, b.body).where(
            b.is_current == 1, b.judged == judged, b.judged_by == judged_by
        )
        with self._database.read() as connection:
            return [(n, body) for n, body in connection.execute(ask.order_by(b.n))]

    def holding(self, names: Iterable[Name]) -> frozenset[int]:
        """Contents with any version of these packages."""
        found: set[int] = set()
        by_ecosystem: dict[str, list[str]] = {}
        for ecosystem, name in names:
            by_ecosystem.setdefault(ecosystem, []).append(name)
        with self._database.read() as connection:
            for ecosystem, some in by_ecosystem.items():
                for chunk in parts(sorted(some), _NAMES):
                    ask = (
                        select(k.body)
                        .join(package, p.n == k.package)
                        .where(p.ecosystem == ecosystem, p.name.in_(chunk))
                        .distinct()
                    )
                    found.update(connection.execute(ask).scalars())
        return frozenset(found)

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
        named = select(literal(1)).where(b.body == y.n).exists()
        with self._database.read() as connection:
            unused = frozenset(connection.execute(select(y.n).where(~named)).scalars())
        gone = sorted(self._unused & unused)
        for one in gone:
            self._database.write(
                lambda t, one=one: (
                    t.connection.execute(  # type: ignore[misc]
                        delete(bill_body).where(y.n == one, ~named)
                    ).rowcount
                )
            )
        self._unused = unused - frozenset(gone)
        if gone:
            self._database.write(_forget_packages)
        return len(gone)


_CONTENT = (
    y.files.label("n_files"),
    y.packages.label("n_packages"),
    y.ecosystems.label("n_ecosystems"),
    y.formats.label("formats"),
    func.length(y.body).label("size"),
)


def keep_bill(transaction: Transaction, one: Billed, *, scan: str, by: str) -> str:
    """The bill, in the transaction of its push; it is current from now on. Its id."""
    connection = transaction.connection
    if connection.execute(select(y.n).where(y.n == one.body)).scalar() is None:
        raise StoreBusy("the packages were tidied away in between", do="push again")
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
        "body": one.body,
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


def _whole(connection: Connection, body: int) -> None:
    connection.execute(update(bill_body).where(y.n == body).values(linked=1))


def _forget_packages(transaction: Transaction) -> int:
    used = select(literal(1)).where(k.package == p.n).exists()
    return transaction.connection.execute(delete(package).where(~used)).rowcount


def _named(name: str, ecosystem: str, version: str, *, whole: bool) -> Any:
    """As the index goes (ecosystem, name, version)."""
    name = clean(name, 400)
    parts_: list[Any] = [p.ecosystem == clean(ecosystem, 100)] if ecosystem else []
    if name and whole:
        parts_.append(p.name == name)
    elif name:
        parts_.append((p.name >= name) & (p.name < name + "\U0010ffff"))
    if version:
        parts_.append(p.version == clean(version, 200))
    return and_(True, *parts_)


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
        content=content,
    )
