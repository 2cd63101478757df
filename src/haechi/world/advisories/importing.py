"""Import advisories: a new file is written beside the old one and takes its place when it is
whole and on the disk. Whoever reads goes on with the old one; whoever is killed changes nothing.
One import at a time; what a killed one left behind goes with the next.
"""

from __future__ import annotations

import contextlib
import datetime as dt
import difflib
import errno
import hashlib
import os
import shutil
import sqlite3
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from urllib.parse import quote

import msgspec

from haechi.errors import (
    HaechiError,
    InputError,
    LimitExceeded,
    NotFound,
    StoreBusy,
    StoreError,
    StoreFull,
    UsageError,
)
from haechi.world.advisories import fetching, names, risk, schema, sources
from haechi.world.advisories.settling import settle
from haechi.world.advisories.shapes import EntryFault, Imported, Outcome, Refused
from haechi.world.advisories.sources import Found, Item
from haechi.world.advisories.writing import SHOWN_FAULTS, Progress, Writing

_MANAGERS = {
    "pip": "PyPI",
    "python": "PyPI",
    "node": "npm",
    "yarn": "npm",
    "golang": "Go",
    "cargo": "crates.io",
    "rust": "crates.io",
    "gem": "RubyGems",
    "ruby": "RubyGems",
    "composer": "Packagist",
    "php": "Packagist",
    "java": "Maven",
    "gradle": "Maven",
    "dotnet": "NuGet",
}
_UNFINISHED = ".advisories-unfinished-"
_ROOM = "make room: an import needs twice the size of the database; what was known is known still"
_PLACE = "name a folder that can be written: HAECHI_DB=/path/to/advisories.db"
_OWN_FILES, _OWN_BYTES = 5_000, 64 * 1024 * 1024


def import_from(source: str, database: Path, *, covers: Sequence[str] = ()) -> Imported:
    """Import one source that holds one thing. Raises UsageError, InputError, StoreError."""
    done = import_all([source], database, covers=covers)
    if done.refused:
        first = done.refused[0]
        raise InputError(first.what, why=first.why, do=first.do)
    return done.imported[0]


def import_all(
    named: Sequence[str],
    database: Path,
    *,
    covers: Sequence[str] = (),
    insecure: bool = False,
    progress: Progress | None = None,
    now: dt.datetime | None = None,
) -> Outcome:
    """Import files, folders, URLs and ecosystems by name into one new generation.

    A source that cannot be read is refused and leaves what was known of it as it is; the others
    are imported all the same. Raises StoreError when the database itself cannot be read or
    written, StoreBusy while another import runs.
    """
    moment = now or dt.datetime.now(dt.UTC)
    imported: list[Imported] = []
    refused: list[Refused] = []

    def work(connection: sqlite3.Connection, folder: Path) -> bool:
        writing = Writing(connection)
        for one in named:
            try:
                for found in _found(one, covers, insecure, folder, progress):
                    try:
                        imported.append(_take(connection, writing, found, moment, progress))
                    except InputError as error:
                        refused.append(_refused(found.place, error))
            except (InputError, UsageError) as error:
                refused.append(_refused(one, error))
        if not imported:
            return False
        generation, changed = settle(connection, moment)
        imported[:] = [
            msgspec.structs.replace(one, generation=generation, changed=changed) for one in imported
        ]
        return True

    _rewrite(database, work)
    return Outcome(imported=tuple(imported), refused=tuple(refused))


def remove(source: str, database: Path, *, now: dt.datetime | None = None) -> int:
    """Take out what a source brought; the number of records. Raises NotFound for an unknown one."""
    counted: list[int] = []

    def work(connection: sqlite3.Connection, folder: Path) -> bool:
        known = connection.execute("SELECT 1 FROM sources WHERE source = ?", (source,)).fetchone()
        if known is None:
            raise NotFound(
                f"no import of that name: {source}", do="haechi db status names them all"
            )
        writing = Writing(connection)
        counted.append(writing.forget(source))
        settle(connection, now or dt.datetime.now(dt.UTC))
        return True

    _rewrite(database, work)
    return counted[0]


