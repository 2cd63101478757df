"""For the few blobs that hold something: the first commit, its date, the paths, still at HEAD?

The first commit is the earliest in an order of parents before children, then by author date.
Where the paths of that commit and of HEAD do not decide (the caller asks ``widen``), every commit
is compared with its parents, which finds all paths that a blob ever had.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field

import msgspec

from haechi.world.objects.reader import ObjectReader
from haechi.world.objects.repository import Repository
from haechi.world.objects.scope import Scope, index_environment
from haechi.world.objects.spool import Spool
from haechi.world.objects.walk import (
    EndlessTree,
    Introductions,
    Walk,
    head_paths,
    index_paths,
    walk,
)

MAX_PLACES = 50
"""Paths told of one blob; an empty ``__init__.py`` has thousands, and holds nothing."""

MAX_PATH = 64 * 1024
"""Bytes of a path; no file system takes one that long, but a tree can hold it."""


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
    _passed: Spool | None = None

    def close(self) -> None:
        """Let the lists go."""
        if self._passed is not None:
            self._passed.close()

    def walk(self, wanted: frozenset[bytes]) -> None:
        """Pass over the commits of the scope; in whole ones also over those nothing leads to.

        ``walked`` tells of the commits that refs lead to: what the others lack was pruned.
        """
        passed = self._start()
        self.walked = self._pass(self.scope.revisions, wanted, passed)
        if not self.scope.whole:
            return
        lacks = self.walked.missing.count or not self.walked.complete
        if lacks and self.repository.has_reflogs:
            # A reflog may remember what was pruned since.
            passed = self._start()
            self.walked = self._pass(["--all"], wanted, passed)
        if not self.walked.complete:
            passed = self._start()
            alone = self._pass(["--no-walk=unsorted"], wanted, passed, self.tips)
            self.walked.first = alone.first
            self.walked.commits = alone.commits
        elif wanted - self.walked.first.keys() or self.scope.within:
            self._pass_dangling(wanted, passed)

    def _start(self) -> Spool:
        self.close()
        self._passed = Spool(self.repository.width)
        return self._passed

    def _pass(
        self,
        revisions: Sequence[str],
        wanted: frozenset[bytes],
        passed: Spool,
        tips: Spool | None = None,
    ) -> Walk:
        cut = self.repository.cut_commits()
        return walk(self.repository, revisions, wanted, tips=tips, passed=passed, cut=cut)

    def _pass_dangling(self, wanted: frozenset[bytes], passed: Spool) -> None:
        if self.tips is None:
            return
        reached = {id_ for ids in passed.chunks() for id_ in ids}
        with Spool(self.repository.width) as dangling:
            for ids in self.tips.chunks():
                dangling.extend(id_ for id_ in ids if id_ not in reached)
            if not dangling.count:
                return
            reached.clear()
            found = self._pass(["--not", "--all", "--reflog"], wanted, passed, dangling)
        self.walked.commits += found.commits
        for blob, commit in found.first.items():
            self.walked.first.setdefault(blob, commit)

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

    def brought_in(self) -> set[bytes]:
        """The blobs of ``introduced``; where commits were unreadable, what HEAD holds, too."""
        found = {blob for _, blob, _ in self.introduced()}
        if self.scope.whole and not self.complete and self.repository.head:
            found |= {blob for blob, path in self._head(None) if self._is_within(path)}
        return found

    def _head(self, wanted: frozenset[bytes] | None) -> Iterator[tuple[bytes, bytes]]:
        try:
            yield from head_paths(self.repository, wanted)
        except EndlessTree:
            self.complete = False

    def _is_within(self, path: bytes) -> bool:
        within = self.scope.within.encode("utf-8", "surrogateescape")
        return not within or path == within or path.startswith(within + b"/")

    def locate(self, blobs: frozenset[bytes]) -> None:
        """Fill ``places`` for blobs that hold something."""
        self.places = {}
        if self.scope.within:
            self.widen(blobs)
        else:
            self.walk(blobs)
            self._name_first(self.walked.first)
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
        for blob, path in self._head(blobs):
            if not self._is_within(path):
                continue
            known = self.places.get(blob)
            if known and not known[0].path:
                known[0].path = path
            commit = known[0].commit if known else ""
            self._add(blob, Place(path, commit)).at_head = True

    def _add(self, blob: bytes, place: Place) -> Place:
        """Keep the first place of each path."""
        place.path = place.path[:MAX_PATH]
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
