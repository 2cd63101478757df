"""Which manifests a file's versions come from: what a person, or a patch, changes."""

from __future__ import annotations

import fnmatch
import posixpath
import re

from haechi.model.package import Package, PackageFile
from haechi.scan.deps.fixing.slots import editable
from haechi.scan.deps.formats import Around, format_of
from haechi.scan.deps.formats.cargo_manifest import manifests as cargo_manifests

_UP = 6
_CENTRAL = ("Directory.Packages.props", "Directory.Build.props")
_CATALOGUE = "gradle/libs.versions.toml"


def manifests_of(file: PackageFile, around: Around) -> tuple[str, ...]:
    """Paths of those that are there: the file itself where people write it."""
    folder = posixpath.dirname(file.path)
    found: list[str] = []
    format = format_of(file.path)
    if file.format == "requirements.txt":
        found += _inputs(file.path, around)
    elif editable(file.path) and (file.format in _OWN or not file.pins):
        found.append(file.path)
    for pattern in format.covers if format else ():
        names = around.names(folder)
        found += [
            posixpath.join(folder, name)
            for name in sorted(fnmatch.filter(names, pattern))
            if editable(name)
        ]
    found += [path for path in file.covers if editable(path)]
    if file.ecosystem == "crates.io":
        found += [one.path for one in cargo_manifests(folder, around)]
    if file.ecosystem == "NuGet":
        found += _above(folder, _CENTRAL, around)
    if file.format in ("gradle.lockfile", "build.gradle", "build.gradle.kts"):
        found += _above(folder, (_CATALOGUE,), around)
    if file.format == "pom.xml":
        found += _above(posixpath.dirname(folder), ("pom.xml",), around) if folder else []
    there = [path for path in dict.fromkeys(found) if _is_there(path, around)]
    return tuple(there)


_NAMED = re.compile(r"^\s*(?:-c|--constraint)[ \t=]+['\"]?([^\s'\"#:]{1,200})", re.MULTILINE)
_MOST_NAMED = 20
_OWN = frozenset({"go.mod", "packages.config"})


def lines_of(package: Package, file: PackageFile) -> str:
    """The file in which a package's own line stands (what is included stands elsewhere)."""
    return package.location.path or file.path


def _inputs(path: str, around: Around) -> list[str]:
    """``requirements.txt`` and, where there is one, the ``requirements.in`` behind it."""
    source = posixpath.splitext(path)[0] + ".in"
    inputs = [path, source] if _is_there(source, around) else [path]
    return [*inputs, *_constraints(path, around)]


def _constraints(path: str, around: Around) -> list[str]:
    """What ``-c`` names within the project: there the versions of bare names may stand."""
    text = (around.read(path) or b"").decode("utf-8", "replace")
    folder = posixpath.dirname(path)
    named = (posixpath.normpath(posixpath.join(folder, one)) for one in _NAMED.findall(text))
    return [one for one in dict.fromkeys(named) if not one.startswith(("..", "/"))][:_MOST_NAMED]


def _above(folder: str, names: tuple[str, ...], around: Around) -> list[str]:
    """The nearest of each upwards."""
    found = []
    for name in names:
        here = folder
        for _ in range(_UP):
            path = posixpath.join(here, name)
            if _is_there(path, around):
                found.append(path)
                break
            if not here:
                break
            here = posixpath.dirname(here)
    return found


def _is_there(path: str, around: Around) -> bool:
    return posixpath.basename(path) in around.names(posixpath.dirname(path))
