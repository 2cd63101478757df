"""What MSBuild files around a project set: properties and versions of packages.

Only plain texts are read, no conditions and no functions. A property that is set to two different
texts has none: which one counts depends on conditions. Files are found as MSBuild finds them: the
nearest ``Directory.Build.props`` and ``Directory.Packages.props`` upwards, further ones only where
a file imports the next, and files that are imported by a plain path.
"""

from __future__ import annotations

import posixpath
import re
from typing import TYPE_CHECKING, NamedTuple
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


class Written(NamedTuple):
    """What one file sets: properties by lower-case name (None: to two texts), versions by
    lower-case package name, and the files that it imports by a plain path; ``goes_on``: it may
    import the next file upwards."""

    properties: dict[str, str | None]
    versions: dict[str, str]
    imports: tuple[str, ...]
    goes_on: bool


class Settings:
    """What a project and the files around it set; the nearest that sets a name counts. Files are
    kept as they are, since thousands of projects share them."""

    def __init__(self) -> None:
        self._files: list[Written] = []

    def add(self, file: Written) -> None:
        """Take what a file says; the files of a project are added from the nearest on."""
        self._files.append(file)

    def version(self, name: str) -> str:
        """The version that is set for a package, raw; "" if none is."""
        name = name.lower()
        return next((one.versions[name] for one in self._files if name in one.versions), "")

    def text(self, raw: str) -> str | None:
        """The text with its properties; None when one is not known or is computed."""
        for _ in range(10):
            if len(raw) > _LONGEST:
                return None
            if "$(" not in raw:
                return raw
            names = {name.lower() for name in _PROPERTY.findall(raw)}
            values = {name: self._property(name) for name in names}
            if not values or any(one is None or len(one) > _LONGEST for one in values.values()):
                return None
            raw = _PROPERTY.sub(lambda match: values[match[1].lower()] or "", raw)  # noqa: B023
        return None

    def _property(self, name: str) -> str | None:
        for one in self._files:
            if name in one.properties:
                return one.properties[name]
        return None


def written(root: Element) -> Written:
    """What a file sets."""
    properties: dict[str, str | None] = {}
    for group in root.all("PropertyGroup"):
        for one in group.children:
            name = one.name.lower()
            properties[name] = one.text if properties.get(name, one.text) == one.text else None
    versions: dict[str, str] = {}
    imports = []
    for element in root.walk():
        if element.name == "Import":
            path = _HERE.sub("", element.attributes.get("Project", "")).replace("\\", "/")
            if path.endswith((".props", ".targets")) and "$" not in path and "*" not in path:
                imports.append(path)
        elif element.name in ("PackageVersion", "PackageReference"):
            told = told_of(element)
            names = told.get("update") or ""
            if element.name == "PackageVersion":
                names = told.get("include") or names
            for name in names.split(";") if told.get("version") else ():
                versions.setdefault(name.strip().lower(), told["version"])
    return Written(properties, versions, tuple(imports[:_FILES]), bool(root.all("Import")))


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
    files.follow(written(root), folder, settings)
    for name in _AROUND:
        here: str | None = folder
        while here is not None:
            here = files.nearest(name, here)
            if here is None:
                break
            found = files.at(posixpath.join(here, name))
            if found is not None:
                files.follow(found, here, settings)
            if not here or found is None or not found.goes_on:
                break
            here = posixpath.dirname(here)
    return settings


_READ: WeakKeyDictionary[Around, dict[str, Written | None]] = WeakKeyDictionary()
"""Files that projects share, by the tree they lie in."""


class _Files:
    """Files around one project; each counts once."""

    def __init__(self, around: Around) -> None:
        self._around = around
        self._read = _READ.setdefault(around, {})
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

    def at(self, path: str) -> Written | None:
        if path not in self._read:
            data = None if path.startswith("..") else self._around.read(path)
            try:
                self._read[path] = written(parse(data)) if data is not None else None
            except InputError:
                self._read[path] = None
        return self._read[path]

    def follow(self, file: Written, folder: str, settings: Settings) -> None:
        """Add a file and those that it imports by a plain path."""
        waiting = [(file, folder)]
        while waiting and len(self._followed) < _FILES:
            one, here = waiting.pop()
            if id(one) in self._followed:
                continue
            self._followed.add(id(one))
            settings.add(one)
            for path in one.imports:
                path = posixpath.normpath(posixpath.join(here, path))
                found = self.at(path)
                if found is not None:
                    waiting.append((found, posixpath.dirname(path)))
