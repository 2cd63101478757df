"""What a feed could not take, kept for whoever wants to know why: a bounded file of JSON lines.

``{"when", "feed", "why", "sample"}``; samples are escaped and without credentials. Two files of
half the size at most: when one is full it becomes ``….1`` and the one before it goes. Writing
never fails the feed: what cannot be kept is counted.
"""

from __future__ import annotations

import datetime as dt
import os
import threading
from collections.abc import Callable
from pathlib import Path

import msgspec

from haechi.engines.masking import printable

MOST_BYTES = 16 * 1024 * 1024
SAMPLE_CHARS = 2_048
_WHY_CHARS = 300


class DeadLetters:
    """Thread-safe. ``kept`` and ``dropped`` count letters since the start."""

    def __init__(
        self,
        path: Path,
        *,
        most_bytes: int = MOST_BYTES,
        now: Callable[[], dt.datetime] = lambda: dt.datetime.now(dt.UTC),
    ) -> None:
        self.kept = 0
        self.dropped = 0
        self._path, self._half, self._now = path, most_bytes // 2, now
        self._lock = threading.Lock()

    def add(self, feed: str, why: str, record: bytes | str) -> bool:
        """Keep a letter; False when it could not be kept."""
        letter = {
            "when": self._now().isoformat(timespec="milliseconds"),
            "feed": printable(feed, 200),
            "why": printable(why, _WHY_CHARS),
            "sample": printable(record, SAMPLE_CHARS),
        }
        line = msgspec.json.encode(letter) + b"\n"
        with self._lock:
            try:
                self._append(line)
            except OSError:
                self.dropped += 1
                return False
            self.kept += 1
        return True

    def _append(self, line: bytes) -> None:
        if self._size() + len(line) > self._half and self._size():
            self._path.replace(self._path.with_name(self._path.name + ".1"))
        flags = os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC | os.O_NOFOLLOW
        descriptor = os.open(self._path, flags, 0o600)
        try:
            os.write(descriptor, line)
        finally:
            os.close(descriptor)

    def _size(self) -> int:
        try:
            return self._path.lstat().st_size
        except FileNotFoundError:
            return 0
