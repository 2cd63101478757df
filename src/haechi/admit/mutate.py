"""Applying mutators to an object until nothing changes any more, and the patch that says what.

One that contradicts another is no mutator (that is found when they are loaded); one that fails, or
a set that never comes to rest, changes nothing at all: half of a mutation is worse than none. The
culprit answers with an error verdict under its own failure choice.
"""

from __future__ import annotations

import copy
from collections.abc import Mapping, Sequence
from typing import Any

import msgspec

from haechi.admit.policy import Mutator, View
from haechi.engines.rego.values import equal
from haechi.errors import HaechiError, NotEvaluated
from haechi.model.admission import PolicyVerdict
from haechi.model.review import Review, State

OPERATIONS = ("CREATE", "UPDATE")
Patch = tuple[Mapping[str, Any], ...]


class Mutated(msgspec.Struct, frozen=True, kw_only=True):
    """The object after all mutators (``body``; the reviewed one when nothing changed), the JSON
    patch that leads there, the ids of those that changed something, and errors."""

    body: Mapping[str, Any]
    patches: Patch = ()
    applied: tuple[str, ...] = ()
    verdicts: tuple[PolicyVerdict, ...] = ()


def mutate(mutators: Sequence[Mutator], review: Review, view: View) -> Mutated:
    """Apply the mutators in their order, again and again, until a round changes nothing."""
    original = review.resource.data
    operation = (review.request or {}).get("operation", "CREATE")
    if not mutators or not original or (operation and operation not in OPERATIONS):
        return Mutated(body=original)
    try:
        return _mutate(mutators, review, view)
    except RecursionError:
        told = "the object is nested too deeply"
        failed = tuple(_verdict(one, State.ERROR, told) for one in mutators)
        return Mutated(body=original, verdicts=failed)


def _mutate(mutators: Sequence[Mutator], review: Review, view: View) -> Mutated:
    original = review.resource.data
    body = copy.deepcopy(original)
    applied: dict[str, None] = {}
    for _ in range(len(mutators) + 1):
        changed: list[Mutator] = []
        for mutator in mutators:
            try:
                if mutator.mutate(review, body, view):
                    changed.append(mutator)
            except HaechiError as error:
                return Mutated(body=original, verdicts=(_failed(mutator, error),))
        applied.update(dict.fromkeys(mutator.info.id for mutator in changed))
        if not changed:
            patches = tuple(json_patch(original, body))
            return Mutated(body=body, patches=patches, applied=tuple(applied))
    return Mutated(body=original, verdicts=tuple(_restless(one, changed) for one in changed))


def _failed(mutator: Mutator, error: HaechiError) -> PolicyVerdict:
    is_unknown = isinstance(error, NotEvaluated)
    return _verdict(mutator, State.NOT_EVALUATED if is_unknown else State.ERROR, error.what)


def _restless(mutator: Mutator, others: Sequence[Mutator]) -> PolicyVerdict:
    names = ", ".join(one.info.id for one in others if one is not mutator)
    why = f"it and {names} undo each other" if names else "it changes its own result each time"
    return _verdict(mutator, State.ERROR, f"mutation comes to no end: {why}")


def _verdict(mutator: Mutator, state: State, message: str) -> PolicyVerdict:
    info = mutator.info
    return PolicyVerdict(
        policy=info.id,
        state=state,
        message=message,
        effects=info.effects,
        failure=info.failure,
        action="mutate",
        line=info.line,
    )


def json_patch(old: Any, new: Any) -> list[dict[str, Any]]:
    """Operations of RFC 6902 (add, remove, replace) that make ``new`` of ``old``."""
    found: list[dict[str, Any]] = []
    _difference(old, new, "", found)
    return found


def _difference(old: Any, new: Any, path: str, found: list[dict[str, Any]]) -> None:
    if isinstance(old, dict) and isinstance(new, dict):
        gone = (name for name in old if name not in new)
        found.extend({"op": "remove", "path": f"{path}/{_escaped(name)}"} for name in gone)
        for name, value in new.items():
            here = f"{path}/{_escaped(name)}"
            if name in old:
                _difference(old[name], value, here, found)
            else:
                found.append({"op": "add", "path": here, "value": value})
    elif isinstance(old, list) and isinstance(new, list):
        _list_difference(old, new, path, found)
    elif not equal(old, new):
        found.append({"op": "replace", "path": path, "value": new})


def _list_difference(
    old: list[Any], new: list[Any], path: str, found: list[dict[str, Any]]
) -> None:
    """What both begin and end with stays; of the rest, items change in their place."""
    start = 0
    while start < min(len(old), len(new)) and equal(old[start], new[start]):
        start += 1
    end = 0
    while end < min(len(old), len(new)) - start and equal(old[-1 - end], new[-1 - end]):
        end += 1
    before, after = old[start : len(old) - end], new[start : len(new) - end]
    shared = min(len(before), len(after))
    for number in range(shared):
        _difference(before[number], after[number], f"{path}/{start + number}", found)
    found.extend(
        {"op": "remove", "path": f"{path}/{start + number}"}
        for number in range(len(before) - 1, shared - 1, -1)
    )
    found.extend(
        {"op": "add", "path": f"{path}/{start + number}", "value": after[number]}
        for number in range(shared, len(after))
    )


def _escaped(name: str) -> str:
    return str(name).replace("~", "~0").replace("/", "~1")
