"""uv.lock: packages with their sources, edges, extras and groups.

The project itself is the package whose source is ``.``; it gives the file its name and is no
package of its own. Other members of the workspace are, so that a path says who asks. uv resolves
for all platforms at once: one name may stand there in several versions, and an edge then says
which.
"""

from __future__ import annotations

import posixpath
from collections.abc import Sequence
from typing import Any

from haechi.errors import InputError
from haechi.model.coverage import Gap
from haechi.model.package import PackageFile, Source
from haechi.scan.deps.formats import Around
from haechi.scan.deps.formats.decoding import (
    rows,
    table,
    word,
)
from haechi.scan.deps.formats.graph import Draft, Roots, settle
from haechi.scan.deps.formats.pep508 import normal_name
from haechi.scan.deps.formats.tables import tables_of
from haechi.scan.deps.formats.urls import clean_url


def read(data: bytes, path: str, around: Around) -> Sequence[PackageFile]:
    """Read uv.lock."""
    told = tables_of(data, path, "package")
    if not isinstance(told.value.get("version"), int):
        raise InputError("no uv.lock: it names no version of its format", where=path)
    return (_Lock(told.value, told.entries, told.lines, path).file(told.gaps),)


class _Lock:
    def __init__(
        self, value: dict[str, Any], entries: list[dict[str, Any]], lines: Sequence[int], path: str
    ) -> None:
        self._path = path
        self._value = value
        self._members = _members(value, entries)
        self._entries = entries
        self._project = next(
            (at for at, e in enumerate(entries) if _folder(table(e.get("source"))) == "."), -1
        )
        self._drafts: list[Draft] = []
        self._by_name: dict[str, list[int]] = {}
        self._by_version: dict[tuple[str, Any], list[int]] = {}
        self._extras: dict[tuple[int, str], int] = {}
        for at, entry in enumerate(entries):
            self._drafts.append(self._draft(entry, lines[at]))
            draft = self._drafts[at]
            self._by_name.setdefault(draft.name, []).append(at)
            self._by_version.setdefault((draft.name, draft.version), []).append(at)
        for at, entry in enumerate(entries):
            for extra in table(entry.get("optional-dependencies")):
                self._extras[at, extra] = len(self._drafts)
                self._drafts.append(Draft(word(entry.get("name")), part_of=at))

    def _draft(self, entry: dict[str, Any], line: int) -> Draft:
        source, url = source_of(table(entry.get("source")))
        name = word(entry.get("name"))
        if source is Source.PATH and name in self._members:
            source = Source.WORKSPACE
        return Draft(
            normal_name(name),
            word(entry.get("version")),
            spelled=name,
            line=line,
            source=source,
            url=url,
            digests=_digests(entry) if source in (Source.REGISTRY, Source.URL) else (),
        )

    def file(self, gaps: tuple[Gap, ...]) -> PackageFile:
        """Edges, roots, and the packages without the project itself."""
        roots = Roots(requires=() if self._project >= 0 or self._members else None)
        covers = []
        for at, entry in enumerate(self._entries):
            if self._is_member(at):
                self._ask(at, entry, roots)
                folder = _folder(table(entry.get("source")))
                if folder not in ("", "."):
                    covers.append(_join(self._path, folder, "pyproject.toml"))
                continue
            draft = self._drafts[at]
            draft.needs += self._targets(entry.get("dependencies"))
            for extra, wanted in table(entry.get("optional-dependencies")).items():
                virtual = self._drafts[self._extras[at, extra]]
                virtual.needs += [at, *self._targets(wanted)]
        manifest = table(self._value.get("manifest"))
        roots.production += self._targets(manifest.get("requirements"))  # of a script's lock
        for wanted in table(manifest.get("dependency-groups")).values():
            roots.development += self._targets(wanted)
        known = roots.production or roots.development or roots.optional or self._project >= 0
        packages, requires = settle(
            self._drafts,
            roots if known else None,
            ecosystem="PyPI",
            path=self._path,
            project=self._project,
        )
        project = self._entries[self._project] if self._project >= 0 else {}
        return PackageFile(
            path=self._path,
            format="uv.lock",
            ecosystem="PyPI",
            packages=packages,
            requires=requires,
            name=word(project.get("name")),
            version=word(project.get("version")),
            covers=tuple(covers),
            gaps=gaps,
        )

    def _is_member(self, at: int) -> bool:
        return at == self._project or self._drafts[at].source is Source.WORKSPACE

    def _ask(self, at: int, entry: dict[str, Any], roots: Roots) -> None:
        """What a member of the workspace asks for. The member itself is shipped; what its extras
        and groups bring in is optional or for development."""
        draft = self._drafts[at]
        if at != self._project:
            roots.production.append(at)
        wanted = self._targets(entry.get("dependencies"))
        roots.production += wanted
        draft.needs += wanted
        asked = list(wanted)
        for extra, more in table(entry.get("optional-dependencies")).items():
            targets = self._targets(more)
            roots.optional += targets
            virtual = self._drafts[self._extras[at, extra]]
            virtual.needs += [at]
            virtual.maybe += targets
            asked += targets
        for more in table(entry.get("dev-dependencies")).values():
            targets = self._targets(more)
            roots.development += targets
            draft.tools += targets
            asked += targets
        if roots.requires is not None:
            roots.requires += asked if at == self._project else [at]

    def _targets(self, wanted: Any) -> list[int]:
        targets: list[int] = []
        for need in rows(wanted):
            asked = table(need)
            at = self._find(asked)
            if at < 0:
                continue
            targets.append(at)
            for extra in rows(asked.get("extra")):
                virtual = self._extras.get((at, extra), -1) if isinstance(extra, str) else -1
                if virtual >= 0:
                    targets.append(virtual)
        return targets

    def _find(self, need: dict[str, Any]) -> int:
        found = self._by_name.get(normal_name(word(need.get("name"))), [])
        if len(found) < 2:
            return found[0] if found else -1
        version, source = word(need.get("version")), need.get("source")
        for at in self._by_version.get((self._drafts[found[0]].name, version), found)[:50]:
            entry = self._entries[at]
            if version in ("", entry.get("version")) and source in (None, entry.get("source")):
                return at
        return found[0]


def _members(value: dict[str, Any], entries: list[dict[str, Any]]) -> frozenset[str]:
    """Names of the workspace's members: a lock file of a single project lists none."""
    named = rows(table(value.get("manifest")).get("members"))
    if named:
        return frozenset(filter(None, map(word, named)))
    return frozenset(
        word(entry.get("name")) for entry in entries if _folder(table(entry.get("source"))) == "."
    )


def _folder(source: dict[str, Any]) -> str:
    for kind in ("virtual", "editable", "directory"):
        if kind in source:
            return word(source[kind])
    return ""


def source_of(source: dict[str, Any]) -> tuple[Source, str]:
    """What kind of source a uv table names, and its address."""
    if "registry" in source:
        return Source.REGISTRY, ""
    if "git" in source:
        return Source.GIT, clean_url(word(source["git"]))
    if "url" in source:
        return Source.URL, clean_url(word(source["url"]))
    return Source.PATH, _folder(source) or word(source.get("path"))


def _digests(entry: dict[str, Any]) -> tuple[str, ...]:
    files = [entry.get("sdist"), *rows(entry.get("wheels"))]
    hashes = [file.get("hash") for file in files if isinstance(file, dict)]
    return tuple(one for one in hashes if isinstance(one, str))


def _join(path: str, folder: str, name: str) -> str:
    return posixpath.normpath(posixpath.join(posixpath.dirname(path), folder, name))
