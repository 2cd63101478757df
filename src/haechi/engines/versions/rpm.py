"""Versions of RPM: epoch, version and release, each compared as rpmvercmp does (rpm-version(7)):
runs of digits and of letters; ``~`` below the end, ``^`` above it and below all else."""

from __future__ import annotations

import re

from haechi.engines.versions.keys import NUMBERS, ZERO, Pieces, checked, refuse, text
from haechi.engines.versions.relations import satisfied

_FORM = re.compile(r"(?:([0-9]+|\(none\)):)?([^\s:-]+)(?:-([^\s:-]+))?").fullmatch
_SEGMENT = re.compile(r"[0-9]+|[A-Za-z]+|[~^]")
_SIGNS = {"~": b"\x01", "^": b"\x03"}
_END, _TEXT, _NUMBER = b"\x02", b"\x04", b"\x05"
_NO_RELEASE, _RELEASE = b"\x00", b"\x01"


def _part(value: str) -> bytes:
    """A version or a release; what is neither letter nor digit only parts."""
    return b"".join([_SEGMENTS[it] for it in _SEGMENT.findall(value)]) + _END


def _segment(segment: str) -> bytes:
    if segment.isdigit():
        return _NUMBER + NUMBERS[segment]
    return _SIGNS.get(segment) or _TEXT + text(segment)


_SEGMENTS = Pieces(_segment)
_RELEASES = Pieces(_part)
"""Few releases make up most of a distribution (1.el9, 2.el9)."""


class Rpm:
    """rpm's order. Without a release, a version is older than with any."""

    name = "rpm"

    def key(self, version: str) -> bytes:
        """See Scheme."""
        found = _FORM(checked(version, "rpm"))
        if found is None:
            refuse(version, "rpm")
        epoch, number, release = found.groups()
        known = NUMBERS[epoch] if epoch and epoch != "(none)" else ZERO
        return known + _part(number) + (_RELEASE + _RELEASES[release] if release else _NO_RELEASE)

    def satisfies(self, version: str, constraint: str) -> bool:
        """See Scheme: relations (``>= 1.2-3``), all must hold."""
        return satisfied(self.key, version, constraint, "rpm")

    def prerelease(self, version: str) -> bool:
        """Distributions offer what they have: no version is held back."""
        self.key(version)
        return False
