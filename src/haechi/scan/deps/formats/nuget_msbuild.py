"""What MSBuild files around a project set: properties and versions of packages.

Only plain texts are read, no conditions and no functions. A property that is set to two different
texts has none: which one counts depends on conditions. Files are found as MSBuild finds them: the
nearest ``Directory.Build.props`` and ``Directory.Packages.props`` upwards, further ones only where
a file imports the next, and files that are imported by a plain path.
"""

from __future__ import annotations

import posixpath
import re
from typing import TYPE_CHECKING
from weakref import WeakKeyDictionary

from haechi.engines.xml import Element, parse
from haechi.errors import InputError, LimitExceeded

if TYPE_CHECKING:
    from haechi.scan.deps.formats import Around

_AROUND = ("Directory.Build.props", "Directory.Packages.props", "Directory.Build.targets")
_UP = 12
_FILES = 50
_LONGEST = 1_000
_PROPERTY = re.compile(r"\$\(([A-Za-z_][\w.-]{0,100})\)")
_HERE = re.compile(r"\$\(MSBuildThisFileDirectory\)[\\/]?", re.IGNORECASE)


class Settings:
    """Properties by lower-case name (None: unclear) and versions by lower-case package name."""

    def __init__(self) -> None:
        self.properties: dict[str, str | None] = {}
        self.versions: dict[str, str] = {}

    def text(self, raw: str) -> str | None:
        """The text with its properties; None when one is not known or is computed."""
        for _ in range(10):
            if len(raw) > _LONGEST:
                return None
            if "$(" not in raw:
                return raw
            names = {name.lower() for name in _PROPERTY.findall(raw)}
            values = {name: self.properties.get(name) for name in names}
            if not values or any(one is None or len(one) > _LONGEST for one in values.values()):
                return None
            raw = _PROPERTY.sub(lambda match: values[match[1].lower()] or "", raw)  # noqa: B023
        return None

    def add(self, root: Element) -> None:
        """Take what a file says; the files of a project are added from the nearest on."""
        own: dict[str, str | None] = {}
        for group in root.all("PropertyGroup"):
            for one in group.children:
                name = one.name.lower()
                own[name] = one.text if own.get(name, one.text) == one.text else None
        for name, value in own.items():
            self.properties.setdefault(name, value)
        for element in root.walk():
            told = (
                told_of(element) if element.name in ("PackageVersion", "PackageReference") else {}
            )
            if element.name == "PackageVersion":
                names = told.get("include") or told.get("update") or ""
            else:
                names = told.get("update") or ""
            if told.get("version"):
                for name in names.split(";"):
                    self.versions.setdefault(name.strip().lower(), told["version"])


def parsed(data: bytes, path: str) -> Element:
    """The XML of a file; faults name it."""
    try:
        return parse(data)
    except LimitExceeded as error:
        raise LimitExceeded(error.what, where=path) from error
    except InputError as error:
        raise InputError(error.what, why=error.why, do=error.do, where=path) from error


def told_of(element: Element) -> dict[str, str]:
    """Attributes and child elements alike: MSBuild takes metadata in either form."""
    told = {name.lower(): value.strip() for name, value in element.attributes.items()}
    for child in element.children:
        told.setdefault(child.name.lower(), child.text)
    return told


def settings_of(root: Element, folder: str, around: Around) -> Settings:
    """What the project itself and the files around it set."""
    settings = Settings()
    files = _Files(around)
    files.follow(root, folder, settings)
    for name in _AROUND:
        here: str | None = folder
        while here is not None:
            here = files.nearest(name, here)
            if here is None:
                break
            found = files.at(posixpath.join(here, name))
            if found is not None:
                files.follow(found, here, settings)
            if not here or found is None or not found.all("Import"):
                break
            here = posixpath.dirname(here)
    return settings


_PARSED: WeakKeyDictionary[Around, dict[str, Element | None]] = WeakKeyDictionary()
"""Files that projects share, by the tree they lie in."""


class _Files:
    """Files around one project; each counts once."""

    def __init__(self, around: Around) -> None:
        self._around = around
        self._parsed = _PARSED.setdefault(around, {})
        self._followed: set[int] = set()

    def nearest(self, name: str, folder: str) -> str | None:
        """The folder, this one or above, that has such a file."""
        for _ in range(_UP):
            if name in self._around.names(folder):
                return folder
            if not folder:
                break
            folder = posixpath.dirname(folder)
        return None

    def at(self, path: str) -> Element | None:
        if path not in self._parsed:
            data = None if path.startswith("..") else self._around.read(path)
            try:
                self._parsed[path] = parse(data) if data is not None else None
            except InputError:
                self._parsed[path] = None
        return self._parsed[path]

    def follow(self, root: Element, folder: str, settings: Settings) -> None:
        """Add a file and those that it imports by a plain path."""
        waiting = [(root, folder)]
        while waiting and len(self._followed) < _FILES:
            one, here = waiting.pop()
            if id(one) in self._followed:
                continue
            self._followed.add(id(one))
            settings.add(one)
            for element in one.walk():
                target = element.attributes.get("Project", "") if element.name == "Import" else ""
                path = _HERE.sub("", target).replace("\\", "/")
                if path.endswith((".props", ".targets")) and "$" not in path and "*" not in path:
                    path = posixpath.normpath(posixpath.join(here, path))
                    found = self.at(path)
                    if found is not None:
                        waiting.append((found, posixpath.dirname(path)))
