"""Judging by rules of users in a process that can be killed.

CEL has no loops without end, yet its cap of 10,000 iterations bounds the steps, not their cost,
and the evaluator holds the interpreter lock, so no thread of this process could end it. Measured
within the cap: 99 comparisons of a list of 300,000 maps with itself 4.9 s, ``in`` over such a list
9,000 times more than 12 s (a watchdog thread never ran), 28 doublings of a text 1 GiB of memory.

So expressions that come from a scanned repository run in a child with a limit of memory, and this
side watches: an evaluation that makes no progress for ``deadline_s`` ends with the child, its
verdict is an error, and a new child goes on with the next one. What a child was doing is in a
mapped file (see ``cel_wire``), so nothing has to be tried again to find out. A child that dies by
itself is started again at the same place; a second death there is the rule's fault. Two faults
switch a rule off for the run, and so does using more processor time than ``budget_s``: the total is
bounded by the number of rules, not of resources.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import islice
from types import TracebackType
from typing import Any, Self

import msgspec

from haechi.engines.cel import Unfit, examine, parse_path, plain
from haechi.errors import RuleError
from haechi.model.coverage import Gap
from haechi.model.review import Review, State, Verdict
from haechi.rules.schema import Rule
from haechi.world.cel_child import Child, Ended
from haechi.world.cel_wire import ENCODER, FRAME_LIMIT, Answer, Batch, Cell, Material, Setup, Task

DEADLINE_S = 5.0
MEMORY_BYTES = 1024**3
_BATCH_TASKS = 64
_BATCH_BYTES = 8 * 1024 * 1024
_TASK_BYTES = FRAME_LIMIT // 4
_STRIKES = 2
_FRUITLESS = 3  # children that ended before they judged anything
_LOST = "the process that judges by rules of users cannot be kept running"

RulesOf = Callable[[Review], Iterable[str]]


@dataclass(slots=True)
class _Job:
    """A review on its way: its rules' numbers, its encoded variables and what is settled."""

    rules: list[int]
    data: bytes
    settled: dict[int, Verdict] = field(default_factory=dict)


