"""Words of rules that pushes bring: rules of one's own, and of other versions."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import msgspec
from sqlalchemy import Connection, bindparam, insert, select, update

from haechi.errors import InputError
from haechi.model.push import PushedRule
from haechi.model.severity import Severity
from haechi.store.state.bulk import parts
from haechi.store.state.plain import clean
from haechi.store.state.rows import SEVERITIES
from haechi.store.state.schema import rule_text as r

_MOST = 5_000
_NAMED = 400


def keep_rules(connection: Connection, rules: Sequence[PushedRule], at: int) -> None:
    """The newest words win; the table as a whole is bounded."""
    columns = (r.c.id, r.c.title, r.c.severity, r.c.why, r.c.fix)
    known = {row[0]: tuple(row) for row in connection.execute(select(*columns))}
    new: dict[str, dict[str, Any]] = {}
    changed: dict[str, dict[str, Any]] = {}
    for index, rule in enumerate(rules):
        row = _row(rule, f"rules[{index}]")
        if row["id"] not in known:
            if len(known) + len(new) < _MOST:
                new[row["id"]] = {**row, "at": at}
        elif tuple(row.values()) != known[row["id"]]:
            changed[row["id"]] = {**row, "at": at}
    for part in parts(new.values()):
        connection.execute(insert(r), part)
    if changed:
        names = ("title", "severity", "why", "fix", "at")
        change = update(r).where(r.c.id == bindparam("the_id"))
        rows = [{**row, "the_id": row["id"]} for row in changed.values()]
        connection.execute(change.values({name: bindparam(name) for name in names}), rows)


def known_rules(connection: Connection) -> dict[str, PushedRule]:
    """By id."""
    return {
        row.id: PushedRule(
            id=row.id,
            title=row.title,
            severity=SEVERITIES[row.severity].value,
            why=row.why,
            fix=row.fix,
        )
        for row in connection.execute(select(r).order_by(r.c.id))
    }


def _row(rule: PushedRule, where: str) -> dict[str, Any]:
    try:
        severity = msgspec.convert(rule.severity, Severity)
    except msgspec.ValidationError as error:
        raise InputError(str(error), where=f"{where}.severity") from error
    if not rule.id or len(rule.id) > _NAMED:
        raise InputError("a rule's id is empty or too long", where=f"{where}.id")
    return {
        "id": clean(rule.id, _NAMED),
        "title": clean(rule.title, 500),
        "severity": severity.rank,
        "why": clean(rule.why),
        "fix": clean(rule.fix),
    }
