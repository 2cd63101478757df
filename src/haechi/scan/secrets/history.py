"""Credentials in everything that git keeps: each unique blob once, then where the hits are from.

The cache says which blobs are known to hold nothing; ``history_detect`` reads and judges the
rest; the few that hold something are attributed (which commit, which paths, still at HEAD?) and
told by ``history_hits``. Nothing of a value outlives the run.
"""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

from haechi.model.coverage import Gap
from haechi.rules.private_files import cache_directory
from haechi.scan.secrets.history_detect import Found, Progress, detect
from haechi.scan.secrets.history_gaps import cut_gaps, listing_gaps, reading_gaps, walking_gaps
from haechi.scan.secrets.history_hits import Detects, HistoryHit, Teller
from haechi.world.blob_cache import BlobCache, Known, Places
from haechi.world.objects.attribution import Attribution, Place
from haechi.world.objects.listing import Listing, list_all, list_commits, list_ids, narrow
from haechi.world.objects.reader import ObjectReader
from haechi.world.objects.repository import Repository, open_repository
from haechi.world.objects.scope import Scope, Selection, index_environment, resolve, stamp
from haechi.world.objects.spool import Spool
from haechi.world.objects.walk import staged_paths

__all__ = ["History", "HistoryHit", "open_history"]


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
        found = Found()
        told: Places | None = None
        teller: Teller | None = None
        try:
            listing = self._list()
            self._detect(listing.todo, found)
            found.hits |= dict.fromkeys(listing.again)
            told = self._places(frozenset(found.hits), listing)
            teller = self._teller(found, told)
            yield from teller.hits()
            self.history.gaps += teller.gaps
            self.history.looked["bytes"] += teller.volume
        finally:
            changed = told is not None and bool(told.stamp)
            if told is self.known.places and not (teller and teller.learnt):
                changed = False
            hits = frozenset(found.hits.keys() - found.cut.keys())
            self.cache.add(self.known, bytes(found.clean), hits, told if changed else None)

    def _teller(self, found: Found, told: Places) -> Teller:
        scope = self.scope
        return Teller(
            repository=self.repository,
            detector=self.detector,
            found=found,
            told=told,
            before=self.known.places,
            widen=None if scope.staged or scope.within else self.widened,
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

    def _detect(self, todo: Spool, found: Found) -> None:
        reader = ObjectReader(self.repository.git, todo)
        try:
            detect(
                reader,
                self.detector.find,
                found,
                workers=self.history.workers,
                progress=self.progress,
            )
        finally:
            found.finish(reader.broken)
            reader.close()
        self.history.looked["bytes"] += reader.volume
        self.history.gaps += reading_gaps(reader, self.repository)
        self.history.gaps += cut_gaps(found.cut)

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
