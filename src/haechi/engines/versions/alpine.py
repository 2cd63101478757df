"""Versions of Alpine (apk-package(5), "pkgver"): numbers, a letter, suffixes, a commit, a revision.

Suffixes of a pre-release stand below the end of a version; of the rest, what may come earlier in a
version stands higher. A number with a zero before it counts as a fraction.
"""

from __future__ import annotations

import re

from haechi.engines.versions.keys import NUMBERS, checked, refuse, text
from haechi.engines.versions.relations import satisfied

_FORM = re.compile(
    r"([0-9]+)((?:\.[0-9]+)*)([a-z])?"
    r"((?:_(?:alpha|beta|pre|rc|cvs|svn|git|hg|p)[0-9]*)*)(~[0-9a-f]+)?(?:-r([0-9]+))?",
    re.ASCII,
).fullmatch
_SUFFIX = re.compile(r"_([a-z]+)([0-9]*)", re.ASCII)

_BEFORE = {"alpha": b"\x01", "beta": b"\x02", "pre": b"\x03", "rc": b"\x04"}
_AFTER = {"cvs": b"\x40", "svn": b"\x41", "git": b"\x42", "hg": b"\x43", "p": b"\x44"}
_END, _REVISION, _COMMIT, _COUNT = b"\x10", b"\x20", b"\x28", b"\x30"
_LETTER, _FRACTION, _NUMBER = b"\x50", b"\x60", b"\x61"


class Alpine:
    """apk's order."""

    name = "alpine"

    def key(self, version: str) -> bytes:
        """See Scheme."""
        found = _FORM(checked(version, "Alpine"))
        if found is None:
            refuse(version, "Alpine")
        first, further, letter, suffixes, commit, revision = found.groups()
        pieces = [NUMBERS[first]]
        for part in further.split(".")[1:]:
            zero = part.startswith("0")
            pieces.append(_FRACTION + text(part) if zero else _NUMBER + NUMBERS[part])
        if letter:
            pieces += (_LETTER, letter.encode("ascii"))
        for name, count in _SUFFIX.findall(suffixes):
            pieces.append(_BEFORE.get(name) or _AFTER[name])
            if count:
                pieces += (_COUNT, NUMBERS[count])
        if commit:
            pieces += (_COMMIT, text(commit))
        if revision:
            pieces += (_REVISION, NUMBERS[revision])
        pieces.append(_END)
        return b"".join(pieces)

    def satisfies(self, version: str, constraint: str) -> bool:
        """See Scheme: relations (``>=1.2-r0``), all must hold."""
        return satisfied(self.key, version, constraint, "Alpine")

    def prerelease(self, version: str) -> bool:
        """Distributions offer what they have: no version is held back."""
        self.key(version)
        return False
