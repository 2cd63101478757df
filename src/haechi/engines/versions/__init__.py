"""Versions of each ecosystem: an order as bytes that compare as the versions do, and the ranges
that manifests ask for.

``scheme_of(ecosystem)`` gives the ``Scheme``. A key compares by ``memcmp``, in Python and in
SQLite alike, so a database holds keys and never parses a version again.
"""

from __future__ import annotations

from typing import Protocol


class Scheme(Protocol):
    """How one ecosystem orders versions. Keys are only compared with keys of one scheme."""

    name: str

    def key(self, version: str) -> bytes:
        """The sort key. Raises VersionError for what is no version there."""

    def satisfies(self, version: str, constraint: str) -> bool:
        """Whether a version lies in the range that a manifest asks for, with the ecosystem's
        rules for pre-releases. Raises VersionError for either."""

    def prerelease(self, version: str) -> bool:
        """Whether it is a version that nobody gets without asking for it."""


def scheme_of(ecosystem: str) -> Scheme:
    """The scheme of an ecosystem as OSV names it; what stands behind a colon (``Debian:12``,
    ``Alpine:v3.20``) does not matter. VersionError for one whose versions have no known order."""
    from haechi.engines.versions.ecosystems import scheme_named

    return scheme_named(ecosystem.partition(":")[0])
