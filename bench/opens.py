"""A program that opens files at a set pace: the load of ``bench/runtime_sensor.py``.

It imports nothing of haechi, so that what it costs is the opens and what watches them. A tenth of
the opens is for writing; each second one file of ``plants`` is read, too. Which file is opened how
often follows from the totals alone (``expected``), so what became of each open can be told
afterwards by counting names. Arguments: FOLDER RATE SECONDS, or FOLDER spin KIND COUNT.
"""

from __future__ import annotations

import json
import os
import sys
import time
from collections import Counter
from pathlib import Path

FILES = 4_000
WRITE_EVERY = 10
SLOT_S = 0.005
READ, WRITTEN, PLANTS, ELSEWHERE = "read", "written", "plants", "elsewhere"


def prepare(folder: Path, plants: int) -> None:
    """Make the files before anything is watched."""
    for name, count in ((READ, FILES), (WRITTEN, FILES), (PLANTS, plants), (ELSEWHERE, FILES)):
        (folder / name).mkdir(parents=True)
        for path in paths(folder, name, count):
            Path(path).write_bytes(b"")


def paths(folder: Path, name: str, count: int = FILES) -> list[str]:
    """The files of a kind."""
    return [f"{folder}/{name}/{number:05d}" for number in range(count)]


def expected(folder: Path, reads: int, writes: int) -> Counter[str]:
    """How often each file was opened."""
    found: Counter[str] = Counter()
    for name, total in ((READ, reads), (WRITTEN, writes)):
        whole, rest = divmod(total, FILES)
        for number, path in enumerate(paths(folder, name)):
            if times := whole + (number < rest):
                found[path] = times
    return found


class Load:
    """Opens and closes; counts what it did."""

    def __init__(self, folder: Path, plants: int) -> None:
        self._read, self._written = paths(folder, READ), paths(folder, WRITTEN)
        self._plants = paths(folder, PLANTS, plants)
        self.reads = self.writes = 0
        self.planted: list[int] = []

    def some(self, count: int) -> None:
        """So many opens."""
        opened, closed = os.open, os.close
        reading, writing = os.O_RDONLY, os.O_WRONLY | os.O_TRUNC
        read, written = self._read, self._written
        made = self.reads + self.writes
        for number in range(made, made + count):
            if number % WRITE_EVERY:
                closed(opened(read[self.reads % FILES], reading))
                self.reads += 1
            else:
                closed(opened(written[self.writes % FILES], writing))
                self.writes += 1

    def plant(self) -> None:
        """The next file that a rule is about."""
        path = self._plants[len(self.planted)]
        self.planted.append(time.time_ns())
        os.close(os.open(path, os.O_RDONLY))

    def run(self, rate: float, seconds: float) -> None:
        """At this pace. What was not reached in a slot is made up for, within a tenth of a
        second: a machine that cannot keep up gets fewer, and that is told."""
        start = time.perf_counter()
        behind = 0.0
        while True:
            now = time.perf_counter() - start
            if now >= seconds:
                return
            if now >= len(self.planted) + 0.5 and len(self.planted) < len(self._plants):
                self.plant()
            due = int((now - behind) * rate) - self.reads - self.writes
            if due > rate * 0.1:
                behind += due / rate - 0.1
                due = int(rate * 0.1)
            if due > 0:
                self.some(due)
            time.sleep(max(0.0, SLOT_S - (time.perf_counter() - start - now)))


def spun(folder: Path, name: str, count: int) -> float:
    """CPU microseconds of one open and close."""
    flags = os.O_WRONLY if name == WRITTEN else os.O_RDONLY
    files = (paths(folder, name) * (count // FILES + 1))[:count]
    opened, closed = os.open, os.close
    start = time.process_time()
    for path in files:
        closed(opened(path, flags))
    return (time.process_time() - start) / count * 1e6


def main(words: list[str]) -> None:
    """Run as the arguments say; tell the result as JSON."""
    folder = Path(words[0])
    if words[1] == "spin":
        print(json.dumps(spun(folder, words[2], int(words[3]))))
        return
    rate, seconds = float(words[1]), float(words[2])
    load = Load(folder, int(seconds))
    cpu, start = time.process_time(), time.perf_counter()
    load.run(rate, seconds)
    told = {
        "reads": load.reads,
        "writes": load.writes,
        "planted": load.planted,
        "cpu": time.process_time() - cpu,
        "seconds": time.perf_counter() - start,
    }
    print(json.dumps(told))


if __name__ == "__main__":
    main(sys.argv[1:])