def in_memory(folder: Path) -> tuple[sqlite3.Connection, tuple[EntryFault, ...]]:
    """A database of a repository's own OSV files. Raises NotFound, LimitExceeded."""
    if folder.is_symlink() or not folder.is_dir():
        raise NotFound(f"no folder of advisories: {folder}")
    found = Found(kind="folder", path=folder, place=str(folder), source="own")
    connection = sqlite3.connect(":memory:", check_same_thread=False, isolation_level=None)
    try:
        schema.create(connection)
        writing = Writing(connection)
        now = dt.datetime.now(dt.UTC)
        try:
            faults = writing.add(found, _own(found), now=now).faults
        except LimitExceeded:
            raise
        except InputError as error:
            faults = (EntryFault(place=str(folder), why=error.what),)
        settle(connection, now)
    except BaseException:
        connection.close()
        raise
    return connection, faults


def _own(found: Found) -> Iterator[Item]:
    """Files of a repository are few, and each of them has to be an advisory."""
    size = 0
    for number, item in enumerate(sources.items(found), start=1):
        size += len(item.data)
        if number > _OWN_FILES or size > _OWN_BYTES:
            raise LimitExceeded(
                f"{found.place}: more than {_OWN_FILES} files or {_OWN_BYTES >> 20} MiB",
                do="import them: haechi db import",
            )
        yield msgspec.structs.replace(item, strict=True)


def _refused(place: str, error: HaechiError) -> Refused:
    return Refused(
        place=fetching.shown(place) if fetching.is_url(place) else place,
        what=error.what,
        why=error.why,
        do=error.do,
        wrong_use=isinstance(error, UsageError),
    )


def _found(
    named: str,
    covers: Sequence[str],
    insecure: bool,
    folder: Path,
    progress: Progress | None,
) -> list[Found]:
    if fetching.is_url(named):
        return _fetched(named, covers, insecure, folder, progress)
    if Path(named).exists():
        return sources.found_at(Path(named), covers=covers)
    ecosystem = ecosystem_named(named)
    if ecosystem is None:
        raise UsageError(
            f"{named}: no file, no folder, no URL, and no ecosystem of OSV",
            do=_nearest(named),
        )
    return _fetched(url_of(ecosystem), covers, insecure, folder, progress)


def ecosystem_named(text: str) -> str | None:
    """The ecosystem that a word means, however its letters are cased."""
    family, colon, release = text.partition(":")
    found = next((one for one in names.KNOWN if one.lower() == family.lower()), None)
    return None if found is None else f"{found}{colon}{release}"


def _nearest(named: str) -> str:
    """What may have been meant."""
    spelled = {one.lower(): one for one in names.KNOWN}
    near = difflib.get_close_matches(named.lower(), spelled, 1)
    near = [spelled[one] for one in near] or [
        _MANAGERS[one] for one in (named.lower(),) if one in _MANAGERS
    ]
    meant = f"is {near[0]} meant? " if near else ""
    return f"{meant}ecosystems are {', '.join(names.KNOWN[:8])} …"


def url_of(ecosystem: str) -> str:
    """Where OSV keeps the export of an ecosystem."""
    return fetching.EXPORTS.format(quote(ecosystem, safe=":"))


def _fetched(
    url: str, covers: Sequence[str], insecure: bool, folder: Path, progress: Progress | None
) -> list[Found]:
    name = f"{len(list(folder.iterdir()))}{Path(fetching.shown(url)).suffix[:8]}"
    target = folder / name
    fetching.fetch(url, target, insecure=insecure, progress=progress)
    return sources.found_at(target, fetching.shown(url), covers)


def _take(
    connection: sqlite3.Connection,
    writing: Writing,
    found: Found,
    now: dt.datetime,
    progress: Progress | None,
) -> Imported:
    began = time.monotonic()
    connection.execute("SAVEPOINT source")
    try:
        if found.kind in ("epss", "kev"):
            done = _take_risk(connection, found, now)
        else:
            done = writing.add(
                found,
                sources.items(found),
                now=now,
                sha256="" if found.kind == "folder" else _sha256(found.path),
                total=sources.count(found),
                progress=progress,
            )
    except BaseException:
        connection.execute("ROLLBACK TO source")
        writing.reload()
        raise
    finally:
        connection.execute("RELEASE source")
    return msgspec.structs.replace(done, seconds=time.monotonic() - began)


