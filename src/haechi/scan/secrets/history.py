"""Credentials in everything that git keeps: each unique blob once, then where the hits are from.

Reading and detecting run side by side: this thread reads what git sends, workers detect (the
engine lets go of the interpreter), and what is on its way between them is bounded. Only
blobs that hold something are attributed, and reported in the order in which history made them, so
that a value that forty versions of a file repeat is told once, with its first commit. Values live
in memory only, of a bounded number of blobs; the rest are read again when their turn comes, and a
later run reads only those again that told something new.
"""

from __future__ import annotations

import binascii
import datetime as dt
import hashlib
import os
from collections import Counter, deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

import msgspec

from haechi.checks.secrets.detect import Candidate
from haechi.model.coverage import Gap
from haechi.rules.compiled import cache_directory
from haechi.scan.secrets.history_gaps import (
    listing_gaps,
    reading_gaps,
    too_many,
    walking_gaps,
)
from haechi.world.blob_cache import BlobCache, Known, Places
from haechi.world.objects.attribution import Attribution, Place
from haechi.world.objects.listing import Listing, list_all, list_commits, list_ids, narrow
from haechi.world.objects.reader import ObjectReader, Part
from haechi.world.objects.repository import Repository, open_repository
from haechi.world.objects.scope import (
    Scope,
    Selection,
    index_environment,
    resolve,
    stamp,
)
from haechi.world.objects.spool import Spool
from haechi.world.objects.walk import staged_paths

if TYPE_CHECKING:
    from concurrent.futures import Future

Progress = Callable[[int, int, str], None]
MAX_HITS_PER_RULE = 1_000
HELD = 20_000
"""Candidates kept in memory until their blobs are attributed; about 10 MB."""
_BATCH_BYTES = 512 * 1024
_BATCH_BLOBS = 256
_WAITING = 8


class Detects(Protocol):
    """What is asked of a detector; ``haechi.checks.secrets.detect.Detector`` is it."""

    key: str

    def find(self, data: bytes) -> list[Candidate]: ...

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


def open_history(root: Path, *, cache: Path | None = None) -> History | Gap | None:
    """The history that ``root`` has; a gap when git cannot read it, None when there is none.

    ``cache`` is the directory to use instead of the user's.
    """
    try:
        repository = open_repository(root)
    except OSError as error:
        return _stopped(error)
    if repository is None or isinstance(repository, Gap):
        return repository
    return History(repository, cache if cache is not None else cache_directory())


class History:
    """One look at a repository. After ``scan`` is used up ``gaps`` and ``looked`` tell of it."""

    def __init__(self, repository: Repository, cache: Path | None) -> None:
        self.repository = repository
        self.gaps: list[Gap] = []
        self.looked: Counter[str] = Counter()
        self.workers = max(1, min(2, os.cpu_count() or 1))
        self._cache = cache

    def scan(
        self,
        detector: Detects,
        selection: Selection | None = None,
        within: str = "",
        progress: Progress | None = None,
    ) -> Iterator[HistoryHit]:
        """Hits in the order in which they came into history.

        Raises UsageError when the selection names what git does not know.
        """
        scope = resolve(self.repository, selection or Selection(), within)
        run = _Run(self, detector, scope, progress)
        try:
            yield from run.hits()
        except OSError as error:
            self.gaps.append(_stopped(error))
        finally:
            run.close()


def _stopped(error: OSError) -> Gap:
    reason = error.strerror or str(error)
    return Gap(
        kind="git",
        path=".git",
        reason=f"git stopped ({reason}): the history was not read to its end",
        do="see `git fsck`",
    )


