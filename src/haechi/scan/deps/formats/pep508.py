"""Requirements and names of Python packages (PEP 503, 508, 621, 735), as far as a reader of
dependencies needs them: the name, what versions are asked for, extras, address and marker.

``packaging`` parses the same, but is no run-time dependency; markers are not evaluated, since a
lock file is read for every platform.
"""

from __future__ import annotations

import re
from functools import lru_cache

import msgspec

from haechi.scan.deps.formats.urls import clean_url

_SEPARATORS = re.compile(r"[-_.]+")
_NAME = re.compile(r"\s*([A-Za-z0-9](?:[A-Za-z0-9._-]{0,200}[A-Za-z0-9])?)\s*")
_EXTRAS = re.compile(r"\[([A-Za-z0-9._,\s-]{0,1000})\]\s*")
_CLAUSE = r"(?:===|==|~=|!=|<=|>=|<|>)\s{0,20}[^\s,;()#=<>!~]{1,200}"
_CONSTRAINT = re.compile(
    rf"\(?\s*({_CLAUSE}(?:\s{{0,20}},\s{{0,20}}{_CLAUSE}){{0,50}},?)?\s*\)?\s*"
)
_PIN = re.compile(r"={2,3}\s*([^\s,*;()]+)\Z")
_EXTRA_MARKER = re.compile(r"\bextra\s*==|\b==\s*extra\b")


class Requirement(msgspec.Struct, frozen=True, kw_only=True):
    """One requirement. ``name`` is normalised; ``version`` is there for an exact pin; ``url``
    is without credentials."""

    name: str
    spelled: str
    constraint: str = ""
    version: str = ""
    extras: tuple[str, ...] = ()
    url: str = ""
    marker: str = ""

    @property
    def of_extra(self) -> bool:
        """True when only an extra brings it in."""
        return bool(_EXTRA_MARKER.search(self.marker))


@lru_cache(maxsize=65_536)
def normal_name(name: str) -> str:
    """PEP 503: runs of ``-_.`` are one hyphen, letters are small."""
    return _SEPARATORS.sub("-", name).lower()


def requirement(text: str) -> Requirement | None:
    """Parse one requirement without comment and options; None when it is none."""
    if len(text) > 10_000:
        return None
    match = _NAME.match(text)
    if match is None:
        return None
    spelled, at = match[1], match.end()
    extras: tuple[str, ...] = ()
    if found := _EXTRAS.match(text, at):
        extras = tuple(normal_name(one.strip()) for one in found[1].split(",") if one.strip())
        at = found.end()
    if text[at : at + 1] == "@":
        url, _, marker = text[at + 1 :].strip().partition(" ;")
        if not marker:
            url, _, marker = url.partition("; ")
        return _made(spelled, "", extras, clean_url(url.strip()), marker)
    constraint = _CONSTRAINT.match(text, at)
    at = constraint.end() if constraint else at
    rest = text[at:].strip()
    if rest and not rest.startswith(";"):
        return None
    asked = (constraint[1] or "") if constraint else ""
    return _made(spelled, asked, extras, "", rest[1:])


def _made(
    spelled: str, constraint: str, extras: tuple[str, ...], url: str, marker: str
) -> Requirement:
    constraint = "".join(constraint.split()).rstrip(",")
    return Requirement(
        name=normal_name(spelled),
        spelled=spelled,
        constraint=constraint,
        version=pinned(constraint),
        extras=extras,
        url=url,
        marker=marker.strip(),
    )


def pinned(constraint: str) -> str:
    """The version of ``==1.0`` or ``===1.0``; "" for anything wider."""
    match = _PIN.match(constraint)
    return match[1] if match else ""
