"""Ask the database of advisories: one file, opened once, never changed while it is open.

A lookup costs two indexed queries for each few hundred names and a comparison of bytes for each
range; records are unpacked for what matched alone.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

from haechi.errors import NotFound
from haechi.model.advisory import Advisory, FixState, Risk
from haechi.model.package import Package
from haechi.world.advisories import places, schema
from haechi.world.advisories.judging import judge
from haechi.world.advisories.known import Vulnerabilities
from haechi.world.advisories.merging import Row
from haechi.world.advisories.names import asked_name, base, folded, is_folded
from haechi.world.advisories.ordering import PREFIX, ordering_of, require_same
from haechi.world.advisories.packing import unpack_extent
from haechi.world.advisories.querying import Tables, damage_told
from haechi.world.advisories.shapes import (
    NOTHING,
    EcosystemState,
    EntryFault,
    Matched,
    Origin,
    RiskFile,
)
from haechi.world.advisories.states import origins, risk_files, states_of

_AT_ONCE = 500
_Name = tuple[str, str]


class Advisories:
    """A database, opened for reading. One thread at a time; close it (it is a context manager).

    ``identity`` is the database's own, ``generation`` counts its imports. ``faults`` are of
    ``of_folder``. Methods raise StoreError when the file turns out to be damaged.
    """

    def __init__(self, connection: sqlite3.Connection, faults: tuple[EntryFault, ...] = ()) -> None:
        self._connection = connection
        self._tables = Tables(connection)
        self.faults = faults
        meta = dict(self._tables.all("SELECT name, value FROM meta"))
        self.identity = str(meta.get("identity", ""))
        self.generation = int(meta.get("generation", 0))
        self._orderings = {
            name.removeprefix(PREFIX): value
            for name, value in meta.items()
            if name.startswith(PREFIX)
        }
        self._oldest = int(meta.get("oldest", 0))
        self._known = Vulnerabilities(self._tables)
        self._states: Mapping[str, EcosystemState] | None = None
        self._covered: Mapping[str, EcosystemState] | None = None

    @classmethod
    def open(cls, path: Path) -> Advisories:
        """Raises NotFound, or StoreError when it is damaged or of a newer version."""
        connection = schema.connect(path)
        try:
            return cls(connection)
        except BaseException:
            connection.close()
            raise

    @classmethod
    def of_folder(cls, path: Path) -> Advisories:
        """A repository's own OSV files, in memory; covers nothing. ``faults``: what is wrong."""
        from haechi.world.advisories.importing import in_memory

        connection, faults = in_memory(path)
        return cls(connection, faults)

    def close(self) -> None:
        """Idempotent."""
        self._connection.close()

    def __enter__(self) -> Advisories:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def states(self) -> Mapping[str, EcosystemState]:
        """By ecosystem."""
        if self._states is None:
            with damage_told():
                self._states = states_of(self._connection)
        return self._states

    def covered(self) -> Mapping[str, EcosystemState]:
        """Ecosystems that an import covers, their records not counted: what a scan asks for."""
        if self._covered is None:
            with damage_told():
                self._covered = states_of(self._connection, counted=False)
        return self._covered

    def holds(self, ecosystem: str) -> bool:
        """Whether there is any advisory about that very ecosystem: the whole of Debian covers
        ``Debian:12`` when it speaks of it, and says nothing of ``Debian:12.5``."""
        known = "SELECT 1 FROM packages WHERE ecosystem = ? LIMIT 1"
        return bool(self._tables.all(known, (ecosystem,)))

    def state_of(self, ecosystem: str) -> EcosystemState | None:
        """Also for ``Debian:12`` when all of Debian was imported."""
        states = self.states()
        found = states.get(ecosystem)
        if found is not None and found.covered:
            return found
        whole = states.get(base(ecosystem))
        return whole if whole is not None and whole.covered else found

    def origins(self) -> tuple[Origin, ...]:
        """Every import that is in the database."""
        with damage_told():
            return origins(self._connection)

    def risk_files(self) -> tuple[RiskFile, ...]:
        """EPSS and KEV, where imported."""
        with damage_told():
            return risk_files(self._connection)

    def bulk(self, packages: Sequence[Package]) -> list[Matched]:
        """One answer per package, in order. Packages without a version match nothing."""
        asked = [(one.ecosystem, folded(one.ecosystem, asked_name(one))) for one in packages]
        rows = self._rows({name for name, one in zip(asked, packages, strict=True) if one.version})
        known: dict[tuple[str, str, str], Matched] = {}
        answers: list[Matched] = []
        for name, package in zip(asked, packages, strict=True):
            found = rows.get(name)
            if found is None or not package.version:
                answers.append(NOTHING)
                continue
            place = (*name, package.version)
            answer = known.get(place)
            if answer is None:
                answer = known[place] = judge(name, package.version, found, self._known)
            answers.append(answer)
        return answers

    def vulnerabilities(self, ecosystem: str, name: str, version: str) -> Matched:
        """The same for one."""
        wanted = (ecosystem, folded(ecosystem, name))
        found = self._rows({wanted}).get(wanted) if version else None
        return judge(wanted, version, found, self._known) if found else NOTHING

    def _rows(self, names: Iterable[_Name]) -> dict[_Name, list[Row]]:
        by_ecosystem: dict[str, list[str]] = {}
        for ecosystem, name in names:
            by_ecosystem.setdefault(ecosystem, []).append(name)
        found: dict[_Name, list[Row]] = {}
        for ecosystem, some in by_ecosystem.items():
            self._require_same_ordering(ecosystem)
            some.sort()
            for start in range(0, len(some), _AT_ONCE):
                self._add_rows(found, ecosystem, some[start : start + _AT_ONCE])
        return found

    def _require_same_ordering(self, ecosystem: str) -> None:
        family = base(ecosystem)
        require_same(family, self._orderings.get(family, ordering_of(family)))

    def _add_rows(self, found: dict[_Name, list[Row]], ecosystem: str, some: list[str]) -> None:
        marks = ",".join("?" * len(some))
        column = "lower(name)" if is_folded(ecosystem) else "name"
        names = dict(
            self._tables.all(
                f"SELECT package, {column} FROM packages"  # noqa: S608 - marks are question marks
                f" WHERE ecosystem = ? AND {column} IN ({marks})",
                (ecosystem, *some),
            )
        )
        marks = ",".join("?" * len(names))
        for table in ("affected", "malicious"):
            query = (
                "SELECT a.package, a.record, a.position, r.vulnerability, a.fix_state, a.extent"  # noqa: S608 - as above
                f" FROM {table} a JOIN records r ON r.record = a.record AND r.active"
                f" WHERE a.package IN ({marks})"
            )
            for package, record, position, vulnerability, state, extent in self._tables.all(
                query, tuple(names)
            ):
                place = found.setdefault((ecosystem, names[package]), [])
                meant = unpack_extent(extent)
                place.extend(
                    Row(record, position, one, FixState(state), meant)
                    for one in (vulnerability, *self._known.further(record))
                )

    def advisory(self, id_: str) -> Advisory | None:
        """The record of that very id, also a withdrawn one; of several sources the newest."""
        return self._known.record(id_)

    def ids(self) -> frozenset[str]:
        """The leading id of every vulnerability that is held."""
        return self._known.ids()

    def by_alias(self, name: str) -> tuple[Advisory, ...]:
        """All records about the vulnerabilities that have this id or alias."""
        return self._known.by_alias(name)

    def risk(self, cve: str) -> Risk | None:
        """What EPSS and KEV say."""
        return self._known.risk(cve)

    def changed_since(self, generation: int) -> frozenset[_Name] | None:
        """(ecosystem, name as ``folded``) whose answers may differ from those of that generation;
        None when the history does not reach back so far: ask everything again."""
        if not self._oldest <= generation <= self.generation:
            return None
        rows = self._tables.all(
            "SELECT ecosystem, name FROM changes WHERE generation > ?", (generation,)
        )
        return frozenset((ecosystem, folded(ecosystem, name)) for ecosystem, name in rows)

    def names(self) -> frozenset[_Name]:
        """(ecosystem, name as ``folded``) of everything that some advisory is about."""
        rows = self._tables.all("SELECT ecosystem, name FROM packages")
        return frozenset((ecosystem, folded(ecosystem, name)) for ecosystem, name in rows)


def open_default(path: Path | None = None) -> Advisories | None:
    """The database of ``path``, $HAECHI_DB or the user; None when there is none at the usual
    place. Raises NotFound when one was named that is not there."""
    try:
        return Advisories.open(path or places.database())
    except NotFound:
        if path is not None or places.named() is not None:
            raise
        return None
