"""Versions of Python packages (PEP 440, now "Version specifiers" of the Python packaging
specifications), with all spellings that its normalisation takes (appendix B)."""

from __future__ import annotations

import re
from typing import NamedTuple

from haechi.engines.versions.keys import NUMBERS, ZERO, checked, refuse, text

_PLAIN = re.compile(r"([0-9]+)\.([0-9]+)(?:\.([0-9]+))?", re.ASCII).fullmatch
_FULL = re.compile(
    r"v?(?:(?P<epoch>[0-9]+)!)?(?P<release>[0-9]+(?:\.[0-9]+)*)"
    r"(?:[-_.]?(?P<kind>alpha|a|beta|b|preview|pre|c|rc)[-_.]?(?P<pre>[0-9]+)?)?"
    r"(?:-(?P<bare>[0-9]+)|(?P<post>[-_.]?(?:post|rev|r)[-_.]?(?P<postnumber>[0-9]+)?))?"
    r"(?P<dev>[-_.]?dev[-_.]?(?P<devnumber>[0-9]+)?)?"
    r"(?:\+(?P<local>[a-z0-9]+(?:[-_.][a-z0-9]+)*))?",
    re.ASCII,
).fullmatch
_KINDS = {"alpha": "a", "beta": "b", "c": "r", "rc": "r", "pre": "r", "preview": "r"}
_SEPARATOR = re.compile(r"[-_.]")

# §"Summary of permitted suffixes and relative ordering"
_END = b"\x00"
_BEFORE_ALL, _NO_PRERELEASE = b"\x01", b"\xff"
_NO_POST, _POST = b"\x00", b"\x01"
_DEV, _NO_DEV = b"\x00", b"\xff"
_NO_LOCAL, _LOCAL = b"\x00", b"\x01"
_LOCAL_TEXT, _LOCAL_NUMBER = b"\x01", b"\x02"
_PLAIN_TAIL = _END + _NO_PRERELEASE + _NO_POST + _NO_DEV + _NO_LOCAL


class Parsed(NamedTuple):
    """The parts as digits; "" where one is missing, "0" where its number is implied."""

    epoch: str
    release: tuple[str, ...]
    kind: str
    pre: str
    post: str
    dev: str
    local: str

    @property
    def prerelease(self) -> bool:
        return bool(self.kind or self.dev)


def parsed(version: str) -> Parsed:
    """The parts of a version; VersionError when it is none."""
    found = _FULL(checked(version, "PyPI").lower())
    if found is None:
        refuse(version, "PyPI")
    kind = found["kind"] or ""
    return Parsed(
        epoch=(found["epoch"] or "0").lstrip("0") or "0",
        release=tuple(part.lstrip("0") or "0" for part in found["release"].split(".")),
        kind=_KINDS.get(kind, kind),
        pre=found["pre"] or "0",
        post=found["bare"] or (found["postnumber"] or "0" if found["post"] else ""),
        dev=found["devnumber"] or "0" if found["dev"] else "",
        local=found["local"] or "",
    )


def key_of(version: Parsed) -> bytes:
    """The sort key."""
    release = [NUMBERS[part] for part in version.release]
    while len(release) > 3 and release[-1] == ZERO:
        release.pop()
    release += [ZERO] * (3 - len(release))
    return b"".join(
        (
            NUMBERS[version.epoch],
            *release,
            _END,
            _prerelease(version),
            _POST + NUMBERS[version.post] if version.post else _NO_POST,
            _DEV + NUMBERS[version.dev] if version.dev else _NO_DEV,
            _local(version.local),
        )
    )


def _prerelease(version: Parsed) -> bytes:
    if version.kind:
        return version.kind.encode("ascii") + NUMBERS[version.pre]
    return _BEFORE_ALL if version.dev and not version.post else _NO_PRERELEASE


def _local(local: str) -> bytes:
    if not local:
        return _NO_LOCAL
    parts = [
        _LOCAL_NUMBER + NUMBERS[part] if part.isdigit() else _LOCAL_TEXT + text(part)
        for part in _SEPARATOR.split(local)
    ]
    return b"".join((_LOCAL, *parts, _END))


class Pep440:
    """PyPI."""

    name = "pep440"

    def key(self, version: str) -> bytes:
        """See Scheme."""
        plain = _PLAIN(version)
        if plain is not None and len(version) < 100:
            major, minor, patch = plain.groups()
            return ZERO + NUMBERS[major] + NUMBERS[minor] + NUMBERS[patch or "0"] + _PLAIN_TAIL
        return key_of(parsed(version))

    def satisfies(self, version: str, constraint: str) -> bool:
        """See Scheme. Poetry's ``^1.2``, ``~1.2``, ``1.*`` and ``||`` are understood, too."""
        from haechi.engines.versions.pep440_ranges import satisfied

        return satisfied(version, constraint)

    def prerelease(self, version: str) -> bool:
        """See Scheme."""
        return parsed(version).prerelease
