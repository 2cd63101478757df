"""Projects of JavaScript as their package.json tells them: what they ask for, and the members of
a workspace."""

from __future__ import annotations

import fnmatch
import posixpath
from collections.abc import Iterator, Sequence
from typing import Any

import msgspec

from haechi.errors import InputError
from haechi.scan.deps.formats import Around
from haechi.scan.deps.formats.decoding import json_of, rows, table, word
from haechi.scan.deps.formats.node_names import texts

MAX_MEMBERS = 5_000
_MAX_LOOKS = 1_000_000
"""Names of files and folders that the globs of one project are held against."""
_READ = 20
"""Looks that opening a package.json counts for."""
_MAX_STEPS = 30
_MAX_DROPPED = 500


class Project(msgspec.Struct, frozen=True, kw_only=True):
    """One package.json. ``peers`` are asked for, too: what uses the project has to bring them."""

    folder: str
    name: str = ""
    version: str = ""
    dependencies: dict[str, str] = {}
    development: dict[str, str] = {}
    optional: dict[str, str] = {}
    peers: dict[str, str] = {}
    workspaces: tuple[str, ...] = ()
    resolutions: dict[str, str] = {}


def project_in(folder: str, around: Around) -> Project | None:
    """The project of a folder; None when it has no package.json that can be read."""
    path = posixpath.join(folder, "package.json")
    data = around.read(path)
    if data is None:
        return None
    try:
        return project_of(json_of(data, path, dict[str, Any]), folder)
    except InputError:  # told by whoever reads the manifest
        return None


def project_of(value: dict[str, Any], folder: str) -> Project:
    """A decoded package.json. What is optional as well is optional (npm's own rule)."""
    optional = texts(value.get("optionalDependencies"))
    workspaces = value.get("workspaces")
    if isinstance(workspaces, dict):
        workspaces = workspaces.get("packages")
    shipped = texts(value.get("dependencies"))
    return Project(
        folder=folder,
        name=word(value.get("name")),
        version=word(value.get("version")),
        dependencies={name: spec for name, spec in shipped.items() if name not in optional},
        development=texts(value.get("devDependencies")),
        optional=optional,
        peers=texts(value.get("peerDependencies")),
        workspaces=tuple(filter(None, map(word, rows(workspaces)))),
        resolutions=texts(value.get("resolutions")) or texts(table(value.get("overrides"))),
    )


def members_of(project: Project, around: Around) -> list[Project]:
    """The members of a workspace, by its globs (``packages/*``, ``apps/**``, ``!packages/old``).
    What is not found within the bounds is told by its own manifest."""
    globs = dict.fromkeys(one.removeprefix("./").strip("/") for one in project.workspaces)
    dropped = [one[1:].removeprefix("./").strip("/") for one in globs if one[:1] == "!"]
    dropped = dropped[:_MAX_DROPPED]
    looks = _Looks(project.folder, around)
    found: dict[str, Project] = {}
    seen: set[str] = set()
    for glob in globs:
        if glob[:1] == "!":
            continue
        for folder in looks.folders(glob.split("/")[:_MAX_STEPS], ""):
            if not folder or folder in seen:
                continue
            seen.add(folder)
            if not looks.spent(len(dropped) + _READ):
                return list(found.values())
            if any(fnmatch.fnmatchcase(folder, drop) for drop in dropped):
                continue
            member = project_in(posixpath.join(project.folder, folder), around)
            if member is not None:
                found[folder] = member
            if len(found) >= MAX_MEMBERS:
                return list(found.values())
    return list(found.values())


class _Looks:
    """Folders under ``base`` by globs, with a bound on what they are held against."""

    def __init__(self, base: str, around: Around) -> None:
        self._base = base
        self._around = around
        self._left = _MAX_LOOKS

    def spent(self, count: int) -> bool:
        """Whether so many looks were left; they are now spent."""
        self._left -= count
        return self._left >= 0

    def folders(self, steps: Sequence[str], folder: str) -> Iterator[str]:
        """What a glob names."""
        if not self.spent(1):
            return
        if not steps:
            yield folder
            return
        step, rest = steps[0], steps[1:]
        if step in (".", ""):
            yield from self.folders(rest, folder)
        elif step == "..":
            return
        elif not any(sign in step for sign in "*?[{"):
            yield from self.folders(rest, posixpath.join(folder, step))
        else:
            yield from self._matching(step, steps, folder)

    def _matching(self, step: str, steps: Sequence[str], folder: str) -> Iterator[str]:
        if step == "**":
            yield from self.folders(steps[1:], folder)
        names = self._around.names(posixpath.join(self._base, folder))
        if not self.spent(len(names)):
            return
        for name in sorted(names):
            if name in ("node_modules", ".git") or name[:1] == ".":
                continue
            inner = posixpath.join(folder, name)
            if step == "**":
                yield from self.folders(steps, inner)
            elif fnmatch.fnmatchcase(name, step):
                yield from self.folders(steps[1:], inner)
