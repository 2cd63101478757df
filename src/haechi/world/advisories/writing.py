"""Put the records of one source into the tables.

A source is replaced record by record inside of a savepoint: when it cannot be read to its end,
nothing of it counts. What could not be read keeps the record of the same id that was there
before. What follows from all sources together is for ``settling``.
"""

from __future__ import annotations

import datetime as dt
import hashlib
import sqlite3
from collections.abc import Callable, Iterable, Sequence

from haechi.errors import InputError
from haechi.world.advisories import schema
from haechi.world.advisories.names import base
from haechi.world.advisories.ordering import PREFIX, require_same
from haechi.world.advisories.osv import NotOsv, Read, read
from haechi.world.advisories.packing import dictionary, pack, pack_extent, plain_bytes
from haechi.world.advisories.shapes import EntryFault, Imported
from haechi.world.advisories.sources import FILES, Found, Item
from haechi.world.advisories.states import moment

SHOWN_FAULTS = 20
_TRAINING = 2000
_UNRATED = 9
Progress = Callable[[int, int, str], None]


class _Tally:
    """What one import did so far."""

    def __init__(self) -> None:
        self.added = self.updated = self.withdrawn = self.malicious = 0
        self.undecidable = self.commit_ranges = self.skipped = self.faulty = 0
        self.faults: list[EntryFault] = []
        self.unread: set[str] = set()
        self.seen: dict[str, float] = {}
        self.ecosystems: set[str] = set()
        self.newest: dt.datetime | None = None

    def fault(self, item: Item, why: str) -> None:
        self.faulty += 1
        self.unread.add(item.stem)
        if len(self.faults) < SHOWN_FAULTS:
            self.faults.append(EntryFault(place=item.place, why=why))


