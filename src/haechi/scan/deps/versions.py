"""Of a vulnerability's ranges and fixed versions, those that concern the version in use."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from haechi.engines.versions import Scheme, scheme_of
from haechi.errors import VersionError
from haechi.model.advisory import Affected, Range, Vulnerability
from haechi.model.package import Package
from haechi.world.advisories.names import base, normal

_BEGINNING = ("", "0")


def affected_text(package: Package, vulnerability: Vulnerability) -> str:
    """``>=2.3.0, <2.31.0``: the range that the version lies in; "" when it is listed by name."""
    scheme = _scheme(package.ecosystem)
    for affected in vulnerability.advisory.affected:
        if not _is_about(affected, package):
            continue
        for each in affected.ranges:
            if scheme is not None and _holds(scheme, each, package.version):
                return range_text(each)
    return ""


def range_text(range_: Range) -> str:
    """A range as people write it."""
    parts = [] if range_.introduced in _BEGINNING else [f">={range_.introduced}"]
    if end := range_.fixed or range_.limit:
        parts.append(f"<{end}")
    elif range_.last_affected:
        parts.append(f"<={range_.last_affected}")
    return ", ".join(parts) or "all versions"


def upgrade_of(package: Package, vulnerability: Vulnerability) -> str:
    """The lowest fixed version above the one in use, releases before pre-releases; "" when no fix
    is known."""
    scheme = _scheme(package.ecosystem)
    if scheme is None:
        return ""
    try:
        now = scheme.key(package.version)
    except VersionError:
        return ""
    above = sorted(_above(scheme, now, vulnerability.fixed))
    return as_written(package, above[0][2]) if above else ""


def as_written(package: Package, version: str) -> str:
    """A version as the package's own file writes them: Go's have a ``v``, its advisories do not."""
    marked = package.ecosystem == "Go" and package.version.startswith("v")
    return f"v{version}" if marked and version and not version.startswith("v") else version


def highest(ecosystem: str, versions: Iterable[str]) -> str:
    """The highest of some versions; "" for none."""
    scheme = _scheme(ecosystem)
    given = [version for version in versions if version]
    if scheme is None:
        return given[-1] if given else ""
    return max(given, key=lambda version: _key(scheme, version), default="")


def _above(
    scheme: Scheme, now: bytes, versions: Sequence[str]
) -> Iterable[tuple[bool, bytes, str]]:
    for version in versions:
        try:
            key = scheme.key(version)
            if key > now:
                yield scheme.prerelease(version), key, version
        except VersionError:
            continue


def _holds(scheme: Scheme, range_: Range, version: str) -> bool:
    try:
        now = scheme.key(version)
        if range_.introduced not in _BEGINNING and now < scheme.key(range_.introduced):
            return False
        if end := range_.fixed or range_.limit:
            return now < scheme.key(end)
        return not range_.last_affected or now <= scheme.key(range_.last_affected)
    except VersionError:
        return False


def _key(scheme: Scheme, version: str) -> bytes:
    try:
        return scheme.key(version)
    except VersionError:
        return b""


def _scheme(ecosystem: str) -> Scheme | None:
    try:
        return scheme_of(ecosystem)
    except VersionError:
        return None


def _is_about(affected: Affected, package: Package) -> bool:
    ecosystem = package.ecosystem
    return base(affected.ecosystem) == base(ecosystem) and normal(
        ecosystem, affected.name
    ) == normal(ecosystem, package.name)
