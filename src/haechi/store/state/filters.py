"""A FindingFilter as SQL. Facets ask for it without one of its parts, so parts have names."""

from __future__ import annotations

import datetime as dt
from collections.abc import Collection
from typing import Any

from sqlalchemy import ColumnElement, and_, func, or_, select

from haechi.errors import LimitExceeded
from haechi.model.access import Reach
from haechi.model.advisory import is_vulnerability
from haechi.model.severity import Severity
from haechi.store.records import FindingFilter, Life
from haechi.store.state.acceptance import STORE
from haechi.store.state.plain import clean, to_json
from haechi.store.state.reach import reached
from haechi.store.state.rows import OVERDUE_STATES
from haechi.store.state.schema import finding as f
from haechi.store.state.schema import finding_search

LIVE = (Life.OPEN, Life.REOPENED, Life.WAIVED)
FACETS = ("state", "severity", "domain", "rule", "owner", "source", "namespace", "cluster")
"""Parts of the filter that are facets, too."""
_MOST_VALUES = 5_000
_LONGEST = 4_096


def condition(
    ask: FindingFilter,
    within: tuple[Reach, ...],
    today: dt.date,
    *,
    without: Collection[str] = (),
    holding: Collection[int] | None = None,
    whole: bool = False,
) -> ColumnElement[bool]:
    """Rows that match within the reach; ``without`` leaves facets out. ``holding`` are the rows
    that hold the text, where they are known already. ``whole``: most rows are read with columns
    that no index has, so the table is to be read as it lies, not by an index of open ones."""
    parts: list[ColumnElement[bool]] = [reached(within, f.c.cluster, f.c.namespace)]
    parts += [_facet(ask, name, whole=whole) for name in FACETS if name not in without]
    if not ask.other_refs:
        parts.append((f.c.is_default + 0 if whole else f.c.is_default) == 1)
    if ask.resource:
        parts.append(f.c.resource.in_(_values(ask.resource, "resource")))
    if ask.fingerprint:
        parts.append(f.c.fingerprint.in_(_values(ask.fingerprint, "fingerprint")))
    if ask.waiver:
        parts.append(_covered(ask.waiver))
    if ask.tag:
        tags = _values(ask.tag, "tag")
        parts.append(or_(*(f.c.tags.contains(to_json(tag), autoescape=True) for tag in tags)))
    if ask.path:
        # Not LIKE: SQLite's does not tell capitals apart.
        prefix = clean(ask.path, _LONGEST)
        parts.append(func.substr(f.c.path, 1, len(prefix)) == prefix)
    if holding is not None:
        parts.append(f.c.n.in_(holding))
    elif ask.text.strip():
        parts.append(_holding(ask.text))
    if ask.overdue is not None:
        late = overdue(today)
        parts.append(late if ask.overdue else ~late)
    return and_(*parts)


def overdue(today: dt.date) -> ColumnElement[bool]:
    """Past its date and accepted by nobody."""
    return and_(f.c.due < today.isoformat(), f.c.state.in_(OVERDUE_STATES))


def states(ask: FindingFilter) -> Collection[Life]:
    """The states that are asked for."""
    return ask.state or LIVE


def facet_values(ask: FindingFilter, name: str) -> frozenset[Any] | None:
    """What a facet is narrowed to, as it stands in the column; None is not at all."""
    if name == "state":
        return frozenset(Life(state).value for state in states(ask))
    if name == "severity":
        ranks = frozenset(Severity(severity).rank for severity in ask.severity)
        return ranks or None
    return frozenset(_values(getattr(ask, name), name)) or None


def _facet(ask: FindingFilter, name: str, *, whole: bool) -> ColumnElement[bool]:
    live = (f.c.live + 0 if whole else f.c.live) == 1
    if name == "state" and set(states(ask)) == set(LIVE):
        return live
    values = facet_values(ask, name)
    if values is None:
        return and_(True)
    narrowed: ColumnElement[bool] = f.c[name].in_(sorted(values))
    if name == "rule" and any(map(is_vulnerability, values)):
        narrowed = or_(narrowed, *map(_also_called, filter(is_vulnerability, sorted(values))))
    if name == "state" and Life.FIXED not in states(ask):
        return and_(live, narrowed)
    return narrowed


def named(rule: str) -> ColumnElement[bool]:
    """Findings of this rule, by any id of a vulnerability."""
    own: ColumnElement[bool] = f.c.rule == rule
    return or_(own, _also_called(rule)) if is_vulnerability(rule) else own


def _also_called(id_: str) -> ColumnElement[bool]:
    return f.c.aliases.contains(to_json(id_), autoescape=True)


def _holding(words: str) -> ColumnElement[bool]:
    folded = clean(words.strip(), _LONGEST).casefold()
    # The folded column's own case is settled, so LIKE's view of capitals does not matter.
    found = select(finding_search.c.n).where(
        finding_search.c.n == f.c.n, finding_search.c.folded.contains(folded, autoescape=True)
    )
    return found.exists()


def _covered(waivers: list[str]) -> ColumnElement[bool]:
    # Asked for by itself: else the list's order is walked to find the few of a waiver.
    held = select(f.c.n).where(
        f.c.waiver.in_(_values(waivers, "waiver")),
        f.c.waiver_from == STORE,
        f.c.state == Life.WAIVED.value,
    )
    return f.c.n.in_(held)


def _values(values: list[str], name: str) -> list[str]:
    if len(values) > _MOST_VALUES:
        raise LimitExceeded(
            f"{len(values):,} values are too many",
            why=f"at most {_MOST_VALUES:,} can be asked for at once",
            do="narrow by another facet, or ask in parts",
            where=f"query.{name}",
        )
    return [clean(value, _LONGEST) for value in values]
