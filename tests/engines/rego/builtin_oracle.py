"""One builtin, asked of OPA and of ours, in a form in which answers can be compared.

Sets cannot be said in JSON: an argument that is to be one is made in the query from an array. OPA
stops at an error where a policy would see undefined, so both count as the same "none".

``python -m tests.engines.rego.builtin_oracle`` writes ``builtin_cases.json``, OPA's answers that
hold our builtins where there is no OPA.
"""

from __future__ import annotations

import json
import random
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import msgspec

from haechi.engines.rego.builtins import BUILTINS
from haechi.engines.rego.values import UNDEFINED, BuiltinError, RegoSet, to_json
from tests.engines.rego.builtin_arguments import DECLARED, argument, as_set
from tests.oracles.opa import Opa, OpaError

CASES: Final = Path(__file__).with_name("builtin_cases.json")
NONE: Final = "none"
_RECORDED: Final = 12  # of each builtin
_INFIX: Final = {
    "plus": "+",
    "minus": "-",
    "mul": "*",
    "div": "/",
    "rem": "%",
    "equal": "==",
    "neq": "!=",
    "lt": "<",
    "lte": "<=",
    "gt": ">",
    "gte": ">=",
    "and": "&",
    "or": "|",
}


class Case(msgspec.Struct, frozen=True):
    """``sets`` are the positions of arguments that are sets, ``nested`` of those of sets."""

    name: str
    arguments: list[Any]
    sets: list[int] = []
    nested: list[int] = []
    answer: Any = None
    """``[value]``, or "none"."""


def cases(name: str, seed: int, count: int) -> Iterator[Case]:
    chance = random.Random(f"{name} {seed}")  # noqa: S311 - cases, not secrets
    for _ in range(count):
        given = [argument(chance, name, at) for at in range(len(DECLARED[name]))]
        sets: list[int] = []
        nested: list[int] = []
        for at, declared in enumerate(DECLARED[name]):
            if type(given[at]) is list and as_set(chance, declared):
                inside = declared == "set:set" and all(type(x) is list for x in given[at])
                (nested if inside else sets).append(at)
        yield Case(name, given, sets, nested)


def ours(case: Case) -> Any:
    values = [
        RegoSet.of(value)
        if at in case.sets
        else RegoSet.of(RegoSet.of(item) for item in value)
        if at in case.nested
        else value
        for at, value in enumerate(case.arguments)
    ]
    try:
        made = BUILTINS[case.name].call(*values)
    except BuiltinError:
        return NONE
    return NONE if made is UNDEFINED else [to_json(made)]


def theirs(opa: Opa, case: Case) -> Any:
    """OPA's answer, or None where its compiler does not let the question pass."""
    operands = [
        f"{{x | some x in input.a{at}}}"
        if at in case.sets
        else f"{{ {{y | some y in x}} | some x in input.a{at}}}"
        if at in case.nested
        else f"input.a{at}"
        for at in range(len(case.arguments))
    ]
    if case.name in _INFIX:
        call = f"{operands[0]} {_INFIX[case.name]} {operands[1]}"
    else:
        call = f"{case.name}({', '.join(operands)})"
    given = {f"a{at}": value for at, value in enumerate(case.arguments)}
    try:
        found = opa.evaluate((), f"[y | y := {call}]", given)[0]
    except OpaError as error:
        if "eval_builtin_error" in error.message or "eval_type_error" in error.message:
            return NONE
        if "rego_type_error" in error.message:
            return None
        raise
    return found or NONE


def record(opa: Opa) -> None:
    made: list[Case] = []
    for name in sorted(DECLARED):
        seen: set[str] = set()
        for case in cases(name, 0, 400):
            told = json.dumps([case.arguments, case.sets, case.nested])
            if told in seen or len(seen) >= _RECORDED:
                continue
            answer = theirs(opa, case)
            if answer is not None:
                seen.add(told)
                made.append(msgspec.structs.replace(case, answer=answer))
    lines = ",\n".join(
        json.dumps(msgspec.structs.astuple(case), ensure_ascii=True) for case in made
    )
    CASES.write_text(f"[\n{lines}\n]\n", encoding="utf-8")


if __name__ == "__main__":
    from tests.oracles.opa import require_opa

    record(require_opa())
