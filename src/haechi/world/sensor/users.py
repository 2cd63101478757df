"""Names of users and groups, from this machine's own files.

A container has an ``/etc/passwd`` of its own, which its processes can write: a name out of it
would be a claim, not a fact. Users of containers keep their number alone, but for 0, which is
called root everywhere. The files are looked at again once a second at most.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path

_LARGEST = 4 << 20


class Names:
    """Number to name, from one file in the manner of ``/etc/passwd``."""

    def __init__(self, path: Path, clock: Callable[[], float]) -> None:
        self._path = path
        self._clock = clock
        self._looked = float("-inf")
        self._stamp: tuple[int, int, int] | None = None
        self._names: dict[int, str] = {}

    def name(self, number: int) -> str:
        """The name, or empty."""
        now = self._clock()
        if now - self._looked >= 1.0:
            self._looked = now
            self._look()
        return self._names.get(number, "")

    def _look(self) -> None:
        try:
            told = self._path.stat()
            stamp = (told.st_mtime_ns, told.st_ino, told.st_size)
            if stamp != self._stamp:
                with self._path.open("rb") as stream:
                    self._names = _parsed(stream.read(_LARGEST))
                self._stamp = stamp
        except OSError:
            self._names, self._stamp = {}, None


def _parsed(raw: bytes) -> dict[int, str]:
    names: dict[int, str] = {}
    for line in raw.decode("utf-8", "replace").splitlines():
        words = line.split(":")
        if len(words) >= 3 and words[2].isdecimal() and words[0] and len(words[2]) <= 10:
            names.setdefault(int(words[2]), words[0])
    return names


class Users:
    """Users and groups of this machine."""

    def __init__(
        self, etc: Path = Path("/etc"), clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._users = Names(etc / "passwd", clock)
        self._groups = Names(etc / "group", clock)

    def user(self, uid: int, *, contained: bool = False) -> str:
        """The user's name; empty when it is not known."""
        if contained:
            return "root" if uid == 0 else ""
        return self._users.name(uid)

    def group(self, gid: int, *, contained: bool = False) -> str:
        """The group's name; empty when it is not known."""
        if contained:
            return "root" if gid == 0 else ""
        return self._groups.name(gid)
