"""Reachability, and ``walk``.

``walk`` is a relation: its call gives an iterator over ``[path, value]`` of the value itself and
of everything within, in OPA's order. ``values_within`` gives the values alone, without a path for
each: for ``walk(x, [_, value])``.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Hashable, Iterator
from typing import Any, Final

from haechi.engines.rego.builtins import operands
from haechi.engines.rego.builtins.builtin import Builtin
from haechi.engines.rego.values import (
    UNDEFINED,
    RegoObject,
    RegoSet,
    Value,
    entries,
    key,
    lookup,
)

_MAX_STEPS: Final = 20_000


def walk(value: Value) -> Iterator[list[Value]]:
    yield [[], value]
    waiting: list[tuple[list[Value], Any]] = [([], iter(entries(value)))]
    while waiting:
        path, rest = waiting[-1]
        for name, item in rest:
            here = [*path, name]
            yield [here, item]
            kind = type(item)
            if kind is dict or kind is list or kind is RegoSet or kind is RegoObject:
                waiting.append((here, iter(entries(item))))
                break
        else:
            waiting.pop()


def values_within(value: Value) -> Iterator[Value]:
    yield value
    waiting: list[Any] = [iter(entries(value))]
    while waiting:
        for _, item in waiting[-1]:
            yield item
            kind = type(item)
            if kind is dict or kind is list or kind is RegoSet or kind is RegoObject:
                waiting.append(iter(entries(item)))
                break
        else:
            waiting.pop()


def _neighbours(edges: Value) -> list[Value]:
    if type(edges) is list:
        return edges
    return edges.ordered() if type(edges) is RegoSet else []


def reachable(graph: Value, initial: Value) -> RegoSet:
    nodes = operands.mapping(graph, 1)
    waiting = deque(operands.listed(initial, 2))
    reached: dict[Hashable, Value] = {}
    while waiting:
        node = waiting.popleft()
        held = key(node)
        if held in reached:
            continue
        edges = lookup(nodes, node)
        if edges is not UNDEFINED:
            reached[held] = node
            waiting.extend(_neighbours(edges))
    return RegoSet(reached)


class _Paths:
    """All paths without a node twice. There may be exponentially many: they are counted."""

    def __init__(self, graph: Value) -> None:
        self.graph = graph
        self.found: dict[Hashable, Value] = {}
        self.steps = 0

    def end(self, path: list[Value]) -> None:
        self.found[key(path)] = path

    def follow(self, node: Value, path: list[Value], passed: frozenset[Hashable]) -> None:
        self.steps += 1
        if self.steps > _MAX_STEPS:
            operands.too_large("the steps along a graph's paths", _MAX_STEPS)
        edges = lookup(self.graph, node)
        if edges is UNDEFINED:
            return self.end(path)
        here, beyond = [*path, node], passed | {key(node)}
        following = _neighbours(edges)
        if not following:
            return self.end(here)
        for neighbour in following:
            if key(neighbour) in beyond:
                self.end(here)
            else:
                self.follow(neighbour, here, beyond)
        return None


def reachable_paths(graph: Value, initial: Value) -> RegoSet:
    paths = _Paths(operands.mapping(graph, 1))
    for node in operands.listed(initial, 2):
        edges = lookup(graph, node)
        if edges is UNDEFINED:
            continue
        following = _neighbours(edges)
        if not following:
            paths.end([node])
        for neighbour in following:
            paths.follow(neighbour, [node], frozenset((key(node),)))
    return RegoSet(paths.found)


TABLE: Final = (
    Builtin(name="walk", arity=1, call=walk, relation=True),
    Builtin(name="graph.reachable", arity=2, call=reachable),
    Builtin(name="graph.reachable_paths", arity=2, call=reachable_paths),
)
