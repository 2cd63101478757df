"""Projects of JavaScript as their package.json tells them: what they ask for, and the members of
a workspace."""

from __future__ import annotations

import fnmatch
import posixpath
from collections.abc import Iterable, Sequence
from typing import Any

import msgspec

from haechi.errors import InputError
from haechi.scan.deps.formats import Around
from haechi.scan.deps.formats.decoding import json_of, rows, table, word
from haechi.scan.deps.formats.node_names import texts

MAX_MEMBERS = 5_000
_MAX_FOLDERS = 20_000
_MAX_STEPS = 30


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
    """The members of a workspace, by its globs (``packages/*``, ``apps/**``, ``!packages/old``)."""
    kept = [glob.removeprefix("./").strip("/") for glob in project.workspaces if glob[:1] != "!"]
    dropped = [
        glob[1:].removeprefix("./").strip("/") for glob in project.workspaces if glob[:1] == "!"
    ]
    found: dict[str, Project] = {}
    budget = [_MAX_FOLDERS]
    for glob in kept[:1_000]:
        for folder in _expand(glob.split("/")[:_MAX_STEPS], "", project.folder, around, budget):
            if folder in found or any(fnmatch.fnmatchcase(folder, drop) for drop in dropped):
                continue
            member = project_in(posixpath.join(project.folder, folder), around)
            if member is not None and folder:
                found[folder] = member
            if len(found) >= MAX_MEMBERS:
                return list(found.values())
    return list(found.values())


def _expand(
    steps: Sequence[str], folder: str, base: str, around: Around, budget: list[int]
) -> Iterable[str]:
    """Folders under ``base`` that a glob names; ``budget`` counts the folders listed."""
    if not steps:
        return [folder]
    step, rest = steps[0], steps[1:]
    if step in (".", ""):
        return _expand(rest, folder, base, around, budget)
    if step == "..":
        return []
    if not any(sign in step for sign in "*?[{"):
        return _expand(rest, posixpath.join(folder, step), base, around, budget)
    budget[0] -= 1
    if budget[0] < 0:
        return []
    found: list[str] = []
    if step == "**":
        found += _expand(rest, folder, base, around, budget)
    for name in sorted(around.names(posixpath.join(base, folder))):
        if name in ("node_modules", ".git") or "." in name[:1]:
            continue
        inner = posixpath.join(folder, name)
        if step == "**":
            found += _expand(steps, inner, base, around, budget)
        elif fnmatch.fnmatchcase(name, step):
            found += _expand(rest, inner, base, around, budget)
    return found
