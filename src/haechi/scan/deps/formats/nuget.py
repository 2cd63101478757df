"""NuGet: ``packages.lock.json``, ``project.assets.json`` and ``*.deps.json``; project files and
``packages.config`` are in ``nuget_project``, Paket's lock file in ``nuget_paket``.

All three list packages for each target framework; a package that several frameworks need in one
version is told once. Names do not depend on case: they are told in lower case, ``spelled`` keeps
what is written. Projects among the packages are of the workspace.
"""

from __future__ import annotations

import base64
import binascii
import posixpath
import re
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import msgspec

from haechi.errors import InputError, LimitExceeded
from haechi.model.package import PackageFile, Source
from haechi.scan.deps.formats.decoding import MAX_PACKAGES, json_of, table, word
from haechi.scan.deps.formats.graph import Draft, Roots, settle
from haechi.scan.deps.formats.nuget_paket import read_paket
from haechi.scan.deps.formats.nuget_project import read_central, read_config, read_project
from haechi.scan.deps.formats.places import Lines

if TYPE_CHECKING:
    from haechi.scan.deps.formats import Around

__all__ = [
    "read_assets",
    "read_central",
    "read_config",
    "read_deps",
    "read_lock",
    "read_paket",
    "read_project",
]

ECOSYSTEM = "NuGet"
_KEY = re.compile(rb'"([^"\n]{1,300})"\s{0,20}:\s{0,20}\{')
_DIRECT = frozenset({"direct", "centraltransitive"})


class _Graph:
    """Packages of all frameworks, each name and version once."""

    def __init__(self, path: str, data: bytes) -> None:
        self.path = path
        self.drafts: list[Draft] = []
        self.asked: list[int] = []
        self._at: dict[tuple[str, str], int] = {}
        lines = Lines(data)
        self._lines: dict[str, int] = {}
        for match in _KEY.finditer(data):
            self._lines.setdefault(match[1].decode(errors="replace"), lines.at(match.start()))

    def add(
        self, name: str, version: str, *, key: str = "", project: bool = False, digest: str = ""
    ) -> int:
        """The position of a package; new where it is met for the first time."""
        place = (name.lower(), version)
        at = self._at.get(place)
        if at is None:
            if len(self.drafts) >= MAX_PACKAGES:
                raise LimitExceeded(f"more than {MAX_PACKAGES:,} packages", where=self.path)
            at = self._at[place] = len(self.drafts)
            self.drafts.append(
                Draft(
                    name.lower(),
                    version,
                    line=self._lines.get(key or name, 1),
                    spelled=name,
                    source=Source.WORKSPACE if project else Source.REGISTRY,
                    digests=_sha512(digest),
                )
            )
        return at

    def link(self, positions: dict[str, int], needs: dict[int, list[str]]) -> None:
        """Edges of one framework, by the names that are in it."""
        for at, names in needs.items():
            edges = self.drafts[at].needs
            known = set(edges)
            for name in names:
                other = positions.get(name.lower())
                if other is not None and other not in known:
                    known.add(other)
                    edges.append(other)

    def referenced(self) -> list[int]:
        """Projects that no other one refers to: the project of the file does. Which it refers to
        besides stands in its project file only."""
        needed = {to for draft in self.drafts for to in draft.needs}
        return [
            at
            for at, draft in enumerate(self.drafts)
            if draft.source is Source.WORKSPACE and at not in needed
        ]

    def file(self, format: str, *, roots: bool, name: str = "", version: str = "") -> PackageFile:
        packages, requires = settle(
            self.drafts,
            Roots(production=dict.fromkeys(self.asked)) if roots else None,
            ecosystem=ECOSYSTEM,
            path=self.path,
            scopes=False,
        )
        return PackageFile(
            path=self.path,
            format=format,
            ecosystem=ECOSYSTEM,
            packages=packages,
            requires=requires,
            name=name,
            version=version,
        )


def read_lock(data: bytes, path: str, around: Around) -> Sequence[PackageFile]:
    """``packages.lock.json``. ``CentralTransitive`` is a package that others bring in, at the
    version that the project itself pins."""
    lock = _with(json_of(data, path, dict[str, Any]), "dependencies", path)
    graph = _Graph(path, data)
    for framework in table(lock.get("dependencies")).values():
        positions: dict[str, int] = {}
        needs: dict[int, list[str]] = {}
        for name, value in filter(_is_named, table(framework).items()):
            entry = table(value)
            kind = word(entry.get("type")).lower()
            version = word(entry.get("resolved"))
            at = graph.add(
                name, version, project=kind == "project", digest=word(entry.get("contentHash"))
            )
            positions[name.lower()] = at
            needs[at] = list(table(entry.get("dependencies")))
            if kind in _DIRECT:
                graph.asked.append(at)
        graph.link(positions, needs)
    graph.asked += graph.referenced()
    return [graph.file("packages.lock.json", roots=True)]


