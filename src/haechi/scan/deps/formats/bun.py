"""bun.lock (JSON with comments and trailing commas). bun.lockb, its binary predecessor, is a gap.

Packages are listed by where they would lie (``parent/child`` where versions differ), and what one
needs is found from there upwards.
"""

from __future__ import annotations

import posixpath
import re
from collections.abc import Mapping, Sequence
from typing import Any

from haechi.errors import InputError
from haechi.model.coverage import Gap
from haechi.model.package import PackageFile, Source
from haechi.scan.deps.formats import Around
from haechi.scan.deps.formats.decoding import (
    MAX_PACKAGES,
    json_of,
    rows,
    table,
    text_of,
    too_many,
    unread,
    word,
)
from haechi.scan.deps.formats.graph import Draft, Roots, settle
from haechi.scan.deps.formats.node_names import kind_of, split_name, texts
from haechi.scan.deps.formats.places import Keys
from haechi.scan.deps.formats.urls import clean_url

_STRING = r'("(?:[^"\\]|\\.)*+(?:"|\\?\Z))'
_COMMENTS = re.compile(_STRING + r"|//[^\n]*+|/\*.*?(?:\*/|\Z)", re.DOTALL)
_COMMAS = re.compile(_STRING + r"|,(?=\s*+[\]}])", re.DOTALL)
_MAX_KEY = 4_000
_MAX_LEVELS = 64


def read_binary(data: bytes, path: str, around: Around) -> Sequence[PackageFile]:
    """bun.lockb is the memory of bun's own process; nothing else reads it."""
    gap = Gap(
        kind="lockfile",
        path=path,
        reason="a binary lock file of bun, which only bun reads",
        do="run: bun install --save-text-lockfile",
    )
    return (PackageFile(path=path, format="bun.lockb", ecosystem="npm", gaps=(gap,)),)


def read(data: bytes, path: str, around: Around) -> Sequence[PackageFile]:
    """Read bun.lock."""
    plain = _COMMAS.sub(_kept, _COMMENTS.sub(_kept, text_of(data, path))).encode()
    value = json_of(plain, path, dict[str, Any])
    if "lockfileVersion" not in value or not isinstance(value.get("workspaces"), dict):
        raise InputError("no bun.lock: it names no version and no workspaces", where=path)
    return (_Lock(value, plain, path).file(),)


def _kept(match: re.Match[str]) -> str:
    """Texts stay; comments and commas go, lines do not move."""
    return match[1] or "\n" * match[0].count("\n")


class _Lock:
    def __init__(self, value: dict[str, Any], data: bytes, path: str) -> None:
        self._path = path
        self._workspaces = {
            folder: table(one) for folder, one in table(value.get("workspaces")).items()
        }
        self._packages = table(value.get("packages"))
        self._data = data
        self._drafts: list[Draft] = []
        self._at: dict[str, int] = {}
        self._known: dict[tuple[str, str, str], int] = {}
        self._folders: dict[str, int] = {}
        self._full = False

    def file(self) -> PackageFile:
        """Packages, their edges, and what the members of the workspace ask for."""
        keys = Keys(self._data, self._data.find(b'"packages"') + 1, (b"[",))
        odd = 0
        for key, entry in self._packages.items():
            odd += not (rows(entry) and word(entry[0]))
            self._add(key, rows(entry), keys.line(key))
        for key, entry in self._packages.items():
            at = self._at.get(key, -1)
            if at >= 0 and self._drafts[at].source is not Source.WORKSPACE:
                self._connect(key, entry, self._drafts[at])
        roots = Roots(requires=())
        for folder, workspace in self._workspaces.items():
            self._ask(folder, workspace, roots)
        packages, requires = settle(self._drafts, roots, ecosystem="npm", path=self._path)
        project = self._workspaces.get("", {})
        base = posixpath.dirname(self._path)
        return PackageFile(
            path=self._path,
            format="bun.lock",
            ecosystem="npm",
            packages=packages,
            requires=requires,
            name=word(project.get("name")),
            version=word(project.get("version")),
            covers=tuple(
                posixpath.normpath(posixpath.join(base, folder, "package.json"))
                for folder in self._workspaces
                if folder
            ),
            gaps=(
                *((too_many(self._path),) if self._full else ()),
                *unread(self._path, odd, "entries"),
            ),
        )

    def _add(self, key: str, entry: list[Any], line: int) -> None:
        name, told = split_name(word(entry[0]) if entry else "")
        if not name or len(key) > _MAX_KEY:
            return
        spelled = key.rpartition("/")[2]
        if key.endswith(f"/{name}") or key == name:
            spelled = name
        version, source, url = told, Source.REGISTRY, ""
        if told.startswith("workspace:"):
            version, source, url = "", Source.WORKSPACE, told[len("workspace:") :]
            version = word(self._workspaces.get(url, {}).get("version"))
        elif not told[:1].isdigit():
            version, source, url = "", kind_of(told), told
        identity = (name, version, url)
        at = self._known.get(identity, -1)
        if at < 0:
            if len(self._drafts) >= MAX_PACKAGES:
                self._full = True
                return
            at = self._known[identity] = len(self._drafts)
            digest = word(entry[-1]) if len(entry) > 1 else ""
            self._drafts.append(
                Draft(
                    name,
                    version,
                    spelled=spelled,
                    line=line,
                    source=source,
                    url=clean_url(url),
                    digests=(digest,) if digest.startswith("sha") else (),
                )
            )
            if source is Source.WORKSPACE:
                self._folders[url] = at
        elif spelled == name:
            self._drafts[at].spelled = ""  # an alias is told where there is no other name
        self._at[key] = at

    def _connect(self, key: str, entry: list[Any], draft: Draft) -> None:
        told = next((one for one in entry if isinstance(one, dict)), {})
        for field, edges in (
            ("dependencies", draft.needs),
            ("optionalDependencies", draft.maybe),
            ("peerDependencies", draft.maybe),
        ):
            for name in texts(told.get(field)):
                at = self._find(key, name)
                if at >= 0:
                    edges.append(at)

    def _find(self, key: str, name: str) -> int:
        """From ``a/b`` look at ``a/b/name``, ``a/name``, ``name``. The scope is part of a name:
        ``@s/a`` is one step, and nothing of it lies under ``@s``."""
        for _ in range(_MAX_LEVELS):
            if not key:
                break
            found = self._at.get(f"{key}/{name}")
            if found is not None:
                return found
            key = key.rpartition("/")[0]
            if key.rpartition("/")[2].startswith("@"):
                key = key.rpartition("/")[0]
        return self._at.get(name, -1)

    def _ask(self, folder: str, workspace: Mapping[str, Any], roots: Roots) -> None:
        own = self._drafts[self._folders[folder]] if folder in self._folders else None
        name = word(workspace.get("name")) if folder else ""
        asked: list[int] = []
        for field, positions in (
            ("dependencies", roots.production),
            ("optionalDependencies", roots.optional),
            ("peerDependencies", roots.optional),
            ("devDependencies", roots.development),
        ):
            found = [
                at for one in texts(workspace.get(field)) if (at := self._find(name, one)) >= 0
            ]
            positions += found
            asked += found
            if own is not None:
                edges = own.tools if positions is roots.development else own.maybe
                (own.needs if positions is roots.production else edges).extend(found)
        if own is not None:
            roots.production.append(self._folders[folder])
            asked = [self._folders[folder]]
        if roots.requires is not None:
            roots.requires += asked
