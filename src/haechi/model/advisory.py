"""Advisories in the shape of OSV (https://ossf.github.io/osv-schema/), as plain values.

``distribution``, ``source_package``, ``module_stream`` and ``fix_state`` are there for packages
of distributions, whose feeds say more than OSV's ranges do.
"""

from __future__ import annotations

import datetime as dt
import re
from enum import StrEnum

import msgspec

from haechi.model.severity import Severity

_ID = re.compile(r"[A-Z][A-Z0-9]*(?:-[A-Za-z0-9.:]+)+\Z")


def is_vulnerability(name: str) -> bool:
    """True for what may be the id of a vulnerability (``CVE-2020-1747``, ``GHSA-…``, one of a
    repository's own); rules of the catalogue are written in lower case."""
    return _ID.match(name) is not None


class FixState(StrEnum):
    """What a vendor says about a fix."""

    FIXED = "fixed"
    NOT_FIXED = "not_fixed"
    WONT_FIX = "wont_fix"
    NOT_AFFECTED = "not_affected"
    END_OF_LIFE = "end_of_life"
    UNKNOWN = "unknown"


class Range(msgspec.Struct, frozen=True):
    """From ``introduced`` ("0" is the beginning) up to ``fixed`` (excluded) or ``last_affected``
    (included); both "" means that it goes on. ``limit`` cuts off as ``fixed`` does and is no
    fix."""

    introduced: str
    fixed: str = ""
    last_affected: str = ""
    limit: str = ""


class Symbols(msgspec.Struct, frozen=True):
    """Functions of an import path that are vulnerable; no symbols means all of it."""

    path: str
    symbols: tuple[str, ...] = ()
    goos: tuple[str, ...] = ()
    goarch: tuple[str, ...] = ()


class Affected(msgspec.Struct, frozen=True, kw_only=True):
    """One package that an advisory is about. ``kind`` is OSV's: SEMVER or ECOSYSTEM (ranges of
    commits are left out). A version is affected when it is listed or lies in a range."""

    ecosystem: str
    name: str
    kind: str = "ECOSYSTEM"
    ranges: tuple[Range, ...] = ()
    versions: tuple[str, ...] = ()
    symbols: tuple[Symbols, ...] = ()
    vectors: tuple[str, ...] = ()
    distribution: str = ""
    source_package: str = ""
    module_stream: str = ""
    fix_state: FixState = FixState.UNKNOWN


class Advisory(msgspec.Struct, frozen=True, kw_only=True):
    """One record. ``vectors`` are CVSS vectors (v2, v3.x, v4); ``severity`` is what they come to,
    or what the database says where it gives no vector, or None: not rated. ``references`` are
    URLs. ``source`` says which import brought it."""

    id: str
    aliases: tuple[str, ...] = ()
    related: tuple[str, ...] = ()
    summary: str = ""
    details: str = ""
    published: dt.datetime | None = None
    modified: dt.datetime | None = None
    withdrawn: dt.datetime | None = None
    vectors: tuple[str, ...] = ()
    score: float | None = None
    severity: Severity | None = None
    cwe: tuple[str, ...] = ()
    references: tuple[str, ...] = ()
    affected: tuple[Affected, ...] = ()
    malicious: bool = False
    source: str = ""


class Risk(msgspec.Struct, frozen=True, kw_only=True):
    """What optional files say about a CVE: the probability of exploitation within 30 days (EPSS,
    0 to 1) with its percentile, and since when it is known to be exploited (CISA KEV)."""

    cve: str
    epss: float | None = None
    percentile: float | None = None
    exploited_since: dt.date | None = None
    ransomware: bool = False


class Vulnerability(msgspec.Struct, frozen=True, kw_only=True):
    """Advisories about one fault, merged by their aliases: what a finding is about.

    ``id`` is the CVE where there is one, else the GHSA, else the first id in order; ``ids`` are
    all of them. ``fixed`` are the versions that fix it for the package asked for, lowest first.
    """

    id: str
    ids: tuple[str, ...]
    advisory: Advisory
    fixed: tuple[str, ...] = ()
    symbols: tuple[Symbols, ...] = ()
    fix_state: FixState = FixState.UNKNOWN
    risk: Risk | None = None
