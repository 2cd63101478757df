"""pnpm-lock.yaml, versions 5 to 9: projects of the workspace (importers) and packages.

A key names a package with the peers it was resolved with; until version 5 as ``/name/1.0.0_peer``,
then as ``/name@1.0.0(peer)``, since 9 without the slash and with edges in ``snapshots``. Peers
aside, it is one package. Since pnpm 11 a first document tells which pnpm and configuration the
workspace uses: tools of development.
"""

from __future__ import annotations

import posixpath
import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from haechi.errors import InputError
from haechi.model.package import PackageFile, Source
from haechi.scan.deps.formats import Around
from haechi.scan.deps.formats.blocks import Blocks, read_blocks
from haechi.scan.deps.formats.decoding import MAX_PACKAGES, table, too_many, word
from haechi.scan.deps.formats.graph import Draft, Roots, settle
from haechi.scan.deps.formats.members import project_in
from haechi.scan.deps.formats.node_names import kind_of, resolved_kind, split_name
from haechi.scan.deps.formats.urls import clean_url

_SLASHED = re.compile(r"/((?:@[^/]+/)?[^/@]+)/(\d[^/_(]*)")
_DEVELOPMENT = ("devDependencies", "configDependencies", "packageManagerDependencies")
_FIELDS = ("dependencies", "optionalDependencies", *_DEVELOPMENT)


def read(data: bytes, path: str, around: Around) -> Sequence[PackageFile]:
    """Read pnpm-lock.yaml."""
    documents = read_blocks(data, path, MAX_PACKAGES)
    if not any("lockfileVersion" in document.data for document in documents):
        do = "write it again with pnpm"
        raise InputError("no pnpm-lock.yaml: it names no lockfileVersion", where=path, do=do)
    return (_Lock(documents, path, around).file(),)


