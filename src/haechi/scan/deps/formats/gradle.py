"""Gradle: lock files, ``verification-metadata.xml``; readers of build scripts and version
catalogues are in ``gradle_build``.

A lock file says for each module which configurations hold it. What only configurations of tests,
checks and compilers' plugins hold is not shipped. ``verification-metadata.xml`` names every
artifact that a build may load with its digests: also those of plugins, and those that are needed
no more. Beside a lock file it gives digests; without one it is the list.
"""

from __future__ import annotations

import posixpath
import re
from collections.abc import Sequence
from typing import TYPE_CHECKING
from weakref import WeakKeyDictionary

from haechi.engines.xml import parse
from haechi.errors import InputError, LimitExceeded
from haechi.model.package import PackageFile
from haechi.scan.deps.formats.decoding import MAX_PACKAGES, text_of, unread
from haechi.scan.deps.formats.gradle_build import read_build, read_catalogue
from haechi.scan.deps.formats.graph import Draft, settle

if TYPE_CHECKING:
    from haechi.scan.deps.formats import Around

__all__ = ["read_build", "read_catalogue", "read_lock", "read_verification"]

ECOSYSTEM = "Maven"
_LOCKED = re.compile(r"([^\s:=#]{1,200}):([^\s:=#]{1,200}):([^\s:=]{1,200})(?:=(\S*))?\s*")
_TEST = re.compile(
    r"(?:^|[a-z0-9])(?:Test|Jmh|IntTest|Fixtures)(?=[A-Z0-9_]|$)|^(?:test|jmh)(?=[A-Z0-9_]|$)"
)
_TOOLS = re.compile(
    r"(?i)(?:^|.)(?:annotationProcessor|kapt|ksp|checkstyle|pmd|pmdAux|spotbugs(?:Plugins|Slf4j)?|"
    r"findbugs|codenarc|jacocoAgent|jacocoAnt|ktlint\w*|detekt\w*|errorprone(?:Javac)?|lint\w*|"
    r"dokka\w*|developmentOnly|kotlin(?:Build|Compiler|Klib|Native)\w*|spotless\w*|nohttp\w*|"
    r"asciidoctor\w*|protobufToolsLocator\w*|zinc|incrementalScalaAnalysis\w*|antlr)$"
)
_BINARY = (".jar", ".aar", ".klib", ".war", ".zip")
_KINDS = ("sha512", "sha256", "sha1", "md5")


def read_lock(data: bytes, path: str, around: Around) -> Sequence[PackageFile]:
    """``gradle.lockfile`` (one for a project) and ``*.lockfile`` (one for a configuration)."""
    name = posixpath.basename(path)
    of_script = name.startswith(("buildscript-", "settings-"))
    digests = _verified(posixpath.dirname(path), around)
    drafts = []
    odd = 0
    for number, line in enumerate(text_of(data, path).splitlines(), 1):
        found = _LOCKED.fullmatch(line)
        if found is None:
            odd += bool(line.strip()) and not line.startswith(("#", "empty="))
            continue
        module = f"{found[1]}:{found[2]}"
        configurations = _configurations(found[4], name)
        drafts.append(
            Draft(
                module,
                found[3],
                line=number,
                digests=digests.get((module, found[3]), (0, ()))[1],
                development=of_script or not any(map(_ships, configurations)),
            )
        )
        if len(drafts) > MAX_PACKAGES:
            raise LimitExceeded(f"more than {MAX_PACKAGES:,} packages", where=path)
    packages, _ = settle(drafts, None, ecosystem=ECOSYSTEM, path=path)
    return [
        PackageFile(
            path=path,
            format="gradle.lockfile",
            ecosystem=ECOSYSTEM,
            packages=packages,
            gaps=unread(path, odd),
        )
    ]


def read_verification(data: bytes, path: str, around: Around) -> Sequence[PackageFile]:
    """``gradle/verification-metadata.xml`` where the project has no lock file."""
    root = posixpath.dirname(posixpath.dirname(path))
    if "gradle.lockfile" in around.names(root):
        return []
    try:
        found = _components(data)
    except InputError as error:
        raise type(error)(error.what, why=error.why, do=error.do, where=path) from error
    drafts = [
        Draft(module, version, line=line, digests=digests)
        for (module, version), (line, digests) in found.items()
    ]
    packages, _ = settle(drafts, None, ecosystem=ECOSYSTEM, path=path)
    return [
        PackageFile(
            path=path, format="verification-metadata.xml", ecosystem=ECOSYSTEM, packages=packages
        )
    ]


def _configurations(told: str | None, file: str) -> list[str]:
    """Of one line; an old lock file is named after its one configuration."""
    if told is not None:
        return told.split(",") if told else ["unknown"]
    return [file.removesuffix(".lockfile")]


def _ships(configuration: str) -> bool:
    return not (_TEST.search(configuration) or _TOOLS.search(configuration))


Components = dict[tuple[str, str], tuple[int, tuple[str, ...]]]
_VERIFIED: WeakKeyDictionary[Around, dict[str, Components]] = WeakKeyDictionary()
"""Digests by tree and file: each project of a build has a lock file, all share these."""


def _verified(folder: str, around: Around) -> Components:
    """Digests of the nearest ``gradle/verification-metadata.xml`` upwards."""
    known = _VERIFIED.setdefault(around, {})
    for _ in range(12):
        path = posixpath.join(folder, "gradle/verification-metadata.xml")
        if path not in known:
            data = None
            if "verification-metadata.xml" in around.names(posixpath.dirname(path)):
                data = around.read(path)
            try:
                known[path] = _components(data) if data else {}
            except InputError:
                known[path] = {}  # told as a gap when the file itself is read
        if known[path]:
            return known[path]
        if not folder:
            break
        folder = posixpath.dirname(folder)
    return {}


def _components(data: bytes) -> Components:
    """Modules with a binary artifact: a pom alone was only read to find versions."""
    found: Components = {}
    for component in parse(data).all("components", "component"):
        told = component.attributes
        binaries = [
            one
            for one in component.children
            if one.name == "artifact" and one.attributes.get("name", "").endswith(_BINARY)
        ]
        digests = [
            f"{digest.name}:{digest.attributes.get('value', '')}"
            for one in binaries
            for digest in one.children
            if digest.name in _KINDS
        ]
        module = f"{told.get('group', '')}:{told.get('name', '')}"
        if binaries and len(module) > 2 and told.get("version"):
            found[(module, told["version"])] = (component.line, tuple(digests))
            if len(found) > MAX_PACKAGES:
                raise LimitExceeded(f"more than {MAX_PACKAGES:,} packages")
    return found
