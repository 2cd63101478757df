"""Credentials in the files of a working tree; large ones are looked at by a few threads.

Hyperscan lets other threads run, so contents of megabytes are searched side by side. For small
files, of which a tree mostly consists, handing the interpreter over costs a quarter more CPU and
gains no time: they are looked at one after the other. Order stays that of the walk, so that a
run is repeatable.
"""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor

import msgspec

from haechi.checks.secrets.detect import Candidate, Detector
from haechi.errors import InputError
from haechi.model.coverage import Gap
from haechi.scan.secrets.bounds import cut_short
from haechi.scan.secrets.windows import LARGEST, WINDOW, find_in_blocks
from haechi.world.files import Entry, Tree

Progress = Callable[[int, int, str], None]
BATCH = 64
LARGE = 2 * 1024 * 1024
"""Bytes of a batch from which on it goes to a thread."""
_THREADS = max(2, min(4, os.cpu_count() or 2))
_QUIET = frozenset({"link"})
"""A link holds no content: its target is read where it lies."""


class InFile(msgspec.Struct, frozen=True):
    """A candidate and the file of the tree that holds it."""

    path: str
    candidate: Candidate


class TreeScan:
    """One look over a tree. After ``run`` ``gaps``, ``files`` (paths) and ``size`` (bytes)."""

    def __init__(self, tree: Tree, detector: Detector, progress: Progress | None = None) -> None:
        self.tree = tree
        self.gaps: list[Gap] = []
        self.files: set[str] = set()
        self.size = 0
        self._detector = detector
        self._progress = progress

    def run(self) -> Iterator[InFile]:
        """Candidates in the order of the walk."""
        with ThreadPoolExecutor(_THREADS) as pool:  # starts a thread when something is submitted
            waiting: deque[Future[_Looked]] = deque()
            for batch in self._batches():
                if sum(entry.size for entry in batch) >= LARGE:
                    waiting.append(pool.submit(self._look, batch))
                else:
                    while waiting:
                        yield from self._take(waiting.popleft().result())
                    yield from self._take(self._look(batch))
                if len(waiting) > 2 * _THREADS:
                    yield from self._take(waiting.popleft().result())
            while waiting:
                yield from self._take(waiting.popleft().result())
        self.gaps += [
            Gap(kind=unread.kind, path=unread.path, reason=unread.reason)
            for unread in self.tree.unread
            if unread.kind not in _QUIET
        ]

    def _batches(self) -> Iterator[list[Entry]]:
        batch: list[Entry] = []
        size = 0
        for entry in self.tree.walk():
            batch.append(entry)
            size += entry.size
            if len(batch) >= BATCH or size > WINDOW:
                yield batch
                batch, size = [], 0
        if batch:
            yield batch

    def _take(self, looked: _Looked) -> Iterator[InFile]:
        self.gaps += looked.gaps
        self.files.update(looked.files)
        self.size += looked.size
        if self._progress is not None and looked.files:
            self._progress(len(self.files), 0, looked.files[-1])
        yield from looked.found

    def _look(self, batch: list[Entry]) -> _Looked:
        looked = _Looked()
        for entry in batch:
            try:
                self._file(entry, looked)
            except InputError as error:
                looked.gaps.append(
                    Gap(
                        kind="unreadable",
                        path=entry.path,
                        reason=error.what,
                        do="make it readable or exclude it",
                    )
                )
        return looked

    def _file(self, entry: Entry, looked: _Looked) -> None:
        if entry.size > LARGEST:
            reason = f"{entry.size:,} bytes; files up to {LARGEST:,} are looked at for secrets"
            looked.gaps.append(
                Gap(kind="too-large", path=entry.path, reason=reason, do="exclude it or split it")
            )
            return
        if entry.size <= 2 * WINDOW:
            data = self.tree.read(entry.path, limit=LARGEST)
            found = self._detector.find(data)
            looked.size += len(data)
        else:
            found = find_in_blocks(self._detector, self._blocks(entry.path))
            looked.size += entry.size
        looked.files.append(entry.path)
        if not found and not found.cut:
            return
        kept = [one for one in found if self._detector.keeps(one, entry.path)]
        looked.found += [InFile(entry.path, one) for one in kept]
        cut = found.cut - ({one.rule.id for one in found} - {one.rule.id for one in kept})
        if cut:
            looked.gaps.append(cut_short(entry.path, "it", cut))

    def _blocks(self, path: str) -> Iterator[bytes]:
        """A file that is written to meanwhile does not keep us for ever."""
        size = 0
        for block in self.tree.blocks(path):
            size += len(block)
            if size > LARGEST:
                raise InputError(f"it grew over {LARGEST:,} bytes while it was read", where=path)
            yield block


class _Looked:
    """What one batch yielded."""

    __slots__ = ("files", "found", "gaps", "size")

    def __init__(self) -> None:
        self.found: list[InFile] = []
        self.gaps: list[Gap] = []
        self.files: list[str] = []
        self.size = 0