class _Lock:
    def __init__(self, documents: list[Blocks], path: str, around: Around) -> None:
        self._documents = documents
        self._path = path
        self._around = around
        self._drafts: list[Draft] = []
        self._at: dict[str, int] = {}
        self._known: dict[tuple[str, str, str], int] = {}
        self._members: dict[str, int] = {}
        self._plain: set[int] = set()
        self._full = any(document.cut for document in documents)

    def file(self) -> PackageFile:
        """Packages, then edges, then what the projects ask for."""
        for document in self._documents:
            lines = document.lines.get("packages", {})
            for key, entry in table(document.data.get("packages")).items():
                self._add(key, table(entry), lines.get(key, 1))
            spots = document.lines.get("snapshots", {})
            for key, entry in table(document.data.get("snapshots")).items():
                self._snapshot(key, table(entry), spots.get(key, 1))
        for document in self._documents:
            for section in ("packages", "snapshots"):
                for key, entry in table(document.data.get(section)).items():
                    self._connect(key, table(entry))
        roots = Roots(requires=())
        importers = list(self._importers())
        for folder, _, line in importers:
            self._member(folder, line)
        for folder, importer, _ in importers:
            self._ask(folder, importer, roots)
        packages, requires = settle(self._drafts, roots, ecosystem="npm", path=self._path)
        base = posixpath.dirname(self._path)
        project = project_in(base, self._around)
        return PackageFile(
            path=self._path,
            format="pnpm-lock.yaml",
            ecosystem="npm",
            packages=packages,
            requires=requires,
            name=project.name if project else "",
            version=project.version if project else "",
            covers=tuple(
                posixpath.normpath(posixpath.join(base, folder, "package.json"))
                for folder in self._members
            ),
            gaps=(too_many(self._path),) if self._full else (),
        )

    def _add(self, key: str, entry: Mapping[str, Any], line: int) -> None:
        name, version = name_of(key)
        name = word(entry.get("name")) or name
        resolution = table(entry.get("resolution"))
        url = word(resolution.get("tarball")) or word(resolution.get("repo"))
        source, told = _source(key, version, resolution)
        version = word(entry.get("version")) or ("" if told else version)
        if told:
            url = url or told
        elif source is Source.REGISTRY and url:
            source = resolved_kind(url)
        identity = (name, version, "" if source is Source.REGISTRY else url)
        at = self._known.get(identity, -1)
        if at < 0:
            if len(self._drafts) >= MAX_PACKAGES:
                self._full = True
                return
            at = self._known[identity] = len(self._drafts)
            integrity = word(resolution.get("integrity"))
            self._drafts.append(
                Draft(
                    name,
                    version,
                    line=line,
                    source=source,
                    url=clean_url(url),
                    digests=tuple(integrity.split()),
                    install_script=entry.get("requiresBuild") == "true",
                    yanked=word(entry.get("deprecated")),
                    development=entry.get("dev") == "true",
                    optional=entry.get("optional") == "true",
                )
            )
        self._at[key] = at

    def _snapshot(self, key: str, entry: Mapping[str, Any], line: int) -> None:
        plain = key.partition("(")[0]
        at = self._at.get(key, self._at.get(plain, -1))
        if at < 0:
            self._add(plain, entry, line)
            at = self._at.get(plain, -1)
        if at >= 0:
            self._at[key] = at

    def _connect(self, key: str, entry: Mapping[str, Any]) -> None:
        at = self._at.get(key, -1)
        if at < 0:
            return
        draft = self._drafts[at]
        for field, edges in (
            ("dependencies", draft.needs),
            ("optionalDependencies", draft.maybe),
        ):
            wanted = entry.get(field)
            if isinstance(wanted, dict):
                for name, ref in wanted.items():
                    to = self._find(name, ref)
                    if to >= 0:
                        edges.append(to)
                        self._called(to, name)

    def _find(self, name: str, ref: Any) -> int:
        if not isinstance(ref, str):
            return -1
        at = self._at
        for key in (f"{name}@{ref}", ref, f"/{name}@{ref}", f"/{name}/{ref}"):
            found = at.get(key)
            if found is not None:
                return found
        return -1

    def _importers(self) -> Iterator[tuple[str, Mapping[str, Any], int]]:
        for document in self._documents:
            importers = document.data.get("importers")
            lines = document.lines.get("importers", {})
            if isinstance(importers, dict):
                for folder, importer in importers.items():
                    yield folder, table(importer), lines.get(folder, 1)
            else:
                yield ".", document.data, 1

    def _member(self, folder: str, line: int) -> None:
        if folder == "." or folder in self._members:
            return
        where = posixpath.normpath(posixpath.join(posixpath.dirname(self._path), folder))
        project = None if where.startswith("..") else project_in(where, self._around)
        self._members[folder] = len(self._drafts)
        name = project.name if project and project.name else folder
        version = project.version if project else ""
        self._drafts.append(Draft(name, version, line=line, source=Source.WORKSPACE, url=folder))

    def _ask(self, folder: str, importer: Mapping[str, Any], roots: Roots) -> None:
        own = self._drafts[self._members[folder]] if folder in self._members else None
        asked: list[int] = []
        for field in _FIELDS:
            found = list(self._targets(folder, importer.get(field)))
            asked += found
            if field in _DEVELOPMENT:
                roots.development += found
            elif field == "dependencies":
                roots.production += found
            else:
                roots.optional += found
            if own is not None:
                edges = own.needs if field == "dependencies" else own.maybe
                (own.tools if field in _DEVELOPMENT else edges).extend(found)
        if own is not None:
            roots.production.append(self._members[folder])
            asked = [self._members[folder]]
        if roots.requires is not None:
            roots.requires += asked

    def _targets(self, folder: str, wanted: Any) -> Iterator[int]:
        for name, told in table(wanted).items():
            ref = word(told.get("version")) if isinstance(told, dict) else word(told)
            if ref.startswith("link:"):
                at = self._members.get(posixpath.normpath(posixpath.join(folder, ref[5:])), -1)
            else:
                at = self._find(name, ref)
            if at < 0 and ref[:1].isdigit():  # a lock file that was cut by hand
                key = f"{name}@{ref.partition('_')[0]}"
                self._add(key, {}, 1)
                at = self._at.get(key, -1)
            if at >= 0:
                self._called(at, name)
                yield at

    def _called(self, at: int, name: str) -> None:
        """An alias that a project asks for is told where the package has no other name."""
        draft = self._drafts[at]
        if draft.source is Source.WORKSPACE:
            return
        if name == draft.name:
            self._plain.add(at)
            draft.spelled = ""
        elif at not in self._plain:
            draft.spelled = name


def name_of(key: str) -> tuple[str, str]:
    """Name and version of a package's key, in any version of the format."""
    plain = key.partition("(")[0]
    if plain.startswith("/"):
        slashed = _SLASHED.match(plain)
        if slashed is not None:
            return slashed[1], slashed[2]
        plain = plain[1:]
    return split_name(plain)


def _source(key: str, version: str, resolution: Mapping[str, Any]) -> tuple[Source, str]:
    """What kind of source a key names, and its address where that is no registry."""
    if resolution.get("type") == "git" or "repo" in resolution:
        return Source.GIT, word(resolution.get("repo"))
    if resolution.get("type") == "directory" or "directory" in resolution:
        return Source.PATH, word(resolution.get("directory"))
    if key.startswith("file:"):
        return Source.PATH, key
    if "/" in version or ":" in version:
        kind = kind_of(version)
        return (resolved_kind(version) if kind is Source.URL else kind), version
    tarball = word(resolution.get("tarball"))
    if not version and tarball:
        return resolved_kind(tarball), tarball
    return Source.REGISTRY, ""
