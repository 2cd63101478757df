"""Contents through the detector: one thread reads, workers detect, what waits is bounded.

The engine lets go of the interpreter while it scans, and reading waits for git, so threads pay.
Of a blob only its id and its candidates stay, of a bounded number of blobs.
"""

from __future__ import annotations

import binascii
from collections import deque
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING

from haechi.checks.secrets.detect import Candidate, Candidates
from haechi.scan.secrets.windows import own
from haechi.world.objects.reader import ObjectReader, Part

if TYPE_CHECKING:
    from concurrent.futures import Future

Progress = Callable[[int, int, str], None]
Find = Callable[[bytes], Candidates]
HELD = 20_000
"""Candidates kept in memory until their blobs are attributed; about 10 MB."""
BATCH_BLOBS = 256
_BATCH_BYTES = 512 * 1024
_WAITING = 8

Judged = tuple[list[bytes], list[tuple[Part, Candidates]]]
"""Ids of clean blobs, and parts with what was found in them (large objects, and those that were
not looked at to their end: also nothing)."""


class Found:
    """What the workers found. ``clean`` are binary ids; ``hits`` keep the order of reading.

    ``cut``: blobs that hold more than is looked at, and the rules that stopped there. They are
    neither clean nor hits to a later run, which has to read and to say the same.
    """

    def __init__(self) -> None:
        self.clean = bytearray()
        self.hits: dict[bytes, None] = {}
        self.held: dict[bytes, list[Candidate]] = {}
        self.cut: dict[bytes, frozenset[str]] = {}
        self._room = HELD
        self._windowed: set[bytes] = set()

    def add(self, judged: Judged) -> None:
        """Take the results of a batch."""
        clean, hits = judged
        self.clean += binascii.unhexlify(b"".join(clean))
        for part, candidates in hits:
            if part.windowed:
                self._windowed.add(part.id)
            if candidates.cut:
                self.cut[part.id] = self.cut.get(part.id, frozenset()) | candidates.cut
            if not candidates:
                continue
            self.hits[part.id] = None
            self._room -= len(candidates)
            if self._room >= 0 and not part.windowed:
                self.held[part.id] = candidates

    def finish(self, broken: set[bytes]) -> None:
        """Large objects are clean when all their parts are and none is missing."""
        done = self._windowed - self.hits.keys() - self.cut.keys() - broken
        self.clean += binascii.unhexlify(b"".join(done))
        self._windowed.clear()


def detect(
    reader: ObjectReader,
    find: Find,
    found: Found,
    *,
    workers: int = 2,
    progress: Progress | None = None,
) -> None:
    """Read here, judge in workers; at most ``_WAITING`` batches are under way."""
    total = reader.spool.count
    if total <= BATCH_BLOBS:  # as in a second run: not worth a thread
        for batch in _batches(reader.parts()):
            found.add(_judge(find, batch))
        return
    from concurrent.futures import ThreadPoolExecutor

    done = 0
    waiting: deque[Future[Judged]] = deque()
    with ThreadPoolExecutor(workers, "detect") as pool:
        try:
            for batch in _batches(reader.parts()):
                if len(waiting) >= _WAITING:
                    found.add(waiting.popleft().result())
                waiting.append(pool.submit(_judge, find, batch))
                done += len(batch)
                if progress is not None:
                    progress(min(done, total), total, "history")
            while waiting:
                found.add(waiting.popleft().result())
        finally:
            for future in waiting:
                future.cancel()


def _judge(find: Find, batch: list[Part]) -> Judged:
    clean: list[bytes] = []
    hits: list[tuple[Part, Candidates]] = []
    for part in batch:
        candidates = find(part.data)
        if part.windowed:
            kept = Candidates(own(part, candidates), candidates.cut)
            hits.append((_without_data(part), kept))
        elif candidates or candidates.cut:
            hits.append((_without_data(part), candidates))
        else:
            clean.append(part.id)
    return clean, hits


def _without_data(part: Part) -> Part:
    return Part(b"", id=part.id, windowed=part.windowed)


def _batches(parts: Iterator[Part]) -> Iterator[list[Part]]:
    batch: list[Part] = []
    size = 0
    for part in parts:
        batch.append(part)
        size += len(part.data)
        if size >= _BATCH_BYTES or len(batch) >= BATCH_BLOBS:
            yield batch
            batch, size = [], 0
    if batch:
        yield batch
