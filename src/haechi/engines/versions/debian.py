"""Versions of Debian and its kin (Debian policy §5.6.12, deb-version(7)): epoch, upstream version,
revision; ``~`` stands before even the end."""

from __future__ import annotations

import re

from haechi.engines.versions.keys import NUMBERS, Pieces, checked, refuse
from haechi.engines.versions.relations import satisfied

_UPSTREAM = re.compile(r"[0-9A-Za-z.+~_^][0-9A-Za-z.+:~_^-]*(?<!-)", re.ASCII).fullmatch
_DIGITS = re.compile(r"[0-9]+", re.ASCII).fullmatch
_PART = re.compile(r"([^0-9]*)([0-9]*)")

# letters before all other signs, the end before letters, ~ before the end
_END = b"\x02"
_ORDER = {
    sign: 0x01 if chr(sign) == "~" else sign if chr(sign).isalpha() else 0x80 + sign
    for sign in range(0x21, 0x7F)
}


def _part(value: str) -> bytes:
    """An upstream version or a revision; nothing is the same as a zero."""
    pieces: list[bytes] = []
    for signs, digits in _PART.findall(value or "0"):
        # the empty match at the very end is the end itself, but for its number
        pieces += (_SIGNS[signs], NUMBERS[digits])
    return b"".join(pieces[:-1])


def _signs(signs: str) -> bytes:
    return signs.translate(_ORDER).encode("latin-1") + _END


_SIGNS = Pieces(_signs)
_REVISIONS = Pieces(_part)
"""Few revisions make up most of a distribution (1, 2, 1+b1)."""


class Debian:
    """dpkg's order."""

    name = "debian"

    def key(self, version: str) -> bytes:
        """See Scheme."""
        bare = checked(version, "Debian")
        epoch, rest = bare.split(":", 1) if ":" in bare else ("0", bare)
        if not _DIGITS(epoch) or not _UPSTREAM(rest):
            refuse(version, "Debian")
        upstream, revision = rest.rsplit("-", 1) if "-" in rest else (rest, "")
        return NUMBERS[epoch] + _part(upstream) + _REVISIONS[revision]

    def satisfies(self, version: str, constraint: str) -> bool:
        """See Scheme: relations as in control files (``>= 1.2``, ``<< 2``), all must hold."""
        return satisfied(self.key, version, constraint, "Debian")

    def prerelease(self, version: str) -> bool:
        """Distributions offer what they have: no version is held back."""
        self.key(version)
        return False
