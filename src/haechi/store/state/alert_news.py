"""News, read from where they stand anyway: changes of incidents, states of actions, switches.

Changes of incidents are numbered, so a number says how far they were read. Actions have no such
numbers: those that changed lately are read again and again, and the ids of what is made of them
make that each counts once. A clock that goes back only widens what is read.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import msgspec
from sqlalchemy import LABEL_STYLE_TABLENAME_PLUS_COL as _LABELS
from sqlalchemy import Connection, select

from haechi.model.alert import News, Status
from haechi.store.state.action_tables import action, halt
from haechi.store.state.incident_tables import incident, incident_change, incident_detection
from haechi.store.state.plain import from_json

INCIDENTS, ACTIONS = "alerts.incidents", "alerts.actions"
PLACES = (INCIDENTS, ACTIONS)
_MARGIN_US = 600 * 1_000_000
_EVIDENCE, _LISTED = 5, 10
i, c, d, act, h = (
    incident.c,
    incident_change.c,
    incident_detection.c,
    action.c,
    halt.c,
)
_LEVELS = ("info", "low", "medium", "high", "critical")
_STATES = {
    "acknowledged": ("acknowledged", Status.ACKNOWLEDGED),
    "contained": ("contained", Status.FIRING),
    "not_contained": ("not_contained", Status.FIRING),
    "resolved": ("resolved", Status.RESOLVED),
    "false_positive": ("resolved", Status.RESOLVED),
}
_TOLD = {
    "waiting": "approval",
    "applied": "applied",
    "undone": "undone",
    "failed": "failed",
    "stuck": "stuck",
}
"""States of actions that are news."""


class Found(msgspec.Struct, frozen=True, kw_only=True):
    """News with what makes each unique, how far they were read, and whether more wait."""

    news: tuple[tuple[str, News], ...]
    places: dict[str, int]
    more: bool


def found(connection: Connection, places: dict[str, int], *, limit: int) -> Found:
    """What is new since ``places``."""
    since = places.get(INCIDENTS, 0)
    ask = (
        select(incident_change, incident)
        .join(incident, i.n == c.incident)
        .where(c.n > since)
        .order_by(c.n)
        .limit(limit)
        .set_label_style(_LABELS)
    )
    rows = connection.execute(ask).all()
    news = [one for row in rows if (one := _of_change(connection, row)) is not None]
    read = {INCIDENTS: rows[-1].incident_change_n} if rows else {}
    acted, place = _of_actions(connection, places.get(ACTIONS, 0))
    news += acted
    if place > places.get(ACTIONS, 0):
        read[ACTIONS] = place
    return Found(news=tuple(news), places=read, more=len(rows) == limit)


def current(connection: Connection, id: str, *, what: str) -> News | None:
    """An incident as it is now."""
    row = connection.execute(
        select(incident).where(i.id == id).set_label_style(_LABELS)
    ).one_or_none()
    if row is None:
        return None
    return _incident(connection, row, what, at_ns=row.incident_changed * 1_000)


def _of_change(connection: Connection, row: Any) -> tuple[str, News] | None:
    what = _what(row.incident_change_what, row.incident_change_was, row.incident_change_became)
    if what is None:
        return None
    made = _incident(
        connection,
        row,
        what,
        at_ns=row.incident_change_at * 1_000,
        was=row.incident_change_was,
        by=row.incident_change_actor,
        note=row.incident_change_note,
    )
    return f"change:{row.incident_change_n}", made


def _what(what: str, was: str, became: str) -> str | None:
    """The news that a change is; None for what is not told."""
    if what in ("opened", "raised"):
        return what
    if what == "goes_on":
        return "not_contained"
    if what != "state":
        return None
    if became == "open":
        return "reopened" if was in ("resolved", "false_positive") else None
    return _STATES[became][0] if became in _STATES else None


def _incident(
    connection: Connection,
    row: Any,
    what: str,
    *,
    at_ns: int,
    was: str = "",
    by: str = "",
    note: str = "",
) -> News:
    """The news tell what is true now, not what was when the change was written: whoever reads
    them an hour later should not be sent after something that is over."""
    detail = _mapping(row.incident_detail)
    rules = detail.get("rules")
    by_count = sorted(rules.items(), key=lambda one: (-_number(one[1]), one[0])) if rules else []
    state = row.incident_state
    status = _STATES[state][1] if state in _STATES else Status.FIRING
    return News(
        topic=f"incident:{row.incident_id}",
        what=what,
        level=_LEVELS[max(0, min(int(row.incident_level), 4))],
        at_ns=at_ns,
        status=status,
        cluster=row.incident_cluster,
        namespace=row.incident_namespace,
        resource=row.incident_resource,
        node=row.incident_node,
        owner=row.incident_owner,
        title=row.incident_title,
        incident=row.incident_id,
        former=getattr(row, "incident_former", ""),
        state=state,
        was=was,
        by=by,
        note=note,
        score=float(detail.get("score") or 0.0),
        detections=row.incident_detections,
        opened_ns=row.incident_opened * 1_000,
        first_ns=row.incident_first_ns,
        last_ns=row.incident_last_ns,
        reasons=tuple(_reasons(detail.get("reasons"))),
        rules=tuple(str(name) for name, _ in by_count[:_LISTED]),
        tactics=_words(detail.get("tactics")),
        techniques=_words(detail.get("techniques")),
        source_ips=_words(detail.get("source_ips")),
        evidence=tuple(_evidence(connection, row.incident_n)),
    )


def _evidence(connection: Connection, number: int) -> Iterator[str]:
    """The worst detections, one line each."""
    ask = select(d.rule, d.priority, d.message, d.count).where(d.incident == number)
    rows = connection.execute(ask.order_by(d.n).limit(200)).all()
    order = {"emergency": 0, "alert": 1, "critical": 2, "error": 3, "warning": 4, "notice": 5}
    for rule, _, message, count in sorted(rows, key=lambda one: order.get(one[1], 6))[:_EVIDENCE]:
        times = f" (×{count})" if count > 1 else ""
        yield f"{rule}{times}: {message}"


def _of_actions(connection: Connection, place: int) -> tuple[list[tuple[str, News]], int]:
    newest = place
    made: list[tuple[str, News]] = []
    ask = select(action).where(act.changed >= place - _MARGIN_US, act.state.in_(list(_TOLD)))
    for row in connection.execute(ask.order_by(act.n)):
        newest = max(newest, row.changed)
        made.append((f"action:{row.id}:{row.state}", _action(connection, row)))
    for row in connection.execute(select(halt).where(h.at >= place - _MARGIN_US)):
        newest = max(newest, row.at)
        if row.stopped:
            made.append((f"halt:{row.scope}:{row.at}", _halt(row)))
    return made, newest


def _action(connection: Connection, row: Any) -> News:
    plan = _mapping(row.plan)
    if row.incident:
        about = current(connection, row.incident, what=_TOLD[row.state])
    else:
        about = None
    if about is None:
        about = News(
            topic=f"action:{row.id}",
            what=_TOLD[row.state],
            level=_LEVELS[max(0, min(int(row.level), 4))],
            at_ns=0,
            status=Status.NOTE,
            cluster=row.cluster,
            namespace=row.namespace,
            resource=row.resource,
        )
    return msgspec.structs.replace(
        about,
        at_ns=row.changed * 1_000,
        action=row.id,
        action_kind=row.kind,
        says=str(plan.get("says") or ""),
        outcome=row.outcome,
        why=row.why,
        by=row.actor,
        expires_ns=row.expires * 1_000,
    )


def _halt(row: Any) -> News:
    return News(
        topic=f"halt:{row.scope}",
        what="halted",
        level="high",
        at_ns=row.at * 1_000,
        status=Status.NOTE,
        cluster="-" if row.scope == "*" else row.scope,
        by=row.actor,
        why=row.why,
        title=row.scope,
    )


def _mapping(text: str) -> dict[str, Any]:
    try:
        value = from_json(text)
    except msgspec.DecodeError:
        return {}
    return value if isinstance(value, dict) else {}


def _reasons(value: Any) -> Iterator[str]:
    """The weightiest first."""
    listed = [one for one in value if isinstance(one, dict)] if isinstance(value, list) else []
    for one in sorted(listed, key=lambda one: -_number(one.get("points")))[:_LISTED]:
        if one.get("text"):
            yield str(one["text"])


def _words(value: Any) -> tuple[str, ...]:
    listed: Sequence[Any] = value if isinstance(value, list) else ()
    return tuple(str(one) for one in listed[:_LISTED])


def _number(value: Any) -> float:
    return float(value) if isinstance(value, (int, float)) else 0.0
