"""Actions: kept once for each cause, moved only from where they are, steps with their inverses,
switches; each change with its record."""

from __future__ import annotations

import datetime as dt
from typing import Any

import pytest
from sqlalchemy import select

from haechi.errors import Conflict, LimitExceeded, NotFound
from haechi.model.access import Reach
from haechi.model.response import (
    ActionKind,
    ActionState,
    Check,
    Plan,
    Said,
    Stage,
    Step,
    StepState,
    Want,
)
from haechi.store.state.action_records import ActionFilter, NewAction
from haechi.store.state.schema import audit
from haechi.store.state.state import State
from tests.store.state.made import START, Clock

A, S = ActionState, StepState
BY = "user:ana"


def new(number: int = 1, **values: Any) -> NewAction:
    """An action of two steps."""
    namespace = values.pop("namespace", "shop")
    resource = f"k8s:east/apps/Deployment/{namespace}/web"
    steps = tuple(
        Step(id=f"{n}", kind="kube.patch", target=resource, body=[{"op": "test"}], says="x")
        for n in range(2)
    )
    plan = Plan(action=ActionKind.ISOLATE, resource=resource, steps=steps, says="isolate web")
    want = Want(
        kind=ActionKind.ISOLATE,
        cluster=values.pop("cluster", "east"),
        namespace=namespace,
        resource=resource,
        incident=values.pop("incident", "i-1"),
    )
    given: dict[str, Any] = {
        "id": f"a-{number}",
        "key": f"key-{number}",
        "want": want,
        "stage": Stage.RECOMMEND,
        "state": A.RECOMMENDED,
        "plan": plan,
        "checks": (Check(name="halt", said=Said.YES, says="nothing stops it"),),
        "because": "levels.critical",
        "by": "respond",
    }
    return NewAction(**(given | values))


def told(state: State) -> list[tuple[str, str, str]]:
    with state.read() as connection:
        ask = select(audit.c.action, audit.c.object, audit.c.actor).order_by(audit.c.n)
        return [tuple(row) for row in connection.execute(ask)]


def test_a_cause_is_kept_once(state: State) -> None:
    first = state.actions.propose(new(1))
    again = state.actions.propose(new(2, key="key-1"))
    assert again.id == first.id == "a-1"
    assert [step.id for step in again.steps] == ["a-1-0", "a-1-1"]
    assert told(state) == [("response.recommended", "a-1", "respond")]


def test_what_was_kept_comes_back_whole(state: State) -> None:
    given = new(1, level=4, ttl_s=60)
    kept = state.actions.propose(given, due=START)
    assert (kept.plan, tuple(kept.checks), kept.want) == (given.plan, given.checks, given.want)
    assert (kept.level, kept.ttl_s, kept.due, kept.applied) == (4, 60, START, None)
    assert state.actions.by_key("key-1") == state.actions.get("a-1") == kept
    assert state.actions.by_key("other") is None


def test_moves_only_from_the_states_that_are_named(state: State) -> None:
    state.actions.propose(new(1))
    moved = state.actions.move(
        "a-1", A.APPROVED, frm={A.RECOMMENDED}, by=BY, approver=BY, due=START
    )
    assert (moved.state, moved.approver, moved.due) == (A.APPROVED, BY, START)
    with pytest.raises(Conflict, match="approved"):
        state.actions.move("a-1", A.DISMISSED, frm={A.RECOMMENDED}, by=BY)
    assert told(state)[-1] == ("response.approved", "a-1", BY)
    ended = state.actions.move("a-1", A.FAILED, frm={A.APPROVED}, by="respond", why="x" * 5_000)
    assert ended.ended is not None and ended.due is None and len(ended.why) == 2_000


def test_a_quiet_note_leaves_no_record(state: State) -> None:
    made = state.actions.propose(new(1))
    state.actions.move("a-1", A.RECOMMENDED, frm={A.RECOMMENDED}, by="x", quiet=True, due=START)
    kept = state.actions.get("a-1")
    assert (kept.due, kept.changed, kept.actor) == (START, made.changed, made.actor)
    assert len(told(state)) == 1


def test_unknown_columns_and_ids_are_errors(state: State) -> None:
    state.actions.propose(new(1))
    with pytest.raises(TypeError, match="resource"):
        state.actions.move("a-1", A.APPROVED, frm={A.RECOMMENDED}, by=BY, resource="x")
    with pytest.raises(NotFound):
        state.actions.move("a-2", A.APPROVED, frm={A.RECOMMENDED}, by=BY)
    with pytest.raises(NotFound):
        state.actions.get("a-1", within=(Reach(cluster="west"),))


