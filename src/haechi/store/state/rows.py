"""Rows of ``finding`` as ``StoredFinding``: the columns in one order, read by place.

Lists of 50,000 go through here, so there is one call a row and nothing is looked up by name.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from typing import Any

import msgspec

from haechi.model.severity import Severity
from haechi.store.records import Life, StoredFinding
from haechi.store.state.schema import finding as f
from haechi.store.state.times import from_day, from_us, maybe_us

LISTED = (
    f.c.n,
    f.c.id,
    f.c.source,
    f.c.ref,
    f.c.is_default,
    f.c.cluster,
    f.c.namespace,
    f.c.fingerprint,
    f.c.rule,
    f.c.domain,
    f.c.severity,
    f.c.title,
    f.c.message,
    f.c.path,
    f.c.line,
    f.c.resource,
    f.c.label,
    f.c.attribute,
    f.c.state,
    f.c.owner,
    f.c.due,
    f.c.waiver,
    f.c.waived_until,
    f.c.first_seen,
    f.c.last_seen,
    f.c.changed,
    f.c.fixed_at,
    f.c.commit_id,
    f.c.fix,
    f.c.cwe,
    f.c.tags,
    f.c.aliases,
)
PLACE = {column.name: place for place, column in enumerate(LISTED)}
OVERDUE_STATES = (Life.OPEN, Life.REOPENED)
SEVERITIES = tuple(Severity)
_words = msgspec.json.Decoder(list[str])


def to_finding(row: Sequence[Any], today: str) -> StoredFinding:
    """The record of a row of ``LISTED``; ``today`` as ISO text judges what is overdue."""
    state = Life(row[18])
    return StoredFinding(
        id=row[1],
        source=row[2],
        ref=row[3],
        default=bool(row[4]),
        cluster=row[5],
        namespace=row[6],
        fingerprint=row[7],
        rule=row[8],
        domain=row[9],
        severity=SEVERITIES[row[10]],
        title=row[11],
        message=row[12],
        path=row[13],
        line=row[14],
        resource=row[15],
        label=row[16],
        attribute=row[17],
        state=state,
        owner=row[19] or None,
        due=from_day(row[20]),
        overdue=row[20] < today and state in OVERDUE_STATES,
        waiver=row[21] or None,
        waived_until=from_day(row[22]),
        first_seen=from_us(row[23]),
        last_seen=from_us(row[24]),
        changed=from_us(row[25]),
        fixed_at=maybe_us(row[26]),
        commit=row[27] or None,
        fix=row[28] or None,
        cwe=_words.decode(row[29]),
        tags=_words.decode(row[30]),
        aliases=_words.decode(row[31]),
    )


def to_day_text(today: dt.date) -> str:
    """What ``due`` is compared with."""
    return today.isoformat()
