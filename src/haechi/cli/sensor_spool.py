"""Batches on disk while the server is away: one file each, oldest first, within a bound.

A file is written under another name, synced and renamed, so that a batch is whole or not there;
it goes when the server has said that its events are durable. The bound is kept by taking no more:
what happened first is what an investigation needs.
"""

from __future__ import annotations

import contextlib
import time
from pathlib import Path

from haechi.errors import UsageError
from haechi.store import durable

_SUFFIX = ".ndjson"
_MOST_FILES = 100_000


class Spool:
    """A folder of batches. Raises UsageError when it cannot be used."""

    def __init__(self, folder: Path, most_bytes: int) -> None:
        self._folder = folder
        self._most = most_bytes
        self._number = 0
        try:
            folder.mkdir(parents=True, exist_ok=True, mode=0o700)
            for part in folder.glob("*.part"):
                part.unlink()
            self._files = sorted(folder.glob(f"*{_SUFFIX}"))
            self._bytes = sum(one.stat().st_size for one in self._files)
        except OSError as error:
            raise UsageError(
                f"the spool {folder} cannot be used", why=str(error), do="name a folder of your own"
            ) from error

    def __len__(self) -> int:
        return len(self._files)

    def keep(self, lines: bytes) -> bool:
        """Write a batch; False when there is no room or the disk refuses."""
        if self._bytes + len(lines) > self._most or len(self._files) >= _MOST_FILES:
            return False
        self._number += 1
        path = self._folder / f"{time.time_ns():020d}-{self._number:06d}{_SUFFIX}"
        part = path.with_suffix(".part")
        try:
            durable.write(part, lines)
            part.rename(path)
            durable.sync(self._folder)
        except OSError:
            with contextlib.suppress(OSError):
                part.unlink(missing_ok=True)
            return False
        self._files.append(path)
        self._bytes += len(lines)
        return True

    def oldest(self) -> bytes | None:
        """The batch that waits longest; one that cannot be read any more is left behind."""
        while self._files:
            try:
                return self._files[0].read_bytes()
            except OSError:
                self._files.pop(0)
        return None

    def sent(self) -> None:
        """The oldest has arrived."""
        path = self._files.pop(0)
        with contextlib.suppress(OSError):
            self._bytes -= path.stat().st_size
            path.unlink()
