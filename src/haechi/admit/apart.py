"""Judging a list of reviews in a process that can be killed.

Policies come from whoever wrote them. Rego of ours counts its steps, but CEL holds the interpreter
lock, and a regular expression or a doubling text may take a minute or all memory. So the judging
process forks: the child has the compiled policies and the reviews as they are, judges them in
order and writes the verdicts; before each policy it notes in a shared cell which one that is. A
child that makes no progress for ``deadline_s``, or dies, is replaced, and the policy that was at
work is an ``error`` of this review; after ``STRIKES`` of them it is switched off for the rest. A
child that has taken half of its memory goes between two reviews, and no policy is blamed: the CEL
library keeps a little of every call of a function of ours.

Where there is no fork (Windows) the policies are judged in the process itself.
"""

from __future__ import annotations

import contextlib
import gc
import mmap
import os
import selectors
import signal
import struct
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Protocol

import msgspec

from haechi.admit.policies import PolicySet, failed
from haechi.admit.policy import View
from haechi.model.admission import PolicyVerdict
from haechi.model.review import Review

DEADLINE_S = 5.0
MEMORY_BYTES = 1 << 30
STRIKES = 2
_HEAD = struct.Struct("<I")
_CELL = struct.Struct("<qqq")  # how often it was written, review, policy
_NOBODY = -1
_CHUNK = 1 << 18
_LOOKS = 5
"""How often within the deadline the parent looks whether anything moves."""
_MOST_FRAME = 64 << 20
_GROWN = 75
"""With this code a child asks for another one."""
_WEIGHED = 8
"""Reviews of a child between two looks at its memory."""
_ENCODER = msgspec.msgpack.Encoder(enc_hook=str)
_DECODER = msgspec.msgpack.Decoder(list[PolicyVerdict])

Verdicts = tuple[PolicyVerdict, ...]


class Job(msgspec.Struct, frozen=True):
    """One review with what to judge it by."""

    policies: PolicySet
    review: Review
    view: View


def judged_apart(
    policies: PolicySet,
    reviews: Sequence[Review],
    view: View,
    *,
    deadline_s: float = DEADLINE_S,
    memory_bytes: int = MEMORY_BYTES,
) -> Iterator[Verdicts]:
    """The verdicts of each review, in order."""
    if not hasattr(os, "fork") or not policies.policies:
        for review in reviews:
            yield policies.review(review, view)
        return
    work = _SameSet(policies, reviews, view)
    yield from _run(_Run(work, STRIKES, deadline_s, memory_bytes))


def jobs_apart(
    jobs: Sequence[Job], *, deadline_s: float = DEADLINE_S, memory_bytes: int = MEMORY_BYTES
) -> Iterator[Verdicts]:
    """The verdicts of each job, in order: all by one child, as long as none of them ends it. No
    policy is switched off, since every job has its own."""
    if not hasattr(os, "fork"):
        for job in jobs:
            yield job.policies.review(job.review, job.view)
        return
    yield from _run(_Run(_OwnSets(jobs), None, deadline_s, memory_bytes))


def _run(run: _Run) -> Iterator[Verdicts]:
    try:
        yield from run.verdicts()
    finally:
        run.end()


class _Work(Protocol):
    """What is to be judged. The parent only asks for policies: a review may be unreadable."""

    def __len__(self) -> int: ...

    def policies(self, number: int) -> PolicySet: ...

    def job(self, number: int) -> Job: ...


class _SameSet:
    def __init__(self, policies: PolicySet, reviews: Sequence[Review], view: View) -> None:
        self._policies, self._reviews, self._view = policies, reviews, view

    def __len__(self) -> int:
        return len(self._reviews)

    def policies(self, number: int) -> PolicySet:
        return self._policies

    def job(self, number: int) -> Job:
        return Job(self._policies, self._reviews[number], self._view)