def read_assets(data: bytes, path: str, around: Around) -> Sequence[PackageFile]:
    """``obj/project.assets.json``, what a restore wrote."""
    assets = _with(json_of(data, path, dict[str, Any]), "targets", path)
    graph = _Graph(path, data)
    libraries = table(assets.get("libraries"))
    positions = _targets(table(assets.get("targets")), libraries, graph)
    project = table(assets.get("project"))
    for framework in table(project.get("frameworks")).values():
        for name, told in table(table(framework).get("dependencies")).items():
            found = positions.get(name.lower(), [])
            graph.asked += found
            if word(table(told).get("suppressParent")).lower() == "all":
                for at in found:
                    graph.drafts[at].development = True
    graph.asked += graph.referenced()
    restore = table(project.get("restore"))
    told = re.split(r"[\\/]", word(restore.get("projectPath")))[-1]
    folder = posixpath.dirname(posixpath.dirname(path))
    file = graph.file(
        "project.assets.json",
        roots=True,
        name=word(restore.get("projectName")),
        version=word(project.get("version")),
    )
    return [msgspec.structs.replace(file, covers=(posixpath.join(folder, told),) if told else ())]


def read_deps(data: bytes, path: str, around: Around) -> Sequence[PackageFile]:
    """``*.deps.json`` beside a program: what it is run with. What the program itself needs are
    the edges of the project that the file is named after."""
    deps = _with(json_of(data, path, dict[str, Any]), "targets", path)
    graph = _Graph(path, data)
    libraries = table(deps.get("libraries"))
    _targets(table(deps.get("targets")), libraries, graph)
    own = path.rpartition("/")[2].removesuffix(".deps.json").lower()
    first = next((at for at, one in enumerate(graph.drafts) if one.name == own), None)
    name = version = ""
    if first is not None and graph.drafts[first].source is Source.WORKSPACE:
        name, version = graph.drafts[first].spelled or own, graph.drafts[first].version
        graph.asked = list(graph.drafts[first].needs)
    return [graph.file("deps.json", roots=first is not None, name=name, version=version)]


def _targets(
    targets: dict[str, Any], libraries: dict[str, Any], graph: _Graph
) -> dict[str, list[int]]:
    """Packages of ``targets`` with their edges; positions by lower-case name."""
    found: dict[str, list[int]] = {}
    for target in targets.values():
        positions: dict[str, int] = {}
        needs: dict[int, list[str]] = {}
        for key, value in filter(_is_named, table(target).items()):
            name, _, version = key.partition("/")
            library = table(libraries.get(key))
            kind = (word(library.get("type")) or word(table(value).get("type"))).lower()
            at = graph.add(
                name,
                version,
                key=key,
                project=kind in ("project", "msbuildproject", "reference", "referenceassembly"),
                digest=word(library.get("sha512")),
            )
            positions[name.lower()] = at
            needs[at] = list(table(table(value).get("dependencies")))
            if at not in found.setdefault(name.lower(), []):
                found[name.lower()].append(at)
        graph.link(positions, needs)
    for key, library in filter(_is_named, libraries.items()):
        name, _, version = key.partition("/")
        if name.lower() not in found and word(table(library).get("type")).lower() == "package":
            at = graph.add(name, version, key=key, digest=word(table(library).get("sha512")))
            found[name.lower()] = [at]
    return found


def _with(told: dict[str, Any], key: str, path: str) -> dict[str, Any]:
    """Without the part that lists packages a file is not what its name says."""
    if not isinstance(told.get(key), dict):
        raise InputError(f"no object {key}", where=path, do="restore the project again")
    return told


def _is_named(entry: tuple[str, Any]) -> bool:
    """Names may not be empty (before the version in ``name/version``)."""
    return entry[0].partition("/")[0] != ""


def _sha512(told: str) -> tuple[str, ...]:
    """NuGet writes digests in base64, some with ``sha512-`` before it."""
    try:
        value = base64.b64decode(told.removeprefix("sha512-"), validate=True)
    except (binascii.Error, ValueError):
        return ()
    return (f"sha512:{value.hex()}",) if len(value) == 64 else ()