def _take_risk(connection: sqlite3.Connection, found: Found, now: dt.datetime) -> Imported:
    with found.path.open("rb") as stream:
        data = stream.read(risk.MAX_BYTES + 1)
    if data.startswith(b"\x1f\x8b"):
        data = risk.unzipped(data)
    if len(data) > risk.MAX_BYTES:
        raise LimitExceeded(f"{found.place}: more than {risk.MAX_BYTES >> 20} MiB")
    read = risk.epss(data) if found.kind == "epss" else risk.kev(data)
    rows = [msgspec.structs.astuple(row) for row in read.rows]
    connection.execute(f"DELETE FROM {found.kind}")  # noqa: S608 - one of two words
    connection.executemany(
        f"INSERT OR REPLACE INTO {found.kind} VALUES (?, ?, ?)",  # noqa: S608 - as above
        rows,
    )
    day = None if read.date is None else read.date.isoformat()
    told = (found.kind, found.place, now.timestamp(), day, _sha256(found.path))
    connection.execute(
        "INSERT OR REPLACE INTO risk_files VALUES (?, ?, ?, ?, ?, ?, ?)",
        (*told, len(rows), len(read.faults)),
    )
    return Imported(
        source=found.source,
        place=found.place,
        kind=found.kind,
        records=len(rows),
        faulty=len(read.faults),
        faults=tuple(EntryFault(place=found.place, why=why) for why in read.faults[:SHOWN_FAULTS]),
        newest=None if read.date is None else dt.datetime.combine(read.date, dt.time(), dt.UTC),
    )


def _sha256(path: Path) -> str:
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def _rewrite(database: Path, work: Callable[[sqlite3.Connection, Path], bool]) -> None:
    """Do ``work`` on a copy and put that in the place of the database when it says so."""
    target = database.resolve()
    try:
        target.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        with (
            _alone(target),
            tempfile.TemporaryDirectory(dir=target.parent, prefix=_UNFINISHED) as name,
        ):
            folder = Path(name)
            copy = folder / "advisories.db"
            downloads = folder / "fetched"
            downloads.mkdir()
            if _written(target, copy, lambda connection: work(connection, downloads)):
                schema.seal(copy)
                copy.replace(target)
                _sync(target.parent)
    except OSError as error:
        raise StoreFull(
            f"the database of advisories cannot be written: {target}",
            why=error.strerror or "",
            do=_ROOM if error.errno == errno.ENOSPC else _PLACE,
        ) from error


def _written(target: Path, copy: Path, work: Callable[[sqlite3.Connection], bool]) -> bool:
    known = target.exists()
    if known:
        schema.verify(target)
        shutil.copyfile(target, copy)
    else:
        copy.touch()
    copy.chmod(0o600)
    connection = sqlite3.connect(copy, isolation_level=None)
    try:
        connection.executescript(
            "PRAGMA journal_mode = MEMORY; PRAGMA synchronous = OFF; PRAGMA temp_store = MEMORY;"
            "PRAGMA cache_size = -65536; PRAGMA locking_mode = EXCLUSIVE;"
        )
        if not known:
            schema.create(connection)
        connection.execute("BEGIN")
        if not work(connection):
            return False
        connection.execute("COMMIT")
        _compact(connection)
        answer = connection.execute("PRAGMA quick_check(1)").fetchone()[0]
        if answer != "ok":
            raise schema.damaged(copy, str(answer))
    except sqlite3.Error as error:
        full = "full" in str(error)
        raise (StoreFull if full else StoreError)(
            f"the database of advisories cannot be written: {target}",
            why=str(error),
            do=_ROOM if full else "",
        ) from error
    finally:
        connection.close()
    return True


def _compact(connection: sqlite3.Connection) -> None:
    """Give back what was deleted, when it is much."""
    pages = connection.execute("PRAGMA page_count").fetchone()[0]
    free = connection.execute("PRAGMA freelist_count").fetchone()[0]
    if free * 5 > pages:
        connection.execute("VACUUM")


@contextlib.contextmanager
def _alone(target: Path) -> Iterator[None]:
    """Hold the kernel's lock of this database, and sweep up after imports that were killed."""
    import fcntl

    handle = os.open(target.with_name(f".{target.name}.lock"), os.O_RDWR | os.O_CREAT, 0o600)
    try:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise StoreBusy(
                "another import into this database is running", do="try again when it is done"
            ) from None
        for left in target.parent.glob(f"{_UNFINISHED}*"):
            shutil.rmtree(left, ignore_errors=True)
        yield
    finally:
        os.close(handle)


def _sync(folder: Path) -> None:
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
