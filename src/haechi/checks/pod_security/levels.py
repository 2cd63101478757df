"""Levels and versions of the Pod Security Standards, as namespace labels write them.

A version pins the standard to what a minor release of Kubernetes understood by it, so that an
upgrade of the cluster does not change what is allowed. A version newer than the newest that is
known here means the newest, as in upstream's evaluator: a label written for a newer cluster must
not open an older one.
"""

from __future__ import annotations

import re
from enum import StrEnum

from haechi.errors import UsageError

NEWEST = 37
"""Newest minor version of Kubernetes whose standard is known here (v1.37)."""
LATEST = "latest"
_VERSION = re.compile(r"v1\.(0|[1-9][0-9]*)\Z", re.ASCII)
_LARGEST = 2**63 - 1  # upstream reads the number as a Go int


class Level(StrEnum):
    """Strictness, weakest first."""

    PRIVILEGED = "privileged"
    BASELINE = "baseline"
    RESTRICTED = "restricted"


_ORDER = {Level.PRIVILEGED: 0, Level.BASELINE: 1, Level.RESTRICTED: 2}


def parse_level(text: str) -> Level:
    """The level of that name. Raises UsageError."""
    try:
        return Level(text)
    except ValueError:
        raise UsageError(
            f"{_shown(text)} is no level of the Pod Security Standards",
            do="use privileged, baseline or restricted",
        ) from None


def parse_version(text: str) -> int:
    """The minor version whose rules apply: ``v1.30`` is 30, ``latest`` and newer ones than known
    are ``NEWEST``. Raises UsageError."""
    if text == LATEST:
        return NEWEST
    match = _VERSION.match(text)
    if match is None or len(match[1]) > 19 or int(match[1]) > _LARGEST:
        raise UsageError(
            f"{_shown(text)} is no version of the Pod Security Standards",
            do=f'use "latest" or "v1.x", such as v1.{NEWEST}',
        )
    return min(int(match[1]), NEWEST)


def stricter(one: Level, other: Level) -> bool:
    """Whether ``one`` asks for more than ``other``."""
    return _ORDER[one] > _ORDER[other]


def _shown(text: str) -> str:
    return repr(text if len(text) <= 63 else f"{text[:60]}...")