class _OwnSets:
    def __init__(self, jobs: Sequence[Job]) -> None:
        self._jobs = jobs

    def __len__(self) -> int:
        return len(self._jobs)

    def policies(self, number: int) -> PolicySet:
        return self._jobs[number].policies

    def job(self, number: int) -> Job:
        return self._jobs[number]


class _Run:
    def __init__(
        self, work: _Work, most_strikes: int | None, deadline_s: float, memory_bytes: int
    ) -> None:
        self.work, self.most_strikes = work, most_strikes
        self.deadline_s, self.memory_bytes = deadline_s, memory_bytes
        self.cell = mmap.mmap(-1, _CELL.size)
        self.off: dict[int, str] = {}
        self.once: dict[int, str] = {}
        self.strikes: Counter[int] = Counter()
        self.renewed = 0
        self.pid = 0
        self.reader = -1
        self.buffer = bytearray()

    def verdicts(self) -> Iterator[Verdicts]:
        """Start a child at each review that none has answered yet."""
        done = 0
        while done < len(self.work):
            self._start(done)
            for found in self._answers():
                self.once = {}
                done += 1
                yield found
            how = self._reap()
            if how is None:
                self.renewed += 1
            elif done < len(self.work) and not self._blame(how, done):
                # Without any policy it ends, too: the object itself cannot be read or told.
                self.once = {}
                policies = self.work.policies(done)
                done += 1
                yield tuple(failed(policy.info, how) for policy in policies.policies)

    def end(self) -> None:
        """Leave no child and no descriptor behind."""
        self._reap(kill=True)
        self.cell.close()

    # --- this side -----------------------------------------------------------------------

    def _start(self, first: int) -> None:
        reader, writer = os.pipe()
        self.cell[:] = _CELL.pack(0, first, _NOBODY)
        pid = os.fork()
        if pid == 0:
            os.close(reader)
            _child(self, writer, first)
        os.close(writer)
        os.set_blocking(reader, False)
        self.pid, self.reader = pid, reader
        self.buffer.clear()

    def _answers(self) -> Iterator[Verdicts]:
        """What the child answers until it ends, or makes no progress."""
        with selectors.DefaultSelector() as selector:
            selector.register(self.reader, selectors.EVENT_READ)
            seen, since = -1, time.monotonic()
            while True:
                if not selector.select(self.deadline_s / _LOOKS):
                    count, _, _ = _CELL.unpack(self.cell[:])
                    if count != seen:
                        seen, since = count, time.monotonic()
                    elif time.monotonic() - since >= self.deadline_s:
                        return
                    continue
                data = os.read(self.reader, _CHUNK)
                if not data:
                    return
                self.buffer += data
                yield from self._frames()

    def _frames(self) -> Iterator[Verdicts]:
        while len(self.buffer) >= _HEAD.size:
            (size,) = _HEAD.unpack_from(self.buffer)
            end = _HEAD.size + size
            if len(self.buffer) < end:
                return
            frame = bytes(self.buffer[_HEAD.size : end])
            del self.buffer[:end]
            yield tuple(_DECODER.decode(frame))

    def _reap(self, *, kill: bool = False) -> str | None:
        """End the child; how it ended by itself, or that it took too long. None: it asks for
        another one."""
        if not self.pid:
            return ""
        os.close(self.reader)
        ended, status = os.waitpid(self.pid, os.WNOHANG)
        if not ended:
            with contextlib.suppress(ProcessLookupError):
                os.kill(self.pid, signal.SIGKILL)
            _, status = os.waitpid(self.pid, 0)
        pid_gone, self.pid = ended, 0
        if os.WIFEXITED(status) and os.WEXITSTATUS(status) == _GROWN:
            return None
        if not pid_gone or kill:
            return f"it came to no answer within {self.deadline_s:g} s"
        if os.WIFSIGNALED(status):
            return f"the process that judged by it ended by signal {os.WTERMSIG(status)}"
        return "the process that judged by it ended (out of memory?)"

    def _blame(self, how: str, number: int) -> bool:
        """Leave out whoever was at work; False when nobody is left to be left out."""
        _, _, policy = _CELL.unpack(self.cell[:])
        # It may have died between two policies: then it is judged by none.
        blamed = [policy] if policy != _NOBODY else range(self._size(number))
        if all(one in self.once or one in self.off for one in blamed):
            return False
        self.once.update(dict.fromkeys(blamed, how))
        if policy != _NOBODY and self.most_strikes is not None:
            self.strikes[policy] += 1
            if self.strikes[policy] >= self.most_strikes:
                self.off[policy] = f"switched off for this run: {how}"
        return True

    def _size(self, number: int) -> int:
        return len(self.work.policies(number).policies)

    # --- the child -----------------------------------------------------------------------

    def judge(self, number: int, once: dict[int, str], count: int) -> tuple[bytes, int]:
        """The frame of one review, and how often the cell was written."""
        counter = [count]

        def watch(policy: int) -> None:
            counter[0] += 1
            self.cell[:] = _CELL.pack(counter[0], number, policy)
            _or_die(2 * self.deadline_s)

        off = {**self.off, **once}
        job = self.work.job(number)
        found = job.policies.review(job.review, job.view, watch=watch, off=off)
        self.cell[:] = _CELL.pack(counter[0] + 1, number, _NOBODY)
        frame = _ENCODER.encode(found)
        if len(frame) > _MOST_FRAME:
            raise MemoryError
        return frame, counter[0] + 1


