"""Rules: what is judged, why, how to put it right, and what each found here."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Literal

from msgspec.structs import replace

from haechi.errors import UsageError
from haechi.model.access import Role
from haechi.server.endpoint import Call, Operation
from haechi.server.shapes import RuleDetail, RuleRow
from haechi.server.work.desk import Desk, desk_of
from haechi.server.work.rulebook import Counts, counts_of, matching, rule_detail, rule_rows
from haechi.store.records import Page, Record


class RulesAsk(Record, frozen=True, kw_only=True):
    """``text`` is words, each of which stands in id, title, tags, references or CWE. Findings are
    counted in these clusters and namespaces; everywhere without."""

    text: str = ""
    domain: Literal["", "iac", "runtime", "secrets"] = ""
    cluster: list[str] = []
    namespace: list[str] = []
    limit: int = 500
    cursor: str | None = None


class RuleAsk(Record, frozen=True, kw_only=True):
    """Where to count findings; everywhere without."""

    cluster: list[str] = []
    namespace: list[str] = []


def listed(call: Call) -> Page[RuleRow]:
    """One page of the list: what found something first."""
    ask: RulesAsk = call.query
    found = _matching(call)
    start = _start(ask.cursor)
    end = start + ask.limit
    following = str(end) if end < len(found) else None
    return Page(items=found[start:end], next=following, total=len(found))


def rows(call: Call) -> Iterator[RuleRow]:
    """All rows, for the twins."""
    return iter(_matching(call))


def shown(call: Call) -> RuleDetail:
    """One rule with its words: also where it found nothing."""
    ask: RuleAsk = call.query
    whole, part = desk_of(call), desk_of(call, ask.cluster, ask.namespace)
    pushed = call.world.store.state.scans.rules()
    found = rule_detail(whole, call.params["id"], _counts(call, whole), pushed)
    counts = _counts(call, part).of(found.rule.id)
    row = replace(found.rule, open=counts.open, waived=counts.waived)
    return replace(found, rule=row)


def _matching(call: Call) -> list[RuleRow]:
    ask: RulesAsk = call.query
    desk = desk_of(call, ask.cluster, ask.namespace)
    state = call.world.store.state
    key = ("rules", state.generation, desk.within, desk.today)
    every = call.world.memo.get(
        key, lambda: rule_rows(desk, _counts(call, desk), state.scans.rules())
    )
    return matching(every, desk, ask.text, ask.domain)


def _counts(call: Call, desk: Desk) -> Counts:
    key = ("rule counts", call.world.store.state.generation, desk.within, desk.today)
    return call.world.memo.get(key, lambda: counts_of(desk))


def _start(cursor: str | None) -> int:
    """The list is the catalogue's, so a cursor is simply where to go on."""
    if cursor is None:
        return 0
    if not (cursor.isascii() and cursor.isdecimal() and len(cursor) <= 9):
        raise UsageError(
            "the cursor does not belong to this list",
            do="ask again without a cursor",
            where="query.cursor",
        )
    return int(cursor)


OPERATIONS: tuple[Operation, ...] = (
    Operation(
        id="rules.list",
        method="GET",
        path="/rules",
        role=Role.VIEWER,
        summary="List the rules, those that found something first",
        handler=listed,
        query=RulesAsk,
        answer=Page[RuleRow],
        rows=rows,
    ),
    Operation(
        id="rules.show",
        method="GET",
        path="/rules/{id}",
        role=Role.VIEWER,
        summary="One rule: why, how to put it right, examples, references",
        handler=shown,
        query=RuleAsk,
        answer=RuleDetail,
    ),
)
