"""Incidents in the store: who may do what to them in which state, and how they are found."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from haechi.errors import Conflict, NotFound, UsageError
from haechi.model.access import EVERYWHERE, Reach
from haechi.model.incident import IncidentState as S
from haechi.runtime.incidents.correlate import Correlator
from haechi.store.records import Notice
from haechi.store.state import incidents_fold
from haechi.store.state.incidents import QUIET
from haechi.store.state.incidents_records import IncidentFilter, Misplaced, Moved
from haechi.store.state.retention import KEEP_INCIDENTS
from haechi.store.state.state import State
from tests.runtime.incidents.made import detection, lots_of
from tests.store.state.made import Clock, open_state

ALL = (EVERYWHERE,)


def filled(state: State, *events: Any) -> list[str]:
    """Ids of incidents made of these, by row number."""
    correlator = Correlator(state.incidents.load())
    fold = correlator.fold(lots_of(events, state.incidents.load().seq + 1), epoch="e")
    correlator.keep(state.incidents.fold(fold))
    return [one.incident.id for one in fold.opened]


def of(n: int, **given: Any) -> Any:
    """A detection that is an incident of its own."""
    namespace = given.get("namespace", "shop")
    resource = f"k8s:prod/apps/Deployment/{namespace}/w{n}"
    return detection(n, **{"resource": resource, "container_id": f"c{n}", **given})


LIFE: dict[str, tuple[S, S, bool]] = {
    "acknowledge": (S.OPEN, S.ACKNOWLEDGED, True),
    "contain": (S.ACKNOWLEDGED, S.CONTAINED, True),
    "not contained": (S.CONTAINED, S.NOT_CONTAINED, True),
    "resolve": (S.CONTAINED, S.RESOLVED, True),
    "false positive": (S.OPEN, S.FALSE_POSITIVE, True),
    "reopen": (S.RESOLVED, S.OPEN, True),
    "another end": (S.FALSE_POSITIVE, S.RESOLVED, True),
    "contain what is closed": (S.RESOLVED, S.CONTAINED, False),
}


@pytest.mark.parametrize(("before", "after", "may"), LIFE.values(), ids=list(LIFE))
def test_states_follow_each_other(state: State, before: S, after: S, may: bool) -> None:
    (id_,) = filled(state, of(1))
    state.incidents.set_state(id_, before, "user:ana")
    if not may:
        with pytest.raises(Conflict):
            state.incidents.set_state(id_, after, "respond")
        return
    found = state.incidents.set_state(id_, after, "user:ana", "because")
    assert found.state is after
    assert (found.closed is not None) is after.closed
    assert (id_ in {one.id for one in _listed(state)}) is not after.closed


def _listed(store: State, /, **asked: Any) -> list[Any]:
    return list(store.incidents.each(IncidentFilter(**asked), within=ALL))


def test_every_change_is_a_step_an_audit_entry_and_a_notice(state: State) -> None:
    told: list[Notice] = []
    state.subscribe(told.append)
    (id_,) = filled(state, of(1))
    state.incidents.set_state(id_, S.ACKNOWLEDGED, "user:ana", "looking")
    state.incidents.assign(id_, "  bo  b ", "user:ana")
    state.incidents.note(id_, "seen before", "user:bob")
    state.incidents.set_state(id_, S.ACKNOWLEDGED, "user:ana")  # no change
    steps = state.incidents.history(id_)
    assert [(one.what, one.after, one.by) for one in steps] == [
        ("opened", "medium", "correlator"),
        ("state", "acknowledged", "user:ana"),
        ("owner", "bo b", "user:ana"),
        ("note", "", "user:bob"),
    ]
    assert [one.n for one in steps] == [1, 2, 3, 4]
    with state.read() as connection:
        asked = connection.exec_driver_sql("SELECT action, actor FROM audit ORDER BY n").all()
    assert [tuple(one) for one in asked] == [
        ("incident.opened", "correlator"),
        ("incident.state", "user:ana"),
        ("incident.owner", "user:ana"),
        ("incident.note", "user:bob"),
    ]
    mine = [one for one in told if one.topic == "incident"]
    assert [one.data["what"] for one in mine] == ["opened", "state", "owner", "note"]
    assert {(one.cluster, one.namespace) for one in mine} == {("prod", "shop")}
    assert [one.what for one in state.incidents.changed_since(0)] == [one.what for one in steps]
    assert state.incidents.changed_since(state.incidents.last_step()) == []


def test_two_people_do_not_decide_over_each_other(state: State) -> None:
    (id_,) = filled(state, of(1))
    state.incidents.set_state(id_, S.RESOLVED, "user:ana", was=S.OPEN)
    with pytest.raises(Conflict, match="resolved, not open"):
        state.incidents.set_state(id_, S.FALSE_POSITIVE, "user:bob", was=S.OPEN)


BAD: dict[str, tuple[str, str]] = {
    "a note without words": ("note", "  "),
    "a note of a book": ("note", "x" * 5_000),
    "an owner of a book": ("assign", "x" * 300),
}


@pytest.mark.parametrize(("what", "words"), BAD.values(), ids=list(BAD))
def test_bad_words_are_refused(state: State, what: str, words: str) -> None:
    (id_,) = filled(state, of(1))
    with pytest.raises(UsageError):
        getattr(state.incidents, what)(id_, words, "user:ana")


FILTERS: dict[str, tuple[dict[str, Any], set[int]]] = {
    "all that are not closed": ({}, {1, 2, 3}),
    "closed": ({"state": [S.RESOLVED]}, {4}),
    "open and closed": ({"state": [S.OPEN, S.RESOLVED]}, {1, 2, 4}),
    "level": ({"level": ["critical"]}, {2}),
    "namespace": ({"namespace": ["pay"]}, {3}),
    "rule": ({"rule": ["Miner started"]}, {2}),
    "owner": ({"owner": ["ana"]}, {3}),
    "nobody's": ({"owner": [""]}, {1, 2}),
    "a workload": ({"resource": ["k8s:prod/apps/Deployment/shop/w1"]}, {1}),
    "words": ({"text": "MINER w2"}, {2}),
    "words that are not together": ({"text": "miner w1"}, set()),
    "an address": ({"text": "203.0.113.9"}, {1}),
    "signs of LIKE": ({"text": "%"}, set()),
    "an owner's name": ({"text": "ana"}, {3}),
}


@pytest.fixture
def several(tmp_path: Path, clock: Clock) -> Iterator[tuple[State, list[str]]]:
    state = open_state(tmp_path, clock)
    ids = filled(
        state,
        of(1, type="connect", fields={"fd.sip": "203.0.113.9"}),
        of(2, rule="Miner started", priority="critical"),
        of(3, namespace="pay"),
        of(4),
    )
    state.incidents.assign(ids[2], "ana", "user:ana")
    state.incidents.set_state(ids[2], S.ACKNOWLEDGED, "user:ana")
    state.incidents.set_state(ids[3], S.RESOLVED, "user:ana")
    yield state, ids
    state.close()


@pytest.mark.parametrize(("asked", "found"), FILTERS.values(), ids=list(FILTERS))
def test_filters(several: tuple[State, list[str]], asked: dict[str, Any], found: set[int]) -> None:
    state, ids = several
    assert {ids.index(one.id) + 1 for one in _listed(state, **asked)} == found
    total, _ = state.incidents.counts(IncidentFilter(**asked), within=ALL)
    assert total == len(found)


def test_facets_ignore_their_own_part(several: tuple[State, list[str]]) -> None:
    state, _ = several
    _, facets = state.incidents.counts(IncidentFilter(level=["critical"]), within=ALL)
    assert {one.value: one.count for one in facets["level"]} == {"critical": 1, "medium": 2}
    assert {one.value: one.count for one in facets["namespace"]} == {"shop": 1}


def test_what_is_out_of_reach_is_not_there(several: tuple[State, list[str]]) -> None:
    state, ids = several
    pay = (Reach(cluster="prod", namespace="pay"),)
    assert [one.id for one in state.incidents.each(IncidentFilter(), within=pay)] == [ids[2]]
    for ask in (state.incidents.get, state.incidents.timeline, state.incidents.history):
        with pytest.raises(NotFound):
            ask(ids[0], within=pay)
    with pytest.raises(NotFound):
        state.incidents.set_state(ids[0], S.RESOLVED, "user:eve", within=pay)
    assert state.incidents.get(ids[0]).state is S.OPEN


@pytest.mark.parametrize("sort", ["", "-rank", "opened", "-last_seen", "detections"])
def test_pages_hold_every_row_once(state: State, sort: str) -> None:
    ids = filled(state, *(of(n, minute=n) for n in range(1, 26)))
    found: list[str] = []
    cursor = None
    while True:
        page = state.incidents.page(IncidentFilter(), within=ALL, sort=sort, limit=7, cursor=cursor)
        found += [one.id for one in page.items]
        cursor = page.next
        if cursor is None:
            break
    assert sorted(found) == sorted(ids)


def test_a_cursor_of_another_list_is_refused(state: State) -> None:
    filled(state, *(of(n) for n in range(1, 5)))
    page = state.incidents.page(IncidentFilter(), within=ALL, limit=2)
    with pytest.raises(UsageError, match="cursor"):
        state.incidents.page(
            IncidentFilter(namespace=["shop"]), within=ALL, limit=2, cursor=page.next
        )


def test_evidence_comes_in_the_order_of_time(state: State) -> None:
    (id_,) = filled(state, *(detection(n, minute=10 - n, rule=f"R{n}") for n in range(1, 8)))
    page = state.incidents.timeline(id_, limit=4)
    rest = state.incidents.timeline(id_, limit=4, cursor=page.next)
    rules = [one.rule for one in (*page.items, *rest.items)]
    assert rules == [f"R{n}" for n in range(7, 0, -1)]
    assert (page.total, rest.next) == (7, None)
    newest = state.incidents.timeline(id_, limit=1, newest=True)
    assert newest.items[0].rule == "R1"


def test_the_tree_of_processes_has_no_circle(state: State) -> None:
    (id_,) = filled(
        state,
        detection(1, pids=(9, 8, 7), names=("cat", "sh", "java")),
        detection(2, pids=(6, 8, 7), names=("ls", "sh", "java"), rule="B"),
        detection(3, pids=(7, 9), names=("x", "y"), rule="C"),
        detection(4, pids=(8, 8), names=("x", "y"), rule="D"),
    )
    tree = state.incidents.process_tree(id_)
    assert {node.pid for node in tree} == {9, 8, 7, 6}
    seen: set[int] = set()
    for node in tree:  # parents come before their children, so there is no circle
        assert node.parent is None or node.parent in seen
        seen.add(node.pid)


def test_resources_of_open_ones(several: tuple[State, list[str]]) -> None:
    state, _ = several
    assert state.incidents.open_resources() == {
        "k8s:prod/apps/Deployment/shop/w1",
        "k8s:prod/apps/Deployment/shop/w2",
        "k8s:prod/apps/Deployment/pay/w3",
    }


def test_a_fold_is_written_once(state: State) -> None:
    correlator = Correlator(state.incidents.load())
    fold = correlator.fold(lots_of([of(1)]), epoch="e")
    state.incidents.fold(fold)
    with pytest.raises(Misplaced):
        state.incidents.fold(fold)
    assert len(_listed(state)) == 1


def test_a_fold_that_does_not_know_the_last_step_is_not_written(state: State) -> None:
    (id_,) = filled(state, of(1))
    correlator = Correlator(state.incidents.load())
    fold = correlator.fold(lots_of([of(2)], 2), epoch="e")
    state.incidents.note(id_, "meanwhile", "user:ana")
    with pytest.raises(Moved):
        state.incidents.fold(fold)
    assert len(_listed(state)) == 1


def test_closed_ones_are_forgotten_after_a_year(state: State, clock: Clock) -> None:
    ids = filled(state, *(of(n) for n in range(1, 4)))
    for id_ in ids[:2]:
        state.incidents.set_state(id_, S.RESOLVED, "user:ana")
    state.incidents.assign(ids[2], "ana", "user:ana")  # else it is settled as quiet
    clock.now += KEEP_INCIDENTS + dt.timedelta(days=1)
    assert state.tidy()["incidents"] == 2
    every = _listed(state, state=list(S))
    assert [one.id for one in every] == [ids[2]]
    assert len(state.incidents.timeline(ids[2]).items) == 1
    with state.read() as connection:
        rows = connection.exec_driver_sql("SELECT count(*) FROM incident_detection").scalar()
    assert rows == 1


def test_numbers_are_never_given_twice(state: State, clock: Clock) -> None:
    (id_,) = filled(state, of(1))
    state.incidents.set_state(id_, S.RESOLVED, "user:ana")
    before = state.incidents.last_step()
    clock.now += KEEP_INCIDENTS + dt.timedelta(days=1)
    state.tidy()
    assert state.incidents.last_step() == before
    assert state.incidents.load().next_incident == 2


def test_what_nobody_looked_at_and_is_quiet_is_resolved(state: State, clock: Clock) -> None:
    ids = filled(state, of(1), of(2, priority="critical"), of(3), of(4))
    state.incidents.assign(ids[2], "ana", "user:ana")
    state.incidents.set_state(ids[3], S.ACKNOWLEDGED, "user:ana")
    incident = state.incidents.get(ids[0])
    clock.now = dt.datetime.fromtimestamp(incident.last_ns / 1e9, dt.UTC) + QUIET
    clock.now += dt.timedelta(days=1)
    assert state.tidy()["quiet incidents"] == 1
    assert state.incidents.get(ids[0]).state is S.RESOLVED
    assert state.incidents.history(ids[0])[-1].by == "clock"


def test_a_flood_of_steps_is_told_in_few_notices(state: State) -> None:
    told: list[Notice] = []
    state.subscribe(told.append)
    filled(state, *(of(n) for n in range(1, incidents_fold.MOST_TOLD + 51)))
    mine = [one for one in told if one.topic == "incident"]
    assert len(mine) == incidents_fold.MOST_TOLD + 1
    assert mine[-1].data == {"what": "many", "count": 50}
