"""From attributed blobs to hits: one per rule, path and value, in the order of history.

What a later version of a file repeats is not told again, and a run remembers which blobs told
something, so that the next one need not read the others.
"""

from __future__ import annotations

import datetime as dt
import hashlib
import os
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Protocol

import msgspec

from haechi.checks.secrets.detect import Candidate, Candidates
from haechi.model.coverage import Gap
from haechi.scan.secrets.history_detect import Found
from haechi.scan.secrets.history_gaps import reading_gaps, too_many
from haechi.scan.secrets.windows import own
from haechi.world.blob_cache import Places
from haechi.world.objects.attribution import Place
from haechi.world.objects.reader import ObjectReader
from haechi.world.objects.repository import Repository
from haechi.world.objects.spool import Spool

MAX_HITS_PER_RULE = 1_000
Widen = Callable[[frozenset[bytes]], Mapping[bytes, list[Place]]]


class Detects(Protocol):
    """What is asked of a detector; ``haechi.checks.secrets.detect.Detector`` is it."""

    key: str

    def find(self, data: bytes) -> Candidates: ...

    def keeps(self, candidate: Candidate, path: str) -> bool: ...


class HistoryHit(msgspec.Struct, frozen=True, kw_only=True, eq=False):
    """A credential in a blob.

    ``path`` is relative to the scanned root, with control characters and broken text escaped;
    empty when no commit names the blob. ``commit`` is the first that had it there, None for what
    is only staged or stored. ``at_head``: the blob is at this path in HEAD.
    """

    blob: str
    path: str
    commit: str | None
    author_date: dt.datetime | None
    at_head: bool
    candidate: Candidate


class Teller:
    """Hits from attributed blobs: one per rule, path and value, a bounded number per rule.

    ``told`` are the places now, ``before`` those of an earlier run; ``widen`` gives all places
    that some blobs ever had. ``learnt``: ``told`` has changed and is worth keeping.
    """

    def __init__(
        self,
        *,
        repository: Repository,
        detector: Detects,
        found: Found,
        told: Places,
        before: Places,
        widen: Widen | None,
    ) -> None:
        self.learnt = False
        self.gaps: list[Gap] = []
        self.volume = 0
        self._repository = repository
        self._detector = detector
        self._found = found
        self._told = told
        self._before = before
        self._widen = widen
        self._telling: set[bytes] = set()
        self._salt = os.urandom(16)
        self._seen: set[tuple[str, str, bytes]] = set()
        self._count: Counter[str] = Counter()
        self._left_out: Counter[str] = Counter()
        self._refused: set[bytes] = set()
        self._prefix = os.fsencode(repository.prefix)

    def hits(self) -> Iterator[HistoryHit]:
        """All of them, earliest first."""
        places = self._told.places
        repeating = repeating_blobs(self._before, self._told)
        wanted = self._found.hits.keys() - repeating
        yield from self._of([blob for blob in places if blob in wanted], places)
        yield from self._elsewhere()
        for rule, number in self._left_out.items():
            self.gaps.append(too_many(rule, number))
        if self._told.telling is None:
            self._told.telling = self._telling
            self.learnt = True

    def _elsewhere(self) -> Iterator[HistoryHit]:
        """What the detector did not take at the known paths may have stood at others."""
        blobs = frozenset(self._refused) - self._told.wide
        if not blobs or self._widen is None:
            return
        more = self._widen(blobs)
        self.learnt = True
        self._told.wide |= blobs
        for blob, places in more.items():
            known = self._told.places[blob]
            known += [place for place in places if place not in known]
        yield from self._of([blob for blob in self._told.places if more.get(blob)], more)

    def _of(
        self, blobs: Sequence[bytes], places: Mapping[bytes, list[Place]]
    ) -> Iterator[HistoryHit]:
        held = self._found.held
        with Spool(self._repository.width) as spool:
            spool.extend(blob for blob in blobs if blob not in held)
            reader = ObjectReader(self._repository.git, spool)
            try:
                again = self._read_again(reader)
                part = next(again, None)
                for blob in blobs:
                    if blob in held:
                        yield from self._at(blob, places[blob], held[blob])
                    while part is not None and part[0] == blob:
                        yield from self._at(blob, places[blob], part[1])
                        part = next(again, None)
                self.gaps += reading_gaps(reader, self._repository)
            finally:
                self.volume += reader.volume
                reader.close()

    def _read_again(self, reader: ObjectReader) -> Iterator[tuple[bytes, list[Candidate]]]:
        for part in reader.parts():
            candidates = self._detector.find(part.data)
            yield part.id, own(part, candidates) if part.windowed else candidates

    def _at(
        self, blob: bytes, places: list[Place], candidates: list[Candidate]
    ) -> Iterator[HistoryHit]:
        shown = [(place, shown_path(place.path.removeprefix(self._prefix))) for place in places]
        for candidate in candidates:
            taken = False
            for place, path in shown:
                if self._detector.keeps(candidate, path):
                    taken = True
                    if self._is_new(blob, candidate, path):
                        yield _hit(blob, place, path, candidate)
            if not taken and not _goes_by_path(candidate):
                self._refused.add(blob)
                self._telling.add(blob)

    def _is_new(self, blob: bytes, candidate: Candidate, path: str) -> bool:
        rule = candidate.rule.id
        value = hashlib.blake2b(candidate.secret, key=self._salt, digest_size=16).digest()
        key = (rule, path, value)
        if key in self._seen:
            return False
        self._telling.add(blob)
        if self._count[rule] >= MAX_HITS_PER_RULE:
            self._left_out[rule] += 1
            return False
        self._seen.add(key)
        self._count[rule] += 1
        return True


def repeating_blobs(before: Places, now: Places) -> set[bytes]:
    """Blobs that, as an earlier run saw, only repeat what others tell: not worth reading again.

    That holds while the telling ones come in the same order and keep their paths; a blob that got
    another path may tell something there.
    """
    if before.telling is None or not before.stamp:
        return set()
    order = [blob for blob in now.places if blob in before.places]
    if order != [blob for blob in before.places if blob in now.places]:
        return set()
    moved = set()
    for blob in before.places:
        had = {place.path for place in before.places[blob]}
        has = {place.path for place in now.places.get(blob, ())}
        if blob in before.telling and not had <= has:
            return set()
        if had != has:
            moved.add(blob)
    return set(before.places) - before.telling - moved


def _goes_by_path(candidate: Candidate) -> bool:
    """The generic family is a guess from names: the first and the present paths decide it."""
    pattern = candidate.rule.pattern
    return pattern is not None and pattern.generic


def _hit(blob: bytes, place: Place, path: str, candidate: Candidate) -> HistoryHit:
    date = None
    if place.seconds:
        zone = dt.timezone(dt.timedelta(minutes=place.zone))
        date = dt.datetime.fromtimestamp(place.seconds, zone)
    return HistoryHit(
        blob=blob.decode(),
        path=path,
        commit=place.commit or None,
        author_date=date,
        at_head=place.at_head,
        candidate=candidate,
    )


def shown_path(path: bytes) -> str:
    """A name as text: what is not UTF-8 and what moves a terminal's cursor is escaped."""
    text = path.decode("utf-8", "backslashreplace")
    if text.isprintable():
        return text
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in text)
