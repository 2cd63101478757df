"""Globs as ``fnmatch(3)`` has them and the path prefixes of ``pmatch``.

A glob is translated to an expression for RE2, which takes time linear in the text whatever the
pattern is: patterns come from rule files, texts from attackers. As libs calls ``fnmatch`` without
flags, ``*`` crosses slashes, a leading dot is nothing special and a backslash quotes.

``pmatch`` compares by path segments: ``/var/run`` holds for itself and everything below, not for
``/var/running``. A segment with ``?``, ``*`` or ``[`` is a glob for one segment. Empty segments
count for nothing, and ``/`` holds for every path.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from functools import lru_cache
from typing import Any

import re2

MEMORY = 8 * 1024 * 1024
"""Bytes that one compiled expression and its automata may take."""

_KNOWN, _KNOWN_CHARS = 1_000, 200
"""Answers that a ``pmatch`` remembers, and how long a path may be for that."""
_SURROGATE = re.compile("[\ud800-\udfff]")
_NEVER = "[^\\x{0}-\\x{10FFFF}]"
_NAMES = "alnum alpha blank cntrl digit graph lower print punct space upper xdigit"
_CLASSES = frozenset(_NAMES.split())


def compiled(expression: str, *, posix: bool = False, casefold: bool = False) -> Any:
    """An expression that matches without logging. Raises ``re2.error``."""
    options = re2.Options()
    options.log_errors = False
    options.max_mem = MEMORY
    options.never_capture = True
    options.posix_syntax = posix
    options.longest_match = posix
    options.dot_nl = not posix
    options.case_sensitive = not casefold
    return re2.compile(expression, options)


class Glob:
    """One pattern; ``prefix`` is what a text must begin with ("" when letter case is ignored)."""

    __slots__ = ("_expression", "pattern", "prefix")

    def __init__(self, pattern: str, *, casefold: bool = False) -> None:
        self.pattern = pattern
        pattern = encodable(pattern)
        self.prefix = "" if casefold else _literal_prefix(pattern)
        try:
            self._expression = compiled(glob_expression(pattern), casefold=casefold)
        except re2.error:
            self._expression = None

    def matches(self, text: str) -> bool:
        """Whether the whole text is as the pattern says; an impossible pattern matches nothing."""
        text = encodable(text)
        if self._expression is None or not text.startswith(self.prefix):
            return False
        return self._expression.fullmatch(text) is not None


def encodable(text: str) -> str:
    """RE2 takes UTF-8 only: lone surrogates (bytes that were none) become U+FFFD, as libs does."""
    if text.isascii():
        return text
    return _SURROGATE.sub("\ufffd", text)


def glob_expression(pattern: str) -> str:
    """The expression that says what the glob says."""
    out: list[str] = []
    at = 0
    while at < len(pattern):
        char = pattern[at]
        at += 1
        if char == "*":
            if not out or out[-1] != ".*":
                out.append(".*")
        elif char == "?":
            out.append(".")
        elif char == "[":
            bracket, at = _bracket(pattern, at)
            out.append(bracket)
        elif char == "\\":
            # a backslash at the end quotes nothing: fnmatch then fails
            out.append(re2.escape(pattern[at]) if at < len(pattern) else _NEVER)
            at += 1
        else:
            out.append(re2.escape(char))
    return "".join(out)


def _bracket(pattern: str, at: int) -> tuple[str, int]:
    """A bracket expression whose ``[`` stands before ``at``; an unclosed one is a plain ``[``."""
    start = at
    negative = pattern[at : at + 1] in ("!", "^")
    at += negative
    parts: list[str] = []
    first = True
    while at < len(pattern):
        char = pattern[at]
        if char == "]" and not first:
            if not parts:
                return ("." if negative else _NEVER), at + 1
            return f"[{'^' if negative else ''}{''.join(parts)}]", at + 1
        first = False
        name, end = _class_name(pattern, at)
        if name:
            parts.append(f"[:{name}:]")
            at = end
            continue
        low, at = _member(pattern, at)
        if pattern[at : at + 1] == "-" and pattern[at + 1 : at + 2] not in ("]", ""):
            high, at = _member(pattern, at + 1)
            # an empty range (z-a) holds nothing
            if low <= high:
                parts.append(f"\\x{{{low:x}}}-\\x{{{high:x}}}")
        else:
            parts.append(f"\\x{{{low:x}}}")
    return "\\[", start


def _class_name(pattern: str, at: int) -> tuple[str, int]:
    if not pattern.startswith("[:", at):
        return "", at
    end = pattern.find(":]", at + 2)
    name = pattern[at + 2 : end] if end > 0 else ""
    return (name, end + 2) if name in _CLASSES else ("", at)


def _member(pattern: str, at: int) -> tuple[int, int]:
    if pattern[at] == "\\" and at + 1 < len(pattern):
        at += 1
    return ord(pattern[at]), at + 1


def _literal_prefix(pattern: str) -> str:
    end = next((at for at, char in enumerate(pattern) if char in "*?[\\"), len(pattern))
    return pattern[:end]


@lru_cache(maxsize=1024)
def glob(pattern: str, casefold: bool = False) -> Glob:
    """The compiled glob; the same one for the same pattern."""
    return Glob(pattern, casefold=casefold)


def segments(path: str) -> list[str]:
    """``/var//log`` is ``var``, ``log``."""
    return [part for part in path.split("/") if part]


class _Branch:
    __slots__ = ("ends", "globs", "names")

    def __init__(self) -> None:
        self.names: dict[str, _Branch] = {}
        self.globs: list[tuple[Glob, _Branch]] = []
        self.ends = False


class PathPrefixes:
    """The right side of ``pmatch``."""

    __slots__ = ("_known", "_root", "firsts")

    def __init__(self, paths: Iterable[str]) -> None:
        self._root = _Branch()
        self._known: dict[str, bool] = {}
        for path in paths:
            self._add(segments(path))
        root = self._root
        self.firsts = None if root.ends or root.globs else frozenset(root.names)
        """First segments of which a path must have one, None where any will do."""

    def _add(self, parts: list[str]) -> None:
        branch = self._root
        for part in parts:
            if any(char in part for char in "?*["):
                known = next((b for g, b in branch.globs if g.pattern == part), None)
                if known is None:
                    known = _Branch()
                    branch.globs.append((glob(part), known))
                branch = known
            else:
                branch = branch.names.setdefault(part, _Branch())
        branch.ends = True

    def matches(self, path: str) -> bool:
        """Whether one of the paths is a prefix of this one. The same few paths come most of the
        time, so answers are remembered, some of them."""
        known = self._known
        found = known.get(path)
        if found is None:
            found = self._matches(path)
            if len(path) <= _KNOWN_CHARS:
                if len(known) >= _KNOWN:
                    known.clear()
                known[path] = found
        return found

    def _matches(self, path: str) -> bool:
        """Branches that led to the same depth are kept side by side, so the time is bounded by
        segments times patterns."""
        if self._root.ends:
            return True
        alive = [self._root]
        for part in segments(path):
            following: list[_Branch] = []
            for branch in alive:
                named = branch.names.get(part)
                if named is not None:
                    if named.ends:
                        return True
                    following.append(named)
                for pattern, below in branch.globs:
                    if pattern.matches(part):
                        if below.ends:
                            return True
                        following.append(below)
            if not following:
                return False
            alive = following
        return False
