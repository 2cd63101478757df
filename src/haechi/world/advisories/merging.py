"""Records about one vulnerability → one ``Vulnerability`` for the package that was asked about.

Where they disagree: affected is the union (a version that any record names is affected); severity
is that of the highest rated; a fixed version comes from a record that matched and counts only
when no other record of the group still calls it affected; symbols come from the records that
matched and name some. Words are the ones of the record that says most.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable, Sequence

import msgspec

from haechi.model.advisory import Advisory, Affected, FixState, Symbols
from haechi.world.advisories.groups import names_in, ordered
from haechi.world.advisories.ranges import Extent


class Row(msgspec.Struct, frozen=True):
    """One affected entry of a record: what it means, and where to find the rest of it."""

    record: int
    position: int
    vulnerability: str
    fix_state: FixState
    extent: Extent


def fixed_versions(key: bytes | None, hits: Iterable[Row], rows: Sequence[Row]) -> tuple[str, ...]:
    """Versions above the asked one (all, when that has no key) at which it ends, lowest first."""
    candidates = {
        fix: text for row in hits for fix, text in row.extent.fixes if key is None or fix > key
    }
    return tuple(
        text
        for fix, text in sorted(candidates.items())
        if not any(row.extent.judge(text, (fix,)) for row in rows)
    )


def fix_state(fixed: Sequence[str], hits: Iterable[Row]) -> FixState:
    """What the vendors say, when there is nothing to upgrade to."""
    if fixed:
        return FixState.FIXED
    told = (row.fix_state for row in hits)
    return next(
        (one for one in told if one not in (FixState.FIXED, FixState.UNKNOWN)), FixState.UNKNOWN
    )


def merged(records: Sequence[Advisory], vulnerability: str) -> Advisory:
    """One advisory out of all records of a group; its ``id`` is that of the group."""
    first = max(records, key=_words)
    worst = min(records, key=_badness)
    return Advisory(
        id=vulnerability,
        aliases=tuple(one for one in ids_of(records, vulnerability) if one != vulnerability),
        related=_union(record.related for record in records),
        summary=first.summary or next((r.summary for r in records if r.summary), ""),
        details=first.details,
        published=_least(record.published for record in records),
        modified=max((r.modified for r in records if r.modified), default=None),
        withdrawn=first.withdrawn if all(record.withdrawn for record in records) else None,
        vectors=worst.vectors or tuple(v for one in worst.affected for v in one.vectors[:1]),
        score=worst.score,
        severity=worst.severity,
        cwe=_union(record.cwe for record in records),
        references=_union(record.references for record in records),
        affected=tuple(one for record in records for one in record.affected),
        malicious=any(record.malicious for record in records),
        source=" ".join(dict.fromkeys(record.source for record in records)),
    )


def symbols_of(matched: Iterable[Affected]) -> tuple[Symbols, ...]:
    """What the entries that name a version say of functions."""
    return tuple(dict.fromkeys(symbols for one in matched for symbols in one.symbols))


def ids_of(records: Iterable[Advisory], vulnerability: str) -> tuple[str, ...]:
    """All ids and aliases of the vulnerability, the leading one first."""
    return ordered(name for one in records for name in names_in(one.id, one.aliases, vulnerability))


def _words(record: Advisory) -> tuple[bool, int]:
    return bool(record.summary), len(record.details)


def _badness(record: Advisory) -> tuple[int, float]:
    rank = 9 if record.severity is None else record.severity.rank
    return rank, -(record.score or 0.0)


def _union(lists: Iterable[Iterable[str]]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(one for some in lists for one in some))


def _least(moments: Iterable[dt.datetime | None]) -> dt.datetime | None:
    return min((one for one in moments if one is not None), default=None)
