"""Rows of actions and steps, to and from the store's values."""

from __future__ import annotations

import datetime as dt
from collections.abc import Collection, Sequence
from typing import Any

import msgspec
from sqlalchemy import Connection, insert, select

from haechi.errors import Conflict, LimitExceeded, NotFound
from haechi.model.access import EVERYWHERE, Reach
from haechi.model.response import ActionKind, ActionState, Check, Plan, Stage, StepState, Want
from haechi.store.state.action_records import (
    ActionFilter,
    Brief,
    Halt,
    NewAction,
    StoredAction,
    StoredStep,
)
from haechi.store.state.action_tables import action, action_step
from haechi.store.state.bulk import next_number
from haechi.store.state.plain import clean, from_json, to_json
from haechi.store.state.reach import reached
from haechi.store.state.times import from_us, maybe_us, to_us

LARGEST = 1 << 20
"""Characters of a plan."""
MOST_WHY = 2_000
_TIMES = frozenset(("approved", "applied", "verified", "expires", "ended", "due"))
_PLAIN = frozenset(("outcome", "approver", "automatic", "ttl", "failures", "stage"))
a, s = action.c, action_step.c
ALL = (EVERYWHERE,)


def asked(filter_: ActionFilter) -> list[Any]:
    found = []
    for name in ActionFilter.__struct_fields__:
        words = [getattr(one, "value", one) for one in getattr(filter_, name)]
        if words:
            found.append(a[name].in_(words))
    return found


def one_of(connection: Connection, id: str, within: tuple[Reach, ...]) -> StoredAction:
    ask = select(action).where(a.id == id, reached(within, a.cluster, a.namespace))
    found = records(connection, connection.execute(ask).all())
    if not found:
        raise NotFound(f"there is no action {clean(id, 80)!r}", do="haechi respond list")
    return found[0]


def number_of(connection: Connection, id: str) -> int:
    return int(connection.execute(select(a.n).where(a.id == id)).scalar_one())


def expected(
    connection: Connection,
    id: str,
    frm: Collection[ActionState],
    within: tuple[Reach, ...] = ALL,
    *,
    seen: dt.datetime | None = None,
) -> StoredAction:
    was = one_of(connection, id, within)
    if seen is not None and was.changed != seen:
        raise Conflict(
            "the action was changed since it was looked at",
            why=f"by {was.actor}: {was.plan.says}",
            do="look at it again, then decide",
        )
    if was.state not in frm:
        raise Conflict(
            f"the action is {was.state.value}",
            why=f"this needs {', '.join(sorted(one.value for one in frm))}",
            do=f"haechi respond show {id}",
        )
    return was


def plan_words(plan: Plan) -> str:
    words = to_json(plan)
    if len(words) > LARGEST:
        raise LimitExceeded(
            f"the plan has {len(words):,} characters, more than {LARGEST:,}",
            do="respond to fewer pods at a time",
        )
    return words


def rows_of(new: NewAction) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    want = new.want
    row = {
        "id": new.id,
        "cluster": want.cluster,
        "namespace": want.namespace,
        "resource": clean(want.resource),
        "incident": want.incident,
        "kind": want.kind.value,
        "stage": new.stage.value,
        "state": new.state.value,
        "idempotency_key": new.key,
        "plan": plan_words(new.plan),
        "checks": to_json(list(new.checks)),
        "outcome": "",
        "why": clean(new.why, MOST_WHY),
        "ask": to_json(want),
        "because": clean(new.because, 300),
        "actor": new.by,
        "approver": new.approver,
        "automatic": int(new.automatic),
        "level": new.level,
        "ttl": new.ttl_s,
        **dict.fromkeys(("applied", "verified", "expires", "failures"), 0),
    }
    return row, step_rows(new.id, new.plan)


def step_rows(id: str, plan: Plan) -> list[dict[str, Any]]:
    return [
        {
            "place": place,
            "id": f"{id}-{place}",
            "kind": step.kind,
            "target": clean(step.target),
            "body": to_json(step.body),
            "inverse": to_json(step.inverse),
            "state": StepState.PLANNED.value,
            "attempts": 0,
            "error": "",
        }
        for place, step in enumerate(plan.steps)
    ]


def insert_steps(
    connection: Connection, number: int, steps: Sequence[dict[str, Any]], now: int
) -> None:
    first = next_number(connection, action_step)
    rows = [
        {**one, "n": first + place, "action": number, "changed": now}
        for place, one in enumerate(steps)
    ]
    if rows:
        connection.execute(insert(action_step), rows)


def columns_of(values: dict[str, Any]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for name, value in values.items():
        if name in _TIMES:
            found[name] = to_us(value) if value else 0
        elif name in _PLAIN:
            found[name] = int(value) if isinstance(value, bool) else value
        else:
            raise TypeError(f"an action has no column {name}")
    return found


def records(connection: Connection, rows: Sequence[Any]) -> list[StoredAction]:
    numbers = [row.n for row in rows]
    ask = select(action_step).where(s.action.in_(numbers)).order_by(s.action, s.place)
    steps: dict[int, list[StoredStep]] = {number: [] for number in numbers}
    for row in connection.execute(ask) if numbers else ():
        steps[row.action].append(_step(row))
    return [_record(row, steps[row.n]) for row in rows]


def _record(row: Any, steps: list[StoredStep]) -> StoredAction:
    return StoredAction(
        id=row.id,
        cluster=row.cluster,
        namespace=row.namespace,
        resource=row.resource,
        incident=row.incident,
        kind=ActionKind(row.kind),
        stage=Stage(row.stage),
        state=ActionState(row.state),
        plan=msgspec.json.decode(row.plan, type=Plan),
        checks=msgspec.json.decode(row.checks, type=list[Check]),
        want=msgspec.json.decode(row.ask, type=Want),
        outcome=row.outcome,
        why=row.why,
        because=row.because,
        actor=row.actor,
        approver=row.approver,
        automatic=bool(row.automatic),
        level=row.level,
        ttl_s=row.ttl,
        created=from_us(row.created),
        changed=from_us(row.changed),
        approved=maybe_us(row.approved),
        applied=maybe_us(row.applied),
        verified=maybe_us(row.verified),
        expires=maybe_us(row.expires),
        ended=maybe_us(row.ended),
        due=maybe_us(row.due),
        failures=row.failures,
        steps=steps,
    )


def _step(row: Any) -> StoredStep:
    return StoredStep(
        id=row.id,
        place=row.place,
        kind=row.kind,
        target=row.target,
        body=from_json(row.body),
        inverse=from_json(row.inverse),
        state=StepState(row.state),
        attempts=row.attempts,
        changed=from_us(row.changed),
        error=row.error,
    )


def brief(row: Any) -> Brief:
    want = msgspec.json.decode(row.ask, type=Want)
    return Brief(
        id=row.id,
        cluster=row.cluster,
        namespace=row.namespace,
        resource=row.resource,
        incident=row.incident,
        kind=ActionKind(row.kind),
        state=ActionState(row.state),
        automatic=bool(row.automatic),
        level=row.level,
        pods=want.pods,
        changed=from_us(row.changed),
        applied=maybe_us(row.applied),
        ended=maybe_us(row.ended),
        address=want.address,
    )


def halt_of(row: Any) -> Halt:
    return Halt(
        scope=row.scope, stopped=bool(row.stopped), at=from_us(row.at), by=row.actor, why=row.why
    )
