"""``Gemfile`` and gemspecs: Ruby programs, read as text.

Of a Gemfile the groups are wanted: a gem that stands only in ``development`` and ``test`` is left
out by the usual deployment (``bundle config set without development test``). Blocks are followed
line by line; whatever is not plain keeps a gem in the default group, which is shipped.
"""

from __future__ import annotations

import re
from typing import NamedTuple

_GEM = re.compile(r"\s*gem[\s(]+(?:\"([^\"#\s]{1,200})\"|'([^'\s]{1,200})')(.*)")
_GROUP = re.compile(r"\s*group\b[\s(]*(.*?)\)?\s+do\b")
_OPENS = re.compile(
    r"\bdo\s*(?:\|[^|\n]{0,200}\|)?\s*$|^\s*(?:if|unless|case|while|until|begin|def|class|module|for)\b"
)
_ASSIGNED = re.compile(r"^[^'\"#]{0,200}=\s*(?:if|unless|case|begin)\b")
_ENDS = re.compile(r"^\s*end\b")
_IN_GROUP = re.compile(
    r"(?::groups?\s*=>|\bgroups?:)\s*(\[[^\]]{0,400}\]|%i\[[^\]]{0,400}\]|[:\"']\w+)"
)
_WORD = re.compile(r"\w+")
_ARGUMENT = re.compile(r"\s*,\s*(?:\"([^\"\n]{1,200})\"|'([^'\n]{1,200})')")
_GIT = re.compile(r"(?:\b(?:git|github|gist|bitbucket):|:(?:git|github|gist|bitbucket)\s*=>)")
_PATH = re.compile(r"(?:\bpath:|:path\s*=>)")
_ADDED = re.compile(
    r"\.\s*(add_(?:runtime_|development_)?dependency)[\s(]+"
    r"(?:\"([^\"#\s]{1,200})\"|'([^'\s]{1,200})'|%q[\[<(]([^\])>]{1,200})[\])>])([^\n]{0,1000})"
)
_NAME = re.compile(r"\.name\s*=\s*(?:\"([^\"#\s]{1,200})\"|'([^'\s]{1,200})')")
_DEVELOPMENT = frozenset({"development", "test"})
_LONGEST = 2_000


class Gem(NamedTuple):
    """One gem that is asked for. ``kind`` is ``git``, ``path`` or ""."""

    name: str
    constraint: str
    development: bool
    kind: str
    line: int


def gemfile(text: str) -> list[Gem]:
    """Gems of a Gemfile in order; one that stands twice is told twice."""
    found = []
    blocks: list[frozenset[str] | None] = []
    for number, raw in enumerate(text.splitlines(), 1):
        line = _code(raw[:_LONGEST])
        gem = _GEM.match(line)
        if gem is not None:
            found.append(_gem(gem, blocks, number))
        group = _GROUP.match(line)
        if group is not None:
            blocks.append(_names(group[1]))
        elif _OPENS.search(line) or _ASSIGNED.search(line):
            blocks.append(None)
        elif _ENDS.match(line) and blocks:
            blocks.pop()
    return found


def gemspec(text: str) -> tuple[str, list[Gem]]:
    """The gem's name and what it asks for."""
    named = _NAME.search(text)
    found = []
    for number, raw in enumerate(text.splitlines(), 1):
        match = _ADDED.search(_code(raw[:_LONGEST]))
        if match is not None:
            name = match[2] or match[3] or match[4]
            development = match[1] == "add_development_dependency"
            found.append(Gem(name, _constraint(match[5]), development, "", number))
    return ((named[1] or named[2]) if named else ""), found


def _gem(match: re.Match[str], blocks: list[frozenset[str] | None], line: int) -> Gem:
    rest = match[3]
    own = _IN_GROUP.search(rest)
    groups = _names(own[1]) if own is not None else None
    inside = [one for one in blocks if one]
    names = frozenset().union(*inside, groups or frozenset()) if inside or groups else frozenset()
    source = "git" if _GIT.search(rest) else "path" if _PATH.search(rest) else ""
    return Gem(
        name=match[1] or match[2],
        constraint=_constraint(rest),
        development=bool(names) and names <= _DEVELOPMENT,
        kind=source,
        line=line,
    )


def _constraint(rest: str) -> str:
    """``'~> 1.2', '>= 1.2.3'`` right after the name."""
    parts = []
    at = 0
    while (found := _ARGUMENT.match(rest, at)) is not None:
        parts.append(found[1] or found[2])
        at = found.end()
    return ", ".join(parts)


def _names(text: str) -> frozenset[str]:
    """Names of groups; ``optional: true`` and the like are no names."""
    text = re.sub(r"\b(?:optional|if)\s*(?::|=>).*", "", text)
    return frozenset(_WORD.findall(text.replace("%i[", "[")))


def _code(line: str) -> str:
    """The line without its comment; a ``#`` inside of quotes stays."""
    if "#" not in line:
        return line
    quote = ""
    for at, char in enumerate(line):
        if quote:
            quote = "" if char == quote else quote
        elif char in "\"'":
            quote = char
        elif char == "#":
            return line[:at]
    return line
