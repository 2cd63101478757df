"""Which upgrades clear what is known against the packages of one file: the smallest set.

A vulnerability goes away only when its package moves, so the set is: each vulnerable package, once,
to the lowest version that clears it (``choosing``), by what has to change for that (``ways``).
Values in, values out: a scan, ``haechi fix deps`` and the server's proposals plan alike.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import msgspec

from haechi.model.advisory import Vulnerability
from haechi.model.location import Location
from haechi.model.package import Package, PackageFile
from haechi.model.severity import Severity
from haechi.scan.deps.fixing.choosing import Affected, NoTarget, Target, target_of
from haechi.scan.deps.fixing.ways import Asks, Blocker, Routes, Way
from haechi.scan.deps.paths import spelled

Rate = Callable[[Vulnerability, Package], Severity]
"""How bad a vulnerability is in a package, as findings say it."""


class Upgrade(msgspec.Struct, frozen=True, kw_only=True):
    """One package to raise from ``version`` to at least ``to``.

    ``packages`` are positions in the file; ``clears`` and ``remaining`` are ids of
    vulnerabilities, ``leaves`` those of milder ones that concern the new version, too. ``way``
    and what follows are of ``ways.Route``.
    """

    ecosystem: str
    name: str
    spelled: str
    version: str
    to: str
    packages: tuple[int, ...]
    location: Location
    clears: tuple[str, ...]
    remaining: tuple[str, ...] = ()
    leaves: tuple[str, ...] = ()
    major: bool = False
    way: Way = Way.LOCK
    by: tuple[str, ...] = ()
    path: tuple[str, ...] = ()
    blockers: tuple[Blocker, ...] = ()
    certain: bool = True
    override: str = ""

    @property
    def direct(self) -> bool:
        """Whether the project itself asks for it."""
        return self.spelled in self.by


class Stays(msgspec.Struct, frozen=True, kw_only=True):
    """What no upgrade clears, and why."""

    ecosystem: str
    name: str
    spelled: str
    version: str
    location: Location
    ids: tuple[str, ...]
    reason: str


class Plan(msgspec.Struct, frozen=True, kw_only=True):
    """The upgrades of one file, by name; ``stays`` is what they do not clear."""

    path: str
    format: str
    ecosystem: str
    upgrades: tuple[Upgrade, ...] = ()
    stays: tuple[Stays, ...] = ()


def rated(vulnerability: Vulnerability, package: Package) -> Severity:
    """How bad it is by its advisory alone: malicious ones are critical, unrated ones medium."""
    advisory = vulnerability.advisory
    return Severity.CRITICAL if advisory.malicious else advisory.severity or Severity.MEDIUM


def plan_upgrades(
    file: PackageFile,
    vulnerabilities: Mapping[int, Sequence[Vulnerability]],
    threshold: Severity,
    *,
    affected: Affected,
    rate: Rate = rated,
    asks: Asks | None = None,
) -> Plan:
    """Plan for one file. ``vulnerabilities`` are by the position of a package; ``affected`` asks
    the database about a version; ``asks`` tells ranges (``ranges.asks_of``), where there are any.
    """
    groups = _groups(file, vulnerabilities, threshold, rate)
    found: list[tuple[tuple[int, ...], Package, Sequence[Vulnerability], Target]] = []
    stays: list[Stays] = []
    for positions, wanted in groups:
        package = file.packages[positions[0]]
        target = target_of(
            package,
            wanted,
            affected=affected,
            blocks=lambda one, package=package: rate(one, package).at_least(threshold),  # type: ignore[misc]
            others=_others(file, package),
        )
        if isinstance(target, NoTarget):
            stays.append(_stays(package, [one.id for one in wanted], target.reason))
            continue
        found.append((positions, package, wanted, target))
        if target.remaining:
            reason = f"{target.version} clears the rest; no version known clears this"
            stays.append(_stays(package, target.remaining, reason))
    moving = frozenset(at for positions, _, _, _ in found for at in positions)
    routes = Routes(file, asks, moving)
    upgrades = [_upgrade(routes, *one) for one in found]
    return Plan(
        path=file.path,
        format=file.format,
        ecosystem=file.ecosystem,
        upgrades=tuple(sorted(upgrades, key=lambda one: (one.name, one.version))),
        stays=tuple(sorted(stays, key=lambda one: (one.name, one.version, one.reason))),
    )


def _groups(
    file: PackageFile,
    vulnerabilities: Mapping[int, Sequence[Vulnerability]],
    threshold: Severity,
    rate: Rate,
) -> list[tuple[tuple[int, ...], Sequence[Vulnerability]]]:
    """Positions of one package in one version, with what has to be cleared there."""
    positions: dict[tuple[str, ...], list[int]] = {}
    wanted: dict[tuple[str, ...], dict[str, Vulnerability]] = {}
    for at in sorted(vulnerabilities):
        package = file.packages[at]
        bad = [one for one in vulnerabilities[at] if rate(one, package).at_least(threshold)]
        if bad:
            key = (package.ecosystem, package.name, package.version, package.source)
            positions.setdefault(key, []).append(at)
            wanted.setdefault(key, {}).update({one.id: one for one in bad})
    return [(tuple(at), tuple(wanted[key].values())) for key, at in positions.items()]


def _others(file: PackageFile, package: Package) -> list[str]:
    """Further versions of the package that the file pins: they exist."""
    return [
        one.version
        for one in file.packages
        if one.name == package.name and one.ecosystem == package.ecosystem and one.version
    ]


def _upgrade(
    routes: Routes,
    positions: tuple[int, ...],
    package: Package,
    wanted: Sequence[Vulnerability],
    target: Target,
) -> Upgrade:
    route = routes.to(positions[0], target.version)
    return Upgrade(
        ecosystem=package.ecosystem,
        name=package.name,
        spelled=spelled(package),
        version=package.version,
        to=target.version,
        packages=positions,
        location=package.location,
        clears=tuple(one.id for one in wanted if one.id not in target.remaining),
        remaining=target.remaining,
        leaves=target.leaves,
        major=target.major,
        way=route.way,
        by=route.by,
        path=route.path,
        blockers=route.blockers,
        certain=route.certain,
        override=route.override,
    )


def _stays(package: Package, ids: Sequence[str], reason: str) -> Stays:
    return Stays(
        ecosystem=package.ecosystem,
        name=package.name,
        spelled=spelled(package),
        version=package.version,
        location=package.location,
        ids=tuple(ids),
        reason=reason,
    )
