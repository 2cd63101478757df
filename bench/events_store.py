"""The event store alone: durable append, bytes an event, sealing, questions, memory, kill -9."""

from __future__ import annotations

import argparse
import datetime as dt
import os
import random
import resource
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import msgspec

from bench.store import Events as Falco
from haechi.model.access import Reach
from haechi.model.event import Event
from haechi.store.events.encoding import EncodedBatch
from haechi.store.events.events import Events
from haechi.store.events.shapes import Appended, EventFilter, Options
from haechi.store.records import StoredEvent

EVERYWHERE = (Reach(),)
HOUR_NS = 3600 * 10**9
_IN_FLIGHT = 4
_CHILD_BATCH = 50
_BEFORE_KILL = 6_000
"""Events before a kill, so that sealing is under way, too."""


def main(argv: list[str]) -> None:
    """Print the figures."""
    parser = argparse.ArgumentParser(prog="./dev bench events_store", description=__doc__)
    parser.add_argument("--hot", type=int, default=200_000, help="hot events (1000000: the bar)")
    parser.add_argument("--cold", type=int, default=0, help="sealed events besides")
    parser.add_argument("--days", type=int, default=30, help="over how many days those lie")
    parser.add_argument("--kills", type=int, default=0, help="rounds of kill -9 instead")
    parser.add_argument("--child", nargs=2, metavar=("FOLDER", "FIRST"), help=argparse.SUPPRESS)
    options = parser.parse_args(argv)
    if options.child:
        child(Path(options.child[0]), int(options.child[1]))
    elif options.kills:
        kills(options.kills)
    else:
        with tempfile.TemporaryDirectory(prefix="haechi-events-") as name:
            # memory is the process's: the part that counts it comes first
            whole(Path(name), options.hot, options.cold, options.days)
            append_rates(Path(name))


class Cost(NamedTuple):
    """Seconds of the clock and of CPU (all threads)."""

    wall: float
    cpu: float


def measured(work: Callable[[], Any]) -> tuple[Any, Cost]:
    """The answer of ``work`` and what it cost."""
    wall, cpu = time.monotonic(), time.process_time()
    found = work()
    return found, Cost(time.monotonic() - wall, time.process_time() - cpu)


