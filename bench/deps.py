"""Dependencies: what imports, lookups and scans cost, and how large the database is.

``./dev bench deps`` runs every section, ``./dev bench deps import`` one.
"""

from __future__ import annotations

import random
import sqlite3
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from haechi.model.location import Location
from haechi.model.package import Package

DATA = Path(__file__).resolve().parents[2] / "shared/data/osv"
PACKAGES = 10_000
RUNS = 3
BARS = {"cpu": 10.0, "bytes": 1024.0, "bulk": 0.5}


def bench_import() -> None:
    """Both databases of ../shared/data/osv: CPU seconds, bytes a record, bulk lookups."""
    from haechi.world.advisories.importing import import_all

    if not DATA.is_dir():
        print(f"import: no advisory data at {DATA}")
        return
    with tempfile.TemporaryDirectory() as folder:
        database = Path(folder) / "advisories.db"
        costs = []
        for _ in range(RUNS):
            database.unlink(missing_ok=True)
            began = time.process_time()
            done = import_all([str(DATA)], database)
            costs.append(time.process_time() - began)
        records = sum(one.records for one in done.imported)
        cpu, size = sorted(costs)[RUNS // 2], database.stat().st_size / records
        print(f"import: {records:,} records in {cpu:.2f} CPU s ({records / cpu:,.0f} records/s)")
        print(
            f"        {size:,.0f} bytes a record; bars: < {BARS['cpu']:g} s, ≤ {BARS['bytes']:g} B"
        )
        began = time.process_time()
        import_all([str(DATA)], database)
        print(f"        again, over the old one: {time.process_time() - began:.2f} CPU s")
        _lookups(database)


def _lookups(database: Path) -> None:
    """A lock file of 10,000 packages: few, an eighth and none of them known to be vulnerable."""
    from haechi.world.advisories.reading import Advisories

    with sqlite3.connect(f"file:{database}?mode=ro&immutable=1", uri=True) as connection:
        names = connection.execute("SELECT ecosystem, name FROM packages ORDER BY 1, 2").fetchall()
    connection.close()
    for share in (0.0, 0.02, 0.25):
        packages = _packages(names, share)
        costs, hit = [], 0
        for _ in range(RUNS):
            began = time.process_time()
            with Advisories.open(database) as advisories:
                answers = advisories.bulk(packages)
            costs.append(time.process_time() - began)
            hit = sum(bool(answer.vulnerabilities) for answer in answers)
        cpu = sorted(costs)[RUNS // 2]
        print(
            f"bulk:   {PACKAGES:,} packages, {hit:,} vulnerable: {cpu:.3f} CPU s with opening"
            f" ({PACKAGES / cpu:,.0f} packages/s); bar: < {BARS['bulk']:g} s"
        )


def _packages(names: list[tuple[str, str]], share: float) -> list[Package]:
    drawn = random.Random(8)  # noqa: S311 - a sample that is always the same
    where = Location(path="lock")

    def one(number: int) -> Package:
        known = drawn.random() < share
        ecosystem, name = drawn.choice(names) if known else ("PyPI", f"package-{number}")
        version = f"{drawn.randint(0, 5)}.{drawn.randint(0, 20)}.{drawn.randint(0, 9)}"
        return Package(ecosystem=ecosystem, name=name, version=version, location=where)

    return [one(number) for number in range(PACKAGES)]


def bench_lock() -> None:
    """Lock files of 10,000 packages, end to end by the command."""
    from bench import deps_lock

    deps_lock.bench_lock(DATA)


def bench_versions() -> None:
    """Comparisons of versions a second."""
    from bench import versions

    versions.main([])


def _reevaluate() -> None:
    from bench.deps_reevaluate import bench_reevaluate

    bench_reevaluate()


SECTIONS: dict[str, Callable[[], None]] = {
    "import": bench_import,
    "lock": bench_lock,
    "versions": bench_versions,
    "reevaluate": _reevaluate,
}
"""Name → what measures it."""


def main(argv: list[str]) -> None:
    """Run the named sections, or all."""
    unknown = set(argv) - set(SECTIONS)
    if unknown:
        sys.exit(
            f"bench deps: no section {', '.join(sorted(unknown))}; there are {', '.join(SECTIONS)}"
        )
    for name in argv or SECTIONS:
        SECTIONS[name]()
