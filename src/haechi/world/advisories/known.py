"""Vulnerabilities put together from the records about them, each once while a database is open."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable, Mapping, Sequence

import msgspec

from haechi.errors import StoreError
from haechi.model.advisory import Advisory, Risk
from haechi.world.advisories.groups import ordered
from haechi.world.advisories.merging import merged
from haechi.world.advisories.packing import unpack
from haechi.world.advisories.querying import Tables
from haechi.world.advisories.risk import SCALE, number_of

_ANY_RISK = "SELECT EXISTS (SELECT 1 FROM epss) OR EXISTS (SELECT 1 FROM kev)"


class Known(msgspec.Struct, frozen=True):
    """A vulnerability, put together once: its records by number, and what is the same for every
    package."""

    advisory: Advisory
    records: Mapping[int, Advisory]
    ids: tuple[str, ...]
    risk: Risk | None


class Vulnerabilities:
    """What is known of each; records that are about several (bundles) count for each of them."""

    def __init__(self, tables: Tables) -> None:
        self._tables = tables
        self._dictionaries = dict(tables.all("SELECT dictionary, body FROM dictionaries"))
        self._known: dict[str, Known] = {}
        self._further: dict[int, list[str]] = {}
        self._bundles: dict[str, list[int]] = {}
        for record, vulnerability in self._all_bundles():
            self._further.setdefault(record, []).append(vulnerability)
            self._bundles.setdefault(vulnerability, []).append(record)
        self._has_risk = bool(tables.all(_ANY_RISK)[0][0])

    def _all_bundles(self) -> list[tuple[int, str]]:
        """None in a file from before there were any."""
        if not self._tables.all("SELECT 1 FROM sqlite_master WHERE name = 'bundles'"):
            return []
        found = self._tables.all("SELECT record, vulnerability FROM bundles ORDER BY vulnerability")
        return [(record, vulnerability) for record, vulnerability in found]

    def further(self, record: int) -> Sequence[str]:
        """The vulnerabilities of a record besides its first."""
        return self._further.get(record, ())

    def ids(self) -> frozenset[str]:
        """The leading id of every one."""
        first = self._tables.all("SELECT DISTINCT vulnerability FROM records WHERE active")
        return frozenset((*(one for (one,) in first), *self._bundles))

    def of(self, vulnerability: str) -> Known:
        """The one with that leading id. Raises StoreError when no record is about it."""
        found = self._known.get(vulnerability)
        if found is None:
            records = {
                record: self._unpacked(dictionary, body)
                for record, dictionary, body in self._members(vulnerability)
            }
            if not records:
                raise StoreError("the database of advisories is damaged", why=vulnerability)
            advisory = merged(tuple(records.values()), vulnerability)
            ids = ordered((vulnerability, *advisory.aliases))
            risk = self._risk_of(ids) if self._has_risk else None
            found = Known(advisory, records, ids, risk)
            self._known[vulnerability] = found
        return found

    def _members(self, vulnerability: str) -> list[tuple[int, int, bytes]]:
        """Records about a vulnerability, in the order of their ids."""
        bundles = self._bundles.get(vulnerability, ())
        marks = ",".join("?" * len(bundles))
        return self._tables.all(  # two indexed queries: with OR it would be a pass over everything
            "SELECT record, dictionary, body FROM"  # noqa: S608 - marks are question marks
            " (SELECT * FROM records WHERE vulnerability = ? AND active"
            f" UNION ALL SELECT * FROM records WHERE record IN ({marks}) AND active) ORDER BY id",
            (vulnerability, *bundles),
        )

    def by_alias(self, name: str) -> tuple[Advisory, ...]:
        """All records about those that have this id or alias."""
        named = self._tables.all(
            "SELECT record, vulnerability FROM records WHERE id = ?1 AND active"
            " UNION SELECT r.record, r.vulnerability FROM aliases a"
            " JOIN records r ON r.record = a.record WHERE a.alias = ?1 AND r.active",
            (name,),
        )
        meant = {one for record, first in named for one in (first, *self.further(record))}
        found = {
            record.id: record
            for one in meant
            if name in (known := self.of(one)).ids
            for record in known.records.values()
        }
        return tuple(found[id_] for id_ in sorted(found))

    def record(self, id_: str) -> Advisory | None:
        """The record of that very id, also a withdrawn one; of several sources the newest."""
        found = self._tables.all(
            "SELECT dictionary, body FROM records WHERE id = ?"
            " ORDER BY active DESC, modified DESC LIMIT 1",
            (id_,),
        )
        return self._unpacked(*found[0]) if found else None

    def _unpacked(self, dictionary: int, body: bytes) -> Advisory:
        return unpack(body, self._dictionaries.get(dictionary, b""))

    def risk(self, cve: str) -> Risk | None:
        """What EPSS and KEV say."""
        number = number_of(cve)
        if number is None:
            return None
        scores = self._tables.all("SELECT score, percentile FROM epss WHERE cve = ?", (number,))
        known = self._tables.all("SELECT since, ransomware FROM kev WHERE cve = ?", (number,))
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
