"""Semantic versions (semver.org 2.0.0) and what ecosystems make of them.

Read loosely, as registries and advisories write them: a ``v`` before, fewer than three numbers
(the rest is zero), more than three (they count), a pre-release without its hyphen. Build metadata
takes no part in the order (§10), but in Pub's.
"""

from __future__ import annotations

import re
from collections.abc import Callable

from haechi.engines.versions.keys import NUMBERS, Pieces, checked, refuse, text
from haechi.engines.versions.semver_ranges import Dialect, Release, parse, satisfied

_PLAIN = re.compile(r"v?([0-9]+)\.([0-9]+)\.([0-9]+)", re.ASCII).fullmatch
_LOOSE = re.compile(
    r"[vV=\s]*([0-9]+(?:\.[0-9]+)*)"
    r"(?:-((?:[0-9A-Za-z-]+)(?:\.[0-9A-Za-z-]+)*)|([A-Za-z-][0-9A-Za-z-]*(?:\.[0-9A-Za-z-]+)*))?"
    r"(?:\+([0-9A-Za-z.-]*))?",
    re.ASCII,
).fullmatch

# after the three numbers, and after each further one
_PRERELEASE, _RELEASE, _FURTHER = b"\x01", b"\x02", b"\x03"
# identifiers of a pre-release: fewer are older, numbers before texts (§11.4)
_END, _NUMBER, _TEXT = b"\x00", b"\x01", b"\x02"


def release_of(version: str, ecosystem: str) -> Release:
    """The numbers (at least three, the further without zeros at the end), the pre-release and
    the build metadata. VersionError for what is no version."""
    found = _LOOSE(checked(version, ecosystem))
    if found is None:
        refuse(version, ecosystem)
    written, hyphened, bare, build = found.groups()
    numbers = [part.lstrip("0") or "0" for part in written.split(".")]
    while len(numbers) > 3 and numbers[-1] == "0":
        numbers.pop()
    numbers += ["0"] * (3 - len(numbers))
    return Release(tuple(numbers), hyphened or bare or "", build or "")


def key_of(release: Release) -> bytes:
    """The sort key; build metadata is not in it."""
    numbers = [NUMBERS[part] for part in release.numbers]
    pieces = numbers[:3]
    for number in numbers[3:]:
        pieces += (_FURTHER, number)
    pieces.append(prerelease_key(release.prerelease))
    return b"".join(pieces)


def prerelease_key(prerelease: str) -> bytes:
    """What follows the numbers of a key."""
    if not prerelease:
        return _RELEASE
    return b"".join((_PRERELEASE, *[_IDENTIFIERS[it] for it in prerelease.split(".")], _END))


def _identifier(part: str) -> bytes:
    return _NUMBER + NUMBERS[part] if part.isdigit() else _TEXT + text(part)


_IDENTIFIERS = Pieces(_identifier)


class Semver:
    """``read`` changes a version before it is parsed (Go's toolchains); ``fold``: pre-releases
    are compared without case; ``builds``: build metadata counts, after all else (Pub)."""

    def __init__(
        self,
        name: str,
        dialect: Dialect,
        *,
        read: Callable[[str], str] | None = None,
        builds: bool = False,
    ) -> None:
        self.name = name
        self._dialect = dialect
        self._read = read
        self._builds = builds

    def key(self, version: str) -> bytes:
        """See Scheme."""
        plain = _PLAIN(version)
        if plain is not None and len(version) < 100:
            major, minor, patch = plain.groups()
            return NUMBERS[major] + NUMBERS[minor] + NUMBERS[patch] + _RELEASE
        return self._key(self._release(version))

    def _key(self, release: Release) -> bytes:
        key = key_of(release)
        if self._builds and release.build:
            return key + b"".join(map(_identifier, release.build.split("."))) + _END
        return key

    def _release(self, version: str) -> Release:
        return release_of(self._read(version) if self._read else version, self.name)

    def satisfies(self, version: str, constraint: str) -> bool:
        """See Scheme."""
        release = self._release(version)
        alternatives = parse(constraint, self._dialect, key_of)
        return satisfied(release, self._key(release), alternatives, admits=self._dialect.admits)

    def prerelease(self, version: str) -> bool:
        """See Scheme."""
        return bool(self._release(version).prerelease)


_TOOLCHAIN = re.compile(
    r"go([0-9]+(?:\.[0-9]+)*)(?:(rc|beta|alpha)([0-9]+))?(?:[-+ ].*)?", re.ASCII
).fullmatch


def go_version(version: str) -> str:
    """A toolchain as OSV names it: ``go1.21rc2`` is 1.21.0-rc.2, ``go1.21.3-vendor`` 1.21.3.

    ``go1.21`` is taken for 1.21.0, as a go.mod means it that asks for no toolchain."""
    found = _TOOLCHAIN(version.strip())
    if found is None:
        return version
    numbers, kind, count = found.groups()
    filled = numbers + ".0" * (2 - numbers.count("."))
    return f"{filled}-{kind}.{count}" if kind else filled
