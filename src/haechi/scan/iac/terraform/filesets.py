"""``fileset``: the files below a folder that match a pattern.

``*`` and ``?`` stay within a name, ``**`` goes through folders, ``{a,b}`` is either. What cannot be
answered for certain (links, folders that are not there or too many, patterns with escapes) is None:
a set that lacks a file would be a guess.
https://developer.hashicorp.com/terraform/language/functions/fileset
"""

from __future__ import annotations

import posixpath
import re
from collections.abc import Callable
from fnmatch import translate
from typing import NamedTuple

MAX_ENTRIES = 20_000
_MAX_WAYS = 50
_BRACES = re.compile(r"\{([^{}]*)\}")


class Entries(NamedTuple):
    """What stands right in a folder. ``others`` are links and what else is no file."""

    files: list[str]
    folders: list[str]
    others: list[str]


Listing = Callable[[str], Entries | None]


def matching(folder: str, pattern: str, entries: Listing) -> list[str] | None:
    """Paths relative to ``folder``, in order; None where that is not certain."""
    if "\\" in pattern or ".." in pattern.split("/") or pattern.count("[") != pattern.count("]"):
        return None
    found: set[str] = set()
    walk = _Walk(folder, entries, found)
    ways = _ways(pattern)
    if ways is None or not all(walk.all_of(posixpath.normpath(way).split("/")) for way in ways):
        return None
    return sorted(found)


def _ways(pattern: str) -> list[str] | None:
    """The patterns without ``{a,b}`` that a pattern stands for."""
    done: list[str] = []
    pending = [pattern]
    while pending:
        way = pending.pop()
        braces = _BRACES.search(way)
        if braces is None:
            if "{" in way or "}" in way:
                return None
            done.append(way)
        else:
            before, behind = way[: braces.start()], way[braces.end() :]
            pending += [f"{before}{one}{behind}" for one in braces[1].split(",")]
        if len(pending) + len(done) > _MAX_WAYS:
            return None
    return done


class _Walk:
    """Goes down where the pattern does. ``go`` is False as soon as something is not certain."""

    def __init__(self, folder: str, entries: Listing, found: set[str]) -> None:
        self._folder = folder
        self._entries = entries
        self._found = found
        self._listed: dict[str, Entries | None] = {}
        self._left = MAX_ENTRIES
        self._been: set[tuple[str, str, int]] = set()

    def all_of(self, steps: list[str]) -> bool:
        """Match one pattern from the top."""
        self._been.clear()
        return self.go("", steps)

    def go(self, inside: str, steps: list[str]) -> bool:
        """Match ``steps`` below the folder ``inside``."""
        here = (inside, steps[0], len(steps))
        if here in self._been:
            return True  # another way led here
        self._been.add(here)
        listed = self._list(inside)
        if listed is None:
            return False
        first, rest = steps[0], steps[1:]
        if first == "**":
            # zero folders, or any one and the same again; at the end it is everything
            none = self.go(inside, rest or ["*"])
            return none and all(self.go(_join(inside, name), steps) for name in listed.folders)
        matches = re.compile(translate(first)).match
        if any(matches(name) for name in listed.others):
            return False
        if not rest:
            self._found.update(_join(inside, name) for name in listed.files if matches(name))
            return True
        return all(self.go(_join(inside, name), rest) for name in listed.folders if matches(name))

    def _list(self, inside: str) -> Entries | None:
        if inside not in self._listed:
            listed = self._entries(_join(self._folder, inside))
            self._left -= 1 + (sum(map(len, listed)) if listed else 0)
            self._listed[inside] = listed
        return self._listed[inside] if self._left > 0 and inside.count("/") < 30 else None


def _join(folder: str, name: str) -> str:
    return f"{folder}/{name}" if folder and name else folder or name
