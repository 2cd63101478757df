"""Which upgrades clear what is known against the packages of one file: the smallest set.

A vulnerability goes away only when its package moves, so the set is: each vulnerable package, once,
to the lowest version that clears it (``choosing``), by what has to change for that (``ways``).
Values in, values out: a scan, ``haechi fix deps`` and the server's proposals plan alike.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence

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


class Chosen(msgspec.Struct, frozen=True, kw_only=True):
    """One version of one package at some positions, what has to be cleared there, and the version
    to go to, or why there is none."""

    positions: tuple[int, ...]
    package: Package
    wanted: tuple[Vulnerability, ...]
    target: Target | NoTarget

    @property
    def clears(self) -> tuple[str, ...]:
        """Ids of what is over with the target."""
        if isinstance(self.target, NoTarget):
            return ()
        return tuple(one.id for one in self.wanted if one.id not in self.target.remaining)


def choose(
    file: PackageFile,
    vulnerabilities: Mapping[int, Sequence[Vulnerability]],
    threshold: Severity,
    *,
    affected: Affected,
    rate: Rate = rated,
    milder: bool = False,
    among: Iterable[int] | None = None,
) -> list[Chosen]:
    """Versions to go to, in one file. ``vulnerabilities`` are by the position of a package;
    ``affected`` asks the database about a version. ``milder``: a package against which nothing
    is known that reaches the threshold is raised, too, as if all of it had to be cleared.
    ``among`` are positions of all packages of the names in question (None: look)."""
    found = []
    pinned = _pinned(file, among)
    for positions, wanted, least in _groups(file, vulnerabilities, threshold, rate, milder):
        package = file.packages[positions[0]]
        target = target_of(
            package,
            wanted,
            affected=affected,
            blocks=lambda one, package=package, least=least: rate(one, package).at_least(least),  # type: ignore[misc]
            others=pinned.get((package.ecosystem, package.name), ()),
        )
        found.append(Chosen(positions=positions, package=package, wanted=wanted, target=target))
    return found


def plan_upgrades(
    file: PackageFile,
    vulnerabilities: Mapping[int, Sequence[Vulnerability]],
    threshold: Severity,
    *,
    affected: Affected,
    rate: Rate = rated,
    asks: Asks | None = None,
    milder: bool = False,
) -> Plan:
    """Plan for one file: ``choose`` with the ways. ``asks`` tells ranges (``ranges.asks_of``),
    where there are any."""
    chosen = choose(file, vulnerabilities, threshold, affected=affected, rate=rate, milder=milder)
    moving = [one for one in chosen if isinstance(one.target, Target)]
    routes = Routes(file, asks, frozenset(at for one in moving for at in one.positions))
    upgrades = [_upgrade(routes, one, one.target) for one in moving]  # type: ignore[arg-type]
    stays = [stay for one in chosen if (stay := _stays(one)) is not None]
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
    milder: bool,
) -> list[tuple[tuple[int, ...], tuple[Vulnerability, ...], Severity]]:
    """Positions of one package in one version, what has to be cleared there, and from which
    severity on things stand in the way."""
    positions: dict[tuple[str, ...], list[int]] = {}
    for at in sorted(vulnerabilities):
        one = file.packages[at]
        positions.setdefault((one.ecosystem, one.name, one.version, one.source), []).append(at)
    found = []
    for places in positions.values():
        for least in (threshold, Severity.INFO) if milder else (threshold,):
            bad = {
                at: [
                    one
                    for one in vulnerabilities[at]
                    if rate(one, file.packages[at]).at_least(least)
                ]
                for at in places
            }
            if held := tuple(at for at in places if bad[at]):
                wanted = {one.id: one for at in held for one in bad[at]}
                found.append((held, tuple(wanted.values()), least))
                break
    return found


def _pinned(
    file: PackageFile, among: Iterable[int] | None
) -> Mapping[tuple[str, str], Sequence[str]]:
    """Versions of each package that the file pins: they exist."""
    found: dict[tuple[str, str], list[str]] = {}
    for at in range(len(file.packages)) if among is None else among:
        one = file.packages[at]
        if one.version:
            found.setdefault((one.ecosystem, one.name), []).append(one.version)
    return found


def _upgrade(routes: Routes, chosen: Chosen, target: Target) -> Upgrade:
    package = chosen.package
    route = routes.to(chosen.positions[0], target.version)
    return Upgrade(
        ecosystem=package.ecosystem,
        name=package.name,
        spelled=spelled(package),
        version=package.version,
        to=target.version,
        packages=chosen.positions,
        location=package.location,
        clears=chosen.clears,
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


def _stays(chosen: Chosen) -> Stays | None:
    target, package = chosen.target, chosen.package
    if isinstance(target, NoTarget):
        ids, reason = tuple(one.id for one in chosen.wanted), target.reason
    elif target.remaining:
        ids = target.remaining
        reason = f"{target.version} clears the rest; no version known clears this"
    else:
        return None
    return Stays(
        ecosystem=package.ecosystem,
        name=package.name,
        spelled=spelled(package),
        version=package.version,
        location=package.location,
        ids=ids,
        reason=reason,
    )
