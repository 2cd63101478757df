"""Responses: actions, their steps and the switches, each change with its entry of the audit log
in the same transaction.

The store knows no policy: it holds that an action goes only from states that the caller names
(so two who decide at once cannot both win), that a cause has one action of a kind, and that an
inverse, once saved, is never lost.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Collection, Sequence
from typing import Any

import msgspec
from sqlalchemy import and_, delete, func, insert, or_, select, update

from haechi.errors import Conflict
from haechi.model.access import ANY, Reach
from haechi.model.response import ActionState, Check, Plan, StepState
from haechi.store.records import AuditEntry, Notice, Page
from haechi.store.state.action_records import (
    LIVE,
    ActionFilter,
    Brief,
    Halt,
    NewAction,
    StoredAction,
)
from haechi.store.state.action_rows import (
    ALL,
    MOST_WHY,
    a,
    asked,
    brief,
    columns_of,
    expected,
    halt_of,
    insert_steps,
    number_of,
    one_of,
    plan_words,
    records,
    rows_of,
    s,
    step_rows,
)
from haechi.store.state.action_tables import action, action_step, halt
from haechi.store.state.bulk import next_number
from haechi.store.state.cursor import read_cursor, write_cursor
from haechi.store.state.engine import Database, Transaction
from haechi.store.state.plain import clean, to_json
from haechi.store.state.reach import reached
from haechi.store.state.times import maybe_us, to_us

TOPIC = "response"
MOST = 200
ENDED = frozenset(
    (ActionState.UNDONE, ActionState.REFUSED, ActionState.DISMISSED, ActionState.FAILED)
)
BEGUN = (
    ActionState.APPROVED,
    ActionState.APPLYING,
    ActionState.APPLIED,
    ActionState.UNDOING,
    ActionState.STUCK,
)


class Actions:
    """Thread-safe."""

    def __init__(self, database: Database) -> None:
        self._database = database

    # Reading

    def get(self, id: str, *, within: tuple[Reach, ...] = ALL) -> StoredAction:
        """One action with its steps. NotFound."""
        with self._database.read() as connection:
            return one_of(connection, id, within)

    def page(
        self,
        filter_: ActionFilter,
        *,
        within: tuple[Reach, ...] = ALL,
        limit: int = 100,
        cursor: str | None = None,
    ) -> Page[StoredAction]:
        """Newest first."""
        limit = max(1, min(limit, MOST))
        question = ["responses", within, filter_]
        ask = select(action).where(reached(within, a.cluster, a.namespace), *asked(filter_))
        total = select(func.count()).select_from(ask.subquery())
        if cursor is not None:
            (after,) = read_cursor(question, cursor, (int,))
            ask = ask.where(a.n < after)
        with self._database.read() as connection:
            rows = connection.execute(ask.order_by(a.n.desc()).limit(limit + 1)).all()
            shown = rows[:limit]
            items = records(connection, shown)
            count = int(connection.execute(total).scalar_one())
        following = write_cursor(question, [shown[-1].n]) if len(rows) > limit else None
        return Page(items=items, next=following, total=count)

    def due(self, now: dt.datetime, *, limit: int = 500) -> list[str]:
        """Ids of what is to be looked at, the longest due first; what nobody has decided about
        comes after all others: thousands of those must not keep one from being undone in time."""
        undecided = a.state.in_((ActionState.RECOMMENDED.value, ActionState.WAITING.value))
        ask = select(a.id).where(a.due > 0, a.due <= to_us(now))
        ask = ask.order_by(undecided, a.due, a.n).limit(limit)
        with self._database.read() as connection:
            return list(connection.execute(ask).scalars())

    def ahead(self, now: dt.datetime) -> list[StoredAction]:
        """What is begun, and was changed later than now: the clock was set back."""
        begun = a.state.in_([one.value for one in BEGUN])
        ask = select(action).where(begun, a.due > 0, a.changed > to_us(now)).limit(MOST)
        with self._database.read() as connection:
            return records(connection, connection.execute(ask).all())

    def next_due(self) -> dt.datetime | None:
        """When the next one is to be looked at."""
        with self._database.read() as connection:
            found = connection.execute(select(func.min(a.due)).where(a.due > 0)).scalar()
        return maybe_us(int(found or 0))

    def of_incident(self, incident: str) -> list[StoredAction]:
        """All of them, oldest first."""
        ask = select(action).where(a.incident == incident).order_by(a.n).limit(MOST)
        with self._database.read() as connection:
            return records(connection, connection.execute(ask).all())

    def by_key(self, key: str) -> StoredAction | None:
        """The action of this idempotency key."""
        with self._database.read() as connection:
            rows = connection.execute(select(action).where(a.idempotency_key == key)).all()
            return next(iter(records(connection, rows)), None)

    def recent(self, cluster: str, since: dt.datetime) -> list[Brief]:
        """Of a cluster: what stands, what was applied since then, and what failed since then."""
        at = to_us(since)
        bad = (ActionState.FAILED.value, ActionState.STUCK.value)
        ask = (
            select(action)
            .where(
                a.cluster == cluster,
                or_(
                    and_(a.state.in_([one.value for one in LIVE]), a.ended == 0),
                    a.applied >= at,
                    and_(a.state.in_(bad), a.changed >= at),
                ),
            )
            .order_by(a.n)
        )
        with self._database.read() as connection:
            return [brief(row) for row in connection.execute(ask)]

    def counts(self) -> dict[tuple[str, str], int]:
        """How many there are, by kind and state."""
        ask = select(a.kind, a.state, func.count()).group_by(a.kind, a.state)
        with self._database.read() as connection:
            return {(kind, state): int(n) for kind, state, n in connection.execute(ask)}

    def halts(self) -> list[Halt]:
        """Every word about automation, ``*`` first."""
        with self._database.read() as connection:
            rows = connection.execute(select(halt).order_by(halt.c.scope)).all()
        return [halt_of(row) for row in rows]

    def halted(self, cluster: str) -> Halt | None:
        """What stops automation in this cluster; None: nothing here."""
        return next(
            (one for one in self.halts() if one.stopped and one.scope in (ANY, cluster)), None
        )

    # Writing

    def propose(self, new: NewAction, *, due: dt.datetime | None = None) -> StoredAction:
        """Keep it, or give the one that has its key already: a cause is answered once."""
        row, steps = rows_of(new)

        def work(transaction: Transaction) -> StoredAction:
            connection = transaction.connection
            known = connection.execute(select(a.id).where(a.idempotency_key == new.key)).scalar()
            if known is not None:
                return one_of(connection, known, ALL)
            now = to_us(transaction.now)
            number = next_number(connection, action)
            times = {"created": now, "changed": now, "due": to_us(due) if due else 0}
            times["approved"] = now if new.state is ActionState.APPROVED else 0
            times["ended"] = now if new.state in ENDED else 0
            connection.execute(insert(action), {**row, **times, "n": number})
            insert_steps(connection, number, steps, now)
            made = one_of(connection, new.id, ALL)
            _told(transaction, made, "", new.by, {"because": new.because, **_planned(made)})
            return made

        return self._database.write(work)

    def replan(
        self, id: str, plan: Plan, checks: Sequence[Check], *, frm: Collection[ActionState], by: str
    ) -> StoredAction:
        """Put a new plan in the place of one of which nothing was applied. Conflict."""
        steps = step_rows(id, plan)
        words = plan_words(plan)

        def work(transaction: Transaction) -> StoredAction:
            connection = transaction.connection
            was = expected(connection, id, frm)
            number, now = number_of(connection, id), to_us(transaction.now)
            connection.execute(delete(action_step).where(s.action == number))
            insert_steps(connection, number, steps, now)
            values = {"plan": words, "checks": to_json(list(checks)), "changed": now, "actor": by}
            connection.execute(update(action).where(a.id == id).values(values))
            made = one_of(connection, id, ALL)
            _told(transaction, made, was.state.value, by, _planned(made), verb="replan")
            return made

        return self._database.write(work)

    def move(
        self,
        id: str,
        to: ActionState,
        *,
        frm: Collection[ActionState],
        by: str,
        why: str = "",
        checks: Sequence[Check] | None = None,
        plan: Plan | None = None,
        quiet: bool = False,
        within: tuple[Reach, ...] = ALL,
        seen: dt.datetime | None = None,
        **values: Any,
    ) -> StoredAction:
        """From one of the states ``frm`` to ``to`` (which may be the same), with further columns.
        ``plan``: what it achieves, told anew; its steps stay. ``quiet``: a note of our own that
        the log need not hold (the state stays). ``seen``: only if it was not changed since then.
        NotFound; Conflict when it is in another state."""
        columns = columns_of(values)
        if checks is not None:
            columns["checks"] = to_json(list(checks))
        if plan is not None:
            columns["plan"] = plan_words(plan)

        def work(transaction: Transaction) -> StoredAction:
            connection = transaction.connection
            was = expected(connection, id, frm, within, seen=seen)
            now = to_us(transaction.now)
            columns.update(state=to.value, why=clean(why, MOST_WHY))
            if not quiet:
                columns.update(changed=now, actor=by)
            if to in ENDED and was.state is not to:
                columns.update(ended=now, due=0)
            connection.execute(update(action).where(a.id == id).values(columns))
            made = one_of(connection, id, ALL)
            if not quiet:
                _told(transaction, made, was.state.value, by, {"why": clean(why, MOST_WHY)})
            return made

        return self._database.write(work)

    def step(
        self,
        id: str,
        place: int,
        to: StepState,
        *,
        frm: Collection[StepState],
        by: str,
        inverse: Any = msgspec.UNSET,
        error: str = "",
        attempt: bool = False,
    ) -> StoredAction:
        """Write down what is about to happen to a step, or what has. An inverse that was saved
        is kept: it tells of the world before, which is no longer there to be asked. Conflict."""

        def work(transaction: Transaction) -> StoredAction:
            connection = transaction.connection
            number = number_of(connection, id)
            mine = and_(s.action == number, s.place == place)
            row = connection.execute(select(action_step).where(mine)).one()
            if StepState(row.state) not in frm:
                raise Conflict(f"step {row.id} is {row.state}", do="look at the action again")
            values: dict[str, Any] = {
                "state": to.value,
                "changed": to_us(transaction.now),
                "error": clean(error, MOST_WHY),
                "attempts": row.attempts + int(attempt),
            }
            if inverse is not msgspec.UNSET and row.state == StepState.PLANNED.value:
                values["inverse"] = to_json(inverse)
            connection.execute(update(action_step).where(mine).values(values))
            made = one_of(connection, id, ALL)
            detail = {
                "step": row.id,
                "kind": row.kind,
                "target": row.target,
                "was": row.state,
                "became": to.value,
                "attempt": values["attempts"],
            }
            if error:
                detail["note"] = values["error"]
            if "inverse" in values:
                detail["inverse"] = inverse
            _log(transaction, made, "response.step", by, detail)
            return made

        return self._database.write(work)

    def set_halt(self, scope: str, *, stopped: bool, by: str, why: str) -> Halt:
        """Stop automation in a cluster (``*``: everywhere), or let it go again."""

        def work(transaction: Transaction) -> Halt:
            connection = transaction.connection
            row = {
                "scope": scope,
                "stopped": int(stopped),
                "at": to_us(transaction.now),
                "actor": by,
                "why": clean(why, MOST_WHY),
            }
            connection.execute(delete(halt).where(halt.c.scope == scope))
            connection.execute(insert(halt), row)
            verb = "stop" if stopped else "go"
            entry = AuditEntry(
                at=transaction.now,
                actor=by,
                action=f"response.{verb}",
                object=scope,
                cluster=scope,
                namespace=ANY,
                detail={"why": row["why"]},
            )
            transaction.audit(entry)
            data = {"what": verb, "scope": scope}
            transaction.tell(Notice(topic=TOPIC, cluster=scope, namespace=ANY, data=data))
            return halt_of(connection.execute(select(halt).where(halt.c.scope == scope)).one())

        return self._database.write(work)


def _planned(made: StoredAction) -> dict[str, Any]:
    return {
        "steps": [
            {"id": step.id, "kind": step.kind, "target": step.target, "body": step.body}
            for step in made.steps
        ],
        "checks": {one.name: one.said.value for one in made.checks},
    }


def _told(
    transaction: Transaction,
    made: StoredAction,
    was: str,
    by: str,
    detail: dict[str, Any],
    *,
    verb: str = "",
) -> None:
    state = made.state.value
    more = {"kind": made.kind.value, "incident": made.incident, "was": was, "became": state}
    more |= {"resource": made.resource, "outcome": made.outcome, "approver": made.approver}
    _log(transaction, made, f"response.{verb or state}", by, more | detail)
    data = {"id": made.id, "what": verb or state, "kind": made.kind.value, "was": was}
    data |= {"incident": made.incident, "resource": made.resource}
    transaction.tell(Notice(topic=TOPIC, cluster=made.cluster, namespace=made.namespace, data=data))


def _log(
    transaction: Transaction, made: StoredAction, verb: str, by: str, detail: dict[str, Any]
) -> None:
    transaction.audit(
        AuditEntry(
            at=transaction.now,
            actor=by,
            action=verb,
            object=made.id,
            cluster=made.cluster,
            namespace=made.namespace,
            detail=detail,
        )
    )