class _Run:
    def __init__(
        self, history: History, detector: Detects, scope: Scope, progress: Progress | None
    ) -> None:
        self.history = history
        self.repository = history.repository
        self.detector = detector
        self.scope = scope
        self.progress = progress
        repository = self.repository
        self.cache = BlobCache(history._cache, repository.objects, detector.key, repository.width)
        self.known = Known()
        self.listing: Listing | None = None
        self.staged: dict[bytes, list[Place]] = {}
        self.attribution: Attribution | None = None

    def close(self) -> None:
        if self.listing is not None:
            self.listing.close()
        if self.attribution is not None:
            self.attribution.close()

    def hits(self) -> Iterator[HistoryHit]:
        """Detect, attribute, tell; what was learnt is kept, also when the run is cut short."""
        self.known = self.cache.load()
        found = _Found()
        told: Places | None = None
        teller: _Told | None = None
        try:
            listing = self._list()
            self._detect(listing.todo, found)
            found.hits |= dict.fromkeys(listing.again)
            told = self._places(frozenset(found.hits), listing)
            teller = _Told(self, found, told)
            yield from teller.hits()
        finally:
            changed = told is not None and bool(told.stamp)
            if told is self.known.places and not (teller and teller.learnt):
                changed = False
            self.cache.add(
                self.known, bytes(found.clean), frozenset(found.hits), told if changed else None
            )

    def _list(self) -> Listing:
        scope, known = self.scope, self.known
        if scope.staged:
            within = os.fsencode(scope.within)
            for blob, path in staged_paths(self.repository, index_environment(self.repository)):
                if not within or path == within or path.startswith(within + b"/"):
                    self.staged.setdefault(blob, []).append(Place(path))
            listing = list_ids(self.repository, self.staged.keys(), known)
        elif scope.whole:
            listing = list_all(self.repository, known)
        else:
            listing = list_commits(self.repository, list(scope.revisions), known)
        self.listing = listing
        if scope.within and not scope.staged:
            attribution = self._attribution(listing.commits)
            narrow(listing, attribution.brought_in(), known, listed=scope.whole)
        self.history.gaps += listing_gaps(listing, self.repository, scope)
        self.history.looked["blobs"] = listing.blobs
        return listing

    def _attribution(self, tips: Spool | None) -> Attribution:
        if self.attribution is None:
            self.attribution = Attribution(self.repository, self.scope, tips)
        return self.attribution

    def _detect(self, todo: Spool, found: _Found) -> None:
        reader = ObjectReader(self.repository.git, todo)
        try:
            _detect(self, reader, found)
        finally:
            found.finish(reader.broken)
            reader.close()
        self.history.looked["bytes"] += reader.volume
        self.history.gaps += reading_gaps(reader, self.repository)

    def _places(self, blobs: frozenset[bytes], listing: Listing) -> Places:
        """Where the blobs were: as remembered if nothing changed, else by walking."""
        if self.scope.staged:
            return Places(places=self.staged)
        remember = self.scope.whole and not self.scope.within
        key = stamp(self.repository, self.scope, listing.stamp) if remember else ""
        told = self.known.places
        if not key or told.stamp != key or not blobs <= told.places.keys():
            attribution = self._attribution(listing.commits)
            attribution.locate(blobs)
            told = Places(
                stamp=key,
                places=attribution.places,
                gaps=walking_gaps(attribution),
                commits=attribution.walked.commits,
            )
        if any(gap.kind == "missing-objects" for gap in told.gaps):
            # The walk counts all that is missing, whoever stumbled over it before.
            kept = [gap for gap in self.history.gaps if gap.kind != "missing-objects"]
            self.history.gaps = kept
        self.history.gaps += told.gaps
        self.history.looked["commits"] = told.commits
        return told

    def widened(self, blobs: frozenset[bytes]) -> dict[bytes, list[Place]]:
        """All places that these blobs ever had."""
        listing = self.listing
        attribution = self._attribution(listing.commits if listing else None)
        before = {blob: len(attribution.places.get(blob, ())) for blob in blobs}
        attribution.widen_dated(blobs)
        return {blob: attribution.places.get(blob, [])[before[blob] :] for blob in blobs}


_Judged = tuple[list[bytes], list[tuple[Part, list[Candidate]]]]
"""Ids of clean blobs, and parts with what was found in them (large objects: also nothing)."""


class _Found:
    """What the workers found. ``clean`` are binary ids; ``hits`` keep the order of reading."""

    def __init__(self) -> None:
        self.clean = bytearray()
        self.hits: dict[bytes, None] = {}
        self.held: dict[bytes, list[Candidate]] = {}
        self._room = HELD
        self._windowed: set[bytes] = set()

    def add(self, judged: _Judged) -> None:
        """Take the results of a batch."""
        clean, hits = judged
        self.clean += binascii.unhexlify(b"".join(clean))
        for part, candidates in hits:
            if part.windowed:
                self._windowed.add(part.id)
            if not candidates:
                continue
            self.hits[part.id] = None
            self._room -= len(candidates)
            if self._room >= 0 and not part.windowed:
                self.held[part.id] = candidates

    def finish(self, broken: set[bytes]) -> None:
        """Large objects are clean when all their parts are and none is missing."""
        done = self._windowed - self.hits.keys() - broken
        self.clean += binascii.unhexlify(b"".join(done))
        self._windowed.clear()


def _detect(run: _Run, reader: ObjectReader, found: _Found) -> None:
    """Read here, judge in workers; at most ``_WAITING`` batches are under way."""
    total = reader.spool.count
    if total <= _BATCH_BLOBS:  # as in a second run: not worth a thread
        for batch in _batches(reader.parts()):
            found.add(_judge(run.detector.find, batch))
        return
    from concurrent.futures import ThreadPoolExecutor

    done = 0
    waiting: deque[Future[_Judged]] = deque()
    with ThreadPoolExecutor(run.history.workers, "detect") as workers:
        try:
            for batch in _batches(reader.parts()):
                if len(waiting) >= _WAITING:
                    found.add(waiting.popleft().result())
                waiting.append(workers.submit(_judge, run.detector.find, batch))
                done += len(batch)
                if run.progress is not None:
                    run.progress(min(done, total), total, "history")
            while waiting:
                found.add(waiting.popleft().result())
        finally:
            for future in waiting:
                future.cancel()


