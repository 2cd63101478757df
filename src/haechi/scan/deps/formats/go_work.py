"""Go's workspaces, and the standard library that a ``go`` or ``toolchain`` line names."""

from __future__ import annotations

import posixpath
import re
from collections.abc import Sequence
from typing import TYPE_CHECKING, NamedTuple
from weakref import WeakKeyDictionary

from haechi.model.package import Package, PackageFile, Source
from haechi.scan.deps.formats import go_mod
from haechi.scan.deps.formats.decoding import text_of
from haechi.scan.deps.formats.places import on_line

if TYPE_CHECKING:
    from haechi.scan.deps.formats import Around

ECOSYSTEM = "Go"
_FOLDERS_UP = 12
_VERSION = re.compile(r"(\d{1,4})(?:\.(\d{1,4}))?")
_RELEASE = re.compile(r"\d{1,4}\.\d{1,4}(?:\.\d|rc\d|beta\d)")
_NAMES_TOOLCHAIN = (1, 21)


def read_work(data: bytes, path: str, around: Around) -> Sequence[PackageFile]:
    """``go.work``: the modules in use, and the toolchain for all of them."""
    told = go_mod.module(text_of(data, path))
    folder = posixpath.dirname(path)
    packages = []
    for one in told.uses:
        where = posixpath.normpath(posixpath.join(folder, one.words[0]))
        name = _name_of(where, around)
        if name:
            packages.append(
                Package(
                    ecosystem=ECOSYSTEM,
                    name=name,
                    location=on_line(path, one.line, one.column),
                    source=Source.WORKSPACE,
                    url=where,
                    direct=True,
                )
            )
    packages += stdlib(told, path)
    return [
        PackageFile(
            path=path,
            format="go.work",
            ecosystem=ECOSYSTEM,
            packages=tuple(packages),
            requires=tuple(range(len(packages))),
        )
    ]


def stdlib(told: go_mod.Module, path: str) -> list[Package]:
    """The standard library as a package, or nothing: see the head of ``go``."""
    named = told.toolchain
    if named is not None and named.words[0].startswith("go"):
        version = named.words[0][2:].split("-")[0]
    elif told.go is not None and language(told.go) >= _NAMES_TOOLCHAIN:
        named, version = told.go, told.go.words[0]
    else:
        return []
    if _RELEASE.match(version) is None:
        return []
    return [
        Package(
            ecosystem=ECOSYSTEM,
            name="stdlib",
            version=version,
            constraint=f">={version}",
            location=on_line(path, named.line, named.column),
            source=Source.STDLIB,
            direct=True,
        )
    ]


def language(line: go_mod.Directive | None) -> tuple[int, int]:
    """The version of a ``go`` line; without one Go assumes 1.16."""
    found = _VERSION.match(line.words[0]) if line is not None else None
    return (int(found[1]), int(found[2] or 0)) if found else (1, 16)


class _Work(NamedTuple):
    """One ``go.work`` with the folders that it uses and the names of their modules."""

    told: go_mod.Module
    folders: frozenset[str]
    modules: frozenset[str]


_WORKS: WeakKeyDictionary[Around, dict[str, _Work | None]] = WeakKeyDictionary()
"""Workspaces by tree and folder: each of their modules asks for them."""


def workspace(folder: str, around: Around) -> tuple[go_mod.Module | None, frozenset[str]]:
    """The workspace that uses the module of a folder, and the names of all its modules."""
    here = folder
    for _ in range(_FOLDERS_UP):
        if "go.work" in around.names(here):
            work = _work_in(here, around)
            if work is None or (folder or ".") not in work.folders:
                return None, frozenset()
            return work.told, work.modules
        if not here:
            break
        here = posixpath.dirname(here)
    return None, frozenset()


def _work_in(folder: str, around: Around) -> _Work | None:
    known = _WORKS.setdefault(around, {})
    if folder not in known:
        data = around.read(posixpath.join(folder, "go.work"))
        told = go_mod.module(data.decode(errors="replace")) if data else None
        known[folder] = None
        if told is not None:
            uses = (posixpath.normpath(posixpath.join(folder, one.words[0])) for one in told.uses)
            names = {use: _name_of(use, around) for use in uses}
            known[folder] = _Work(told, frozenset(names), frozenset(names.values()) - {""})
    return known[folder]


def _name_of(folder: str, around: Around) -> str:
    if folder.startswith(".."):
        return ""
    data = around.read(posixpath.normpath(posixpath.join(folder, "go.mod")))
    found = re.search(rb'^\s*module\s+"?([^\s"]+)', data, re.MULTILINE) if data else None
    return found[1].decode(errors="replace") if found else ""
