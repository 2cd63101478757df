"""What has to change so that a package moves: a line of a manifest, the lock file alone, or
something that another package stands in the way of.

Whoever needs a package asks for a range of it. Where lock files tell these ranges, it is known
whether the lock file alone can move; where they do not (uv, pnpm, Cargo), the tool will tell, and
the way is not ``certain``.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from enum import StrEnum

import msgspec

from haechi.engines.versions import scheme_of
from haechi.errors import VersionError
from haechi.model.package import Package, PackageFile, Source
from haechi.scan.deps.paths import Paths, spelled

PROJECT = -1
"""The project itself as the one who asks."""
Asks = Callable[[int, int], Sequence[str] | None]
"""(who asks, what for), by position: the ranges asked for, all of which hold ("": any version);
None where no file tells them."""
_LISTED = 20


class Way(StrEnum):
    """How an upgrade is made."""

    MANIFEST = "manifest"  # a line that the project wrote
    LOCK = "lock"  # only the lock file: every range that is known allows it
    OVERRIDE = "override"  # another package's range forbids it; the ecosystem can overrule that
    PARENT = "parent"  # another package's range forbids it: raise what brings it in
    ELSEWHERE = "elsewhere"  # the file only tells what was installed


class Blocker(msgspec.Struct, frozen=True):
    """A package whose range does not allow the version."""

    name: str
    version: str
    constraint: str


class Route(msgspec.Struct, frozen=True, kw_only=True):
    """A way with what led to it. ``by`` are the project's own dependencies that bring the package
    in (itself, when the project asks for it); where some forbid the version, those above them."""

    way: Way
    by: tuple[str, ...] = ()
    path: tuple[str, ...] = ()
    blockers: tuple[Blocker, ...] = ()
    certain: bool = True
    override: str = ""


OVERRIDES = {
    "package-lock.json": "overrides in package.json",
    "npm-shrinkwrap.json": "overrides in package.json",
    "bun.lock": "overrides in package.json",
    "yarn.lock": "resolutions in package.json",
    "pnpm-lock.yaml": "pnpm.overrides in package.json",
    "uv.lock": "tool.uv.override-dependencies in pyproject.toml",
    "pdm.lock": "tool.pdm.resolution.overrides in pyproject.toml",
    "gradle.lockfile": "a constraint in the dependencies of build.gradle",
    "pom.xml": "dependencyManagement in pom.xml",
    "packages.lock.json": "a PackageReference of its own",
}
"""Format → where its ecosystem lets a project overrule what others ask for."""
_TOLD_ONLY = frozenset(
    {
        "site-packages",
        "node_modules",
        "go.sum",
        "vendor/modules.txt",
        "deps.json",
        "project.assets.json",
        "verification-metadata.xml",
        "cyclonedx",
        "spdx",
        "bun.lockb",
    }
)
_OWN_LINES = frozenset({"go.mod", "requirements.txt", "packages.config", "pom.xml"})
"""Files that pin and that people write: the package's own line is what changes."""


_OURS = frozenset({Source.WORKSPACE, Source.PATH})
"""Packages of the project itself: what they ask for stands in manifests of its own."""


class Routes:
    """Ways within one file. ``moving`` are positions that the plan raises, too: what those will
    ask for afterwards is not known."""

    def __init__(self, file: PackageFile, asks: Asks | None, moving: frozenset[int]) -> None:
        self._file = file
        self._asks = asks or _nothing
        self._moving = moving
        self._paths = Paths(file)
        self._askers: dict[int, list[int]] = {}
        for at, package in enumerate(file.packages):
            for need in dict.fromkeys(package.needs):
                self._askers.setdefault(need, []).append(at)
        self._roots = {
            *file.requires,
            *(at for at, package in enumerate(file.packages) if package.direct),
        }

    def to(self, index: int, version: str) -> Route:
        """How the package at a position comes to a version."""
        file = self._file
        chain = self._paths.to(index)
        path = self._paths.named(chain) if chain else ()
        by = self._brought_in_by(index)
        package = file.packages[index]
        override = OVERRIDES.get(file.format, "")
        if file.format in _TOLD_ONLY:
            return Route(way=Way.ELSEWHERE, by=by, path=path)
        if file.format in _OWN_LINES or not file.pins or package.source is Source.STDLIB:
            return Route(way=Way.MANIFEST, by=by, path=path)
        owners, certain = self._blockers(index, version)
        ours = [owner for owner in owners if file.packages[owner].source in _OURS]
        if owners and len(ours) == len(owners):
            return Route(way=Way.MANIFEST, by=by, path=path, certain=certain, override=override)
        owners = [owner for owner in owners if owner not in ours]
        if owners:
            way = Way.OVERRIDE if override else Way.PARENT
            return Route(
                way=way,
                by=self._brought_in_by(*owners),
                path=path,
                blockers=tuple(self._blocker(owner, index) for owner in owners[:_LISTED]),
                override=override,
            )
        if index in self._roots:
            allowed = self._allows(PROJECT, index, version)
            way = Way.LOCK if allowed else Way.MANIFEST
            return Route(way=way, by=by, path=path, certain=certain, override=override)
        return Route(way=Way.LOCK, by=by, path=path, certain=certain, override=override)

    def _blockers(self, index: int, version: str) -> tuple[list[int], bool]:
        """Who does not allow it, and whether everybody was heard."""
        blockers: list[int] = []
        certain = True
        for owner in self._askers.get(index, ()):
            allowed = None if owner in self._moving else self._allows(owner, index, version)
            if allowed is None:
                certain = False
            elif not allowed:
                blockers.append(owner)
        return blockers, certain

    def _blocker(self, owner: int, index: int) -> Blocker:
        one = self._file.packages[owner]
        return Blocker(spelled(one), one.version, ", ".join(self._asks(owner, index) or ()))

    def _allows(self, owner: int, index: int, version: str) -> bool | None:
        asked = self._asks(owner, index)
        if asked is None:
            return None
        answers = [allows(self._file.packages[index], one, version) for one in asked]
        return False if False in answers else None if None in answers else True

    def _brought_in_by(self, *indices: int) -> tuple[str, ...]:
        """The project's own dependencies above some packages, in the order of the file."""
        seen, pending = set(indices), list(indices)
        while pending:
            for owner in self._askers.get(pending.pop(), ()):
                if owner not in seen:
                    seen.add(owner)
                    pending.append(owner)
        packages = self._file.packages
        found = dict.fromkeys(
            spelled(packages[at]) for at in sorted(seen & self._roots) if at < len(packages)
        )
        return tuple(found)[:_LISTED]


def allows(package: Package, constraint: str, version: str) -> bool | None:
    """Whether a range lets a version in; None for a range that is not understood."""
    if not constraint or constraint == "*":
        return True
    try:
        return scheme_of(package.ecosystem).satisfies(version, constraint)
    except VersionError:
        return None


def _nothing(_owner: int, _needed: int) -> Sequence[str] | None:
    return None
