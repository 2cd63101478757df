"""The signed audit log: records a second appended and verified, pages, proofs, bytes a record.

Everything is counted: encoding, leaf hashes, the tree, fsync, and the heads that are signed
behind it. CPU seconds are the figure to trust where the machine is shared.
"""

from __future__ import annotations

import argparse
import datetime as dt
import resource
import statistics
import tempfile
import threading
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

from haechi.store.audit.log import AuditLog
from haechi.store.audit.rows import Ask
from haechi.store.audit.verify import verify
from haechi.store.records import AuditEntry

THREADS = 8


def main(argv: list[str]) -> None:
    """Print the figures."""
    parser = argparse.ArgumentParser(prog="./dev bench audit", description=__doc__)
    parser.add_argument("--records", type=int, default=1_000_000)
    parser.add_argument("--batch", type=int, default=1000)
    parser.add_argument("--singles", type=int, default=4000)
    parser.add_argument("--folder", type=Path, help="where the disk to measure is")
    options = parser.parse_args(argv)
    with tempfile.TemporaryDirectory(prefix="haechi-bench-", dir=options.folder) as name:
        _run(Path(name), options.records, options.batch, options.singles)


def _run(folder: Path, records: int, batch: int, singles: int) -> None:
    log = AuditLog(folder, clock=_now)
    wall, cpu = _timed(lambda: _batches(log, records, batch))
    print(
        f"append, {batch} a batch: {records / wall:,.0f} records/s, {records / cpu:,.0f} per CPU s"
    )
    wall, cpu = _timed(lambda: _singles(log, singles))
    print(f"append, {THREADS} threads, one a call: {singles / wall:,.0f} records/s")
    print(f"unsigned at the end: {log.head().unsigned}, problem: {log.head().problem or 'none'}")
    _pages(log)
    size, anchor = log.size, log.anchor()
    wall, _ = _timed(log.close)
    print(f"close: {wall * 1000:.0f} ms")
    wall, _ = _timed(lambda: AuditLog(folder, clock=_now).close())
    print(f"open and close: {wall * 1000:.0f} ms")
    used = sum(path.stat().st_size for path in (folder / "audit").rglob("*") if path.is_file())
    heads = (folder / "audit" / "heads.log").stat().st_size
    print(f"{used / size:.0f} bytes/record, of which heads {heads / size:.1f}")
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    report = verify(folder / "audit", anchor=anchor)
    wall, cpu = _timed(lambda: verify(folder / "audit", anchor=anchor))
    more = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before
    print(
        f"verify: {report.result}, {size / wall:,.0f} records/s, {size / cpu:,.0f} per CPU s,"
        f" {report.heads} heads, {more / 1024:.0f} MB more memory"
    )


def _pages(log: AuditLog) -> None:
    asks = {
        "newest 100": Ask(newest_first=True),
        "100 in the middle": Ask(newest_first=True, before_seq=log.size // 2),
        "100 of one actor": Ask(newest_first=True, actor="user:ana3"),
        "one object, all searched": Ask(newest_first=True, object="f-none"),
    }
    for name, ask in asks.items():
        print(f"page, {name}: {_median(partial(log.page, ask, limit=100)):.1f} ms")
    print(f"proof of a record: {_median(lambda: log.prove(log.size // 3)):.1f} ms")


def _median(work: Callable[[], object]) -> float:
    return statistics.median(_timed(work)[0] for _ in range(5)) * 1000


def _batches(log: AuditLog, records: int, batch: int) -> None:
    entries = [_entry(number) for number in range(batch)]
    for _ in range(records // batch):
        log.append(entries)


def _singles(log: AuditLog, count: int) -> None:
    def some() -> None:
        for number in range(count // THREADS):
            log.append([_entry(number)])

    threads = [threading.Thread(target=some) for _ in range(THREADS)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


def _entry(number: int) -> AuditEntry:
    return AuditEntry(
        at=_now(),
        actor=f"user:ana{number % 7}",
        action="finding.waive",
        object=f"f-{number:08d}",
        detail={"rule": "k8s-privileged", "reason": "accepted until the move", "count": number},
    )


def _now() -> dt.datetime:
    return dt.datetime.now(dt.UTC)


def _timed(work: Callable[[], object]) -> tuple[float, float]:
    wall, cpu = time.perf_counter(), time.process_time()
    work()
    return time.perf_counter() - wall, time.process_time() - cpu