def append_rates(folder: Path, events: int = 30_000) -> None:
    """Append by batch size; CPU of checking (the request's) and of writing apart."""
    print("batch     encode CPU      append: events/s   CPU/event   (three batches in flight)")
    for size in (1, 100, 1_000, 10_000):
        count = events if size > 1 else 3_000
        made = Falco(size, time.time_ns() - HOUR_NS, 100_000)
        bodies = [made.batch(size) for _ in range(count // size)]
        place = folder / f"rate-{size}"
        place.mkdir()
        store = Events(place)
        batches, encoding = measured(partial(list, map(store.encode, bodies)))
        _, cost = measured(partial(pushed, store, batches))
        store.close()
        shutil.rmtree(place)
        print(
            f"{size:>6,} {encoding.cpu / count * 1e6:11.1f} us {count / cost.wall:18,.0f}"
            f" {cost.cpu / count * 1e6:11.1f} us"
        )


def pushed(store: Events, batches: Sequence[EncodedBatch]) -> None:
    """Append all, a few in flight."""
    waiting: deque[Future[Appended]] = deque()
    for batch in batches:
        waiting.append(store.append(batch))
        if len(waiting) > 2:
            waiting.popleft().result()
    for one in waiting:
        one.result()


def filled(store: Events, count: int, start_ns: int, span_ns: int, seed: int) -> None:
    """Append events over a span of time."""
    made = Falco(seed, start_ns, span_ns // count)
    for _ in range(count // 5_000):
        store.append(store.encode(made.batch(5_000))).result()


def whole(folder: Path, hot: int, cold: int, days: int) -> None:
    """One store: bytes, sealing, questions, memory."""
    place = folder / "whole"
    place.mkdir()
    store = Events(place, options=Options(hot_hours=72))
    now_ns = time.time_ns()
    hour = now_ns // HOUR_NS * HOUR_NS
    if cold:
        sealed_days(store, cold, hour - days * 24 * HOUR_NS, days)
    print(f"memory before          {memory():8.0f} MiB")
    filled(store, hot, hour - 2 * HOUR_NS, 2 * HOUR_NS, 1)
    figures = store.figures()
    print(f"hot                    {figures['hot_bytes_per_event']:8.1f} B/event")
    print(f"memory, {hot:,} hot   {memory():8.0f} MiB")
    questions(store, "hot", hour - 2 * HOUR_NS, hour)
    sealed, cost = measured(lambda: store.seal(hour - HOUR_NS))
    figures = store.figures()
    print(
        f"sealing                {sealed / cost.wall:8,.0f} events/s, "
        f"{cost.cpu / sealed * 1e6:.1f} us CPU an event"
    )
    print(f"cold                   {figures['cold_bytes_per_event']:8.1f} B/event")
    print(f"memory, sealing        {memory():8.0f} MiB, at most {peak():.0f}")
    questions(store, "sealed", hour - 2 * HOUR_NS, hour - HOUR_NS)
    panels(store, now_ns // 10**9, days)
    store.close()
    again, cost = measured(lambda: Events(place))
    print(f"opened again in        {cost.wall * 1000:8.0f} ms")
    again.close()


def sealed_days(store: Events, count: int, start_ns: int, days: int) -> None:
    """Fill and seal day by day."""
    for day in range(days):
        begin = start_ns + day * 24 * HOUR_NS
        filled(store, count // days, begin, 24 * HOUR_NS, 1000 + day)
        store.seal(begin + 24 * HOUR_NS)
    print(f"{count:,} sealed events over {days} days, {store.figures()['cold_files']} files")


def questions(store: Events, what: str, low_ns: int, high_ns: int) -> None:
    """Pages and searches within a span."""
    asks = {
        "newest 100": EventFilter(),
        "100 of a rule": EventFilter(rule=["Rule 07: a process does what its image never did"]),
        "of a namespace": EventFilter(namespace=["shop-3"]),
        "text, found": EventFilter(text="10.0.7.249:"),
        "text, not found": EventFilter(text="nowhere to be found"),
    }
    for name, one in asks.items():
        ask = msgspec.structs.replace(one, since=at(low_ns), until=at(high_ns))
        look = partial(store.page, ask, within=EVERYWHERE, limit=100, deadline_s=60)
        page, cost = measured(look)
        print(
            f"page, {what + ', ' + name:<26}{cost.wall * 1000:8.1f} ms"
            f" ({cost.cpu * 1000:.1f} CPU), {len(page.items)} events"
        )


def panels(store: Events, now_s: int, days: int) -> None:
    """Series over the whole time and over a day."""
    for name, since, step in (
        (f"{days} days by hour", now_s - days * 86_400, 3600),
        (f"{days} days by day", now_s - days * 86_400, 86_400),
        ("24 hours by 5 min", now_s - 86_400, 300),
    ):
        for by in ("priority", "rule"):
            look = partial(store.series, since_s=since, until_s=now_s, step_s=step, by=by)
            found, cost = measured(partial(look, within=EVERYWHERE))
            total = sum(map(sum, found.lines.values()))
            print(f"panel, {name + ', ' + by:<25}{cost.wall * 1000:8.1f} ms, {total:,} counted")


def at(ns: int) -> dt.datetime:
    """The time."""
    return dt.datetime.fromtimestamp(ns // 10**9, tz=dt.UTC)


def memory() -> float:
    """MiB resident now."""
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * resource.getpagesize() / (1 << 20)


def peak() -> float:
    """MiB resident at most."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def child(folder: Path, first: int) -> None:
    """Append and seal as fast as it goes, telling each acknowledged number, until killed."""
    store = Events(folder, options=Options(dictionary_after=500, file_rows=2_000))
    start_ns = time.time_ns() // HOUR_NS * HOUR_NS - 30 * 24 * HOUR_NS
    acknowledged = [first]

    def seal() -> None:
        while True:
            store.seal(start_ns + acknowledged[0] * 10**9 - HOUR_NS // 2)

    threading.Thread(target=seal, daemon=True).start()
    waiting: deque[tuple[int, Future[Appended]]] = deque()
    number = first
    while True:
        batch = [crash_event(start_ns, n) for n in range(number, number + _CHILD_BATCH)]
        number += _CHILD_BATCH
        waiting.append((number, store.append(batch)))
        if len(waiting) >= _IN_FLIGHT:
            done, future = waiting.popleft()
            future.result()
            acknowledged[0] = done
            os.write(1, b"%d\n" % done)


def crash_event(start_ns: int, number: int) -> Event:
    """An event of a crash trial: each a second after the one before."""
    return Event(
        id=str(number),
        ts_ns=start_ns + number * 10**9,
        source="bench",
        type="execve",
        rule=f"Rule {number % 7}",
        message=f"event {number} " + "x" * (number % 300),
    )


class Trial(NamedTuple):
    """What a kill left. ``unreadable`` are the lines of ``check``."""

    acknowledged: int
    stored: int
    lost: int
    twice: int
    sealed: int
    unreadable: list[str]
    restart_s: float


def trial(folder: Path, first: int, after_s: float) -> Trial:
    """Start a child on the folder, kill it some time after its first word, open and look."""
    words = [sys.executable, "-m", "bench.events_store", "--child", str(folder), str(first)]
    process = subprocess.Popen(words, stdout=subprocess.PIPE, cwd=Path(__file__).parents[1])
    out = process.stdout
    if out is None:
        raise AssertionError
    told = b""
    while int(told or first) < first + _BEFORE_KILL:
        told = out.readline()
    threading.Timer(after_s, process.send_signal, (signal.SIGKILL,)).start()
    for line in out:
        told = line if line.endswith(b"\n") else told
    process.wait()
    out.close()
    acknowledged = int(told or first)
    store, cost = measured(lambda: Events(folder))
    try:
        unreadable = store.check()
        found = [
            int(one.event.id)
            for one in store.search(EventFilter(), within=EVERYWHERE, limit=10**9)
            if isinstance(one, StoredEvent)
        ]
        sealed = store.figures()["cold_events"]
    finally:
        store.close()
    return Trial(
        acknowledged=acknowledged,
        stored=len(found),
        lost=len(set(range(acknowledged)) - set(found)),
        twice=len(found) - len(set(found)),
        sealed=sealed,
        unreadable=unreadable,
        restart_s=cost.wall,
    )


def kills(rounds: int) -> None:
    """kill -9 again and again, five times on each folder."""
    randomly = random.Random(4)  # noqa: S311
    lost = twice = unreadable = 0
    slowest = 0.0
    total = 0
    for number in range(rounds):
        if number % 5 == 0:
            folder, first = Path(tempfile.mkdtemp(prefix="haechi-kill-")), 0
        found = trial(folder, first, randomly.uniform(0.1, 1.2))
        total += found.stored - first
        first = found.stored
        lost, twice = lost + found.lost, twice + found.twice
        unreadable += len(found.unreadable)
        slowest = max(slowest, found.restart_s)
        if number % 5 == 4 or number == rounds - 1:
            shutil.rmtree(folder)
            print(
                f"{number + 1:4d} kills: {total:,} events, {lost} lost, {twice} twice, "
                f"{unreadable} unreadable, slowest restart {slowest:.2f} s",
                flush=True,
            )


if __name__ == "__main__":
    main(sys.argv[1:])
