"""Whether a store is whole: everything is read once, nothing is changed."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

from sqlalchemy import func, select
from sqlalchemy.exc import DBAPIError

from haechi.errors import HaechiError
from haechi.store.state.open import revision_of
from haechi.store.state.schema import REVISION, audit, finding, finding_search, finding_text
from haechi.store.state.sqlite import faults, reader_engine, translate

_EDGE = b"PAR1"
"""What a Parquet file begins and ends with."""


def check(folder: Path) -> list[str]:
    """Sentences about what is wrong; empty when all is well. The store may be in use."""
    return [*_modes(folder), *_state(folder / "state.db"), *_events(folder), *_log(folder)]


def _modes(folder: Path) -> Iterator[str]:
    if folder.stat().st_mode & 0o077:
        yield f"{folder}: others may read the folder; chmod 700 it"
    for name in ("state.db", "hot.db"):
        path = folder / name
        if path.is_file() and path.stat().st_mode & 0o077:
            yield f"{path}: others may read the file; chmod 600 it"


def _state(file: Path) -> list[str]:
    engine = reader_engine(file)
    found: list[str] = []
    try:
        with engine.connect() as connection:
            revision = revision_of(connection)
            if revision != REVISION:
                return [
                    f"{file}: its schema is {revision}, this program's is {REVISION};"
                    " starting the server migrates an older one"
                ]
            found += [f"{file}: {fault}" for fault in faults(connection)]
            waiting = select(func.count()).where(audit.c.seq.is_(None))
            waits = connection.execute(waiting).scalar_one()
            if waits:
                found.append(
                    f"{file}: {waits} records wait for the audit log;"
                    " the server appends them when it runs"
                )
            whole = connection.execute(select(func.count()).select_from(finding)).scalar_one()
            for table in (finding_text, finding_search):
                count = connection.execute(select(func.count()).select_from(table)).scalar_one()
                if count != whole:
                    found.append(f"{file}: {table.name} has {count} rows for {whole} findings")
    except DBAPIError as error:
        found.append(_told(error, file))
    finally:
        engine.dispose()
    return found


def _events(folder: Path) -> list[str]:
    file = folder / "hot.db"
    if not file.is_file():
        return []
    try:
        with closing(sqlite3.connect(file)) as connection:
            connection.execute("PRAGMA query_only=ON")
            rows = [str(row[0]) for row in connection.execute("PRAGMA quick_check(20)")]
            found = [f"{file}: {row}" for row in rows if row != "ok"]
            ask = "SELECT name, bytes FROM file WHERE state != 'going' ORDER BY name"
            for name, size in connection.execute(ask):
                found += _sealed(folder / "cold" / str(name), size)
            return found
    except sqlite3.Error as error:
        return [_told(error, file)]


def _sealed(path: Path, size: int) -> Iterator[str]:
    try:
        with path.open("rb") as file:
            begins = file.read(len(_EDGE))
            end = file.seek(0, 2)
            file.seek(max(0, end - len(_EDGE)))
            ends = file.read(len(_EDGE))
    except OSError as error:
        yield f"{path}: {error.strerror}; its events cannot be read"
        return
    if end != size:
        yield f"{path}: it has {end} bytes, its entry says {size}"
    if begins != _EDGE or ends != _EDGE:
        yield f"{path}: it is no Parquet file; its events cannot be read"


def _log(folder: Path) -> Iterator[str]:
    """The signed log by its own verifier, which shares no code with its writer. Without an
    anchor from outside it can tell damage and forgery of parts, not a log made anew."""
    from haechi.store.audit.verify import verify

    log = folder / "audit"
    if not log.is_dir():
        return
    try:
        report = verify(log, anchor=None)
    except HaechiError as error:
        yield f"{log}: {error}"
        return
    yield from (f"{log}: {fault.what}" for fault in report.faults)


def _told(error: Exception, file: Path) -> str:
    meant = translate(error, file)
    return f"{file}: {meant.what if meant else error}"
