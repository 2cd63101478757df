"""The ranges that manifests and packages ask for, as far as the files tell them.

Lock files of npm, Yarn, Poetry, Bundler, Composer and NuGet repeat what each package asks of the
others. Scans do not need that, so it is read here, again, for the few files that are fixed.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from typing import Any

from haechi.errors import InputError, LimitExceeded
from haechi.model.package import PackageFile
from haechi.scan.deps.fixing.manifests import manifests_of
from haechi.scan.deps.fixing.ways import PROJECT, Asks
from haechi.scan.deps.formats import Around, reader_of
from haechi.scan.deps.formats.blocks import read_blocks
from haechi.scan.deps.formats.decoding import (
    MAX_PACKAGES,
    json_of,
    rows,
    table,
    text_of,
    toml_of,
    word,
)
from haechi.scan.deps.formats.pep508 import normal_name
from haechi.scan.deps.formats.requirements import read as read_requirements

Edge = tuple[str, str, str, str]
"""(owner's name, owner's version, needed name, range)."""
_EXACT = {
    "PyPI": "=={}",
    "npm": "{}",
    "Maven": "[{}]",
    "NuGet": "[{}]",
    "crates.io": "={}",
    "RubyGems": "= {}",
    "Packagist": "{}",
}
_SPEC = re.compile(r"    ([^\s()!]+) \(([^()]+)\)\s*\Z")
_NEED = re.compile(r"      ([^\s()!]+)!?(?: \(([^()]+)\))?\s*\Z")
_NODE = ("dependencies", "optionalDependencies", "peerDependencies")


def asks_of(file: PackageFile, around: Around) -> Asks:
    """What ``plan_upgrades`` asks. A file that cannot be read again tells nothing."""
    edges: dict[tuple[str, str, str], list[str]] = {}
    read = _EDGES.get(file.format)
    data = around.read(file.path) if read else None
    if read is not None and data is not None:
        try:
            for owner, version, needed, wanted in read(data, file.path):
                edges.setdefault((owner, version, needed), []).append(wanted)
        except (InputError, LimitExceeded):
            edges = {}
    project = _project(file, around)

    def asks(owner: int, needed: int) -> Sequence[str] | None:
        package = file.packages[needed]
        if owner == PROJECT:
            return project.get(package.name)
        one = file.packages[owner]
        for name in dict.fromkeys((package.name, package.spelled)):
            found = edges.get((one.name, one.version, name))
            if found is not None:
                return found
        return None

    return asks


def _project(file: PackageFile, around: Around) -> dict[str, list[str]]:
    """Name → ranges, of all manifests."""
    found: dict[str, list[str]] = {}
    for path in manifests_of(file, around):
        if path == file.path:
            continue
        reader = read_requirements if path.endswith(".in") else reader_of(path)
        data = around.read(path)
        if reader is None or data is None:
            continue
        try:
            told = reader(data, path, around)
        except (InputError, LimitExceeded):
            continue
        for one in told:
            for package in one.packages:
                exact = _EXACT.get(package.ecosystem, "{}").format(package.version)
                wanted = package.constraint or (exact if package.version else "")
                found.setdefault(package.name, []).append(wanted)
    return found


def _npm(data: bytes, path: str) -> Iterator[Edge]:
    value = json_of(data, path, dict[str, Any])
    for folder, entry in table(value.get("packages")).items():
        if isinstance(entry, dict) and folder:
            name = word(entry.get("name")) or folder.rpartition("node_modules/")[2]
            for field in _NODE:
                yield from _texts(name, entry, field)
    pending = [table(value.get("dependencies"))] if "packages" not in value else []
    while pending:
        for name, entry in pending.pop().items():
            if isinstance(entry, dict):
                yield from _texts(name, entry, "requires")
                pending.append(table(entry.get("dependencies")))


def _texts(name: str, entry: dict[str, Any], field: str) -> Iterator[Edge]:
    for needed, wanted in table(entry.get(field)).items():
        if isinstance(wanted, str):
            yield name, word(entry.get("version")), needed, _plain(wanted)


def _plain(wanted: str) -> str:
    """``npm:x@^1`` (an alias, or Yarn's own prefix) is ``^1``."""
    if wanted.startswith("npm:"):
        wanted = wanted[4:]
        wanted = wanted.rpartition("@")[2] if "@" in wanted else wanted
    return wanted


def _yarn(data: bytes, path: str) -> Iterator[Edge]:
    if b"__metadata:" not in data:
        yield from _yarn_classic(data, path)
        return
    for document in read_blocks(data, path, MAX_PACKAGES):
        for key, entry in document.data.items():
            if isinstance(entry, dict):
                name = key.partition(",")[0].strip().rpartition("@npm:")[0]
                for field in _NODE:
                    yield from _texts(name, entry, field)


def _yarn_classic(data: bytes, path: str) -> Iterator[Edge]:
    name = version = field = ""
    for row in text_of(data, path).split("\n"):
        body = row.strip()
        indent = len(row) - len(row.lstrip(" "))
        if not body or body[0] == "#":
            continue
        words = [one.strip('"') for one in re.findall(r'"[^"]*"|[^\s"]+', body)]
        if not indent:
            name = body.split(",")[0].strip('": ').rpartition("@")[0]
        elif indent == 2:
            field = body.rstrip(":")
            version = words[1] if words[0] == "version" and len(words) > 1 else version
        elif field in _NODE and len(words) > 1:
            yield name, version, words[0], _plain(words[1])


def _poetry(data: bytes, path: str) -> Iterator[Edge]:
    for entry in rows(toml_of(text_of(data, path), path).get("package")):
        told = table(entry)
        name, version = normal_name(word(told.get("name"))), word(told.get("version"))
        for needed, wanted in table(told.get("dependencies")).items():
            for one in wanted if isinstance(wanted, list) else (wanted,):
                text = word(one) or word(table(one).get("version"))
                yield name, version, normal_name(needed), text


def _bundler(data: bytes, path: str) -> Iterator[Edge]:
    owner: tuple[str, str] | None = None
    for row in text_of(data, path).splitlines():
        if spec := _SPEC.match(row):
            owner = (spec[1], spec[2])
        elif (need := _NEED.match(row)) and owner is not None:
            yield *owner, need[1], need[2] or ""
        elif row[:2] != "  ":
            owner = None


def _composer(data: bytes, path: str) -> Iterator[Edge]:
    value = json_of(data, path, dict[str, Any])
    for section in ("packages", "packages-dev"):
        for entry in rows(value.get(section)):
            told = table(entry)
            version = word(told.get("version"))
            for spelled in {version, version.removeprefix("v")}:
                for _, _, needed, wanted in _texts("", told, "require"):
                    yield word(told.get("name")).lower(), spelled, needed.lower(), wanted


def _nuget(data: bytes, path: str) -> Iterator[Edge]:
    value = json_of(data, path, dict[str, Any])
    for target in table(value.get("dependencies")).values():
        for name, entry in table(target).items():
            told = table(entry)
            for needed, wanted in table(told.get("dependencies")).items():
                yield name, word(told.get("resolved")), needed, word(wanted)


_EDGES: dict[str, Callable[[bytes, str], Iterator[Edge]]] = {
    "package-lock.json": _npm,
    "npm-shrinkwrap.json": _npm,
    "yarn.lock": _yarn,
    "poetry.lock": _poetry,
    "Gemfile.lock": _bundler,
    "gems.locked": _bundler,
    "composer.lock": _composer,
    "packages.lock.json": _nuget,
}
