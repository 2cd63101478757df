"""Rules that a later one of the same name replaces within one file.

Across files that is how Falco's rules are tuned; in one file the first of the two is there for
nothing, and whoever reads it is misled. Falco says nothing.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from itertools import pairwise

import msgspec

from haechi.engines.falco.lint_fault import Fault
from haechi.engines.falco.lint_places import ITEM
from haechi.engines.falco.ruleset import At, RuleText

_RULE = re.compile(r"\s*-\s+[\"']?rule[\"']?\s*:\s*(?P<name>.*?)\s*(?:\s#.*)?\Z")
_CHANGES = re.compile(r"\s+[\"']?(?:append|override)[\"']?\s*:")
_CONDITION = re.compile(r"\s+[\"']?condition[\"']?\s*:")


class _Item(msgspec.Struct):
    line: int
    whole: bool
    """It has a condition of its own and does not say that it changes an earlier rule."""


def replaced(files: Sequence[RuleText]) -> Iterator[Fault]:
    """A fault for each rule that another one of its file replaces."""
    for file in files:
        last: dict[str, _Item] = {}
        for name, item in _rules(file.text):
            before = last.get(name)
            if before is not None and before.whole and item.whole:
                yield _fault(file.name, name, before.line, item.line)
            if item.whole or before is None:
                last[name] = item


def _rules(text: str) -> Iterator[tuple[str, _Item]]:
    lines = text.splitlines()
    starts = [number for number, line in enumerate(lines) if ITEM.match(line)]
    for start, end in pairwise([*starts, len(lines)]):
        found = _RULE.match(lines[start])
        name = found["name"].strip("\"'") if found else ""
        if name:
            body = lines[start + 1 : end]
            whole = any(map(_CONDITION.match, body)) and not any(map(_CHANGES.match, body))
            yield name, _Item(start + 1, whole)


def _fault(file: str, name: str, line: int, later: int) -> Fault:
    return Fault(
        code="shadowed",
        severity="medium",
        rule=name,
        at=At(file=file, line=line),
        message=f"the rule of the same name in line {later} replaces it",
        why="of two rules of one name Falco keeps the last, without a word",
        do="give one of them another name, or change the first by override",
        key="replaced",
    )
