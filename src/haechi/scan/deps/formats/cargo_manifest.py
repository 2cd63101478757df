"""``Cargo.toml``: what a crate asks for and where its neighbours in a workspace are.

Only what decides about scope is read: which names are normal, build or development dependencies,
which may be left out, and which folders belong to the workspace. A build script runs on the
machine that builds what is shipped, so build dependencies count as shipped, as they do to
``cargo tree``.
"""

from __future__ import annotations

import fnmatch
import posixpath
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, NamedTuple

from haechi.errors import InputError
from haechi.scan.deps.formats.decoding import table, text_of, toml_of, word

if TYPE_CHECKING:
    from haechi.scan.deps.formats import Around

_NORMAL = ("dependencies", "build-dependencies", "build_dependencies")
_DEVELOPMENT = ("dev-dependencies", "dev_dependencies")
_MEMBERS = 2_000


class Wanted(NamedTuple):
    """One dependency. ``key`` is the path of its entry in the file; ``told`` its table."""

    name: str
    key: tuple[str, ...]
    told: dict[str, Any]
    development: bool
    optional: bool


class Manifest(NamedTuple):
    """One ``Cargo.toml``: its decoded ``data`` and the workspace's root data for ``workspace =
    true`` (its own where it is the root)."""

    path: str
    data: dict[str, Any]
    root: dict[str, Any]

    @property
    def name(self) -> str:
        return word(table(self.data.get("package")).get("name"))

    @property
    def version(self) -> str:
        told = table(self.data.get("package")).get("version")
        if isinstance(told, dict):
            told = table(table(self.root.get("workspace")).get("package")).get("version")
        return word(told)

    def wanted(self) -> Iterator[Wanted]:
        """Every dependency of every section, those of targets included."""
        on = self._on_by_default()
        targets = table(self.data.get("target"))
        holders = [((), self.data), *((("target", cfg), table(t)) for cfg, t in targets.items())]
        for prefix, holder in holders:
            for section in (*_NORMAL, *_DEVELOPMENT):
                for key, value in table(holder.get(section)).items():
                    if key:
                        yield self._one((*prefix, section, key), value, on)

    def _on_by_default(self) -> set[str]:
        """Features and dependencies that the feature ``default`` leads to. ``name?/feature``
        switches nothing on by itself."""
        features = table(self.data.get("features"))
        seen: set[str] = set()
        waiting = ["default"]
        while waiting:
            name = waiting.pop()
            if name not in seen:
                seen.add(name)
                told = _words(features, name)
                waiting += [one.partition("/")[0].removeprefix("dep:") for one in told]
        return seen

    def _one(self, key: tuple[str, ...], value: Any, on: set[str]) -> Wanted:
        told = {"version": value} if isinstance(value, str) else table(value)
        if told.get("workspace") is True:
            shared = table(table(self.root.get("workspace")).get("dependencies")).get(key[-1])
            inherited = {"version": shared} if isinstance(shared, str) else table(shared)
            told = {**inherited, **told}
        return Wanted(
            name=word(told.get("package")) or key[-1],
            key=key,
            told=told,
            development=key[-2] in _DEVELOPMENT,
            optional=told.get("optional") is True and key[-1] not in on,
        )


def manifests(folder: str, around: Around) -> list[Manifest]:
    """The manifest of a folder and those of its workspace: members by name or pattern, and
    whatever they point to by path inside the tree."""
    root = _decoded(posixpath.join(folder, "Cargo.toml"), around)
    if root is None:
        return []
    found = {posixpath.join(folder, "Cargo.toml"): Manifest("", root, root)}
    waiting = _members(folder, table(root.get("workspace")), around)
    waiting += _paths(folder, Manifest("", root, root))
    while waiting and len(found) < _MEMBERS:
        here = waiting.pop()
        path = posixpath.join(here, "Cargo.toml")
        if path in found:
            continue
        data = _decoded(path, around)
        if data is not None:
            found[path] = Manifest(path, data, root)
            waiting += _paths(here, found[path])
    return [one._replace(path=path) for path, one in found.items()]


def workspace_root(folder: str, around: Around) -> dict[str, Any]:
    """The data of the nearest ``Cargo.toml`` upwards that has a workspace; empty without one."""
    here = folder
    for _ in range(12):
        if "Cargo.toml" in around.names(here):
            data = _decoded(posixpath.join(here, "Cargo.toml"), around)
            if data is not None and "workspace" in data:
                return data
        if not here:
            break
        here = posixpath.dirname(here)
    return {}


def _decoded(path: str, around: Around) -> dict[str, Any] | None:
    data = around.read(path)
    if data is None:
        return None
    try:
        return toml_of(text_of(data, path), path)
    except InputError:
        return None  # told as a gap when the file itself is read


def _members(folder: str, workspace: dict[str, Any], around: Around) -> list[str]:
    left_out = {
        posixpath.normpath(posixpath.join(folder, one)) for one in _words(workspace, "exclude")
    }
    found = []
    for pattern in _words(workspace, "members"):
        found += [one for one in _expanded(folder, pattern, around) if one not in left_out]
    return found[:_MEMBERS]


def _expanded(folder: str, pattern: str, around: Around) -> list[str]:
    """Folders that a member's pattern names; ``*`` and ``?`` within one part of the path."""
    found = [folder]
    for part in posixpath.normpath(pattern).split("/")[:20]:
        if "*" in part or "?" in part or "[" in part:
            found = [
                posixpath.join(here, name)
                for here in found
                for name in sorted(fnmatch.filter(around.names(here), part))
            ][:_MEMBERS]
        else:
            found = [posixpath.normpath(posixpath.join(here, part)) for here in found]
    return [path for path in found if not path.startswith("..")]


def _paths(folder: str, manifest: Manifest) -> list[str]:
    """Folders that dependencies point to. A path that comes from the workspace is relative to
    its root; both are tried, an absent folder does no harm."""
    told = [word(one.told.get("path")) for one in manifest.wanted()]
    shared = table(table(manifest.root.get("workspace")).get("dependencies"))
    if manifest.root is manifest.data:
        told += [word(table(one).get("path")) for one in shared.values()]
    paths = {posixpath.normpath(posixpath.join(folder, one)) for one in told if one}
    return sorted(path for path in paths if not path.startswith(("..", "/")))


def _words(holder: dict[str, Any], key: str) -> list[str]:
    told = holder.get(key)
    return [one for one in told if isinstance(one, str)] if isinstance(told, list) else []
