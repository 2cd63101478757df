"""The server's time: the machine's plus what the test advanced it by, or a time wholly its own."""

from __future__ import annotations

import time
from datetime import UTC, datetime


class Clock:
    """`start` freezes it: then only `advance` moves it."""

    def __init__(self, start: float | None = None) -> None:
        self._start, self._ahead = start, 0.0

    def now(self) -> float:
        return (time.time() if self._start is None else self._start) + self._ahead

    def advance(self, seconds: float) -> None:
        self._ahead += seconds

    def stamp(self) -> str:
        return stamp(self.now())

    def micro(self) -> str:
        return datetime.fromtimestamp(self.now(), UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")


def stamp(seconds: float) -> str:
    """metav1.Time: whole seconds."""
    return datetime.fromtimestamp(int(seconds), UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def seconds(text: str) -> float:
    return datetime.fromisoformat(text.replace("Z", "+00:00")).timestamp()
