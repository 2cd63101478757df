"""A tree with lock files, a database and a repository's own advisories, looked at. Not a test."""

from __future__ import annotations

import datetime as dt
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from haechi.engines.cel import CelEngine
from haechi.model.config import Config, DepsSection
from haechi.model.coverage import Gap
from haechi.model.finding import Finding
from haechi.model.location import Location
from haechi.model.package import Package, PackageFile
from haechi.scan.deps.look import Dependencies, look_at_dependencies
from haechi.scan.setup import Setup
from haechi.world.advisories.importing import import_all
from haechi.world.advisories.reading import Advisories
from haechi.world.files import Tree
from tests.world.advisories.records import Json, archive

NOW = dt.datetime(2026, 11, 21, tzinfo=dt.UTC)
CRITICAL = "CVSS:3.1/AV:N/AC:L/PR:N/UI:N/S:U/C:H/I:H/A:H"
LOW = "CVSS:3.1/AV:L/AC:H/PR:H/UI:R/S:U/C:L/I:N/A:N"


def rated(vector: str) -> dict[str, Any]:
    """The severity of a record."""
    return {"severity": [{"type": "CVSS_V3", "score": vector}]}


def database(
    folder: Path, records: Sequence[Json], ecosystem: str = "PyPI", *others: Path
) -> Advisories:
    """An imported database; the caller closes it."""
    export = archive(folder / "osv" / ecosystem / "all.zip", records)
    done = import_all([str(export), *map(str, others)], folder / "advisories.db")
    assert not done.refused
    return Advisories.open(folder / "advisories.db")


def look(
    root: Path,
    files: Mapping[str, str],
    advisories: Advisories | None = None,
    *,
    own: Sequence[Json] = (),
    now: dt.datetime = NOW,
    vulnerabilities: frozenset[str] = frozenset(),
    **config: Any,
) -> Dependencies:
    """Write the files and look at them. Without ``advisories`` there is no database."""
    deps = config.pop("deps", {})
    if own:
        deps = {**deps, "advisories": ["own"]}
        files = {**files, **{f"own/{one['id']}.json": json.dumps(one) for one in own}}
    for name, text in files.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
    setup = Setup(
        config=Config(deps=DepsSection(**deps), **config),
        rules=(),
        expressions=CelEngine,
        advisories=advisories,
        vulnerabilities=vulnerabilities,
        clock=lambda: now,
    )
    return look_at_dependencies(Tree(root=root), setup)


def findings(found: Dependencies) -> list[Finding]:
    """What was found, in the order of ids."""
    return sorted(found.part.findings, key=lambda finding: finding.rule)


def gaps(found: Dependencies, kind: str) -> list[Gap]:
    """The gaps of a kind."""
    return [gap for gap in found.part.gaps if gap.kind == kind]


def file_of(*packages: Package, path: str = "lock", **more: Any) -> PackageFile:
    """A lock file as a value."""
    return PackageFile(path=path, format="lock", ecosystem="PyPI", packages=packages, **more)


def package(name: str, version: str = "1.5", **more: Any) -> Package:
    """A package as a value."""
    more.setdefault("ecosystem", "PyPI")
    return Package(name=name, version=version, location=Location(path="lock", line=3), **more)


UV = """\
version = 1

[[package]]
name = "shop"
version = "0.1.0"
source = { virtual = "." }
dependencies = [
    { name = "web" },
]

[[package]]
name = "web"
version = "3.0"
source = { registry = "https://pypi.org/simple" }
dependencies = [
    { name = "demo" },
]

[[package]]
name = "demo"
version = "1.5"
source = { registry = "https://pypi.org/simple" }
"""
PYPROJECT = """\
[project]
name = "shop"
dependencies = [
    "web>=3",  # haechi:allow PYSEC-2024-9 nobody calls that
]
"""
