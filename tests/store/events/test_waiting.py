"""Rows that wait: in order, by themselves, bounded."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from haechi.store.events.events import Events
from tests.store.events.made import event


@pytest.fixture
def events(tmp_path: Path) -> Iterator[Events]:
    opened = Events(tmp_path)
    yield opened
    opened.close()


def test_they_come_in_order_and_go_from_the_front(events: Events) -> None:
    events.append([event(n) for n in range(5)]).result()
    found = events.waiting.take(0, 3)
    assert [one.event.id for one in found if one.event] == ["id-0", "id-1", "id-2"]
    assert events.waiting.remove(found[-1].seq) == 3
    rest = events.waiting.take(0, 10)
    assert [one.event.id for one in rest if one.event] == ["id-3", "id-4"]
    assert events.waiting.figures()["waiting"] == 2


def test_what_was_sent_twice_and_what_no_rule_held_for_does_not_wait(events: Events) -> None:
    events.append([event(1), event(2, rule="", priority="")]).result()
    events.append([event(1), event(2, rule="", priority="")]).result()
    assert len(events.waiting.take(0, 10)) == 1


def test_they_are_whole_without_their_events(events: Events) -> None:
    sent = event(1)
    events.append([sent]).result()
    events.seal(2**62)
    (one,) = events.waiting.take(0, 10)
    assert one.event == sent


def test_the_name_of_a_file_stays_and_each_has_its_own(tmp_path: Path) -> None:
    names = []
    for folder in (tmp_path / "a", tmp_path / "a", tmp_path / "b"):
        folder.mkdir(exist_ok=True)
        opened = Events(folder)
        names.append(opened.waiting.epoch())
        opened.close()
    assert names[0] == names[1] != names[2]


@pytest.mark.parametrize(
    ("coarse", "rows"), [(100, {3}), (0, {6})], ids=["by workload", "by priority"]
)
def test_those_that_are_alike_become_one(events: Events, coarse: int, rows: set[int]) -> None:
    intake = events._writer.inserter.waiting
    intake._fine, intake._coarse = 1, coarse
    intake.count = 1  # as if one waited already
    several = [event(n, resource=f"k8s:prod/core/Pod/shop/w{n % 2}") for n in range(6)]
    events.append(several).result()
    found = events.waiting.take(0, 10)
    assert {one.count for one in found} == rows
    assert sum(one.count for one in found) == 6