def _judge(find: Callable[[bytes], list[Candidate]], batch: list[Part]) -> _Judged:
    clean: list[bytes] = []
    hits: list[tuple[Part, list[Candidate]]] = []
    for part in batch:
        candidates = find(part.data)
        if part.windowed:
            hits.append((_without_data(part), _own(part, candidates)))
        elif candidates:
            hits.append((_without_data(part), candidates))
        else:
            clean.append(part.id)
    return clean, hits


def _without_data(part: Part) -> Part:
    return Part(part.id, b"", windowed=part.windowed)


def _own(part: Part, candidates: list[Candidate]) -> list[Candidate]:
    """Those that begin in the part's own range, placed in the whole object."""
    kept = [c for c in candidates if part.first <= c.start < part.last]
    for candidate in kept:
        if candidate.line == 1:
            candidate.column += part.column
        if candidate.end_line == 1:
            candidate.end_column += part.column
        candidate.line += part.lines
        candidate.end_line += part.lines
        candidate.start += part.offset
        candidate.end += part.offset
    return kept


def _batches(parts: Iterator[Part]) -> Iterator[list[Part]]:
    batch: list[Part] = []
    size = 0
    for part in parts:
        batch.append(part)
        size += len(part.data)
        if size >= _BATCH_BYTES or len(batch) >= _BATCH_BLOBS:
            yield batch
            batch, size = [], 0
    if batch:
        yield batch


class _Told:
    """Hits from attributed blobs: one per rule, path and value, a bounded number per rule."""

    def __init__(self, run: _Run, found: _Found, told: Places) -> None:
        self.run = run
        self.found = found
        self.told = told
        self.learnt = False
        self._telling: set[bytes] = set()
        self._salt = os.urandom(16)
        self._seen: set[tuple[str, str, bytes]] = set()
        self._count: Counter[str] = Counter()
        self._left_out: Counter[str] = Counter()
        self._refused: set[bytes] = set()
        self._prefix = os.fsencode(run.repository.prefix)

    def hits(self) -> Iterator[HistoryHit]:
        """All of them, earliest first."""
        places = self.told.places
        repeating = repeating_blobs(self.run.known.places, self.told)
        wanted = self.found.hits.keys() - repeating
        yield from self._of([blob for blob in places if blob in wanted], places)
        if not self.run.scope.staged:
            yield from self._elsewhere()
        for rule, number in self._left_out.items():
            self.run.history.gaps.append(too_many(rule, number))
        if self.told.telling is None:
            self.told.telling = self._telling
            self.learnt = True

    def _elsewhere(self) -> Iterator[HistoryHit]:
        """What the detector did not take at the known paths may have stood at others."""
        blobs = frozenset(self._refused) - self.told.wide
        if not blobs or self.run.scope.within:
            return
        more = self.run.widened(blobs)
        self.learnt = True
        self.told.wide |= blobs
        for blob, places in more.items():
            known = self.told.places[blob]
            known += [place for place in places if place not in known]
        yield from self._of([blob for blob in self.told.places if more.get(blob)], more)

    def _of(
        self, blobs: Sequence[bytes], places: Mapping[bytes, list[Place]]
    ) -> Iterator[HistoryHit]:
        held = self.found.held
        with Spool(self.run.repository.width) as spool:
            spool.extend(blob for blob in blobs if blob not in held)
            reader = ObjectReader(self.run.repository.git, spool)
            try:
                again = self._read_again(reader)
                part = next(again, None)
                for blob in blobs:
                    if blob in held:
                        yield from self._at(blob, places[blob], held[blob])
                    while part is not None and part[0] == blob:
                        yield from self._at(blob, places[blob], part[1])
                        part = next(again, None)
                self.run.history.gaps += reading_gaps(reader, self.run.repository)
            finally:
                self.run.history.looked["bytes"] += reader.volume
                reader.close()

    def _read_again(self, reader: ObjectReader) -> Iterator[tuple[bytes, list[Candidate]]]:
        for part in reader.parts():
            candidates = self.run.detector.find(part.data)
            yield part.id, _own(part, candidates) if part.windowed else candidates

    def _at(
        self, blob: bytes, places: list[Place], candidates: list[Candidate]
    ) -> Iterator[HistoryHit]:
        shown = [(place, shown_path(place.path.removeprefix(self._prefix))) for place in places]
        for candidate in candidates:
            taken = False
            for place, path in shown:
                if self.run.detector.keeps(candidate, path):
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
