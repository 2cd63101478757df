"""What the generated code calls: enumerating, calling, building, and the limits on all of it.

``Run`` is one evaluation: its input, its data, what was found already, and the fuel. ``with``
makes another one that shares the fuel.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Hashable, Iterable, Iterator, Mapping
from typing import TYPE_CHECKING, Any, Final

from haechi.engines.rego.builtins.builtin import Context
from haechi.engines.rego.values import (
    UNDEFINED,
    BuiltinError,
    RegoFailure,
    RegoObject,
    RegoSet,
    Value,
    entries,
    equal,
    key,
    lookup,
    make_object,
)

if TYPE_CHECKING:
    from haechi.engines.rego.documents import Documents

PENDING: Final = object()
"""Stands in the memo for what was not asked yet."""

MEMBERS_LIMIT: Final = 1_000_000
TEXT_LIMIT: Final = 10_000_000
DIGITS_LIMIT: Final = 1 << 17
"""Bits of a whole number; OPA has no limit, and a policy that squares often enough none either."""


class Run:
    """One evaluation of a program, or the part of one under a ``with``."""

    __slots__ = (
        *("covered", "data", "documents", "input", "memo", "mocks", "tank", "weights", "world"),
    )

    def __init__(
        self, documents: Documents, document: Value, data: Mapping[str, Value], tank: list[int]
    ) -> None:
        self.documents = documents
        self.input = document
        self.data = data
        self.tank = tank
        self.memo: list[Any] = [PENDING] * documents.slots
        self.covered: tuple[tuple[str, ...], ...] = ()
        self.mocks: dict[Hashable, Any] = {}
        self.world: list[Context] = []
        self.weights: dict[int, tuple[Value, int]] = {}

    def context(self) -> Context:
        """What builtins may know of the evaluation; made when the first one asks."""
        if not self.world:
            self.world.append(Context(now_ns=time.time_ns()))
        return self.world[0]

    def changed(self) -> Run:
        run = Run(self.documents, self.input, self.data, self.tank)
        run.covered = self.covered
        run.mocks = self.mocks
        run.world = self.world
        run.weights = self.weights
        return run


def burn(run: Run, amount: int) -> None:
    tank = run.tank
    tank[0] -= amount
    if tank[0] < 0:
        text = "the policy took more steps than it is allowed"
        raise RegoFailure("out_of_fuel", text, do="make its loops smaller or raise the limit")


def too_large(what: str) -> RegoFailure:
    return RegoFailure("too_large", f"the policy made {what}", do="make smaller values")


# -- enumerating ------------------------------------------------------------------------------


def values_of(run: Run, value: Value) -> Iterable[Value]:
    """What ``value[_]`` enumerates where the order does not tell. It is paid for at once."""
    kind = type(value)
    if kind is list:
        found: Iterable[Value] = value
    elif kind is dict:
        found = value.values()
    elif kind is RegoSet:
        found = value.members.values()
    elif kind is RegoObject:
        found = value.values()
    else:
        return ()
    tank = run.tank
    tank[0] -= len(value) + 1
    if tank[0] < 0:
        burn(run, 0)
    return found


def items_of(run: Run, value: Value) -> Iterable[tuple[Value, Value]]:
    """What ``value[k]`` enumerates where the order does not tell."""
    kind = type(value)
    if kind is dict:
        found: Iterable[tuple[Value, Value]] = value.items()
    elif kind is list:
        found = enumerate(value)
    elif kind is RegoSet:
        members = value.members.values()
        found = zip(members, members, strict=True)
    elif kind is RegoObject:
        found = value.items()
    else:
        return ()
    burn(run, len(value) + 1)
    return found


def sorted_items(run: Run, value: Value) -> Iterable[tuple[Value, Value]]:
    """The same in OPA's order, for what goes into an array."""
    if type(value) in _COLLECTIONS:
        burn(run, len(value) + 1)
    return entries(value)


def sorted_values(run: Run, value: Value) -> Iterable[Value]:
    if type(value) is list:
        burn(run, len(value) + 1)
        return value
    return [item for _, item in sorted_items(run, value)]


_COLLECTIONS: Final = frozenset({list, dict, RegoSet, RegoObject})


def is_collection(value: Value) -> bool:
    return type(value) in _COLLECTIONS


def is_object(value: Value, size: int) -> bool:
    """Whether a pattern of so many keys can match."""
    return type(value) in (dict, RegoObject) and len(value) == size


# -- calling ----------------------------------------------------------------------------------


