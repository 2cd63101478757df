"""What an answer means. Only what the table names is a verdict; everything else is unknown."""

from __future__ import annotations

from enum import StrEnum
from typing import Any

import msgspec

from haechi.world.verify.providers import Condition, Provider
from haechi.world.verify.request import Answer

_NOTHING: Any = object()


class Life(StrEnum):
    """Whether a credential still works. Unknown is never the same as dead."""

    LIVE = "live"
    DEAD = "dead"
    UNKNOWN = "unknown"


class Verification(msgspec.Struct, frozen=True, kw_only=True):
    """What the provider said. ``detail`` is in our words: hosts and status, no part of an answer
    and no part of the credential."""

    state: Life
    detail: str


def judged(provider: Provider, host: str, answer: Answer) -> Verification:
    """The meaning of one answer."""
    said = f"{host} answered {answer.status}"
    if answer.status == 429:
        return Verification(state=Life.UNKNOWN, detail=f"{said}: asked too often")
    if answer.status >= 500:
        return Verification(state=Life.UNKNOWN, detail=f"{said}: it has a fault of its own")
    data = _decoded(answer)
    for state, conditions in (
        (Life.LIVE, provider.live),
        (Life.DEAD, provider.dead),
        (Life.UNKNOWN, provider.unclear),
    ):
        for condition in conditions:
            if _holds(condition, answer, data):
                return Verification(state=state, detail=_joined(said, condition.says))
    return Verification(state=Life.UNKNOWN, detail=_joined(said, _odd(answer, data)))


def _odd(answer: Answer, data: Any) -> str:
    if 300 <= answer.status < 400:
        return "a redirect, which is not followed"
    if answer.cut:
        return "more than is read of an answer"
    if data is _NOTHING:
        return "no JSON"
    return "that proves nothing either way"


def _joined(said: str, more: str) -> str:
    return f"{said}: {more}" if more else said


def _decoded(answer: Answer) -> Any:
    if answer.cut:
        return _NOTHING
    try:
        return msgspec.json.decode(answer.body)
    except (msgspec.DecodeError, RecursionError, UnicodeDecodeError):
        return _NOTHING


def _holds(condition: Condition, answer: Answer, data: Any) -> bool:
    if answer.status not in condition.status:
        return False
    if condition.text and (answer.cut or condition.text.encode() not in answer.body):
        return False
    return all(_says(data, path, wanted) for path, wanted in condition.json.items())


def _says(data: Any, path: str, wanted: list[str | int | bool]) -> bool:
    found = _values(data, path.split("."))
    if not wanted:
        return any(value is not None for value in found)
    # ``True == 1`` in Python; in an answer they are different things.
    return any(value == one and type(value) is type(one) for value in found for one in wanted)


def _values(data: Any, path: list[str]) -> list[Any]:
    """What stands at a path; ``*`` goes into every item of a list."""
    found = [] if data is _NOTHING else [data]
    for step in path:
        if step == "*":
            found = [item for value in found if isinstance(value, list) for item in value]
        else:
            found = [v[step] for v in found if isinstance(v, dict) and step in v]
    return found
