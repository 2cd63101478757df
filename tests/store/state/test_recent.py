"""What is counted in blocks is what a walk over the whole history counts."""

from __future__ import annotations

import datetime as dt
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import select

from haechi.model.access import Reach
from haechi.store.records import FindingFilter, Life
from haechi.store.state import recent
from haechi.store.state.schema import finding, finding_change
from haechi.store.state.state import State
from haechi.store.state.times import to_us
from tests.store.state.made import ALL, START, TODAY, Clock, found, open_state, push, receive

PART = (Reach(namespace="pay"),)


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def state(tmp_path: Path, clock: Clock, monkeypatch: pytest.MonkeyPatch) -> Iterator[State]:
    monkeypatch.setattr(recent, "BLOCK", 4)
    made = open_state(tmp_path, clock)
    yield made
    made.close()


def walked(state: State, since: dt.datetime, namespace: str = "") -> Counter[str]:
    query = (
        select(finding_change.c.what, finding.c.namespace)
        .join(finding, finding.c.n == finding_change.c.finding)
        .where(finding_change.c.at >= to_us(since), finding.c.is_default == 1)
    )
    with state.read() as connection:
        rows = connection.execute(query).all()
    return Counter(what for what, place in rows if not namespace or place == namespace)


def names(*numbers: int) -> list[dict[str, object]]:
    spaces = ("shop", "pay", "web")
    return [
        found(f"{n:032x}", resource=f"k8s:-/apps/Deployment/{spaces[n % 3]}/x{n}") for n in numbers
    ]


def test_counts_are_those_of_the_whole_history_at_every_step(state: State, clock: Clock) -> None:
    rounds = [range(9), range(3, 14), range(5, 6), range(20), (), range(30)]
    for numbers in rounds:
        receive(state, push(names(*numbers)))
        clock.forward(hours=5)
        for hours in (1, 6, 11, 24, 100):
            since = clock.now - dt.timedelta(hours=hours)
            assert state.findings.changes(since, within=ALL) == walked(state, since)
            assert state.findings.changes(since, within=PART) == walked(state, since, "pay")
    assert state.findings.changes(START, within=ALL)["reopened"] > 0
    assert state.findings.changes(START, within=PART)["seen"] > 0


def test_history_of_a_branch_counts_once_the_branch_does(state: State) -> None:
    receive(state, push(names(*range(9))))
    receive(state, push(names(*range(9)), ref="next", default=False))
    assert state.findings.changes(START, within=ALL) == {"seen": 9}
    receive(state, push(names(*range(3)), ref="next", default=True))
    assert state.findings.changes(START, within=ALL) == walked(state, START) != {"seen": 9}


def test_before_anything_happened_there_is_nothing(state: State) -> None:
    assert state.findings.changes(START, within=ALL) == {}


def test_a_look_at_the_sources_writes_nothing_and_tells_the_newest(
    state: State, clock: Clock
) -> None:
    state.sources.heard("falco", kind="events", name="falco", at=clock(), detail={})
    clock.forward(seconds=10)
    last = clock()
    state.sources.heard("falco", kind="events", name="falco", at=last, detail={})
    before = state.generation
    assert [one.last_seen for one in state.sources.all(within=ALL)] == [last]
    assert state.generation == before


def test_groups_are_the_same_by_what_an_index_has_and_by_what_none_has(state: State) -> None:
    receive(state, push([*names(*range(7)), found("a" * 32, path="z.yaml", severity="low")]))
    receive(state, push(names(*range(5)), ref="next", default=False))
    for ask in (FindingFilter(), FindingFilter(state=list(Life), other_refs=True)):
        for by in ("rule", "path", "resource", "namespace", "owner", "source"):
            page = state.findings.groups(by, ask, within=ALL, today=TODAY)
            every = list(state.findings.each(ask, within=ALL, today=TODAY))
            counted = Counter(getattr(one, by) or "" for one in every)
            assert {one.value: one.count for one in page.items} == counted
            assert all(one.label for one in page.items if by != "owner")