def measured(run: Run, value: Value) -> Value:
    """The result of a builtin that can make something large, if it is not too large."""
    kind = type(value)
    if kind is str:
        if len(value) > TEXT_LIMIT:
            raise too_large(f"a text of {len(value)} characters")
        run.tank[0] -= len(value) >> 6
    elif kind is int:
        if value.bit_length() > DIGITS_LIMIT:
            raise too_large(f"a number of {value.bit_length()} bits")
    elif kind in _COLLECTIONS:
        if len(value) > MEMBERS_LIMIT:
            raise too_large(f"a collection of {len(value)} elements")
        burn(run, len(value) >> 3)
        weighed(run, value)
    return value


def weighed(run: Run, value: Value) -> Value:
    """A container that the policy made, if it is not too large with all that is in it.

    Parts are shared, so ``[x, x]`` doubles at every step what whoever compares, hashes or prints
    it has to go through. Containers with containers in them are therefore remembered with what
    they weigh; the parts of the input count as what they hold directly.
    """
    weights, weight = run.weights, 0
    parts: Iterable[Value] = value
    if type(value) is not list:
        parts = value.members.values() if type(value) is RegoSet else value.values()
    for part in parts:
        if type(part) in _COLLECTIONS:
            known = weights.get(id(part))
            weight += len(part) + 1 if known is None else known[1]
    if weight:
        weight += len(value)
        if weight > MEMBERS_LIMIT:
            raise too_large(f"a value of {weight} parts")
        weights[id(value)] = (value, weight)
    return value


def related(run: Run, results: Iterable[Value]) -> Iterator[Value]:
    """The results of a builtin with many, each paid for."""
    try:
        for result in results:
            burn(run, 1)
            yield result
    except BuiltinError:
        return


# -- building ---------------------------------------------------------------------------------


def make_set(run: Run, values: list[Value]) -> RegoSet:
    weighed(run, values)
    if len(values) > MEMBERS_LIMIT:
        raise too_large(f"a set of {len(values)} elements")
    members: dict[Hashable, Value] = {}
    for value in values:
        members.setdefault(value if type(value) is str else key(value), value)
    found = RegoSet(members)
    weighed(run, found)
    return found


_MANY: Final = 32


def distinct(run: Run, values: list[Value]) -> list[Value]:
    """The members of a set without those that are there twice for sure. All of them if they are
    many, so that no chain of rules doubles them at every link."""
    if len(values) > _MANY:
        return list(make_set(run, values).members.values())
    found = {value if type(value) is str else id(value): value for value in values}
    return list(found.values())


def checked_object(run: Run, pairs: list[tuple[Value, Value]], file: str, line: int) -> Value:
    """An object of a comprehension: a key with two values is a conflict."""
    found: dict[Hashable, Value] = {}
    weighed(run, [value for _, value in pairs])
    for name, value in pairs:
        at = name if type(name) is str else key(name)
        known = found.setdefault(at, value)
        if known is not value and not equal(known, value):
            text = "object keys must be unique"
            raise RegoFailure("eval_conflict_error", text, file=file, line=line)
    return weighed(run, make_object(pairs))


def conflict(what: str, file: str, line: int) -> RegoFailure:
    return RegoFailure("eval_conflict_error", what, file=file, line=line)


# -- with -------------------------------------------------------------------------------------


def replaced(document: Value, path: tuple[str, ...], value: Value) -> Value:
    """A copy of ``document`` where ``path`` holds ``value``; objects on the way are made."""
    if not path:
        return value
    held = document if type(document) is dict else {}
    return {**held, path[0]: replaced(held.get(path[0], UNDEFINED), path[1:], value)}


def with_input(run: Run, path: tuple[str, ...], value: Value) -> Run:
    inner = run.changed()
    inner.input = replaced(run.input, path, value)
    return inner


def with_data(run: Run, path: tuple[str, ...], value: Value) -> Run:
    inner = run.changed()
    inner.data = replaced(run.data, path, value)
    inner.covered = (*run.covered, path)
    return inner


def with_call(run: Run, name: Hashable, value: Any) -> Run:
    inner = run.changed()
    inner.mocks = {**run.mocks, name: value}
    return inner


def mocked(mock: Callable[..., Value], run: Run, *given: Value) -> Value:
    """A function in another's place. It sees the originals of all functions."""
    inner = run.changed()
    inner.mocks = {}
    return mock(inner, *given)


def constant_call(value: Value) -> Callable[..., Value]:
    """A mock that gives the same to everybody."""

    def call(run: Run, *given: Value) -> Value:
        return value

    return call


# -- documents of the input -------------------------------------------------------------------


def walk_to(value: Value, path: tuple[Value, ...]) -> Value:
    for name in path:
        value = lookup(value, name)
        if value is UNDEFINED:
            return UNDEFINED
    return value


def input_at(run: Run, slot: int, path: tuple[str, ...]) -> Value:
    found = run.memo[slot] = walk_to(run.input, path)
    return found


def data_at(run: Run, slot: int, path: tuple[str, ...]) -> Value:
    found = run.memo[slot] = walk_to(run.data, path)
    return found