class IsolatedRules:
    """Judges by a fixed list of CEL rules. Use as a context manager, or call ``close``."""

    def __init__(
        self,
        rules: Sequence[Rule],
        *,
        deadline_s: float = DEADLINE_S,
        budget_s: float | None = None,
        memory_bytes: int = MEMORY_BYTES,
    ) -> None:
        self._rules = tuple(rules)
        self._number = {rule.id: number for number, rule in enumerate(self._rules)}
        self._deadline_s = deadline_s
        self._budget_s = budget_s if budget_s is not None else 12 * deadline_s
        self._memory_bytes = memory_bytes
        self._child: Child | None = None
        self._errors: dict[int, RuleError] = {}
        self._off: dict[int, str] = {}
        self._strikes: Counter[int] = Counter()
        self._seconds: dict[int, float] = dict.fromkeys(range(len(self._rules)), 0.0)
        self._deaths: Counter[tuple[int, int, int]] = Counter()
        self._batch = 0
        self._fruitless = 0
        self._lost = ""
        self._paths = [self._path(number, rule) for number, rule in enumerate(self._rules)]

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def close(self) -> None:
        """End the child, if there is one."""
        if self._child is not None:
            self._child.close()
            self._child = None

    def errors(self) -> dict[str, RuleError]:
        """Faults of the rules by id; compiles them if that has not been done."""
        self._ready()
        return {self._rules[number].id: error for number, error in sorted(self._errors.items())}

    @property
    def faults(self) -> list[Gap]:
        """What this run could not evaluate, so far."""
        gaps = [
            Gap(kind="rule-error", path=self._rules[number].id, reason=error.what, do=error.do)
            for number, error in sorted(self._errors.items())
        ]
        gaps += [
            Gap(
                kind="rule-timeout",
                path=self._rules[number].id,
                reason=reason,
                do="make the expression cheaper: fewer nested loops, conditions before loops",
            )
            for number, reason in sorted(self._off.items())
        ]
        if self._lost:
            do = "check that Python may start processes here and that memory is left"
            gaps.append(Gap(kind="rule-engine", path="rules of users", reason=self._lost, do=do))
        return gaps

    def judge(
        self, reviews: Iterable[Review], rules_of: RulesOf | None = None
    ) -> Iterator[list[Verdict]]:
        """One list of verdicts for each review, in order, by the rules ``rules_of`` names (all)."""
        jobs = (self._job(review, rules_of) for review in reviews)
        while batch := _batch_of(jobs):
            self._batch += 1
            self._work(batch)
            for job in batch:
                yield [job.settled[number] for number in job.rules]

    def _path(self, number: int, rule: Rule) -> tuple[str | int, ...]:
        try:
            return parse_path(rule.path)
        except RuleError:
            return ()  # the child says so too, with the rule's name

    def _job(self, review: Review, rules_of: RulesOf | None) -> _Job:
        if rules_of is None:
            numbers = list(range(len(self._rules)))
        else:
            numbers = [self._number[name] for name in rules_of(review)]
        return _Job(numbers, _encode(review))

    def _work(self, batch: list[_Job]) -> None:
        """Settle every verdict of the batch, with as many children as that takes."""
        while todo := [number for number, job in enumerate(batch) if self._open_rules(job)]:
            child = self._ready()
            if child is None:
                continue  # now everything that was open is settled as lost
            tasks = [Task(self._open_rules(batch[n]), msgspec.Raw(batch[n].data)) for n in todo]
            child.ask(ENCODER.encode(Batch(tasks)), answers=len(tasks))
            answered = 0
            try:
                for number, task in zip(todo, tasks, strict=True):
                    off = len(self._off)
                    self._settle(batch[number], task, child.answer(Answer))
                    self._fruitless = 0
                    answered += 1
                    if len(self._off) > off:  # the rest of the batch was asked with that rule
                        break
            except Ended as end:
                self._blame(end, batch[todo[answered]], (self._batch, todo[answered]), answered)
            finally:
                if answered < len(todo):  # also when interrupted: what it still says is stale
                    self.close()

    def _open_rules(self, job: _Job) -> list[int]:
        """Rules of a job still to be judged; settles those that cannot be."""
        open_rules: list[int] = []
        for number in job.rules:
            if number in job.settled:
                continue
            rule = self._rules[number]
            if number in self._errors:
                job.settled[number] = Verdict(rule.id, State.ERROR, self._errors[number].what)
            elif number in self._off:
                job.settled[number] = Verdict(rule.id, State.NOT_EVALUATED, self._off[number])
            elif self._lost:
                job.settled[number] = Verdict(rule.id, State.NOT_EVALUATED, self._lost)
            else:
                open_rules.append(number)
        return open_rules

    def _settle(self, job: _Job, task: Task, answer: Answer) -> None:
        for number, (state, message) in zip(task.rules, answer.verdicts, strict=True):
            path = () if state == State.PASS else self._paths[number]
            job.settled[number] = Verdict(self._rules[number].id, State(state), message, path)
        for number, seconds in answer.seconds:
            self._seconds[number] += seconds
            if self._seconds[number] > self._budget_s:
                name = self._rules[number].id
                self._off[number] = (
                    f"rule {name} is switched off in this run: "
                    f"it took more than {self._budget_s:g} s in all"
                )

    def _ready(self) -> Child | None:
        """A child that has compiled the rules; None when that does not work."""
        while self._child is None and not self._lost:
            setup = Setup(
                [_judging_part(rule) for rule in self._rules],
                sorted(self._errors),
                "",
                self._memory_bytes,
                self._deadline_s,
            )
            try:
                child = Child(setup)
            except OSError as error:
                self._lost = f"{_LOST}: {error.strerror}"
                return None
            try:
                ready = child.ready()
            except Ended as end:
                self._blame_compiling(end)
                continue
            for problem in ready.problems:
                found = RuleError(problem.what, why=problem.why, do=problem.do)
                self._errors[problem.rule] = found
            self._child = child
        return self._child

    def _blame(self, end: Ended, job: _Job, at: tuple[int, int], place: int) -> None:
        """A child ended before it answered task ``place``: settle what is at fault, if anything."""
        if end.task != place:
            self._fruitless_end(end)
            return
        is_rule = 0 <= end.rule < len(self._rules)
        self._deaths[(*at, end.rule)] += 1
        if not (is_rule and end.overdue) and self._deaths[(*at, end.rule)] < _STRIKES:
            return
        if not is_rule:
            message = f"this resource cannot be judged by rules of users: {end.how}"
            for number in self._open_rules(job):
                job.settled[number] = Verdict(self._rules[number].id, State.ERROR, message)
            return
        name = self._rules[end.rule].id
        message = f"the process that judged by rule {name} ended: {end.how}"
        if end.overdue:
            message = f"rule {name} did not finish within {self._deadline_s:g} s"
        job.settled[end.rule] = Verdict(name, State.ERROR, message, self._paths[end.rule])
        self._strike(end.rule, message)

    def _blame_compiling(self, end: Ended) -> None:
        number = end.rule
        if end.task != Cell.COMPILING or not 0 <= number < len(self._rules):
            self._fruitless_end(end)
            return
        self._deaths[0, 0, number] += 1
        if end.overdue or self._deaths[0, 0, number] >= _STRIKES:
            self._errors[number] = RuleError(
                f"rule {self._rules[number].id} cannot be compiled: {end.how}"
            )

    def _fruitless_end(self, end: Ended) -> None:
        self._fruitless += 1
        if self._fruitless >= _FRUITLESS:
            self._lost = f"{_LOST}: {end.how}"

    def _strike(self, number: int, message: str) -> None:
        self._strikes[number] += 1
        if self._strikes[number] >= _STRIKES:
            name = self._rules[number].id
            self._off[number] = (
                f"rule {name} is switched off in this run after {_STRIKES} faults; "
                f"the last one: {message}"
            )


def _judging_part(rule: Rule) -> Rule:
    """The rule without what is said to people and the examples."""
    return msgspec.structs.replace(
        rule, why="", fix="", snippet="", bad=[], good=[], refs={}, cwe=[], tags=[], ko=None
    )


def _batch_of(jobs: Iterator[_Job]) -> list[_Job]:
    """The next jobs, bounded by count and size."""
    batch: list[_Job] = []
    size = 0
    for job in islice(jobs, _BATCH_TASKS):
        batch.append(job)
        size += len(job.data)
        if size >= _BATCH_BYTES:
            break
    return batch


def _encode(review: Review) -> bytes:
    """The variables of a review; what CEL cannot hold is sent as the reason why."""
    values = [
        plain(value)
        for value in (
            review.resource.data,
            review.old,
            review.request,
            review.params,
            review.namespace,
        )
    ]
    for place, value in enumerate(values):
        fault = examine(value).fault
        if fault:
            values[place] = Unfit(fault)
    key = "tf:" if review.resource.key.startswith("tf:") else "isolated"
    data = ENCODER.encode(_material(values, key))
    if len(data) <= _TASK_BYTES:
        return data
    too_large = Unfit(f"more than {_TASK_BYTES // 1024**2} MiB")
    return ENCODER.encode(_material([value and too_large for value in values], key))


def _material(values: Sequence[Any], key: str) -> Material:
    first, old, request, params, namespace = values
    return Material(first, old, request, params, namespace, key)