class Writing:
    """An open database that is being changed."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._db = connection
        self._packages: dict[tuple[str, str], int] = {}
        self._dictionary = 0, b""
        self.reload()
        self._require_same_ordering()

    def _require_same_ordering(self) -> None:
        families = {base(ecosystem) for ecosystem, _ in self._packages}
        for family in sorted(families):
            require_same(family, schema.meta(self._db, PREFIX + family))

    def reload(self) -> None:
        """Forget what is remembered of the tables: they were rolled back."""
        self._packages = {
            (ecosystem, name): package
            for package, ecosystem, name in self._db.execute(
                "SELECT package, ecosystem, name FROM packages"
            )
        }

    def add(
        self,
        found: Found,
        items: Iterable[Item],
        *,
        now: dt.datetime,
        sha256: str = "",
        total: int = 0,
        progress: Progress | None = None,
    ) -> Imported:
        """Take one source. Raises InputError when there is no advisory in it, or none about what
        it is said to cover; then it has to be rolled back."""
        tally = _Tally()
        old = self._old(found.source)
        waiting: list[tuple[Item, Read, bytes]] = []
        self._dictionary = 0, b""
        for number, item in enumerate(items, start=1):
            taken = self._taken(item, found, tally)
            if taken is not None:
                waiting.append((item, taken, plain_bytes(taken.advisory)))
            if len(waiting) >= _TRAINING:
                self._flush(waiting, found, old, tally)
            if progress is not None and not number % 100:
                progress(number, total, item.place)
        self._flush(waiting, found, old, tally)
        covers = self._require(found, tally)
        replaced = self._newest(found.source)
        gone = self._drop_old(found, old, tally)
        self._note(found, tally, covers, now, sha256)
        return Imported(
            source=found.source,
            place=found.place,
            covers=covers,
            records=len(tally.seen),
            added=tally.added,
            updated=tally.updated,
            removed=gone,
            withdrawn=tally.withdrawn,
            malicious=tally.malicious,
            undecidable=tally.undecidable,
            commit_ranges=tally.commit_ranges,
            skipped=tally.skipped,
            faulty=tally.faulty,
            faults=tuple(tally.faults),
            newest=tally.newest,
            replaced=replaced,
        )

    def _newest(self, source: str) -> dt.datetime | None:
        row = self._db.execute("SELECT newest FROM sources WHERE source = ?", (source,)).fetchone()
        return moment(row[0]) if row and source != FILES else None

    def _old(self, source: str) -> dict[str, tuple[int, bytes]]:
        rows = self._db.execute("SELECT id, record, mark FROM records WHERE source = ?", (source,))
        return {id_: (record, mark) for id_, record, mark in rows}

    def _taken(self, item: Item, found: Found, tally: _Tally) -> Read | None:
        if item.skipped:
            tally.skipped += 1
            return None
        if item.fault:
            tally.fault(item, item.fault)
            return None
        try:
            return read(item.data, yaml=item.yaml, source=found.source)
        except NotOsv as error:
            if item.strict:
                tally.fault(item, error.what)
            else:
                tally.skipped += 1
        except InputError as error:
            tally.fault(item, error.what)
        return None

    def _flush(
        self,
        waiting: list[tuple[Item, Read, bytes]],
        found: Found,
        old: dict[str, tuple[int, bytes]],
        tally: _Tally,
    ) -> None:
        if not self._dictionary[0]:
            self._dictionary = self._choose([plain for _, _, plain in waiting])
        for item, one, plain in waiting:
            self._put(item, one, plain, found, old, tally)
        waiting.clear()

    def _choose(self, samples: Sequence[bytes]) -> tuple[int, bytes]:
        """A dictionary of its own for many records, else the newest that there is."""
        made = dictionary(samples)
        if made:
            done = self._db.execute("INSERT INTO dictionaries (body) VALUES (?)", (made,))
            return int(done.lastrowid or 0), made
        row = self._db.execute(
            "SELECT dictionary, body FROM dictionaries ORDER BY dictionary DESC LIMIT 1"
        ).fetchone()
        return (row[0], row[1]) if row else (0, b"")

    def _put(
        self,
        item: Item,
        one: Read,
        plain: bytes,
        found: Found,
        old: dict[str, tuple[int, bytes]],
        tally: _Tally,
    ) -> None:
        advisory = one.advisory
        modified = advisory.modified.timestamp() if advisory.modified else 0.0
        if advisory.id in tally.seen:
            tally.fault(item, f"{advisory.id} stands twice; the newer one counts")
            if modified <= tally.seen[advisory.id]:
                return
            row = self._db.execute(
                "SELECT record FROM records WHERE id = ? AND source = ?",
                (advisory.id, found.source),
            ).fetchone()
            self._remove([row[0]])
        mark = hashlib.blake2b(plain, digest_size=8).digest()
        self._count(one, tally, old.get(advisory.id), mark, modified)
        if advisory.id in old:
            self._remove([old.pop(advisory.id)[0]])
        number, zdict = self._dictionary
        rank = advisory.severity.rank if advisory.severity else _UNRATED
        values = (
            *(advisory.id, found.source, modified, advisory.withdrawn is not None),
            *(advisory.malicious, 0, advisory.id, rank, mark, one.commit_ranges, number),
            pack(plain, zdict),
        )
        done = self._db.execute(
            "INSERT INTO records (id, source, modified, withdrawn, malicious, active,"
            " vulnerability, rank, mark, commit_ranges, dictionary, body)"
            " VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
            values,
        )
        record = int(done.lastrowid or 0)
        self._db.executemany(
            "INSERT INTO aliases VALUES (?, ?)", [(record, one) for one in advisory.aliases]
        )
        if advisory.withdrawn is None:
            self._put_affected(record, one, tally)

    def _put_affected(self, record: int, one: Read, tally: _Tally) -> None:
        rows = []
        for position, (entry, extent) in enumerate(
            zip(one.advisory.affected, one.extents, strict=True)
        ):
            tally.ecosystems.add(base(entry.ecosystem))
            if not (extent.intervals or extent.listed or extent.texts):
                continue
            tally.undecidable += extent.unsure
            rows.append(
                (
                    *(self._package(entry.ecosystem, entry.name), record, position),
                    *(extent.unsure, entry.distribution, entry.source_package),
                    *(entry.module_stream, str(entry.fix_state), pack_extent(extent)),
                )
            )
        table = "malicious" if one.advisory.malicious else "affected"
        self._db.executemany(
            f"INSERT INTO {table} VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)",  # noqa: S608 - ours
            rows,
        )

    def _package(self, ecosystem: str, name: str) -> int:
        package = self._packages.get((ecosystem, name))
        if package is None:
            done = self._db.execute(
                "INSERT INTO packages (ecosystem, name) VALUES (?, ?)", (ecosystem, name)
            )
            package = self._packages[ecosystem, name] = int(done.lastrowid or 0)
        return package

    def _count(
        self,
        one: Read,
        tally: _Tally,
        before: tuple[int, bytes] | None,
        mark: bytes,
        modified: float,
    ) -> None:
        advisory = one.advisory
        first = advisory.id not in tally.seen
        tally.seen[advisory.id] = modified
        if first:
            tally.added += before is None
            tally.updated += before is not None and before[1] != mark
            tally.withdrawn += advisory.withdrawn is not None
            tally.malicious += advisory.malicious
            tally.commit_ranges += one.commit_ranges
        dated = [one for one in (tally.newest, advisory.modified) if one]
        tally.newest = max(dated, default=None)

    def _require(self, found: Found, tally: _Tally) -> tuple[str, ...]:
        if not tally.seen:
            first = f"; {tally.faults[0].place}: {tally.faults[0].why}" if tally.faults else ""
            raise InputError(f"{found.place}: there is no advisory in it{first}")
        covered = tuple(one for one in found.covers if base(one) in tally.ecosystems)
        if found.covers and not covered:
            raise InputError(
                f"{found.place}: none of its {len(tally.seen)} records is about"
                f" {', '.join(found.covers)}",
                do="say what it covers with --covers, or import it from another place",
            )
        return covered

    def _drop_old(self, found: Found, old: dict[str, tuple[int, bytes]], tally: _Tally) -> int:
        if found.source == FILES:
            return 0
        gone = [record for id_, (record, _) in old.items() if id_ not in tally.unread]
        self._remove(gone)
        return len(gone)

    def _remove(self, records: Sequence[int]) -> None:
        rows = [(record,) for record in records]
        for table in ("affected", "malicious", "aliases", "records"):
            self._db.executemany(f"DELETE FROM {table} WHERE record = ?", rows)  # noqa: S608 - ours

    def _note(
        self,
        found: Found,
        tally: _Tally,
        covers: Sequence[str],
        now: dt.datetime,
        sha256: str,
    ) -> None:
        records, withdrawn, commits = self._db.execute(
            "SELECT count(*), sum(withdrawn), sum(commit_ranges) FROM records WHERE source = ?",
            (found.source,),
        ).fetchone()
        newest = tally.newest.timestamp() if tally.newest else None
        place = found.place if found.source != FILES else "single files"
        self._db.execute(
            "INSERT OR REPLACE INTO sources VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
            (
                *(found.source, place, "\n".join(covers), now.timestamp(), newest),
                *(sha256, records, withdrawn, tally.faulty, commits),
            ),
        )

    def forget(self, source: str) -> int:
        """Take out all that a source brought; how many records those were."""
        records = [record for record, _ in self._old(source).values()]
        self._remove(records)
        self._db.execute("DELETE FROM sources WHERE source = ?", (source,))
        return len(records)
