"""package-lock.json and npm-shrinkwrap.json, lockfileVersion 1 to 3.

Versions 2 and 3 list folders: which one a package's need leads to follows from Node's own search,
upwards through ``node_modules``. Version 1 nests the same thing. A name in one version that lies
in several folders is one package here. Scopes (``dev``, ``optional``) are npm's own.
"""

from __future__ import annotations

import posixpath
from collections.abc import Sequence
from typing import Any

from haechi.errors import InputError
from haechi.model.package import PackageFile, Source
from haechi.scan.deps.formats import Around
from haechi.scan.deps.formats.decoding import (
    DO,
    json_of,
    table,
    too_many,
    unread,
    word,
)
from haechi.scan.deps.formats.graph import Draft, Roots, settle
from haechi.scan.deps.formats.node_names import texts
from haechi.scan.deps.formats.npm_merged import Merged, NpmFile
from haechi.scan.deps.formats.npm_nested import Nested
from haechi.scan.deps.formats.places import key_lines

_MODULES = "node_modules/"
_MAX_KEY = 4_000
_MAX_LEVELS = 64


def read(data: bytes, path: str, around: Around) -> Sequence[PackageFile]:
    """Read package-lock.json or npm-shrinkwrap.json."""
    return (_file(data, path, around, posixpath.basename(path)),)


def read_installed(data: bytes, path: str, around: Around) -> Sequence[PackageFile]:
    """Read ``node_modules/.package-lock.json``: what npm installed; it has no entry for the
    project itself."""
    return (_file(data, path, around, "node_modules"),)


def _file(data: bytes, path: str, around: Around, format: str) -> PackageFile:
    value = json_of(data, path, NpmFile)
    for told in (value.packages, value.dependencies):
        if told is not None and not isinstance(told, dict):
            raise InputError("a list of packages that is no object", where=path, do=DO)
    if value.packages is None and value.dependencies is None:
        if value.lock_version == 1 and b"lockfileVersion" not in data:
            raise InputError("no lock file of npm: neither packages nor version", where=path)
        return PackageFile(
            path=path, format=format, ecosystem="npm", name=word(value.name),
            version=word(value.version),
        )  # fmt: skip
    if isinstance(value.packages, dict):
        return _Folders(value, data, path, format).file()
    return Nested(value, data, path, around, format).file()


class _Folders:
    """Versions 2 and 3."""

    def __init__(self, value: NpmFile, data: bytes, path: str, format: str) -> None:
        self._value = value
        self._path = path
        self._format = format
        packages = table(value.packages)
        self._entries = {
            folder: entry
            for folder, entry in packages.items()
            if isinstance(entry, dict) and len(folder) <= _MAX_KEY
        }
        self._odd = len(packages) - len(self._entries)
        self._lines = key_lines(data, packages, data.find(b'"packages"') + 1)
        self._merged = Merged()
        self._at: dict[str, int] = {}

    def file(self) -> PackageFile:
        """All folders, then their edges."""
        for folder, entry in self._entries.items():
            if folder and not entry.get("link"):
                self._at[folder] = self._add(folder, entry)
        for folder, entry in self._entries.items():
            if entry.get("link"):
                self._at[folder] = self._link(folder, entry)
        roots = Roots(requires=())
        members = []
        for folder, entry in self._entries.items():
            at = self._at.get(folder, -1)
            if not folder or (at >= 0 and self._drafts[at].source is Source.WORKSPACE):
                self._ask(folder, entry, roots)
                if folder and not entry.get("link"):
                    members.append(folder)
            if at >= 0 and not entry.get("link"):
                self._needs(folder, entry, self._drafts[at])
        known = "" in self._entries
        packages, requires = settle(
            self._drafts, roots if known else None, ecosystem="npm", path=self._path, scopes=False
        )
        project = self._entries.get("", {})
        base = posixpath.dirname(self._path)
        return PackageFile(
            path=self._path,
            format=self._format,
            ecosystem="npm",
            packages=packages,
            requires=requires,
            name=word(project.get("name")) or word(self._value.name),
            version=word(project.get("version")) or word(self._value.version),
            covers=tuple(
                posixpath.normpath(posixpath.join(base, folder, "package.json"))
                for folder in members
            ),
            gaps=(
                *((too_many(self._path),) if self._merged.full else ()),
                *unread(self._path, self._odd, "entries"),
            ),
        )

    @property
    def _drafts(self) -> list[Draft]:
        return self._merged.drafts

    def _add(self, folder: str, entry: dict[str, Any]) -> int:
        installed = folder.rpartition(_MODULES)[2] if _MODULES in folder else ""
        name = word(entry.get("name")) or installed or posixpath.basename(folder)
        url = word(entry.get("resolved"))
        at = self._merged.add(entry, name, word(entry.get("version")), self._lines[folder], url)
        if at >= 0:
            self._merged.called(at, installed or name)
        if at >= 0 and not installed:
            self._drafts[at].source = Source.PATH
            self._drafts[at].url = folder
        return at

    def _link(self, folder: str, entry: dict[str, Any]) -> int:
        target = word(entry.get("resolved"))
        at = self._at.get(target, -1)
        if at < 0:
            return at
        if not target.startswith("../"):
            self._drafts[at].source = Source.WORKSPACE
        if not self._entries[target].get("name"):
            self._drafts[at].name = folder.rpartition(_MODULES)[2]
        return at

    def _ask(self, folder: str, entry: dict[str, Any], roots: Roots) -> None:
        wanted: dict[str, list[int]] = {}
        for field, names in (
            (field, texts(entry.get(field)))
            for field in (
                "dependencies",
                "peerDependencies",
                "devDependencies",
                "optionalDependencies",
            )
        ):
            wanted[field] = [at for name in names if (at := self._find(folder, name)) >= 0]
        roots.production += wanted["dependencies"]
        roots.development += wanted["devDependencies"]
        roots.optional += wanted["optionalDependencies"] + wanted["peerDependencies"]
        if roots.requires is None:
            return
        if folder:
            roots.requires.append(self._at[folder])
        else:
            for positions in wanted.values():
                roots.requires += positions

    def _needs(self, folder: str, entry: dict[str, Any], draft: Draft) -> None:
        for field, edges in (
            ("dependencies", draft.needs),
            ("optionalDependencies", draft.maybe),
            ("peerDependencies", draft.maybe),
            ("devDependencies", draft.tools),
        ):
            names = entry.get(field)
            if isinstance(names, dict):
                for name in names:
                    at = self._find(folder, name)
                    if at >= 0:
                        edges.append(at)

    def _find(self, folder: str, name: str) -> int:
        """Where Node finds ``name`` from a folder: its own node_modules, then upwards."""
        at = self._at
        for _ in range(_MAX_LEVELS):
            found = at.get(f"{folder}/node_modules/{name}" if folder else f"node_modules/{name}")
            if found is not None:
                return found
            if not folder:
                return -1
            cut = folder.rfind("/node_modules/")
            if cut >= 0:
                folder = folder[:cut]
            elif folder.startswith(_MODULES):
                folder = ""
            else:
                folder = folder.rpartition("/")[0]
        return -1
