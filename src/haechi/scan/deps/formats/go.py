"""Go: ``go.mod`` with what stands beside it, ``go.work``, and what old projects leave behind.

Since Go 1.17 ``go.mod`` lists every module that is needed to build the packages of the module, so
it is the lock file, and ``go.sum`` only gives digests. Before that the modules that others bring
in are known from ``vendor/modules.txt`` (exactly) or else from ``go.sum``: it holds the content of
everything that was ever needed, so a module may be told that is needed no more; where it holds
several versions of one module the highest is taken and a gap says so.

A ``toolchain`` line, or a ``go`` line of 1.21 or later, that names a release (``1.25.3``) is the
least version that builds the module and is told as the package ``stdlib``. Other ``go`` lines
(``1.20``, ``1.25``) name a version of the language; nothing follows from them about the library
that is linked, so there is no ``stdlib`` then.
``retract`` is about the module's own versions and says nothing about what it needs. Modules of
``tool`` lines are asked for by the project; whether shipped code imports them, too, is not said,
so they do not count as development only.
"""

from __future__ import annotations

import posixpath
from collections.abc import Sequence
from typing import TYPE_CHECKING

from haechi.errors import InputError, LimitExceeded
from haechi.model.coverage import Gap
from haechi.model.package import Package, PackageFile, Source
from haechi.scan.deps.formats import go_mod
from haechi.scan.deps.formats.decoding import MAX_PACKAGES, text_of
from haechi.scan.deps.formats.go_sum import Sums, Vendored, sums_of, vendored_of
from haechi.scan.deps.formats.go_work import language, read_work, stdlib, workspace
from haechi.scan.deps.formats.places import on_line

if TYPE_CHECKING:
    from haechi.scan.deps.formats import Around

__all__ = ["read_mod", "read_sum", "read_vendor", "read_work"]

ECOSYSTEM = "Go"
_NAMES_ALL = (1, 17)


def read_mod(data: bytes, path: str, around: Around) -> Sequence[PackageFile]:
    """``go.mod`` with the digests of ``go.sum`` and the replacements of a workspace."""
    told = go_mod.module(text_of(data, path))
    if not told.name and data.strip():
        raise InputError("no module line", where=path, do="run go mod init, or correct the file")
    folder = posixpath.dirname(path)
    work, used = workspace(folder, around)
    sums = _sums(posixpath.join(folder, "go.sum"), around)
    reading = _Module(path, told, work, used, sums)
    for one in _built(told.requires):
        reading.require(one)
    gaps: list[Gap] = reading.excluded()
    if language(told.go) < _NAMES_ALL and told.requires:
        gaps += reading.others(_vendored(posixpath.join(folder, "vendor/modules.txt"), around))
    packages = [*reading.packages, *stdlib(told, path)]
    if len(packages) > MAX_PACKAGES:
        raise LimitExceeded(f"more than {MAX_PACKAGES:,} packages", where=path)
    return [
        PackageFile(
            path=path,
            format="go.mod",
            ecosystem=ECOSYSTEM,
            packages=tuple(packages),
            requires=tuple(n for n, package in enumerate(packages) if package.direct),
            name=told.name,
            gaps=tuple(gaps),
        )
    ]


def read_sum(data: bytes, path: str, around: Around) -> Sequence[PackageFile]:
    """``go.sum`` where there is no ``go.mod``: all that was ever needed, which is a guess."""
    if "go.mod" in around.names(posixpath.dirname(path)):
        return []
    sums = sums_of(text_of(data, path))
    packages, unsure = _highest(sums, path, set())
    gaps = (_unsure(path, unsure),) if unsure else ()
    return [
        PackageFile(
            path=path, format="go.sum", ecosystem=ECOSYSTEM, packages=tuple(packages), gaps=gaps
        )
    ]


def read_vendor(data: bytes, path: str, around: Around) -> Sequence[PackageFile]:
    """``vendor/modules.txt`` where its ``go.mod`` is not there; otherwise that one tells."""
    root = posixpath.dirname(posixpath.dirname(path))
    if "go.mod" in around.names(root):
        return []
    packages = [
        Package(
            ecosystem=ECOSYSTEM,
            name=one.path,
            version=one.version,
            spelled=one.spelled,
            location=on_line(path, one.line),
            source=Source.REGISTRY if one.version else Source.PATH,
            direct=one.explicit,
        )
        for one in vendored_of(text_of(data, path))
    ]
    return [
        PackageFile(
            path=path,
            format="vendor/modules.txt",
            ecosystem=ECOSYSTEM,
            packages=tuple(packages),
            requires=tuple(n for n, package in enumerate(packages) if package.direct),
        )
    ]


