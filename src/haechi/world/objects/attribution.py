"""For the few blobs that hold something: the first commit, its date, the paths, still at HEAD?

The first commit is the earliest in an order of parents before children, then by author date.
Where the paths of that commit and of HEAD do not decide (the caller asks ``widen``), every commit
is compared with its parents, which finds all paths that a blob ever had.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

import msgspec

from haechi.world.objects.reader import ObjectReader
from haechi.world.objects.repository import Repository
from haechi.world.objects.scope import Scope, index_environment
from haechi.world.objects.spool import Spool
from haechi.world.objects.walk import (
    Introductions,
    Walk,
    count_missing,
    head_paths,
    index_paths,
    walk,
)

MAX_PLACES = 50
"""Paths told of one blob; an empty ``__init__.py`` has thousands, and holds nothing."""


class Place(msgspec.Struct, array_like=True):
    """Where a blob was: ``commit`` put it there at ``seconds`` since 1970, ``zone`` minutes east.

    An empty path: no commit names it. An empty commit: it is only staged, or nobody knows.
    """

    path: bytes
    commit: str = ""
    at_head: bool = False
    seconds: int = 0
    zone: int = 0


@dataclass(slots=True)
class Attribution:
    """The places of blobs, in the order of their first commits. ``walked`` tells of the pass."""

    repository: Repository
    scope: Scope
    tips: Spool | None
    places: dict[bytes, list[Place]] = field(default_factory=dict)
    walked: Walk = field(default_factory=Walk)
    complete: bool = True
    reachable: Walk | None = None
    _passed: Spool | None = None

    def close(self) -> None:
        """Let the lists go."""
        if self._passed is not None:
            self._passed.close()

    def walk(self, wanted: frozenset[bytes]) -> None:
        """Pass over the commits of the scope; in whole ones also over those nothing leads to."""
        cut = self.repository.cut_commits()
        for revisions, tips in self._attempts():
            self.close()
            self._passed = Spool(self.repository.width)
            self.walked = walk(
                self.repository, revisions, wanted, tips=tips, passed=self._passed, cut=cut
            )
            if self.walked.complete:
                break
        whole = self.scope.whole
        if whole and (self.walked.missing.count or not self.walked.complete):
            self.reachable = count_missing(self.repository, ["--all"])

    def _attempts(self) -> list[tuple[Sequence[str], Spool | None]]:
        if not self.scope.whole:
            return [(self.scope.revisions, None)]
        alone = ["--no-walk=unsorted"]
        return [
            (self.scope.revisions, self.tips),
            (self.scope.revisions, None),
            (["--all"], None),
            (alone, self.tips),
        ]

    def introduced(self) -> Iterable[tuple[bytes, bytes, bytes]]:
        """(commit, blob, path) of all that the walked commits brought in, within the scope."""
        if self._passed is None:
            self.walk(frozenset())
        if self._passed is None:
            return
        entries = Introductions(self.repository, self._passed, self.scope.within)
        for entry in entries:
            yield entry.commit, entry.blob, entry.path
        self.complete = self.complete and entries.complete

    def locate(self, blobs: frozenset[bytes]) -> None:
        """Fill ``places`` for blobs that hold something."""
        self.places = {}
        if self.scope.within:
            self.widen(blobs)
        else:
            self.walk(blobs)
            first = self.walked.first
            self._name_first(first)
        self._add_head(blobs)
        unplaced = blobs - self.places.keys()
        if unplaced and self.scope.whole and not self.scope.within:
            for blob, path in index_paths(self.repository, index_environment(self.repository)):
                if blob in unplaced:
                    self._add(blob, Place(path))
        for blob in sorted(unplaced):
            self.places.setdefault(blob, [Place(b"")])
        self._date()

    def widen(self, blobs: frozenset[bytes]) -> None:
        """All paths of these blobs, by comparing every commit with its parents."""
        for commit, blob, path in self.introduced():
            if blob in blobs:
                self._add(blob, Place(path, commit.decode()))

    def widen_dated(self, blobs: frozenset[bytes]) -> None:
        """``widen`` after ``locate``."""
        self.widen(blobs)
        self._date()

    def _name_first(self, first: dict[bytes, bytes]) -> None:
        """The exact paths of blobs in their first commits."""
        self.places = {blob: [] for blob in first}
        commits = list(dict.fromkeys(first.values()))
        with Spool(self.repository.width) as spool:
            spool.extend(commits)
            entries = Introductions(self.repository, spool)
            for entry in entries:
                if first.get(entry.blob) == entry.commit:
                    self._add(entry.blob, Place(entry.path, entry.commit.decode()))
            self.complete = self.complete and entries.complete
        for blob, commit in first.items():
            if not self.places[blob]:
                self.places[blob] = [Place(b"", commit.decode())]

    def _add_head(self, blobs: frozenset[bytes]) -> None:
        if not self.repository.head or not blobs:
            return
        within = self.scope.within.encode("utf-8", "surrogateescape")
        for blob, path in head_paths(self.repository, blobs):
            if within and path != within and not path.startswith(within + b"/"):
                continue
            known = self.places.get(blob)
            if known and not known[0].path:
                known[0].path = path
            commit = known[0].commit if known else ""
            self._add(blob, Place(path, commit)).at_head = True

    def _add(self, blob: bytes, place: Place) -> Place:
        """Keep the first place of each path."""
        places = self.places.setdefault(blob, [])
        for known in places:
            if known.path == place.path:
                return known
        if len(places) < MAX_PLACES:
            places.append(place)
        return place

    def _date(self) -> None:
        undated: dict[bytes, list[Place]] = {}
        for places in self.places.values():
            for place in places:
                if place.commit and not place.seconds:
                    undated.setdefault(place.commit.encode(), []).append(place)
        with Spool(self.repository.width) as spool:
            spool.extend(undated)
            reader = ObjectReader(self.repository.git, spool)
            for part in reader.parts():
                if part.offset == 0:
                    seconds, zone = _author_date(part.data)
                    for place in undated.get(part.id, ()):
                        place.seconds, place.zone = seconds, zone
            reader.close()


def _author_date(commit: bytes) -> tuple[int, int]:
    """Seconds since 1970 and minutes east of Greenwich; zeros for what is no date."""
    head = commit[: commit.find(b"\n\n") + 1 or None]
    for line in head.split(b"\n"):
        if line.startswith(b"author "):
            words = line.rsplit(b" ", 2)
            if len(words) == 3 and words[1].isdigit() and len(words[1]) < 12:
                return int(words[1]), _minutes(words[2])
            break
    return 0, 0


def _minutes(zone: bytes) -> int:
    if len(zone) != 5 or not zone[1:].isdigit():
        return 0
    minutes = int(zone[1:3]) * 60 + int(zone[3:])
    return min(minutes, 23 * 60 + 59) * (-1 if zone.startswith(b"-") else 1)
