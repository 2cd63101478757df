"""Ask the database of advisories: one file, opened once, never changed while it is open.

A lookup costs two indexed queries for each few hundred names and a comparison of bytes for each
range; records are unpacked for what matched alone.
"""

from __future__ import annotations

import datetime as dt
import sqlite3
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

import msgspec

from haechi.engines import versions
from haechi.errors import NotFound, StoreError, VersionError
from haechi.model.advisory import Advisory, FixState, Risk, Vulnerability
from haechi.model.package import Package
from haechi.world.advisories import places, schema
from haechi.world.advisories.groups import ordered
from haechi.world.advisories.merging import (
    Row,
    fix_state,
    fixed_versions,
    merged,
    symbols_of,
)
from haechi.world.advisories.names import asked_name, base, folded, is_folded
from haechi.world.advisories.ordering import PREFIX, ordering_of
from haechi.world.advisories.packing import unpack, unpack_extent
from haechi.world.advisories.ranges import LONGEST
from haechi.world.advisories.risk import SCALE, number_of
from haechi.world.advisories.shapes import (
    NOTHING,
    EcosystemState,
    EntryFault,
    Matched,
    Origin,
    RiskFile,
    Undecided,
)
from haechi.world.advisories.states import origins, risk_files, states_of

_AT_ONCE = 500
_ANY_RISK = "SELECT EXISTS (SELECT 1 FROM epss) OR EXISTS (SELECT 1 FROM kev)"
_Name = tuple[str, str]


class _Group(msgspec.Struct, frozen=True):
    """A vulnerability, put together once: its records by number, and what is the same for every
    package."""

    advisory: Advisory
    records: Mapping[int, Advisory]
    ids: tuple[str, ...]
    risk: Risk | None


