"""What is in a database, by ecosystem and by import."""

from __future__ import annotations

import datetime as dt
import sqlite3
from collections.abc import Mapping

from haechi.world.advisories.names import base
from haechi.world.advisories.shapes import EcosystemState, Origin, RiskFile

_COUNTS = """
SELECT p.ecosystem, count(DISTINCT a.record), sum(a.unsure)
FROM {table} a JOIN packages p ON p.package = a.package JOIN records r ON r.record = a.record
WHERE r.active GROUP BY p.ecosystem
"""


def moment(seconds: float | None) -> dt.datetime | None:
    """Seconds since 1970 as a moment in UTC; the database keeps times as numbers."""
    return None if seconds is None else dt.datetime.fromtimestamp(seconds, dt.UTC)


def origins(connection: sqlite3.Connection) -> tuple[Origin, ...]:
    """Every import that is in the database, in order."""
    rows = connection.execute(
        "SELECT source, place, covers, imported, newest, sha256, records, withdrawn, faults,"
        " commit_ranges FROM sources ORDER BY source"
    )
    return tuple(
        Origin(
            source=row[0],
            place=row[1],
            covers=tuple(filter(None, row[2].split("\n"))),
            imported=dt.datetime.fromtimestamp(row[3], dt.UTC),
            newest=moment(row[4]),
            sha256=row[5],
            records=row[6],
            withdrawn=row[7],
            faults=row[8],
            commit_ranges=row[9],
        )
        for row in rows
    )


def states_of(
    connection: sqlite3.Connection, *, counted: bool = True
) -> Mapping[str, EcosystemState]:
    """By ecosystem, in order of their names. Without ``counted`` those alone that an import
    covers, with no records counted: that costs a pass over everything."""
    told = origins(connection)
    counts = _counts(connection, "affected") if counted else {}
    bad = _counts(connection, "malicious") if counted else {}
    covering: dict[str, list[Origin]] = {}
    for origin in told:
        for ecosystem in origin.covers:
            covering.setdefault(ecosystem, []).append(origin)
    names = sorted({*counts, *bad, *covering})
    return {
        name: _state(name, counts.get(name, (0, 0)), bad.get(name, (0, 0)), covering)
        for name in names
    }


def _counts(connection: sqlite3.Connection, table: str) -> dict[str, tuple[int, int]]:
    return {
        ecosystem: (records, unsure)
        for ecosystem, records, unsure in connection.execute(_COUNTS.format(table=table))
    }


def _state(
    name: str,
    counts: tuple[int, int],
    malicious: tuple[int, int],
    covering: Mapping[str, list[Origin]],
) -> EcosystemState:
    whole = covering.get(name) or covering.get(base(name)) or []
    return EcosystemState(
        ecosystem=name,
        records=counts[0],
        withdrawn=sum(origin.withdrawn for origin in whole),
        malicious=malicious[0],
        undecidable=counts[1] + malicious[1],
        covered=bool(whole),
        incomplete=any(origin.faults for origin in whole),
        newest=max((o.newest for o in whole if o.newest), default=None),
        imported=min((o.imported for o in whole), default=None),
        origins=tuple(whole),
    )


def risk_files(connection: sqlite3.Connection) -> tuple[RiskFile, ...]:
    """EPSS and KEV, where imported."""
    rows = connection.execute(
        "SELECT kind, place, imported, date, sha256, records, faults FROM risk_files ORDER BY kind"
    )
    return tuple(
        RiskFile(
            kind=kind,
            place=place,
            imported=dt.datetime.fromtimestamp(imported, dt.UTC),
            date=None if date is None else dt.date.fromisoformat(date),
            sha256=sha256,
            records=records,
            faults=faults,
        )
        for kind, place, imported, date, sha256, records, faults in rows
    )
