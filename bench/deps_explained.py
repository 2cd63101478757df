"""Why our list of a file and a peer's differ, by kind: what ``bench deps_peers`` counts.

Each kind is looked for in the file itself (and in what we know of the package), never taken from a
list of names: a package that is missing without such a reason stays without one.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from typing import NamedTuple

from haechi.model.package import Package, Source

Name = tuple[str, str]


class Case(NamedTuple):
    """One file and what both sides say of it.

    ``told`` are our packages by their compared names; not compared are ``own``, the names of the
    project and of folders beside it, and ``open``, those whose version we leave open.
    ``elsewhere`` is what we tell at the other poms of the tree, ``open_elsewhere`` what we leave
    open there; ``anywhere`` is what the peer tells in the whole of it. Texts are in lower case, as
    the compared names are."""

    path: str
    format: str
    peer: str
    text: str
    sums: str
    told: Mapping[Name, Package]
    theirs: frozenset[Name]
    own: frozenset[str]
    open: frozenset[str]
    elsewhere: frozenset[Name]
    open_elsewhere: frozenset[str]
    anywhere: frozenset[Name]


def why_ours(one: Name, case: Case) -> str:
    """Why only we tell of it; empty when nothing explains it."""
    package = case.told[one]
    return next((kind for kind, holds in _OURS.items() if holds(one, package, case)), "")


def why_theirs(one: Name, case: Case) -> str:
    """Why only the peer tells of it."""
    return next((kind for kind, holds in _THEIRS.items() if holds(one, case)), "")


_OURS: dict[str, Callable[[Name, Package, Case], bool]] = {
    "Go's standard library, of the exact release that go.mod names": lambda one, package, case: (
        package.source is Source.STDLIB
    ),
    "from go.sum, where a go.mod of before Go 1.17 names direct modules only": (
        lambda one, package, case: package.location.path.endswith(("go.sum", "vendor/modules.txt"))
    ),
    "from another file that this one includes": lambda one, package, case: (
        case.format == "requirements.txt" and package.location.path != case.path
    ),
    "one gem; the peer tells each platform's build of it": lambda one, package, case: (
        case.format == "Gemfile.lock" and _builds(one, case.theirs)
    ),
    "under its own name; the peer's stands under an alias or a folder": (
        lambda one, package, case: _aliased(one, case)
    ),
    "from git or an address, which the peer gives as the version or leaves out": (
        lambda one, package, case: package.source in (Source.GIT, Source.URL)
    ),
    "of the other document of a lock file that holds two": lambda one, package, case: (
        case.format == "pnpm-lock.yaml" and len(re.findall(r"(?m)^---\s*$", case.text)) > 1
    ),
    "a library without files of its own": lambda one, package, case: (
        case.format == "deps.json" and one in _without_files(case.text)
    ),
    "for development only, which the peer leaves out": lambda one, package, case: (
        package.development and not (case.format == "Cargo.lock" and case.peer == "syft")
    ),
    "in the lock file, but not reached from what the peer starts with": (
        lambda one, package, case: case.format == "Cargo.lock" and case.peer == "trivy"
    ),
    "its version comes from a parent, a property or an import, which the peer does not follow": (
        lambda one, package, case: case.format == "pom.xml" and not _written(one, case.text)
    ),
    "nested in a package-lock.json of version 1, which the peer does not open": (
        lambda one, package, case: (
            case.format == "package-lock.json"
            and case.peer == "syft"
            and _is_nested(one, case.text)
        )
    ),
    "another version is excluded; the peer drops the module": lambda one, package, case: (
        case.format == "go.mod"
        and bool(re.search(rf"exclude\s[^)]*{re.escape(one[0])}\s", case.text))
    ),
    "the peer tells it at another file of the tree": lambda one, package, case: (
        one in case.anywhere
    ),
    "the peer cuts the version's end": lambda one, package, case: any(
        name == one[0] and one[1].startswith(f"{version}-") for name, version in case.theirs
    ),
}

_THEIRS: dict[str, Callable[[Name, Case], bool]] = {
    "the project itself, a member of the workspace or a folder": lambda one, case: (
        one[0] in case.own
        or one[1].startswith(("file:", "link:", "workspace:"))
        or one[1] == "0.0.0-use.local"
    ),
    "a platform's build of a gem that we tell once": lambda one, case: (
        case.format == "Gemfile.lock"
        and any(name == one[0] and one[1].startswith(f"{version}-") for name, version in case.told)
    ),
    "an alias or a folder, which we tell under the package's own name": lambda one, case: _alias_of(
        one, case
    ),
    "a place (git, an address) as the version; we tell the version or leave it open": (
        lambda one, case: (
            bool(re.search(r":|/", one[1]))
            and (one[0] in {name for name, _ in case.told} or one[0] in case.own | case.open)
        )
    ),
    "a replacement of a module that is not required": lambda one, case: (
        case.format == "go.mod" and f"=> {one[0]} v{one[1]}" in case.text
    ),
    "only the sum of its go.mod is there: its code is never taken": lambda one, case: (
        case.format == "go.mod"
        and f"{one[0]} v{one[1]}/go.mod h1:" in case.sums
        and f"{one[0]} v{one[1]} h1:" not in case.sums
    ),
    "an older version in go.sum; the highest is built": lambda one, case: (
        case.format == "go.mod"
        and f"{one[0]} v{one[1]} h1:" in case.sums
        and one[0] in {name for name, _ in case.told}
    ),
    "of a parent or a module, at whose pom we tell it": lambda one, case: (
        case.format == "pom.xml" and (one in case.elsewhere or one[0] in case.open_elsewhere)
    ),
    "we leave its version open; the peer fills one in": lambda one, case: one[0] in case.open,
    "its version is cut by the peer; ours is whole": lambda one, case: any(
        name == one[0] and version.startswith(f"{one[1]}-") for name, version in case.told
    ),
}


def _builds(one: Name, theirs: frozenset[Name]) -> bool:
    return any(name == one[0] and version.startswith(f"{one[1]}-") for name, version in theirs)


def _aliased(one: Name, case: Case) -> bool:
    """Whether the peer has it by an alias, or with name and version in the version's place."""
    whole = "@".join(one)
    return any(
        version == whole
        or version.endswith(f":{whole}")
        or (version == one[1] and name != one[0] and _says_alias(name, one[0], case.text))
        for name, version in case.theirs
    )