class Advisories:
    """A database, opened for reading. One thread at a time; close it (it is a context manager).

    ``identity`` is the database's own, ``generation`` counts its imports. ``faults`` are of
    ``of_folder``. Methods raise StoreError when the file turns out to be damaged.
    """

    def __init__(self, connection: sqlite3.Connection, faults: tuple[EntryFault, ...] = ()) -> None:
        self._connection = connection
        self.faults = faults
        meta = dict(self._all("SELECT name, value FROM meta"))
        self.identity = str(meta.get("identity", ""))
        self.generation = int(meta.get("generation", 0))
        self._orderings = {
            name.removeprefix(PREFIX): value
            for name, value in meta.items()
            if name.startswith(PREFIX)
        }
        self._oldest = int(meta.get("oldest", 0))
        self._dictionaries = dict(self._all("SELECT dictionary, body FROM dictionaries"))
        self._groups: dict[str, _Group] = {}
        self._bundled: dict[int, list[str]] = {}
        for record, vulnerability in self._bundles():
            self._bundled.setdefault(record, []).append(vulnerability)
        self._has_risk = bool(self._all(_ANY_RISK)[0][0])
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
            with _told():
                self._states = states_of(self._connection)
        return self._states

    def covered(self) -> Mapping[str, EcosystemState]:
        """Ecosystems that an import covers, their records not counted: what a scan asks for."""
        if self._covered is None:
            with _told():
                self._covered = states_of(self._connection, counted=False)
        return self._covered

    def holds(self, ecosystem: str) -> bool:
        """Whether there is any advisory about that very ecosystem: the whole of Debian covers
        ``Debian:12`` when it speaks of it, and says nothing of ``Debian:12.5``."""
        known = "SELECT 1 FROM packages WHERE ecosystem = ? LIMIT 1"
        return bool(self._all(known, (ecosystem,)))

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
        with _told():
            return origins(self._connection)

    def risk_files(self) -> tuple[RiskFile, ...]:
        """EPSS and KEV, where imported."""
        with _told():
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
                answer = known[place] = self._judged(name, package.version, found)
            answers.append(answer)
        return answers

    def vulnerabilities(self, ecosystem: str, name: str, version: str) -> Matched:
        """The same for one."""
        wanted = (ecosystem, folded(ecosystem, name))
        found = self._rows({wanted}).get(wanted) if version else None
        return self._judged(wanted, version, found) if found else NOTHING

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
        if self._orderings.get(family, ordering_of(family)) != ordering_of(family):
            raise StoreError(
                f"the database was made when {family}'s versions were ordered otherwise",
                do="remove the file and import everything again: haechi db import",
            )

    def _add_rows(self, found: dict[_Name, list[Row]], ecosystem: str, some: list[str]) -> None:
        marks = ",".join("?" * len(some))
        column = "lower(name)" if is_folded(ecosystem) else "name"
        names = dict(
            self._all(
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
            for package, record, position, vulnerability, state, extent in self._all(
                query, tuple(names)
            ):
                place = found.setdefault((ecosystem, names[package]), [])
                meant = unpack_extent(extent)
                place.extend(
                    Row(record, position, one, FixState(state), meant)
                    for one in (vulnerability, *self._bundled.get(record, ()))
                )

    def _bundles(self) -> list[tuple[int, str]]:
        """Further vulnerabilities of records; none in a file from before there were any."""
        if not self._all("SELECT 1 FROM sqlite_master WHERE name = 'bundles'"):
            return []
        return self._all("SELECT record, vulnerability FROM bundles ORDER BY vulnerability")

    def _judged(self, name: _Name, version: str, rows: Sequence[Row]) -> Matched:
        keys = _keys(name[0], version)
        groups: dict[str, list[Row]] = {}
        for row in rows:
            groups.setdefault(row.vulnerability, []).append(row)
        hit: list[Vulnerability] = []
        unsure: list[Undecided] = []
        for vulnerability, group in groups.items():
            verdicts = [(row, row.extent.judge(version, keys)) for row in group]
            hits = [row for row, verdict in verdicts if verdict]
            if hits:
                hit.append(self._vulnerability(vulnerability, keys, hits, group))
            elif any(verdict is None for _, verdict in verdicts):
                unsure.append(self._undecided(vulnerability, name, version, keys))
        if not hit and not unsure:
            return NOTHING
        hit.sort(key=_badness)
        unsure.sort(key=lambda one: one.id)
        return Matched(vulnerabilities=tuple(hit), undecided=tuple(unsure))

    def _vulnerability(
        self, vulnerability: str, keys: Sequence[bytes], hits: Sequence[Row], group: Sequence[Row]
    ) -> Vulnerability:
        known = self._group(vulnerability)
        fixed = fixed_versions(keys[0] if keys else None, hits, group)
        return Vulnerability(
            id=vulnerability,
            ids=known.ids,
            advisory=known.advisory,
            fixed=fixed,
            symbols=symbols_of(known.records[row.record].affected[row.position] for row in hits),
            fix_state=fix_state(fixed, hits),
            risk=known.risk,
        )

    def _undecided(
        self, vulnerability: str, name: _Name, version: str, keys: Sequence[bytes]
    ) -> Undecided:
        known = self._group(vulnerability)
        why = (
            "its range has a boundary that is no version there, or that could not be mapped to one"
            if keys
            else f"{version[:80]!r} of {name[1]} is no version of {name[0]}"
        )
        return Undecided(id=vulnerability, ids=known.ids, why=why, advisory=known.advisory)

    def _group(self, vulnerability: str) -> _Group:
        found = self._groups.get(vulnerability)
        if found is None:
            records = {
                record: unpack(body, self._dictionaries.get(dictionary, b""))
                for record, dictionary, body in self._members(vulnerability)
            }
            if not records:
                raise StoreError("the database of advisories is damaged", why=vulnerability)
            advisory = merged(tuple(records.values()), vulnerability)
            ids = ordered((vulnerability, *advisory.aliases))
            risk = self._risk_of(ids) if self._has_risk else None
            found = _Group(advisory, records, ids, risk)
            self._groups[vulnerability] = found
        return found

    def _members(self, vulnerability: str) -> list[tuple[int, int, bytes]]:
        """Records about a vulnerability, in the order of their ids."""
        bundles = [n for n, several in self._bundled.items() if vulnerability in several]
        marks = ",".join("?" * len(bundles))
        return self._all(  # two indexed queries: with OR it would be a pass over everything
            "SELECT record, dictionary, body FROM"  # noqa: S608 - marks are question marks
            " (SELECT * FROM records WHERE vulnerability = ? AND active"
            f" UNION ALL SELECT * FROM records WHERE record IN ({marks}) AND active) ORDER BY id",
            (vulnerability, *bundles),
        )

    def advisory(self, id_: str) -> Advisory | None:
        """The record of that very id, also a withdrawn one; of several sources the newest."""
        found = self._records("WHERE id = ? ORDER BY active DESC, modified DESC LIMIT 1", (id_,))
        return found[0] if found else None

    def ids(self) -> frozenset[str]:
        """The leading id of every vulnerability that is held."""
        first = self._all("SELECT DISTINCT vulnerability FROM records WHERE active")
        return frozenset(
            (*(one for (one,) in first), *(one for some in self._bundled.values() for one in some))
        )

    def by_alias(self, name: str) -> tuple[Advisory, ...]:
        """All records about the vulnerabilities that have this id or alias."""
        named = self._all(
            "SELECT record, vulnerability FROM records WHERE id = ?1 AND active"
            " UNION SELECT r.record, r.vulnerability FROM aliases a"
            " JOIN records r ON r.record = a.record WHERE a.alias = ?1 AND r.active",
            (name,),
        )
        meant = {one for record, first in named for one in (first, *self._bundled.get(record, ()))}
        found = {
            record.id: record
            for one in meant
            if name in (group := self._group(one)).ids
            for record in group.records.values()
        }
        return tuple(found[id_] for id_ in sorted(found))

    def _records(self, where: str, values: tuple[str, ...]) -> tuple[Advisory, ...]:
        return tuple(
            unpack(body, self._dictionaries.get(dictionary, b""))
            for dictionary, body in self._all(
                f"SELECT dictionary, body FROM records {where}",  # noqa: S608 - ours
                values,
            )
        )

    def risk(self, cve: str) -> Risk | None:
        """What EPSS and KEV say."""
        number = number_of(cve)
        if number is None:
            return None
        scores = self._all("SELECT score, percentile FROM epss WHERE cve = ?", (number,))
        known = self._all("SELECT since, ransomware FROM kev WHERE cve = ?", (number,))
        if not scores and not known:
            return None
        score, percentile = scores[0] if scores else (None, None)
        since, ransomware = known[0] if known else (None, False)
        return Risk(
            cve=cve,
            epss=None if score is None else score / SCALE,
            percentile=None if percentile is None else percentile / SCALE,
            exploited_since=None if since is None else dt.date.fromisoformat(since),
            ransomware=bool(ransomware),
        )

    def _risk_of(self, ids: Iterable[str]) -> Risk | None:
        """Of several CVEs, the one that is exploited, else the likeliest."""
        found = [risk for one in ids if (risk := self.risk(one)) is not None]
        return max(
            found, key=lambda r: (r.exploited_since is not None, r.epss or 0.0), default=None
        )

    def changed_since(self, generation: int) -> frozenset[_Name] | None:
        """(ecosystem, name as ``folded``) whose answers may differ from those of that generation;
        None when the history does not reach back so far: ask everything again."""
        if not self._oldest <= generation <= self.generation:
            return None
        rows = self._all("SELECT ecosystem, name FROM changes WHERE generation > ?", (generation,))
        return frozenset((ecosystem, folded(ecosystem, name)) for ecosystem, name in rows)

    def names(self) -> frozenset[_Name]:
        """(ecosystem, name as ``folded``) of everything that some advisory is about."""
        rows = self._all("SELECT ecosystem, name FROM packages")
        return frozenset((ecosystem, folded(ecosystem, name)) for ecosystem, name in rows)

    def _all(self, query: str, values: Sequence[str | int] = ()) -> list[tuple]:  # type: ignore[type-arg]
        with _told():
            return self._connection.execute(query, values).fetchall()


class _told:
    """SQLite's errors while reading are errors of the store."""

    def __enter__(self) -> None:
        return None

    def __exit__(self, kind: object, error: BaseException | None, trace: object) -> None:
        if isinstance(error, sqlite3.Error):
            raise StoreError("the database of advisories is damaged", why=str(error)) from error


def _keys(ecosystem: str, version: str) -> tuple[bytes, ...]:
    if len(version) > LONGEST:
        return ()
    try:
        key = versions.scheme_of(ecosystem).key
        found = key(version)
        if "+" in version and ecosystem == "PyPI":
            return found, key(version.partition("+")[0])
        return (found,)
    except VersionError:
        return ()


def _badness(one: Vulnerability) -> tuple[int, float, str]:
    severity = one.advisory.severity
    rank = 2.5 if severity is None else severity.rank
    return 0 if one.advisory.malicious else 1, rank, one.id


def open_default(path: Path | None = None) -> Advisories | None:
    """The database of ``path``, $HAECHI_DB or the user; None when there is none at the usual
    place. Raises NotFound when one was named that is not there."""
    try:
        return Advisories.open(path or places.database())
    except NotFound:
        if path is not None or places.named() is not None:
            raise
        return None
