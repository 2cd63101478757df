"""Which SBOMs hold a package: the lists of all contents, read one after another."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Set
from typing import Any

from sqlalchemy import Connection, and_, select

from haechi.store.dependency_records import PackageUse
from haechi.store.state.bills_contents import packed, unpacked
from haechi.store.state.bulk import parts
from haechi.store.state.dependency_tables import bill, bill_packages, package
from haechi.store.state.plain import clean

Name = tuple[str, str]
"""Ecosystem, name."""
_NAMES, _MANY_NAMES = 400, 4_000
_ROWS = 500
_FEW = 8
_WINDOW = 50
b, k, p = bill.c, bill_packages.c, package.c


def numbers_of(connection: Connection, names: Collection[Name]) -> frozenset[int]:
    """Packages of these names, whatever their version."""
    if len(names) > _MANY_NAMES:
        rows = connection.execute(select(p.n, p.ecosystem, p.name))
        return frozenset(n for n, ecosystem, name in rows if (ecosystem, name) in names)
    by_ecosystem: dict[str, list[str]] = {}
    for ecosystem, name in names:
        by_ecosystem.setdefault(ecosystem, []).append(name)
    found: set[int] = set()
    for ecosystem, some in by_ecosystem.items():
        for chunk in parts(sorted(some), _NAMES):
            ask = select(p.n).where(p.ecosystem == ecosystem, p.name.in_(chunk))
            found.update(connection.execute(ask).scalars())
    return frozenset(found)


def holds(wanted: Set[int]) -> Callable[[bytes], bool]:
    """Whether a content holds any of these packages."""
    wanted = frozenset(wanted)
    needles = [packed([one]) for one in wanted] if len(wanted) <= _FEW else []

    def holds_any(held: bytes) -> bool:
        if needles and not any(needle in held for needle in needles):
            return False  # bytes are compared at memory's speed; what they say is made sure of
        return not wanted.isdisjoint(unpacked(held))

    return holds_any


def named(name: str, ecosystem: str, version: str, *, whole: bool) -> Any:
    """A condition on packages, as the index goes (ecosystem, name, version)."""
    name = clean(name, 400)
    asked: list[Any] = [p.ecosystem == clean(ecosystem, 100)] if ecosystem else []
    if name and whole:
        asked.append(p.name == name)
    elif name:
        asked.append((p.name >= name) & (p.name < name + "\U0010ffff"))
    if version:
        asked.append(p.version == clean(version, 200))
    return and_(True, *asked)


def used(
    connection: Connection, which: Any, reach: Any, *, limit: int, skip: int
) -> list[PackageUse]:
    """Where packages are used: by name, then by the age of the bill. Packages are looked for a few
    at a time: who asks for all of them sees the first page alone."""
    order = select(p.n, p.ecosystem, p.name, p.version).where(which)
    order = order.order_by(p.ecosystem, p.name, p.version)
    start, window, left = 0, _WINDOW, skip + limit
    found: list[PackageUse] = []
    while left > 0:
        some = connection.execute(order.offset(start).limit(window)).all()
        if not some:
            break
        hits = _bills_with(connection, frozenset(row.n for row in some), reach, left)
        for row in some:
            places = hits.get(row.n, [])[:left]
            outside = max(0, left - limit)
            left -= len(places)
            found += [_use(row, place) for place in places[outside:]]
        start, window = start + window, window * 8
    return found


def _use(row: Any, place: Any) -> PackageUse:
    return PackageUse(
        ecosystem=row.ecosystem,
        name=row.name,
        version=row.version,
        source=place.source,
        ref=place.ref,
        cluster=place.cluster,
        sbom=place.id,
    )


def _bills_with(
    connection: Connection, wanted: frozenset[int], reach: Any, most: int
) -> dict[int, list[Any]]:
    """Current bills by the packages that they hold, the oldest first, at most so many of each."""
    ask = select(b.source, b.ref, b.cluster, b.id, k.packages).join(bill_packages, k.body == b.body)
    found: dict[int, list[Any]] = {}
    for row in rows_with(connection, ask.where(b.is_current == 1, reach).order_by(b.n), wanted):
        for number in wanted.intersection(unpacked(row.packages)):
            places = found.setdefault(number, [])
            if len(places) < most:
                places.append(row)
    return found


def bodies_with(connection: Connection, wanted: Set[int]) -> frozenset[int]:
    """Contents of current bills with any of these packages."""
    current = select(b.body).where(b.is_current == 1).distinct()
    ask = select(k.body, k.packages).where(k.body.in_(current))
    return frozenset(row.body for row in rows_with(connection, ask, wanted))


def rows_with(connection: Connection, ask: Any, wanted: Set[int]) -> Iterator[Any]:
    """The rows whose ``packages`` hold any of these, read a few at a time."""
    if not wanted:
        return
    is_in = holds(wanted)
    for rows in connection.execute(ask).partitions(_ROWS):
        yield from (row for row in rows if is_in(row.packages))
