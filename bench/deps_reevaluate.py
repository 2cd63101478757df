"""Stored SBOMs judged again after an import: seconds, how long others wait for the writer, memory.

10,000 SBOMs of 200 to 500 packages each, drawn from a long tail of names in which few are used by
most; then an import changes a popular package, a middling and a rare one.
"""

from __future__ import annotations

import contextlib
import datetime as dt
import json
import os
import random
import resource
import statistics
import sys
import tempfile
import threading
import time
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

BILLS = 10_000
NAMES, VERSIONS = 30_000, 6
BAR_SECONDS, BAR_WAIT = 60.0, 0.1
_DAY = "2026-10-01T00:00:00Z"


def bench_reevaluate(bills: int = BILLS) -> None:
    """Print the figures."""
    from haechi.store.store import Store
    from haechi.world.advisories.importing import import_all

    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        store = Store.open(root / "store")
        try:
            database = store.folder.advisories_db
            _export(root / "one", [_record(1, "package-29000")])
            import_all([str(root / "one")], database, covers=["npm"])
            began = time.process_time()
            _stored(store, bills)
            spent = time.process_time() - began
            size = store.folder.state_db.stat().st_size
            current, contents, packages = store.state.bills.counts()
            print(
                f"reevaluate: {current:,} SBOMs ({contents:,} contents, {packages:,} packages)"
                f" stored in {spent:.0f} CPU s, {size / 1e6:,.0f} MB",
                flush=True,
            )
            _run(store, "nothing yet judged")
            for number, (what, name) in enumerate(
                (
                    ("a rare package", "package-20000"),
                    ("a middling one", "package-300"),
                    ("one that most have", "package-0"),
                ),
                2,
            ):
                _export(root / "one", [_record(number, name)])
                import_all([str(root / "one")], database, covers=["npm"])
                _run(store, what)
        finally:
            store.close()


def _run(store: Any, what: str) -> None:
    from haechi.server.work.advisories_reevaluated import Reevaluation
    from haechi.server.work.bills_judged import Judge
    from haechi.world.advisories.reading import Advisories

    world = cast("Any", SimpleNamespace(store=store, clock=lambda: dt.datetime.now(dt.UTC)))
    waits: list[float] = []
    over = threading.Event()

    def others() -> None:
        while not over.is_set():
            began = time.perf_counter()
            store.state.write(lambda _: None)
            waits.append(time.perf_counter() - began)
            over.wait(0.01)

    thread = threading.Thread(target=others)
    thread.start()
    wall, cpu = time.perf_counter(), time.process_time()
    with contextlib.closing(Advisories.open(store.folder.advisories_db)) as database:
        run = Reevaluation(world, Judge(database))
        changes = run.run(lambda: False)
    wall, cpu = time.perf_counter() - wall, time.process_time() - cpu
    over.set()
    thread.join()
    last = store.state.advisories.last()
    memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    waits.sort()
    most, nearly, median = waits[-1], waits[len(waits) * 99 // 100], statistics.median(waits)
    stages = ", ".join(f"{name} {seconds:.1f} s" for name, seconds in run.seconds.items())
    print(
        f"  {what}: {last.affected:,} affected, {changes.get('new', 0):,} findings in {wall:.1f} s"
        f" ({cpu:.1f} CPU s; bar < {BAR_SECONDS:g} s): {stages}\n"
        f"    others waited {most * 1e3:.0f} ms at most (99 of 100: {nearly * 1e3:.0f} ms, median"
        f" {median * 1e3:.1f} ms; bar {BAR_WAIT * 1e3:g} ms) while {run.writing.pieces:,} pieces"
        f" were written, the longest of {run.writing.worst * 1e3:.0f} ms; load"
        f" {os.getloadavg()[0]:.1f}; {memory:,.0f} MB",
        flush=True,
    )


def _stored(store: Any, count: int) -> None:
    from haechi.model.bill import Bill
    from haechi.scan.deps.bills import file_of
    from haechi.server.work.bills import content_of, facts_of
    from haechi.store.state.bills import Billed, keep_bill

    drawn = random.Random(8)  # noqa: S311 - a sample that is always the same
    facts = facts_of(Bill(data={"npm": dt.date(2026, 1, 1)}))
    for number in range(count):
        content = content_of([file_of(_file(drawn))])
        one = Billed(
            cluster="-",
            source=f"repo:https://git.example/r{number}",
            ref="main",
            content=store.state.bills.prepare(content),
            facts=facts,
        )
        store.state.write(lambda t, one=one: keep_bill(t, one, scan="", by="bench"))


def _file(drawn: random.Random) -> Any:
    from haechi.model.bill import BilledFile, BilledPackage

    count = drawn.randint(200, 500)
    chosen = {int(NAMES * drawn.random() ** 4) for _ in range(count)}
    packages = tuple(
        BilledPackage(
            name=f"package-{name}",
            version=f"1.{drawn.randrange(VERSIONS)}.0",
            line=number * 6,
            direct=number < 20,
            needs=tuple(drawn.randrange(len(chosen)) for _ in range(drawn.randrange(3))),
        )
        for number, name in enumerate(sorted(chosen))
    )
    return BilledFile(
        path="package-lock.json",
        format="package-lock.json",
        ecosystem="npm",
        requires=tuple(range(min(20, len(packages)))),
        packages=packages,
    )


def _export(folder: Path, records: list[dict[str, Any]]) -> None:
    folder.mkdir(exist_ok=True)
    for one in records:
        (folder / f"{one['id']}.json").write_text(json.dumps(one))


def _record(number: int, name: str) -> dict[str, Any]:
    events = [{"introduced": "0"}, {"fixed": "2.0.0"}]
    package = {"ecosystem": "npm", "name": name}
    return {
        "id": f"GHSA-aaaa-bbbb-{number:04}",
        "aliases": [f"CVE-2026-{number:04}"],
        "modified": _DAY,
        "published": _DAY,
        "summary": "It does what it should not",
        "severity": [{"type": "CVSS_V3", "score": "CVSS:3.1/AV:N/AC:L/PR:N/UI:N/S:U/C:H/I:H/A:H"}],
        "affected": [{"package": package, "ranges": [{"type": "SEMVER", "events": events}]}],
    }


if __name__ == "__main__":
    bench_reevaluate(int(sys.argv[1]) if len(sys.argv) > 1 else BILLS)
