"""Any rules over stored events: children read and judge parts of them, newest first, and what
would have fired is told in that order while the rest is still looked at.

Parts are numbered as they are given out and told in that order, so a hunt reads like a list; how
many are on their way at a time is bounded, and with them the memory. A part whose child dies is
tried once more by another child, then it is told as not searched.
"""

from __future__ import annotations

import importlib.util
import logging
import os
import queue
import subprocess
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Generator, Iterator
from pathlib import Path
from typing import Any, BinaryIO, cast

import msgspec

from haechi.errors import InputError
from haechi.runtime.hunt_wire import Found, Setup, Work, receive, send
from haechi.store.events.hunting import FilePart, HourDone, RowsPart
from haechi.store.events.question import from_ns

log = logging.getLogger("haechi.runtime")
MOST_CHILDREN = 8
HEARTBEAT_S = 1.0
PART_S = 120.0
"""Longest time for one part of the events."""
_AHEAD = 3
"""Parts for each child that may be done before their turn has come."""
Part = FilePart | RowsPart | HourDone
Line = dict[str, Any]


class Hunt:
    """One hunt. ``lines`` is its whole life; ending that generator ends the children."""

    def __init__(
        self,
        setup: Setup,
        parts: Iterator[Part],
        *,
        limit: int,
        deadline_s: float,
        children: int | None = None,
    ) -> None:
        self._setup, self._parts = setup, parts
        self._limit = limit
        self._deadline = time.monotonic() + deadline_s
        self._most = max(1, min(children or os.cpu_count() or 1, MOST_CHILDREN))
        self._taking = threading.Lock()
        self._number = 0
        self._ended = False
        self._stop = threading.Event()
        self._room = threading.Semaphore(self._most * _AHEAD)
        self._results: queue.SimpleQueue[tuple[int, Part, Found | None]] = queue.SimpleQueue()
        self._threads: list[threading.Thread] = []
        self._children: list[_Child] = []
        self._failure: Exception | None = None
        self._counts: Counter[str] = Counter()
        self._scanned = self._shown = self._faults = 0
        self._unread: list[str] = []
        self._reached: int | None = None

    def lines(self) -> Generator[Line, None, None]:
        """Matches, ranges that are done, counts, and a last line."""
        try:
            self._begin()
            late = False
            for number, part, found in self._in_order():
                del number
                late = time.monotonic() > self._deadline
                yield from self._told(part, found)
                if late:
                    break
            if self._failure is not None:
                raise self._failure
            yield {"counts": dict(self._counts.most_common())}
            yield {"done": self._done(complete=not late and not self._unread)}
        finally:
            self._end()

    def _told(self, part: Part | None, found: Found | None) -> Iterator[Line]:
        if part is None:
            yield {"scanned": self._scanned}
        elif isinstance(part, HourDone):
            self._reached = part.from_ns
            where = {"from": from_ns(part.from_ns), "to": from_ns(part.to_ns)}
            counts = dict(self._counts)
            yield {"range": where, "scanned": self._scanned, "counts": counts}
        elif found is not None:
            self._scanned += found.scanned
            self._faults += found.faults
            self._counts.update(found.counts)
            if found.fault:
                self._unread.append(found.fault)
                yield {"unread": found.fault}
            for match in found.matches[: self._limit - self._shown]:
                self._shown += 1
                yield {"match": msgspec.Raw(match)}

    def _done(self, *, complete: bool) -> Line:
        return {
            "matched": self._counts.total(),
            "shown": self._shown,
            "scanned": self._scanned,
            "faults": self._faults,
            "unread": len(self._unread),
            "complete": complete,
            "searched_from": None if self._reached is None else from_ns(self._reached),
        }

    def _in_order(self) -> Iterator[tuple[int, Part | None, Found | None]]:
        """Results by number; a sign of life now and then where none is there."""
        waiting: dict[int, tuple[Part, Found | None]] = {}
        following = 0
        while True:
            while following in waiting:
                part, found = waiting.pop(following)
                if not isinstance(part, HourDone):
                    self._room.release()
                yield following, part, found
                following += 1
            with self._taking:
                over = self._ended and following >= self._number
            if over or self._failure is not None:
                return
            try:
                number, part, found = self._results.get(timeout=HEARTBEAT_S)
            except queue.Empty:
                yield -1, None, None
                continue
            if number >= 0:
                waiting[number] = (part, found)

    def _begin(self) -> None:
        self._start_thread()

    def _start_thread(self) -> None:
        thread = threading.Thread(target=self._work, name="haechi-hunt", daemon=True)
        self._threads.append(thread)
        thread.start()

    def _take(self) -> tuple[int, Part] | None:
        """The next part; None when there is none, or nobody wants more."""
        with self._taking:
            if self._ended or self._stop.is_set():
                return None
            while True:
                part = next(self._parts, None)
                if part is None:
                    self._ended = True
                    self._results.put((-1, HourDone(0, 0), None))
                    return None
                number = self._number
                self._number += 1
                if not isinstance(part, HourDone):
                    return number, part
                self._results.put((number, part, None))

    def _work(self) -> None:
        """A thread's life: one child, part after part. Another thread begins when there is more
        to do than this one does."""
        child: _Child | None = None
        try:
            while self._roomy():
                taken = self._take()
                if taken is None:
                    self._room.release()
                    return
                if child is None:
                    self._another()
                number, part = taken
                child, found = self._answered(child, cast("FilePart | RowsPart", part))
                self._results.put((number, part, found))
        except Exception as error:  # the boundary of a thread: whoever reads the lines is told
            if not self._stop.is_set():
                log.exception("a hunt failed")
                self._failure = error
                self._results.put((-1, HourDone(0, 0), None))
        finally:
            if child is not None:
                child.close()

    def _roomy(self) -> bool:
        while not self._stop.is_set():
            if self._room.acquire(timeout=0.2):
                return not self._stop.is_set()
        return False

    def _another(self) -> None:
        with self._taking:
            if self._ended or len(self._threads) >= self._most or self._stop.is_set():
                return
            self._start_thread()

    def _answered(
        self, child: _Child | None, part: FilePart | RowsPart
    ) -> tuple[_Child | None, Found]:
        """What a child says of a part; the child, or None when it is gone."""
        for _ in range(2):
            if self._stop.is_set():
                break
            child = child or self._born()
            found = child.ask(Work(part=part, limit=max(0, self._limit - self._shown)))
            if found is not None:
                return child, found
            child.close()
            if not child.ready and not self._stop.is_set():
                raise InputError("the rules could not be run", why=child.said)
            child = None
        return child, Found(fault="the process that judged a part of the events ended twice")

    def _born(self) -> _Child:
        child = _Child(self._setup)
        with self._taking:
            self._children.append(child)
            if self._stop.is_set():
                child.kill()
        return child

    def _end(self) -> None:
        self._stop.set()
        with self._taking:
            for child in self._children:
                child.kill()
        for thread in list(self._threads):
            thread.join()


