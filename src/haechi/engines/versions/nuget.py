"""Versions of NuGet: up to four numbers, then as semantic versions do, pre-releases compared
without case (NuGet documentation, "Package versioning")."""

from __future__ import annotations

import functools
import re
from typing import NamedTuple

from haechi.engines.versions.intervals import Interval, intervals, within
from haechi.engines.versions.keys import NUMBERS, checked, refuse, refuse_constraint
from haechi.engines.versions.ranges import bounded
from haechi.engines.versions.semver import prerelease_key

_PLAIN = re.compile(r"([0-9]+)\.([0-9]+)\.([0-9]+)(?:\.([0-9]+))?", re.ASCII).fullmatch
_FULL = re.compile(
    r"v?([0-9]+)(?:\.([0-9]+))?(?:\.([0-9]+))?(?:\.([0-9]+))?"
    r"(?:-([0-9a-z-]+(?:\.[0-9a-z-]+)*))?(?:\+[0-9a-z.-]*)?",
    re.ASCII,
).fullmatch
_FLOATING = re.compile(
    r"((?:[0-9]+\.){0,3})\*(-\*)?|([0-9]+(?:\.[0-9]+){0,3})-([0-9a-z.-]*)\*", re.ASCII
).fullmatch


class _Wanted(NamedTuple):
    intervals: tuple[Interval, ...]
    prereleases: bool


class NuGet:
    """NuGet."""

    name = "nuget"

    def key(self, version: str) -> bytes:
        """See Scheme."""
        plain = _PLAIN(version)
        if plain is not None and len(version) < 100:
            major, minor, patch, revision = plain.groups("0")
            return (
                NUMBERS[major] + NUMBERS[minor] + NUMBERS[patch] + NUMBERS[revision] + _PLAIN_TAIL
            )
        numbers, prerelease = _parts(version)
        return b"".join(NUMBERS[part] for part in numbers) + prerelease_key(prerelease)

    def satisfies(self, version: str, constraint: str) -> bool:
        """See Scheme. A bare version is the least one; pre-releases match only where an end of
        an interval, or what floats (``1.0-*``), is one."""
        wanted = _parse(constraint)
        if not wanted.prereleases and self.prerelease(version):
            return False
        return within(self.key(version), wanted.intervals)

    def prerelease(self, version: str) -> bool:
        """See Scheme."""
        return bool(_parts(version)[1])


_PLAIN_TAIL = prerelease_key("")


def _parts(version: str) -> tuple[tuple[str, ...], str]:
    found = _FULL(checked(version, "NuGet").lower())
    if found is None:
        refuse(version, "NuGet")
    *numbers, prerelease = found.groups()
    return tuple(number or "0" for number in numbers), prerelease or ""


@functools.lru_cache(maxsize=4096)
def _parse(constraint: str) -> _Wanted:
    wanted = bounded(constraint, "NuGet").lower()
    floating = _FLOATING(wanted)
    if floating is not None:
        return _floating(*floating.groups())
    if not wanted:
        refuse_constraint(constraint, "NuGet")
    if wanted[0] not in "[(":
        return _Wanted((Interval(_KEY(wanted), None, True, False),), "-" in wanted)
    # [1.*, 2.0): what floats is the lower end, from its least version on
    settled = re.sub(r"(?<![0-9])\*|\.\*", lambda it: ".0" if it[0] == ".*" else "0", wanted)
    return _Wanted(intervals(settled, "NuGet", _KEY), "-" in wanted)


def _floating(numbers: str | None, any_: str | None, fixed: str | None, pre: str | None) -> _Wanted:
    if fixed is not None:  # 1.2.3-beta*: pre-releases that begin so, and the release
        least = _KEY(f"{fixed}-{(pre or '').rstrip('.-') or '0'}")
        return _Wanted((Interval(least, _KEY(fixed), True, True),), True)
    parts = (numbers or "").rstrip(".").split(".") if numbers else []
    lowest = "-0" if any_ else ""
    if not parts:
        return _Wanted((Interval(_KEY("0" + lowest), None, True, False),), bool(any_))
    upper = [*parts[:-1], str(int(parts[-1]) + 1)]
    low, high = _KEY(".".join(parts) + lowest), _KEY(".".join(upper) + "-0")
    return _Wanted((Interval(low, high, True, False),), bool(any_))


_KEY = NuGet().key
