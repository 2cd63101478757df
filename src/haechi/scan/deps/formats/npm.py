"""package-lock.json and npm-shrinkwrap.json, lockfileVersion 1 to 3.

Versions 2 and 3 list folders: which one a package's need leads to follows from Node's own search,
upwards through ``node_modules``. Version 1 nests the same thing. A name in one version that lies
in several folders is one package here. Scopes (``dev``, ``optional``) are npm's own.
"""

from __future__ import annotations

import posixpath
import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import msgspec

from haechi.errors import InputError
from haechi.model.package import PackageFile, Source
from haechi.scan.deps.formats import Around
from haechi.scan.deps.formats.decoding import (
    DO,
    MAX_DEPTH,
    MAX_PACKAGES,
    json_of,
    table,
    too_many,
    unread,
    word,
)
from haechi.scan.deps.formats.graph import Draft, Roots, settle
from haechi.scan.deps.formats.node_names import asked, licence_of, resolved_kind, split_name, texts
from haechi.scan.deps.formats.places import Keys, key_lines
from haechi.scan.deps.formats.urls import clean_url

_MODULES = "node_modules/"
_TARBALL = re.compile(r"/-/[^/?#]{1,200}?-(\d+\.\d+\.\d[^/?#]{0,100})\.tgz")
_MAX_KEY = 4_000
_MAX_LEVELS = 64


class _File(msgspec.Struct, rename={"lock_version": "lockfileVersion"}):
    name: Any = ""
    version: Any = ""
    lock_version: Any = 1
    packages: Any = None
    dependencies: Any = None


def read(data: bytes, path: str, around: Around) -> Sequence[PackageFile]:
    """Read package-lock.json or npm-shrinkwrap.json."""
    return (_file(data, path, around, posixpath.basename(path)),)


def read_installed(data: bytes, path: str, around: Around) -> Sequence[PackageFile]:
    """Read ``node_modules/.package-lock.json``: what npm installed; it has no entry for the
    project itself."""
    return (_file(data, path, around, "node_modules"),)


def _file(data: bytes, path: str, around: Around, format: str) -> PackageFile:
    value = json_of(data, path, _File)
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
    return _Nested(value, data, path, around, format).file()


class _Merged:
    """Packages by what they are, wherever they are installed."""

    def __init__(self) -> None:
        self.drafts: list[Draft] = []
        self._known: dict[tuple[str, str, str], int] = {}
        self._plain: set[int] = set()
        self.full = False

    def add(self, entry: Mapping[str, Any], name: str, version: str, line: int, url: str) -> int:
        """The position of a package; -1 when there are too many."""
        source = resolved_kind(url)
        if version and not version[0].isdigit() and ":" in version:
            source, url = resolved_kind(version), url or version
            tarball = _TARBALL.search(version) if source is Source.REGISTRY else None
            version = tarball[1] if tarball else ""
        dev, optional = _scope(entry)
        key = (name, version, "" if source is Source.REGISTRY else url)
        at = self._known.get(key, -1)
        if at >= 0:
            draft = self.drafts[at]
            draft.development = draft.development and dev
            draft.optional = draft.optional and optional
            return at
        if len(self.drafts) >= MAX_PACKAGES:
            self.full = True
            return -1
        integrity = entry.get("integrity")
        at = self._known[key] = len(self.drafts)
        self.drafts.append(
            Draft(
                name,
                version,
                line=line,
                source=source,
                url=clean_url(url),
                digests=tuple(integrity.split()) if isinstance(integrity, str) else (),
                licence=licence_of(entry["license"]) if "license" in entry else "",
                install_script=entry.get("hasInstallScript") is True,
                yanked=word(entry.get("deprecated")),
                development=dev,
                optional=optional,
            )
        )
        return at

    def called(self, at: int, name: str) -> None:
        """Note under which name a package lies somewhere; an alias is told where it has no
        other."""
        draft = self.drafts[at]
        if name == draft.name:
            self._plain.add(at)
            draft.spelled = ""
        elif at not in self._plain:
            draft.spelled = name


def _scope(entry: Mapping[str, Any]) -> tuple[bool, bool]:
    """``devOptional``: an optional dependency of what is shipped that development needs, too."""
    both = entry.get("devOptional") is True
    dev = entry.get("dev") is True
    return dev, both or entry.get("optional") is True or (not dev and entry.get("peer") is True)


