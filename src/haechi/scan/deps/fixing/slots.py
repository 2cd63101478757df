"""Where a manifest says which versions of a package it wants.

A slot is the span of a range in the text. Each kind of manifest has a function that finds those
of one package; ``slots_of`` picks it by the file's name.
"""

from __future__ import annotations

import importlib
import posixpath
from collections.abc import Callable, Iterator

import msgspec

from haechi.scan.fix.changes import Refused


class Sought(msgspec.Struct, frozen=True, kw_only=True):
    """What is looked for: the package, normalised, with the version in use."""

    ecosystem: str
    name: str
    version: str


class Slot(msgspec.Struct, frozen=True, kw_only=True):
    """A range from ``start`` to ``end``. ``also`` names what shares it (a property of several
    packages); ``quote`` is what stands around one to which a second may be added (Gemfile)."""

    start: int
    end: int
    also: tuple[str, ...] = ()
    quote: str = ""


Finder = Callable[[str, Sought], Iterator[Slot]]

_BY_NAME = {
    "pyproject.toml": "python:pyproject",
    "Pipfile": "python:pipfile",
    "package.json": "node:package_json",
    "composer.json": "node:composer_json",
    "go.mod": "others:go_mod",
    "Cargo.toml": "others:cargo_toml",
    "Gemfile": "others:gemfile",
    "gems.rb": "others:gemfile",
    "pom.xml": "java:pom_xml",
    "build.gradle": "java:gradle",
    "build.gradle.kts": "java:gradle",
    "libs.versions.toml": "java:catalogue",
    "packages.config": "dotnet:project",
}
_BY_END = {
    ".csproj": "dotnet:project",
    ".fsproj": "dotnet:project",
    ".vbproj": "dotnet:project",
    ".props": "dotnet:project",
    ".txt": "python:requirements",
    ".pip": "python:requirements",
    ".in": "python:requirements",
}


def editable(path: str) -> bool:
    """Whether there is a way to edit such a file."""
    return _finder_name(path) is not None


def slots_of(path: str, text: str, sought: Sought) -> list[Slot]:
    """All places of a manifest that ask for the package. Raises Refused."""
    name = _finder_name(path)
    if name is None:
        raise Refused(f"{posixpath.basename(path)} is not a manifest that can be edited")
    module, _, function = name.partition(":")
    loaded = importlib.import_module(f"haechi.scan.deps.fixing.slots_{module}")
    finder: Finder = getattr(loaded, function)
    return list(finder(text, sought))


def _finder_name(path: str) -> str | None:
    name = posixpath.basename(path)
    return _BY_NAME.get(name) or _BY_END.get(posixpath.splitext(name)[1])
