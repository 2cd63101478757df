"""The order in which files are given to workers."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from tests.schedule import FIRST, TOGETHER, WholeFiles

ROOT = Path(__file__).parents[1]


class Node:
    """A worker that notes what it was sent."""

    def __init__(self) -> None:
        self.sent: list[int] = []
        self.shutting_down = False
        self.gateway = SimpleNamespace(id="node")

    def send_runtest_some(self, places: Sequence[int]) -> None:
        self.sent += places

    def shutdown(self) -> None:
        self.shutting_down = True


def test_what_goes_first_is_there() -> None:
    assert [place for place in (*FIRST, *TOGETHER) if not (ROOT / place).exists()] == []


def test_every_test_runs_once_in_whole_files_the_long_ones_first() -> None:
    files = {f"tests/a/test_{n}.py": n + 1 for n in range(9)} | {FIRST[2]: 2, FIRST[1]: 1}
    ids = [f"{file}::test[{n}]" for file, count in files.items() for n in range(count)]
    together = [f"{TOGETHER[0]}/test_{name}.py::test" for name in "abc"]
    ids += together
    option = SimpleNamespace(loadscopereorder=True)
    config: Any = SimpleNamespace(option=option, getvalue=lambda _: ["2*popen"])
    scheduler = WholeFiles(config)
    scheduler.log.enabled = False
    nodes = [Node(), Node()]
    for node in nodes:
        scheduler.add_node(node)
        scheduler.add_node_collection(node, ids)
    scheduler.schedule()
    done: list[list[str]] = [[], []]
    while scheduler.has_pending:
        for node, told in zip(nodes, done, strict=True):
            if len(told) < len(node.sent):
                place = node.sent[len(told)]
                told.append(ids[place])
                scheduler.mark_test_complete(node, place)
    assert sorted(done[0] + done[1]) == sorted(ids)
    assert all(node.shutting_down for node in nodes)
    assert done[0][:3] == together
    assert done[1][:3] == [f"{FIRST[1]}::test[0]", *(f"{FIRST[2]}::test[{n}]" for n in (0, 1))]
    for file in files:
        assert len({number for number in (0, 1) if any(file in one for one in done[number])}) == 1