class _Folders:
    """Versions 2 and 3."""

    def __init__(self, value: _File, data: bytes, path: str, format: str) -> None:
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
        self._merged = _Merged()
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


class _Nested:
    """Version 1."""

    def __init__(self, value: _File, data: bytes, path: str, around: Around, format: str) -> None:
        self._value = value
        self._path = path
        self._around = around
        self._format = format
        self._merged = _Merged()
        self._scopes: list[tuple[dict[str, int], int]] = []
        self._pending: list[tuple[int, Mapping[str, Any], int]] = []
        self._odd = _Odd()
        self._entries = list(_walk(table(value.dependencies), self._odd))
        keys = Keys(data, data.find(b'"dependencies"') + 1)
        self._lines = [keys.line(name) for name, _, _, _ in self._entries]

    def file(self) -> PackageFile:
        """Packages by scopes, then their ``requires`` looked up from the inside out."""
        scopes: dict[int, tuple[dict[str, int], int]] = {0: ({}, -1)}
        needs: list[tuple[int, Any, int]] = []
        for line, (name, entry, outer, own) in zip(self._lines, self._entries, strict=True):
            version, real = word(entry.get("version")), name
            if version.startswith("npm:"):
                real, version = split_name(version[4:])
            url = word(entry.get("resolved"))
            at = self._merged.add(entry, real, version, line, url)
            if at < 0:
                break
            self._merged.called(at, name)
            scopes[outer][0][name] = at
            scopes[own] = ({}, outer)
            needs.append((at, entry.get("requires"), own))
        for at, wanted, scope in needs:
            for name in table(wanted):
                found = _climb(scopes, scope, name)
                if found >= 0:
                    self._merged.drafts[at].needs.append(found)
        roots, project = self._roots(scopes[0][0])
        packages, requires = settle(
            self._merged.drafts, roots, ecosystem="npm", path=self._path, scopes=False
        )
        gaps = (
            *((too_many(self._path),) if self._merged.full else ()),
            *unread(self._path, self._odd.count, "entries"),
        )
        return PackageFile(
            path=self._path,
            format=self._format,
            ecosystem="npm",
            packages=packages,
            requires=requires,
            name=word(self._value.name) or project,
            version=word(self._value.version),
            gaps=gaps,
        )

    def _roots(self, top: Mapping[str, int]) -> tuple[Roots | None, str]:
        """Version 1 does not say what is direct: package.json does."""
        beside = posixpath.join(posixpath.dirname(self._path), "package.json")
        data = self._around.read(beside)
        if data is None:
            return None, ""
        try:
            manifest = json_of(data, beside, dict[str, Any])
        except InputError:
            return None, ""
        roots = Roots()
        for field, positions in (
            ("dependencies", roots.production),
            ("devDependencies", roots.development),
            ("optionalDependencies", roots.optional),
        ):
            for name, spec in texts(manifest.get(field)).items():
                at = top.get(asked(name, spec).spelled, -1)
                if at >= 0:
                    positions.append(at)
        return roots, word(manifest.get("name"))


class _Odd:
    """Entries that are not as npm writes them, or nested deeper than is followed."""

    count = 0


def _walk(
    dependencies: Mapping[str, Any], odd: _Odd
) -> Iterator[tuple[str, Mapping[str, Any], int, int]]:
    """Name, entry, number of the scope around and of its own scope, in the order of the file."""
    count = 0
    pending: list[tuple[Iterator[tuple[str, Any]], int]] = [(iter(dependencies.items()), 0)]
    while pending:
        entries, outer = pending[-1]
        for name, entry in entries:
            if not isinstance(entry, dict):
                odd.count += 1
                continue
            count += 1
            yield name, entry, outer, count
            inner = entry.get("dependencies")
            if inner is not None and not isinstance(inner, dict):
                odd.count += 1
            elif inner and len(pending) >= MAX_DEPTH:
                odd.count += len(inner)
            elif inner:
                pending.append((iter(inner.items()), count))
                break
        else:
            pending.pop()


def _climb(scopes: Mapping[int, tuple[dict[str, int], int]], scope: int, name: str) -> int:
    while scope >= 0:
        names, outer = scopes[scope]
        if name in names:
            return names[name]
        scope = outer
    return -1
