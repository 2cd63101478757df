"""What follows from all sources together, after the last was written: of one id the newest record
counts; aliases make vulnerabilities; packages whose answers may differ are written down.
"""

from __future__ import annotations

import datetime as dt
import hashlib
import sqlite3

import msgspec

from haechi.world.advisories import schema
from haechi.world.advisories.groups import grouped
from haechi.world.advisories.names import base
from haechi.world.advisories.ordering import PREFIX, ordering_of

KEPT_GENERATIONS = 50


def settle(connection: sqlite3.Connection, now: dt.datetime) -> tuple[int, int]:
    """After all sources: (generation, number of packages whose answers may differ)."""
    _choose_active(connection)
    _join(connection)
    connection.execute(
        "DELETE FROM dictionaries WHERE dictionary NOT IN (SELECT dictionary FROM records)"
    )
    changed = _changed(connection)
    families = {
        base(ecosystem)
        for (ecosystem,) in connection.execute("SELECT DISTINCT ecosystem FROM packages")
    }
    connection.executemany(
        "INSERT OR REPLACE INTO meta VALUES (?, ?)",
        [(PREFIX + family, ordering_of(family)) for family in sorted(families)],
    )
    generation = int(schema.meta(connection, "generation")) + 1
    oldest = max(int(schema.meta(connection, "oldest")), generation - KEPT_GENERATIONS)
    connection.execute(
        "INSERT INTO generations VALUES (?, ?, ?)", (generation, now.timestamp(), len(changed))
    )
    connection.executemany(
        "INSERT INTO changes VALUES (?, ?, ?)", [(generation, *one) for one in changed]
    )
    for table in ("changes", "generations"):
        connection.execute(f"DELETE FROM {table} WHERE generation <= ?", (oldest,))  # noqa: S608 - ours
    connection.executemany(
        "UPDATE meta SET value = ? WHERE name = ?",
        [(generation, "generation"), (oldest, "oldest")],
    )
    return generation, len(changed)


def _choose_active(connection: sqlite3.Connection) -> None:
    """Of one id the newest record of all sources counts; when that is withdrawn, none."""
    chosen: dict[str, tuple[int, bool]] = {}
    before: dict[int, bool] = {}
    for id_, record, withdrawn, active in connection.execute(
        "SELECT id, record, withdrawn, active FROM records ORDER BY modified, source"
    ):
        chosen[id_] = record, not withdrawn
        before[record] = bool(active)
    now = {record for record, counts in chosen.values() if counts}
    connection.executemany(
        "UPDATE records SET active = ? WHERE record = ?",
        [(record in now, record) for record, was in before.items() if was != (record in now)],
    )


def _join(connection: sqlite3.Connection) -> None:
    aliases: dict[int, list[str]] = {}
    for record, alias in connection.execute("SELECT record, alias FROM aliases"):
        aliases.setdefault(record, []).append(alias)
    rows = connection.execute(
        "SELECT record, id, vulnerability FROM records WHERE active ORDER BY id"
    ).fetchall()
    groups = grouped((id_, aliases.get(record, ())) for record, id_, _ in rows)
    connection.executemany(
        "UPDATE records SET vulnerability = ? WHERE record = ?",
        [(groups[id_][0], record) for record, id_, was in rows if groups[id_][0] != was],
    )
    connection.execute(schema.BUNDLES)
    connection.execute("DELETE FROM bundles")
    connection.executemany(
        "INSERT INTO bundles VALUES (?, ?)",
        [(one, record) for record, id_, _ in rows for one in groups[id_][1:]],
    )


def _changed(connection: sqlite3.Connection) -> list[tuple[str, str]]:
    """Packages whose rows, vulnerabilities or ratings are not what they were."""
    marks = _marks(connection)
    changed: list[tuple[str, str]] = []
    updates: list[tuple[bytes, int]] = []
    empty: list[tuple[int]] = []
    for package, ecosystem, name, was in connection.execute(
        "SELECT package, ecosystem, name, mark FROM packages"
    ):
        mark = marks.get(package)
        if mark != was:
            changed.append((ecosystem, name))
        if mark is not None and mark != was:
            updates.append((mark, package))
        elif mark is None:
            empty.append((package,))
    connection.executemany("UPDATE packages SET mark = ? WHERE package = ?", updates)
    connection.executemany(
        "DELETE FROM packages WHERE package = ?1 AND NOT EXISTS"
        " (SELECT 1 FROM affected WHERE package = ?1) AND NOT EXISTS"
        " (SELECT 1 FROM malicious WHERE package = ?1)",
        empty,
    )
    return changed


def _marks(connection: sqlite3.Connection) -> dict[int, bytes]:
    ranks: dict[str, int] = dict(
        connection.execute(
            "SELECT vulnerability, min(rank) FROM"
            " (SELECT vulnerability, rank FROM records WHERE active UNION ALL"
            " SELECT b.vulnerability, r.rank FROM bundles b JOIN records r USING (record))"
            " GROUP BY vulnerability"
        ).fetchall()
    )
    more: dict[int, list[str]] = {}
    for record, vulnerability in connection.execute(
        "SELECT record, vulnerability FROM bundles ORDER BY record, vulnerability"
    ):
        more.setdefault(record, []).append(vulnerability)
    hashes: dict[int, hashlib.blake2b] = {}
    for table in ("affected", "malicious"):
        for package, record, id_, vulnerability, state, extent in connection.execute(
            "SELECT a.package, r.record, r.id, r.vulnerability, a.fix_state, a.extent"  # noqa: S608 - ours
            f" FROM {table} a JOIN records r ON r.record = a.record AND r.active"
            " ORDER BY a.package, r.id, a.position"
        ):
            said = [(v, ranks[v]) for v in (vulnerability, *more.get(record, ()))]
            one = hashes.setdefault(package, hashlib.blake2b(digest_size=8))
            one.update(msgspec.msgpack.encode((id_, said, state, extent)))
    return {package: one.digest() for package, one in hashes.items()}
