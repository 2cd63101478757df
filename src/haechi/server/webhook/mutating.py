"""What policies change in an object, as a JSON patch.

A mutation that fails is an error of itself under its own failure choice; what the others changed
stays. Until the patch is computed the object is a copy: a failed step leaves no trace of itself.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from haechi.admit.policy import Mutator, View
from haechi.errors import NotEvaluated
from haechi.model.admission import FailureChoice, PolicyInfo, PolicyVerdict
from haechi.model.review import Review, State

_ROUNDS = 5
"""Mutations may build on each other; after so many rounds they contradict each other."""


def mutated(
    mutators: Sequence[Mutator],
    review: Review,
    view: View,
    *,
    closed: bool,
    off: Mapping[str, str],
    watch: Callable[[int], None],
) -> tuple[list[PolicyVerdict], list[dict[str, Any]]]:
    """Verdicts (errors only) and the patch operations of one group's mutations."""
    choice = FailureChoice.FAIL if closed else FailureChoice.IGNORE
    wanted = [(n, one) for n, one in enumerate(mutators) if one.info.failure is choice]
    before = review.resource.data
    if not wanted or not before:
        return [], []
    body: dict[str, Any] = copy.deepcopy(dict(before))
    verdicts: dict[str, PolicyVerdict] = {}
    for _ in range(_ROUNDS):
        changed = False
        for number, mutator in wanted:
            info = mutator.info
            if info.id in verdicts:
                continue
            watch(number)
            if info.id in off:
                verdicts[info.id] = _failed(info, off[info.id])
                continue
            body, did, fault = _stepped(mutator, review, body, view)
            changed = changed or did
            if fault is not None:
                verdicts[info.id] = fault
        if not changed:
            break
    return list(verdicts.values()), difference(before, body)


def _stepped(
    mutator: Mutator, review: Review, body: dict[str, Any], view: View
) -> tuple[dict[str, Any], bool, PolicyVerdict | None]:
    tried = copy.deepcopy(body)
    try:
        return (tried, True, None) if mutator.mutate(review, tried, view) else (body, False, None)
    except NotEvaluated as reason:
        return body, False, _failed(mutator.info, str(reason), State.NOT_EVALUATED)
    except MemoryError:
        return body, False, _failed(mutator.info, "it needs more memory than it may have")
    except Exception as error:  # noqa: BLE001 - the boundary of one mutation: its fault is its own
        return body, False, _failed(mutator.info, f"{type(error).__name__}: {error}")


def _failed(info: PolicyInfo, reason: str, state: State = State.ERROR) -> PolicyVerdict:
    return PolicyVerdict(
        policy=info.id,
        state=state,
        message=reason,
        effects=info.effects,
        failure=info.failure,
        line=info.line,
    )


def difference(before: Any, after: Any, path: str = "") -> list[dict[str, Any]]:
    """The JSON patch (RFC 6902) that makes ``after`` of ``before``, in a stable order."""
    if _same(before, after):
        return []
    if isinstance(before, dict) and isinstance(after, dict):
        return _maps(before, after, path)
    if isinstance(before, list) and isinstance(after, list):
        return _lists(before, after, path)
    return [{"op": "replace", "path": path, "value": after}]


def _maps(before: Mapping[str, Any], after: Mapping[str, Any], path: str) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = [
        {"op": "remove", "path": f"{path}/{_escaped(key)}"} for key in before if key not in after
    ]
    for key, value in after.items():
        where = f"{path}/{_escaped(key)}"
        if key in before:
            found += difference(before[key], value, where)
        else:
            found.append({"op": "add", "path": where, "value": value})
    return found


def _lists(before: list[Any], after: list[Any], path: str) -> list[dict[str, Any]]:
    shared = min(len(before), len(after))
    found: list[dict[str, Any]] = []
    for index in range(shared):
        found += difference(before[index], after[index], f"{path}/{index}")
    for index in range(len(before) - 1, shared - 1, -1):
        found.append({"op": "remove", "path": f"{path}/{index}"})
    for value in after[shared:]:
        found.append({"op": "add", "path": f"{path}/-", "value": value})
    return found


def _same(one: Any, other: Any) -> bool:
    """Equal as JSON: ``true`` is not 1."""
    if isinstance(one, bool) or isinstance(other, bool):
        return one is other
    if isinstance(one, dict) and isinstance(other, dict):
        return one.keys() == other.keys() and all(_same(one[k], other[k]) for k in one)
    if isinstance(one, list) and isinstance(other, list):
        return len(one) == len(other) and all(map(_same, one, other))
    return bool(one == other) and isinstance(one, str) == isinstance(other, str)


def _escaped(key: str) -> str:
    return key.replace("~", "~0").replace("/", "~1")
