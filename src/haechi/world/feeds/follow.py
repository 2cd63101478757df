"""A log file followed through rotation: renamed, copied and cut, deleted, not there yet.

``Follower.poll`` looks once and never waits. The open file is read to its end before the next one
is looked at, and a file that was renamed is left only once it has been quiet for a while: a
writer keeps writing to it until it is told to reopen. After a restart the file of the checkpoint
is looked for among the rotated ones, so what was written while nobody read is read, too. Memory
is bounded by the longest line; a longer one is refused and passed over.
"""

from __future__ import annotations

import os
import time
from collections import deque
from collections.abc import Callable
from pathlib import Path

import msgspec

from haechi.world.feeds import rotation
from haechi.world.feeds.lines import (
    FINGERPRINT_BYTES,
    MOST_LINE,
    Batch,
    Checkpoint,
    Line,
    Overlong,
    fingerprint,
)

_CHUNK = 1024 * 1024
_SAMPLE = 4_096
_MOST_STEPS = 100
"""Files that one look passes through at most."""
_PATIENCES = 12
"""How many times the usual patience a renamed file that is still written to is waited for."""
PATIENCE_S = 5.0
"""How long a renamed file has to be quiet before it is left."""


class Follower:
    """Reads one log. Not thread-safe. ``error`` says why it cannot be read now, or is empty;
    ``rotations`` and ``truncations`` count what was noticed, ``gaps`` truncations whose unread
    part was found nowhere."""

    def __init__(
        self,
        path: Path,
        *,
        start: Checkpoint | None = None,
        from_end: bool = False,
        most_line: int = MOST_LINE,
        most_lines: int = 2_000,
        patience_s: float = PATIENCE_S,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self.error = ""
        self.rotations = 0
        self.truncations = 0
        self.gaps = 0
        self._path = path
        self._start = start
        self._from_end = from_end and start is None
        self._most_line, self._most_lines = most_line, most_lines
        self._patience_s, self._clock = patience_s, clock
        self._file = -1
        self._live = False
        """The open file is (or was, when it was opened) the one that bears the log's name."""
        self._at = Checkpoint(device=0, inode=0, offset=0)
        self._first = False
        """A log was opened for the first time, which is told before anything is read of it."""
        self._copy = False
        """The open file is a copy of one that was cut: nobody writes to it."""
        self._quiet_since: float | None = None
        self._renamed_since: float | None = None
        self._done: deque[tuple[int, int]] = deque(maxlen=64)

    @property
    def checkpoint(self) -> Checkpoint | None:
        """Where the next batch begins; None before a file was opened."""
        return self._at if self._file >= 0 else self._start

    def poll(self) -> Batch | None:
        """What is new, at most a batch of it; None when there is nothing. The first batch of a log
        that has no checkpoint is empty: its place is kept before anything depends on it."""
        try:
            batch = self._poll() if self._file >= 0 or self._open() else None
        except OSError as error:
            self.error = f"{self._path}: {error.strerror or error}"
            return None
        self.error = ""
        return batch

    def _poll(self) -> Batch | None:
        if self._first:
            self._first = False
            return Batch(lines=(), checkpoint=self._at)
        for _ in range(_MOST_STEPS):
            batch = self._read()
            if batch is not None:
                return batch
            if not rotation.begins(self._file, self._at):
                self._was_cut()
                continue
            if not self._is_over():
                return None
            batch = self._read(last=True)
            if batch is not None:
                return batch
            if not self._next():
                return None
        return None

    def close(self) -> None:
        """Give the file back. The checkpoint of the last batch stays valid."""
        if self._file >= 0:
            os.close(self._file)
            self._file = -1

    def _open(self) -> bool:
        """Open the file of the checkpoint, or the log; False when there is none."""
        start = self._start
        live = rotation.open_regular(self._path)
        if start is None:
            self._first = live is not None
            return live is not None and self._take(live, live=True)
        if live is not None and rotation.is_same(live, start):
            return self._take(live, at=start, live=True)
        found = rotation.find(self._path, start)
        if found is not None:
            if live is not None:
                os.close(live)
            self.rotations += 1
            return self._take(found[0], at=start, live=False)
        if live is None:
            return False
        self.gaps += 1
        return self._take(live, live=True)

    def _take(self, descriptor: int, *, at: Checkpoint | None = None, live: bool) -> bool:
        self.close()
        found = os.fstat(descriptor)
        self._file, self._live, self._copy, self._start = descriptor, live, False, None
        self._quiet_since = self._renamed_since = None
        if at is not None:
            self._at = msgspec.structs.replace(at, device=found.st_dev, inode=found.st_ino)
        else:
            self._at = Checkpoint(device=found.st_dev, inode=found.st_ino, offset=0)
        if self._from_end:
            self._from_end = False
            self._to_end(found.st_size)
        return True

    def _to_end(self, size: int) -> None:
        """Go to the end; a line that is being written there is passed over."""
        inside = size > 0 and os.pread(self._file, 1, size - 1) != b"\n"
        self._go(size, skipping=inside)

    def _go(self, offset: int, *, skipping: bool = False) -> None:
        at = self._at
        head, mark = at.head, at.fingerprint
        if head < FINGERPRINT_BYTES and offset > head:
            head = min(offset, FINGERPRINT_BYTES)
            mark = fingerprint(os.pread(self._file, head, 0))
        self._at = Checkpoint(
            device=at.device,
            inode=at.inode,
            offset=offset,
            head=head,
            fingerprint=mark,
            skipping=skipping,
        )

    def _read(self, *, last: bool = False) -> Batch | None:
        """The next lines of the open file; ``last``: what has no line end is a line, too."""
        if not rotation.begins(self._file, self._at):
            return None
        lines: list[Line] = []
        overlong: list[Overlong] = []
        offset, skipping = self._at.offset, self._at.skipping
        data = os.pread(self._file, _CHUNK, offset)
        while b"\n" not in data and not skipping and len(data) <= self._most_line:
            more = os.pread(self._file, _CHUNK, offset + len(data))
            if not more:
                break
            data += more
        begin = 0
        while len(lines) < self._most_lines:
            end = data.find(b"\n", begin)
            if end < 0:
                break
            if skipping:
                skipping = False
            elif end - begin > self._most_line:
                overlong.append(self._overlong(data, begin, offset))
            elif end > begin:
                lines.append(Line(data[begin:end].removesuffix(b"\r"), self._place(offset + begin)))
            begin = end + 1
        else:
            return self._batch(lines, overlong, offset + begin, skipping=False)
        rest = len(data) - begin
        if skipping:
            begin = len(data)
        elif rest > self._most_line:
            overlong.append(self._overlong(data, begin, offset))
            begin, skipping = len(data), True
        elif last and rest and offset + len(data) >= os.fstat(self._file).st_size:
            lines.append(Line(data[begin:], self._place(offset + begin)))
            begin = len(data)
        return self._batch(lines, overlong, offset + begin, skipping=skipping)

    def _batch(
        self, lines: list[Line], overlong: list[Overlong], offset: int, *, skipping: bool
    ) -> Batch | None:
        if offset == self._at.offset and skipping == self._at.skipping:
            return None
        self._quiet_since = None
        self._go(offset, skipping=skipping)
        return Batch(lines=tuple(lines), overlong=tuple(overlong), checkpoint=self._at)

    def _overlong(self, data: bytes, begin: int, offset: int) -> Overlong:
        return Overlong(data[begin : begin + _SAMPLE], self._place(offset + begin))

    def _place(self, offset: int) -> str:
        return f"{self._at.device:x}:{self._at.inode:x}:{offset}"

    def _is_over(self) -> bool:
        """True when nothing more will be written to the open file: it lost the log's name and
        has been quiet for a while, or it is a copy."""
        if self._copy:
            return True
        now = self._clock()
        if self._live and self._bears_the_name():
            self._quiet_since = self._renamed_since = None
            return False
        self._renamed_since = self._renamed_since or now
        if now - os.fstat(self._file).st_mtime >= self._patience_s:
            return True
        self._quiet_since = self._quiet_since or now
        return (
            now - self._quiet_since >= self._patience_s
            or now - self._renamed_since >= _PATIENCES * self._patience_s
        )

    def _bears_the_name(self) -> bool:
        try:
            found = self._path.stat()
        except FileNotFoundError:
            return True  # renamed, and the new one is not there yet: nothing to go on to
        return (found.st_dev, found.st_ino) == (self._at.device, self._at.inode)

    def _was_cut(self) -> None:
        """Copied and cut: what was not read yet is in the copy. One that was read to its end is
        gone through all the same: the log may have been copied and cut again since."""
        self.truncations += 1
        found = rotation.find(self._path, self._at) if self._live else None
        if found is None:
            self.gaps += 1
            self._take(os.dup(self._file), live=self._live)
            return
        self._take(found[0], at=self._at, live=False)
        self._copy = True

    def _next(self) -> bool:
        """Go on to the next file; False when it is not there yet."""
        path = rotation.after(self._path, self._file, self._at, frozenset(self._done))
        descriptor = rotation.open_regular(path or self._path)
        if descriptor is None:
            return False
        self._done.append((self._at.device, self._at.inode))
        self.rotations += path is not None or not self._copy
        return self._take(descriptor, live=path is None)
