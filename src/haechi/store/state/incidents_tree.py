"""The process tree of an incident, put together from its evidence: each detection told the
process that set it off and its ancestors."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable
from typing import Any

from haechi.store.state.incidents_records import ProcessNode
from haechi.store.state.incidents_rows import EvidenceDetail, evidence_of
from haechi.store.state.times import from_us

MOST_NODES = 2_000
_Key = tuple[str, int]


class _Node:
    """A process while it is put together."""

    def __init__(self) -> None:
        self.parent: int | None = None
        self.name = self.exe = self.command = self.container = self.user = ""
        self.rules: dict[str, int] = {}
        self.first: int | None = None
        self.last: int | None = None

    def seen(self, rule: str, count: int, first_ns: int, last_ns: int) -> None:
        self.rules[rule] = self.rules.get(rule, 0) + count
        self.first = first_ns if self.first is None else min(self.first, first_ns)
        self.last = last_ns if self.last is None else max(self.last, last_ns)


def process_tree(rows: Iterable[Any]) -> list[ProcessNode]:
    """The processes, parents before their children. ``rows`` are of ``incident_detection``, oldest
    first; a parent that would make a circle (pids that were used again) is left out."""
    nodes: dict[_Key, _Node] = {}
    for row in rows:
        told = evidence_of(row.evidence)
        for place, (pid, name, exe, command) in enumerate(told.line):
            key = (told.node, pid)
            one = nodes.get(key)
            if one is None:
                if len(nodes) >= MOST_NODES:
                    break
                one = nodes[key] = _Node()
            _described(one, told, place, (name, exe, command))
            if place + 1 < len(told.line) and one.parent is None:
                one.parent = told.line[place + 1][0]
            if place == 0:
                one.seen(row.rule, row.count, row.first_ns, row.last_ns)
    return _ordered(nodes)


def _described(one: _Node, told: EvidenceDetail, place: int, words: tuple[str, str, str]) -> None:
    """The newest word counts for what the process itself is (it may have become another program),
    the first for its ancestors."""
    name, exe, command = words
    if place == 0:
        one.container, one.user = told.container or one.container, told.user or one.user
        one.name, one.exe = name or one.name, exe or one.exe
        one.command = command or one.command
        return
    one.name, one.exe = one.name or name, one.exe or exe
    one.command = one.command or command


def _ordered(nodes: dict[_Key, _Node]) -> list[ProcessNode]:
    children: dict[_Key | None, list[_Key]] = {}
    for key, one in nodes.items():
        above = None if one.parent is None else (key[0], one.parent)
        if above not in nodes or above == key or _circular(nodes, key):
            one.parent, above = None, None
        children.setdefault(above, []).append(key)
    found: list[ProcessNode] = []
    waiting = children.get(None, [])[::-1]
    while waiting:
        key = waiting.pop()
        found.append(_shown(key, nodes[key]))
        waiting.extend(children.get(key, [])[::-1])
    return found


def _circular(nodes: dict[_Key, _Node], key: _Key) -> bool:
    seen = {key}
    above = nodes[key].parent
    while above is not None:
        step = (key[0], above)
        if step in seen:
            return True
        seen.add(step)
        above = nodes[step].parent if step in nodes else None
    return False


def _shown(key: _Key, one: _Node) -> ProcessNode:
    return ProcessNode(
        node=key[0],
        pid=key[1],
        parent=one.parent,
        name=one.name,
        exe=one.exe,
        command=one.command,
        container=one.container,
        user=one.user,
        rules=one.rules,
        first_seen=_at(one.first),
        last_seen=_at(one.last),
    )


def _at(ns: int | None) -> dt.datetime | None:
    return None if ns is None else from_us(ns // 1_000)