class _Module:
    """Packages of one ``go.mod`` while it is read."""

    def __init__(
        self,
        path: str,
        told: go_mod.Module,
        work: go_mod.Module | None,
        used: frozenset[str],
        sums: Sums,
    ) -> None:
        self.path = path
        self.told = told
        self.work = work
        self.used = used
        self.sums = sums
        self.packages: list[Package] = []
        self._asked: set[str] = set()
        self._excluded: list[str] = []

    def require(self, one: go_mod.Directive) -> None:
        """One line of ``require``."""
        name, version = one.words[0], one.words[1]
        self._asked.add(name)
        if (name, version) in self.told.excludes:
            self._excluded.append(f"{name} {version}")
        tool = any(tool == name or tool.startswith(f"{name}/") for tool in self.told.tools)
        self._add(name, version, one.line, one.column, direct=tool or not one.indirect)

    def excluded(self) -> list[Gap]:
        """A requirement of an excluded version is void; what others ask for is not known here."""
        if not self._excluded:
            return []
        return [
            Gap(
                kind="go-excluded",
                path=self.path,
                reason=f"required and excluded: {', '.join(self._excluded[:5])}; the version "
                "that is built is decided by other modules",
                do="run go mod tidy",
            )
        ]

    def others(self, vendored: list[Vendored] | None) -> list[Gap]:
        """Modules that a ``go.mod`` of before 1.17 does not list."""
        if vendored is not None:
            for one in vendored:
                if one.asked not in self._asked:
                    self._asked.add(one.asked)
                    self._add(one.asked, one.asked_version, 0, 1, direct=False, vendored=one)
            return []
        if not self.sums.digests:
            return [
                Gap(
                    kind="go-transitive",
                    path=self.path,
                    reason="go.mod of before Go 1.17 lists no modules that others bring in, and "
                    "there is no go.sum that could be read",
                    do="set a go line of 1.17 or later and run go mod tidy",
                )
            ]
        candidates, unsure = _highest(self.sums, self.path, self._asked)
        for package in candidates:
            where = package.location
            self._add(
                package.name, package.version, where.line, where.column, direct=False, sums=True
            )
        return [_unsure(self.path, unsure)] if unsure else []

    def _add(
        self,
        name: str,
        version: str,
        line: int,
        column: int,
        *,
        direct: bool,
        vendored: Vendored | None = None,
        sums: bool = False,
    ) -> None:
        folder = posixpath.dirname(self.path)
        location = on_line(self.path, line, column)
        if sums:
            location = on_line(posixpath.join(folder, "go.sum"), line, column)
        elif vendored is not None:
            location = on_line(posixpath.join(folder, "vendor/modules.txt"), vendored.line)
        spelled, source, url = "", Source.REGISTRY, ""
        override = self.work.replaced(name, version) if self.work is not None else None
        own = None if override is not None else self.told.replaced(name, version)
        found = override or own
        if found is not None:
            if own is not None:
                location = on_line(self.path, own.line, own.column)
            if found.version:
                spelled = name if found.path != name else ""
                name, version = found.path, found.version
            else:
                source, url, version = Source.PATH, found.path, ""
        elif name in self.used:
            source, version = Source.WORKSPACE, ""
        digest = self.sums.digests.get((name, version), "")
        self.packages.append(
            Package(
                ecosystem=ECOSYSTEM,
                name=name,
                version=version,
                spelled=spelled,
                location=location,
                source=source,
                url=url,
                direct=direct,
                digests=(digest,) if digest else (),
            )
        )


def _built(requires: Sequence[go_mod.Directive]) -> list[go_mod.Directive]:
    """One line for each module: of several Go builds the highest version, as of several modules
    that ask for it (Go Modules Reference, "Minimal version selection")."""
    lines: dict[str, list[go_mod.Directive]] = {}
    for one in requires:
        lines.setdefault(one.words[0], []).append(one)
    return [
        same[0] if len(same) == 1 else _last(same, _latest([one.words[1] for one in same]))
        for same in lines.values()
    ]


def _last(same: list[go_mod.Directive], version: str) -> go_mod.Directive:
    return next(one for one in same if one.words[1] == version)


def _highest(sums: Sums, path: str, known: set[str]) -> tuple[list[Package], int]:
    """The highest version of each module with content in ``go.sum``, and how many had several."""
    found = []
    unsure = 0
    where = posixpath.join(posixpath.dirname(path), "go.sum")
    for name, versions in sums.versions.items():
        if name in known:
            continue
        unsure += len(versions) > 1
        version = _latest(list(versions)) if len(versions) > 1 else next(iter(versions))
        found.append(
            Package(
                ecosystem=ECOSYSTEM,
                name=name,
                version=version,
                location=on_line(where, versions[version]),
                digests=(sums.digests[(name, version)],),
            )
        )
    return found, unsure


def _latest(versions: list[str]) -> str:
    from haechi.engines.versions import scheme_of
    from haechi.errors import VersionError

    scheme = scheme_of(ECOSYSTEM)
    try:
        return max(versions, key=scheme.key)
    except VersionError:
        return versions[-1]  # go.sum is sorted


def _unsure(path: str, count: int) -> Gap:
    return Gap(
        kind="go-transitive",
        path=path,
        reason=f"go.sum holds several versions of {count} modules that go.mod does not list; "
        "which one is built is not written, the highest is taken",
        do="run go mod tidy, best with a go line of 1.17 or later",
    )


def _sums(path: str, around: Around) -> Sums:
    data = around.read(path)
    return sums_of(data.decode(errors="replace")) if data else Sums({}, {})


def _vendored(path: str, around: Around) -> list[Vendored] | None:
    data = around.read(path)
    return vendored_of(data.decode(errors="replace")) if data else None
