"""The segment file at the end of the log: written, synced, and put back when that fails.

What was not made durable is taken off again, so a full disk leaves the log as it was. After a
failed ``fsync`` nobody knows what the disk holds: then nothing more is written until the log is
opened, and read, again.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from haechi.errors import StoreError
from haechi.store.audit.frames import SEGMENT_BYTES, segment_header, segment_name
from haechi.store.audit.private import private_name
from haechi.store.durable import sync
from haechi.store.folder import storage_error

SEGMENT_LIMIT = 64 << 20
"""A segment takes no further group once it is so long."""
_FLAGS = os.O_WRONLY | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC


class Tail:
    """One growing file. ``size`` is how much of it is durable."""

    def __init__(self, path: Path, size: int) -> None:
        self.path = path
        self._handle = os.open(path, _FLAGS, 0o600)
        self.size = size
        self._failed = False

    def append(self, data: bytes) -> None:
        """Make ``data`` durable at the end, or leave no trace. Raises StoreFull, StoreError."""
        if self._failed:
            raise _unknown(self.path)
        try:
            written = memoryview(data)
            while written:
                done = os.pwrite(self._handle, written, self.size + len(data) - len(written))
                written = written[done:]
        except OSError as error:
            self.take_back()
            raise storage_error(error, self.path) from error
        self._sync()
        self.size += len(data)

    def cut(self, size: int) -> None:
        """Forget what comes after ``size``, durably."""
        try:
            os.ftruncate(self._handle, size)
            self.size = size
        except OSError as error:
            self._failed = True
            raise storage_error(error, self.path) from error
        self._sync()

    def take_back(self) -> None:
        """Take off what is not durable."""
        try:
            os.ftruncate(self._handle, self.size)
        except OSError:
            self._failed = True

    def close(self) -> None:
        """Idempotent."""
        handle, self._handle = self._handle, -1
        if handle >= 0:
            os.close(handle)

    def _sync(self) -> None:
        try:
            os.fsync(self._handle)
        except OSError as error:
            self._failed = True
            raise storage_error(error, self.path) from error


def _unknown(path: Path) -> StoreError:
    return StoreError(
        "the audit log takes no more records",
        why=f"the disk failed while {path.name} was written, what it holds is unknown",
        do="see to the disk and start again",
    )


class Segments:
    """The newest segment and the private values beside it."""

    def __init__(self, folder: Path, log: str, *, number: int, size: int, private: int) -> None:
        self._folder, self._log = folder, log
        self.number = number
        self._tail: Tail | None = None
        self._private: Tail | None = None
        self._private_size = private
        if number >= 0:
            self._tail = Tail(folder / segment_name(number), size)

    @property
    def end(self) -> int:
        """The byte at which the next frame begins."""
        return self._tail.size if self._tail else 0

    @property
    def private_end(self) -> int:
        """The byte at which the next private value begins."""
        return self._private_size

    def make_room(self, first: int) -> None:
        """Begin a new segment when there is none or this one is long enough."""
        if self._tail and self._tail.size < SEGMENT_LIMIT:
            return
        number = self.number + 1
        path = self._folder / segment_name(number)
        with _disk(path):
            tail = Tail(path, 0)
        try:
            tail.append(segment_header(number, first, self._log))
            sync(self._folder)
        except StoreError:
            tail.close()
            path.unlink(missing_ok=True)
            raise
        self.close()
        self._tail, self._private, self._private_size, self.number = tail, None, 0, number

    def append(self, data: bytes, private: bytes) -> None:
        """Make a group durable, its private values first. All or nothing, while the process
        lives; values without their record are cut off when the log is opened."""
        if self._tail is None:
            raise _unknown(self._folder)
        before = self._private_size
        if private:
            kept = self._private_tail()
            kept.append(private)
            self._private_size = kept.size
        try:
            self._tail.append(data)
        except StoreError:
            if self._private and private:
                self._private_size = before
                self._private.cut(before)
            raise

    def cut(self, end: int, private: int) -> None:
        """Forget what comes after these bytes."""
        if self._tail:
            self._tail.cut(max(end, SEGMENT_BYTES))
        if private < self._private_size:
            self._private_tail().cut(private)
            self._private_size = private

    def close(self) -> None:
        """Idempotent."""
        for tail in (self._tail, self._private):
            if tail:
                tail.close()

    def _private_tail(self) -> Tail:
        if self._private is None:
            folder = self._folder / "private"
            path = folder / private_name(self.number)
            with _disk(path):
                folder.mkdir(mode=0o700, exist_ok=True)
                new = not path.exists()
                self._private = Tail(path, self._private_size)
                if new:
                    sync(folder)
        return self._private


@contextmanager
def _disk(path: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise storage_error(error, path) from error