def _alias_of(one: Name, case: Case) -> bool:
    name, at, version = one[1].rpartition("@")
    if at and (name.rpartition(":")[2], version) in case.told:
        return True
    return any(
        version == one[1] and name != one[0] and _says_alias(one[0], name, case.text)
        for name, version in case.told
    )


def _says_alias(alias: str, name: str, text: str) -> bool:
    """Whether the file says that ``alias`` is ``name`` (``alias@npm:name@…``, a patch, a URL)."""
    short = re.escape(name)
    return bool(re.search(rf'{re.escape(alias)}@(?:npm|patch):"?{short}@', text)) or bool(
        re.search(rf'{re.escape(alias)}"?:\s+(?:"?npm:|\["?){short}@', text)
    )


def _without_files(text: str) -> frozenset[Name]:
    """Libraries of a ``deps.json`` for which nothing is laid down."""
    found = set()
    for libraries in json.loads(text.removeprefix("\ufeff")).get("targets", {}).values():
        for key, library in libraries.items():
            if not any(library.get(part) for part in ("runtime", "runtimeTargets", "native")):
                name, _, version = key.lower().partition("/")
                found.add((name, version))
    return frozenset(found)


def _is_nested(one: Name, text: str) -> bool:
    """Whether it stands inside of another package, and not at the top."""
    lock = json.loads(text.removeprefix("\ufeff"))
    top = lock.get("dependencies", {}).get(one[0])
    return "packages" not in lock and (top is None or top.get("version") != one[1])


def _written(one: Name, text: str) -> bool:
    """Whether the pom itself says this version beside the artifact."""
    artifact = re.escape(one[0].rpartition(":")[2])
    return bool(
        re.search(
            rf"<artifactid>\s*{artifact}\s*</artifactid>\s*<version>\s*{re.escape(one[1])}\s*<",
            text,
        )
    )