def test_a_saved_inverse_is_never_written_over(state: State) -> None:
    state.actions.propose(new(1))
    step = state.actions.step
    made = step("a-1", 0, S.APPLYING, frm={S.PLANNED}, by="r", inverse={"was": 1}, attempt=True)
    assert (made.steps[0].inverse, made.steps[0].attempts) == ({"was": 1}, 1)
    made = step("a-1", 0, S.APPLYING, frm={S.APPLYING}, by="r", inverse={"was": 2}, attempt=True)
    assert (made.steps[0].inverse, made.steps[0].attempts) == ({"was": 1}, 2)
    with pytest.raises(Conflict):
        step("a-1", 0, S.APPLIED, frm={S.PLANNED}, by="r")
    assert [one[0] for one in told(state)].count("response.step") == 2


def test_a_new_plan_takes_the_place_of_the_old_one(state: State) -> None:
    state.actions.propose(new(1))
    one = new(1).plan.steps[0]
    plan = Plan(action=ActionKind.ISOLATE, resource="x", steps=(one,), says="less")
    made = state.actions.replan("a-1", plan, (), frm={A.RECOMMENDED}, by="respond")
    assert (made.plan, len(made.steps), made.checks) == (plan, 1, [])
    assert told(state)[-1][0] == "response.replan"
    with pytest.raises(Conflict):
        state.actions.replan("a-1", plan, (), frm={A.APPROVED}, by="respond")


def test_a_plan_without_bounds_is_refused(state: State) -> None:
    huge = Step(id="0", kind="http", target="x", body="y" * (1 << 20), says="z")
    plan = Plan(action=ActionKind.WEBHOOK, resource="x", steps=(huge,), says="z")
    with pytest.raises(LimitExceeded):
        state.actions.propose(new(1, plan=plan))


def test_lists_are_narrowed_filtered_and_paged(state: State) -> None:
    for number in range(1, 6):
        namespace = "shop" if number % 2 else "pay"
        state.actions.propose(new(number, namespace=namespace, incident=f"i-{number}"))
    page = state.actions.page(ActionFilter(), limit=2)
    assert ([one.id for one in page.items], page.total) == (["a-5", "a-4"], 5)
    rest = state.actions.page(ActionFilter(), limit=9, cursor=page.next)
    assert [one.id for one in rest.items] == ["a-3", "a-2", "a-1"]
    shop = state.actions.page(ActionFilter(), within=(Reach(namespace="shop"),))
    assert ([one.id for one in shop.items], shop.total) == (["a-5", "a-3", "a-1"], 3)
    pay = state.actions.page(ActionFilter(namespace=("pay",), state=(A.RECOMMENDED,)))
    assert [one.id for one in pay.items] == ["a-4", "a-2"]
    assert [one.id for one in state.actions.of_incident("i-2")] == ["a-2"]
    assert state.actions.page(ActionFilter(), within=()).items == []


def test_what_is_due_comes_in_its_order(state: State) -> None:
    for number, seconds in ((1, 30), (2, 10), (3, 90)):
        state.actions.propose(new(number), due=START + dt.timedelta(seconds=seconds))
    state.actions.propose(new(4))
    assert state.actions.due(START + dt.timedelta(seconds=60)) == ["a-2", "a-1"]
    assert state.actions.next_due() == START + dt.timedelta(seconds=10)


def test_recent_ones_are_those_that_stand_or_were_applied_or_failed(
    state: State, clock: Clock
) -> None:
    for number in range(1, 6):
        state.actions.propose(new(number))
    move = state.actions.move
    move("a-1", A.APPLIED, frm={A.RECOMMENDED}, by="r", applied=START - dt.timedelta(days=2))
    move("a-2", A.UNDONE, frm={A.RECOMMENDED}, by="r", applied=START)
    move("a-3", A.UNDONE, frm={A.RECOMMENDED}, by="r", applied=START - dt.timedelta(days=2))
    move("a-4", A.FAILED, frm={A.RECOMMENDED}, by="r")
    found = state.actions.recent("east", START - dt.timedelta(hours=1))
    assert [one.id for one in found] == ["a-1", "a-2", "a-4"]
    assert state.actions.recent("west", START - dt.timedelta(hours=1)) == []
    assert state.actions.counts()["isolate_workload", "undone"] == 2


def test_a_switch_stops_its_cluster_and_the_star_all(state: State) -> None:
    halt = state.actions.set_halt
    halt("east", stopped=True, by=BY, why="drill")
    assert state.actions.halted("east") is not None and state.actions.halted("west") is None
    halt("*", stopped=True, by=BY, why="")
    assert state.actions.halted("west") is not None
    halt("*", stopped=False, by=BY, why="")
    assert state.actions.halted("west") is None
    assert [(one.scope, one.stopped) for one in state.actions.halts()] == [
        ("*", False),
        ("east", True),
    ]
    assert told(state) == [
        ("response.stop", "east", BY),
        ("response.stop", "*", BY),
        ("response.go", "*", BY),
    ]
