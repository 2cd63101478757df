"""OSV records and archives made in the test. Not a test."""

from __future__ import annotations

import json
import zipfile
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from haechi.model.location import Location
from haechi.model.package import Package

Json = dict[str, Any]


def events(*pairs: tuple[str, str]) -> list[Json]:
    """("introduced", "0"), ("fixed", "1.2") …"""
    return [{kind: text} for kind, text in pairs]


def affected(
    name: str = "demo",
    *pairs: tuple[str, str],
    ecosystem: str = "PyPI",
    kind: str = "ECOSYSTEM",
    versions: Sequence[str] = (),
    **more: Any,
) -> Json:
    """One affected package with one range."""
    ranges = [{"type": kind, "events": events(*pairs)}] if pairs else []
    package = {"ecosystem": ecosystem, "name": name}
    return {"package": package, "ranges": ranges, "versions": list(versions), **more}


BELOW_TWO = affected("demo", ("introduced", "1.0"), ("fixed", "2.0"))


def record(id_: str = "PYSEC-2024-1", *entries: Json, **more: Any) -> Json:
    """One advisory; without entries about demo from 1.0 to before 2.0."""
    made = {
        "id": id_,
        "modified": "2026-11-01T00:00:00Z",
        "summary": f"about {id_}",
        "affected": list(entries or (BELOW_TWO,)),
    }
    return {**made, **more}


def archive(path: Path, records: Iterable[Json], raw: Mapping[str, bytes] | None = None) -> Path:
    """An export: one JSON file for each record, and files of any content."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as made:
        for one in records:
            made.writestr(f"{one['id']}.json", json.dumps(one))
        for name, data in (raw or {}).items():
            made.writestr(name, data)
    return path


def package(name: str = "demo", version: str = "1.5", ecosystem: str = "PyPI") -> Package:
    """A pinned package."""
    return Package(ecosystem=ecosystem, name=name, version=version, location=Location(path="lock"))
