"""The process that judges by rules of users: ``python -m haechi.world.cel_worker``.

It is started by ``isolated``, reads rules and resources from its standard input and answers on
its standard output. It is given no files, arguments or environment of the scan. Limits of memory
and processor time are set here because only the process itself can set them everywhere; the
deadline is kept by the parent.
"""

from __future__ import annotations

import contextlib
import math
import os
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import BinaryIO

import msgspec

from haechi.engines.cel import CelEngine, CompiledRule
from haechi.errors import RuleError
from haechi.model.location import AttrPath, Location
from haechi.model.resource import Resource
from haechi.model.review import Review
from haechi.rules.schema import Rule
from haechi.world.cel_wire import (
    ENCODER,
    MATERIAL,
    Answer,
    Batch,
    Cell,
    Ready,
    RuleProblem,
    Setup,
    Task,
    receive,
    send,
)

_MESSAGE_LIMIT = 5 * 1024
_LONG_S = 0.005
_SPARE_S = 30


def main() -> None:
    """Serve until the parent closes the pipe."""
    incoming, outgoing = _pipes()
    first = receive(incoming)
    if first is None:
        return
    setup = msgspec.msgpack.decode(first, type=Setup)
    _limit_memory(setup.memory_bytes)
    cell = Cell(os.open(Path(setup.cell), os.O_RDWR))
    worker = _Worker(setup, cell)
    send(outgoing, ENCODER.encode(worker.compile()))
    batches = msgspec.msgpack.Decoder(Batch)
    while (frame := receive(incoming)) is not None:
        for number, task in enumerate(batches.decode(frame).tasks):
            send(outgoing, ENCODER.encode(worker.judge(number, task)))
        cell.write(Cell.NOTHING, Cell.NOTHING)


class _Worker:
    def __init__(self, setup: Setup, cell: Cell) -> None:
        self._setup = setup
        self._cell = cell
        self._engine = CelEngine()
        self._compiled: dict[int, tuple[Rule, CompiledRule]] = {}

    def compile(self) -> Ready:
        """Compile all rules; those with faults are told and never judged by."""
        problems: list[RuleProblem] = []
        _limit_seconds(len(self._setup.rules) * self._setup.deadline_s)
        for number, rule in enumerate(self._setup.rules):
            if number in self._setup.skip:
                continue
            self._cell.write(Cell.COMPILING, number)
            try:
                self._compiled[number] = (rule, self._engine.compile_rule(rule))
            except RuleError as error:
                problems.append(RuleProblem(number, error.what, error.why, error.do))
        self._cell.write(Cell.NOTHING, Cell.NOTHING)
        return Ready(problems)

    def judge(self, number: int, task: Task) -> Answer:
        """Judge one resource by its rules."""
        self._cell.write(number, Cell.NOTHING)
        _limit_seconds(len(task.rules) * self._setup.deadline_s)
        material = MATERIAL.decode(task.data)
        review = Review(
            resource=Resource(key=material.key, kind="", data=material.object, locate=_nowhere),
            old=material.old,
            request=material.request,
            params=material.params,
            namespace=material.namespace,
        )
        verdicts: list[tuple[str, str]] = []
        seconds: list[tuple[int, float]] = []
        for rule_number in task.rules:
            rule, compiled = self._compiled[rule_number]
            self._cell.write(number, rule_number)
            start = time.process_time()
            verdict = self._engine.judge(rule, compiled, review)
            took = time.process_time() - start
            if took > _LONG_S:
                seconds.append((rule_number, took))
            verdicts.append((verdict.state.value, verdict.message[:_MESSAGE_LIMIT]))
        return Answer(verdicts, seconds)


def _nowhere(path: AttrPath) -> Location:
    return Location(path="")


def _pipes() -> tuple[BinaryIO, BinaryIO]:
    """Own ends of the pipes; whatever prints by mistake goes to standard error instead."""
    outgoing = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)
    return sys.stdin.buffer, outgoing


def _limit_memory(size: int) -> None:
    try:
        import resource
    except ImportError:  # Windows: the deadline still holds
        return
    wanted: Sequence[tuple[int, int]] = ((resource.RLIMIT_AS, size), (resource.RLIMIT_CORE, 0))
    for kind, limit in wanted:
        with contextlib.suppress(ValueError, OSError):  # not every system can limit everything
            resource.setrlimit(kind, (limit, limit))


def _limit_seconds(more: float) -> None:
    """Allow so much processor time from here on. It ends a worker whose parent was killed."""
    try:
        import resource
    except ImportError:
        return
    used = resource.getrusage(resource.RUSAGE_SELF)
    soft = math.ceil(used.ru_utime + used.ru_stime + more) + _SPARE_S
    hard = resource.getrlimit(resource.RLIMIT_CPU)[1]
    if hard != resource.RLIM_INFINITY:
        soft = min(soft, hard)
    with contextlib.suppress(ValueError, OSError):
        resource.setrlimit(resource.RLIMIT_CPU, (soft, hard))


if __name__ == "__main__":
    main()