def _child(run: _Run, writer: int, first: int) -> None:
    """Judge from ``first`` on and leave without unwinding: nothing of the parent's must run."""
    code = 1
    try:
        signal.signal(signal.SIGINT, signal.SIG_DFL)
        signal.signal(signal.SIGPROF, signal.SIG_DFL)
        gc.freeze()  # to look through what is the parent's would copy all of its pages
        _limit(run.memory_bytes)
        once: dict[int, str] = run.once
        count = 0
        born = _resident()
        for number in range(first, len(run.work)):
            frame, count = run.judge(number, once, count)
            once = {}
            _write(writer, _HEAD.pack(len(frame)) + frame)
            judged = number - first + 1
            if not judged % _WEIGHED and _resident() - born > run.memory_bytes // 2:
                code = _GROWN
                return
        code = 0
    except BaseException:  # noqa: BLE001, S110 - the parent sees that it ended, and where
        pass
    finally:
        os._exit(code)


def _or_die(seconds: float) -> None:
    """End this process after so much of its own time, unless that is asked again: whoever would
    kill it at the deadline may have been killed first."""
    signal.setitimer(signal.ITIMER_PROF, seconds)


def _write(descriptor: int, data: bytes) -> None:
    view = memoryview(data)
    while view:
        view = view[os.write(descriptor, view) :]


def _resident() -> int:
    return _memory()[1]


def _memory() -> tuple[int, int]:
    """Bytes of address space, and of memory that is no file's; nothing where that cannot be
    told."""
    with contextlib.suppress(OSError, ValueError):
        size, resident, shared, *_ = Path("/proc/self/statm").read_text().split()
        page = os.sysconf("SC_PAGE_SIZE")
        return int(size) * page, (int(resident) - int(shared)) * page
    return 0, 0


def _limit(extra: int) -> None:
    """So much memory more than the process has now, and no core file."""
    import resource

    used = _memory()[0]
    with contextlib.suppress(OSError, ValueError):
        if used:
            resource.setrlimit(resource.RLIMIT_AS, (used + extra, used + extra))
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))


Judging = Callable[[PolicySet, Sequence[Review], View], Iterator[Verdicts]]
"""How a list of reviews is judged: apart, or at once."""


def judged_here(policies: PolicySet, reviews: Sequence[Review], view: View) -> Iterator[Verdicts]:
    """In this process: for policies of our own, and where the caller can be killed itself."""
    for review in reviews:
        yield policies.review(review, view)