class _Child:
    """A process that judges. Every wait is bounded."""

    def __init__(self, setup: Setup) -> None:
        self._errors = tempfile.TemporaryFile()  # noqa: SIM115 - it lives as long as the child
        self._process = subprocess.Popen(
            [sys.executable, "-P", "-s", "-m", "haechi.runtime.hunt_child"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._errors,
            env=_environment(),
            cwd=tempfile.gettempdir(),
            start_new_session=True,  # an interrupt at the terminal is handled by the parent
        )
        self._setup = setup
        self.ready = False
        """It has loaded the rules."""
        self.said = ""
        """Its last words, once it is gone."""

    def ask(self, work: Work) -> Found | None:
        """The answer; None when the child is gone or was too slow, and then it is ended."""
        timer = threading.Timer(PART_S, self.kill)
        timer.start()
        try:
            stdin, stdout = self._process.stdin, self._process.stdout
            if not self.ready:
                send(cast("BinaryIO", stdin), self._setup)
                self.ready = receive(cast("BinaryIO", stdout)) is not None
            frame = None
            if self.ready:
                send(cast("BinaryIO", stdin), work)
                frame = receive(cast("BinaryIO", stdout))
        except (OSError, ValueError):
            frame = None
        finally:
            timer.cancel()
        if frame is None:
            self._gone()
            return None
        return msgspec.msgpack.decode(frame, type=Found)

    def _gone(self) -> None:
        self._process.kill()
        code = self._process.wait()
        size = self._errors.seek(0, os.SEEK_END)
        self._errors.seek(max(0, size - 500))
        said = self._errors.read().decode("utf-8", "replace").strip().splitlines()
        self.said = f"exit {code}" + (f": {said[-1]}" if said else "")
        log.warning("a hunt's process ended: %s", self.said)

    def kill(self) -> None:
        """End the process; whoever waits for it is told. From any thread."""
        self._process.kill()

    def close(self) -> None:
        """End it and let go of everything."""
        self._process.kill()
        self._process.wait()
        for stream in (self._process.stdin, self._process.stdout):
            try:
                if stream is not None:
                    stream.close()
            except OSError:  # bytes that were not written yet have nowhere to go
                continue
        self._errors.close()


def _environment() -> dict[str, str]:
    """Where the child finds its modules; no token, no setting of the user's."""
    roots: dict[str, None] = {}
    for name in ("haechi", "msgspec", "duckdb"):
        spec = importlib.util.find_spec(name)
        for place in (spec.submodule_search_locations or ()) if spec else ():
            roots[str(Path(place).parent)] = None
    environment = {"PYTHONPATH": os.pathsep.join(roots), "LC_ALL": "C.UTF-8"}
    for name in ("LD_LIBRARY_PATH", "XDG_CACHE_HOME", "HOME"):
        if name in os.environ:
            environment[name] = os.environ[name]
    return environment
