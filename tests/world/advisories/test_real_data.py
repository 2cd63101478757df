"""The real advisory databases of PyPI and Go, where they lie beside the checkout."""

from __future__ import annotations

import os
import zipfile
from collections.abc import Iterator
from functools import cache, partial
from pathlib import Path

import msgspec
import pytest

from haechi.engines.versions import scheme_of
from haechi.errors import VersionError
from haechi.world.advisories.importing import import_all
from haechi.world.advisories.names import normal
from haechi.world.advisories.reading import Advisories
from haechi.world.advisories.shapes import Matched

DATA = Path(__file__).parents[4] / "shared/data/osv"
pytestmark = pytest.mark.skipif(
    not (DATA / "PyPI/all.zip").is_file(), reason=f"no advisory data at {DATA}"
)
SAMPLE = int(os.environ.get("HAECHI_TEST_EVERY", "41"))
"""One of so many records is walked; 1 takes a minute."""


@pytest.fixture(scope="module")
def advisories(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Advisories]:
    database = tmp_path_factory.mktemp("real") / "advisories.db"
    done = import_all([str(DATA)], database)
    assert done.complete
    assert database.stat().st_size / sum(one.records for one in done.imported) < 1024
    with Advisories.open(database) as opened:
        yield opened


def _records(ecosystem: str) -> list[dict[str, object]]:
    with zipfile.ZipFile(DATA / ecosystem / "all.zip") as archive:
        return [msgspec.json.decode(archive.read(name)) for name in archive.namelist()]


class _Event(msgspec.Struct):
    introduced: str | None = None
    fixed: str | None = None
    last_affected: str | None = None


class _Range(msgspec.Struct):
    type: str
    events: list[_Event]


class _Package(msgspec.Struct):
    name: str
    ecosystem: str


class _Affected(msgspec.Struct):
    package: _Package
    ranges: list[_Range] = []
    versions: list[str] = []


class _Record(msgspec.Struct):
    id: str
    affected: list[_Affected] = []
    withdrawn: str | None = None


@cache
def _key(ecosystem: str, version: str) -> bytes:
    return scheme_of(ecosystem).key(version)


def _walked(entry: _Affected, version: str) -> bool:
    """OSV's evaluation as its text has it, for one version."""
    key = partial(_key, entry.package.ecosystem)
    if version in entry.versions:
        return True
    for one in entry.ranges:
        if one.type == "GIT":
            continue
        events = sorted(
            one.events,
            key=lambda e: (
                b""
                if e.introduced == "0"
                else key(e.introduced or e.fixed or e.last_affected or "")
            ),
        )
        vulnerable = False
        for event in events:
            if event.introduced is not None:
                if event.introduced == "0" or key(version) >= key(event.introduced):
                    vulnerable = True
            elif event.fixed is not None:
                vulnerable = vulnerable and key(version) < key(event.fixed)
            elif event.last_affected is not None:
                vulnerable = vulnerable and key(version) <= key(event.last_affected)
        if vulnerable:
            return True
    return False


@pytest.mark.parametrize("ecosystem", ["PyPI", "Go"])
def test_answers_are_what_the_walk_over_each_record_says(
    advisories: Advisories, ecosystem: str
) -> None:
    """Each boundary and each tenth listed version of some records, against all records."""
    by_name: dict[str, list[tuple[str, _Affected]]] = {}
    records = [msgspec.convert(one, _Record) for one in _records(ecosystem)]
    for record in records:
        for entry in record.affected if not record.withdrawn else ():
            by_name.setdefault(normal(ecosystem, entry.package.name), []).append((record.id, entry))

    @cache
    def answered(name: str, version: str) -> Matched:
        return advisories.vulnerabilities(ecosystem, name, version)

    @cache
    def ids_at(name: str, version: str) -> frozenset[str]:
        return frozenset(one.id for one in answered(name, version).vulnerabilities)

    asked = 0
    for record in records[::SAMPLE]:
        for entry in record.affected:
            name = normal(ecosystem, entry.package.name)
            events = [event for one in entry.ranges if one.type != "GIT" for event in one.events]
            ends = {e.introduced or e.fixed or e.last_affected or "" for e in events}
            for version in sorted((ends | set(entry.versions[::10])) - {"0", ""}):
                found = answered(name, version)
                if found.undecided:
                    continue
                told = {id_ for one in found.vulnerabilities for id_ in one.ids}
                try:
                    meant = {id_ for id_, other in by_name.get(name, ()) if _walked(other, version)}
                except VersionError:
                    continue
                asked += 1
                assert meant <= told, (name, version)
                for one in found.vulnerabilities:
                    assert meant.intersection(one.ids), (name, version)
                    for fix in one.fixed[:1]:
                        assert one.id not in ids_at(name, fix), (name, version, fix)
    assert asked > 100


@pytest.mark.parametrize(
    ("ecosystem", "name", "inside", "outside", "id_"),
    [
        ("PyPI", "requests", "2.30.0", "2.31.0", "CVE-2023-32681"),
        ("PyPI", "Django", "4.2.4", "4.2.5", "CVE-2023-41164"),
        ("Go", "golang.org/x/text", "v0.3.7", "v0.3.8", "CVE-2022-32149"),
        ("Go", "stdlib", "1.20.1", "1.20.2", "CVE-2023-24532"),
    ],
)
def test_known_answers(
    advisories: Advisories, ecosystem: str, name: str, inside: str, outside: str, id_: str
) -> None:
    found = [
        {one.id for one in advisories.vulnerabilities(ecosystem, name, version).vulnerabilities}
        for version in (inside, outside)
    ]
    assert id_ in found[0]
    assert id_ not in found[1]
