"""The document of a partial object: what its rules collected, put together.

A rule gives keys and a value, or keys and a member of a set below them (``p[x].tags contains t``).
Two values at one place are a conflict, and so is a value where others have keys.
"""

from __future__ import annotations

from collections.abc import Hashable, Sequence

from haechi.engines.rego.runtime import Run, conflict, make_set, weighed
from haechi.engines.rego.values import Value, equal, key, make_object

Collected = tuple[tuple[Value, ...], Value, bool]


class _Branching:
    """An object while it grows: for every key its text and what is below."""

    __slots__ = ("held",)

    def __init__(self) -> None:
        self.held: dict[Hashable, tuple[Value, Value]] = {}


class _Growing:
    __slots__ = ("members",)

    def __init__(self) -> None:
        self.members: list[Value] = []


def built_object(run: Run, collected: Sequence[Collected], file: str, line: int) -> Value:
    top = _Branching()
    weighed(run, [value for _, value, _ in collected])
    for keys, value, into_set in collected:
        if not _put(top, keys, value, into_set):
            raise conflict("object keys must be unique", file, line)
    return weighed(run, _finished(run, top))


def _put(top: _Branching, keys: tuple[Value, ...], value: Value, into_set: bool) -> bool:
    here = top
    for name in keys[:-1]:
        _, inner = here.held.setdefault(key(name), (name, _Branching()))
        if type(inner) is not _Branching:
            return False
        here = inner
    name = keys[-1]
    if into_set:
        _, members = here.held.setdefault(key(name), (name, _Growing()))
        if type(members) is not _Growing:
            return False
        members.members.append(value)
        return True
    _, known = here.held.setdefault(key(name), (name, value))
    if type(known) in (_Branching, _Growing):
        return False
    return known is value or equal(known, value)


def _finished(run: Run, node: Value) -> Value:
    if type(node) is _Branching:
        return make_object([(name, _finished(run, inner)) for name, inner in node.held.values()])
    if type(node) is _Growing:
        return make_set(run, node.members)
    return node
