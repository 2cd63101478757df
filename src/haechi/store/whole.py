"""Whether the parts of a store belong together. Each part that is missing would be made anew
and empty, in silence: findings, people and tokens gone, or a log that begins again beside a
database that knows better. A first start has no part; any other has all of them.
"""

from __future__ import annotations

from sqlalchemy import Connection, func, inspect, select

from haechi.errors import AuditError, StoreError
from haechi.store.audit.log import AuditLog
from haechi.store.folder import Folder
from haechi.store.state.schema import audit as outbox
from haechi.store.state.sqlite import explained, reader_engine
from haechi.store.state.state import State

_DO = "restore the whole store from a backup (`haechi store restore`), all parts of one time"
HEADS = "audit/heads.log"


def refuse_lost_log(folder: Folder) -> None:
    """Before the log is opened, which makes one where there is none. Raises AuditError."""
    if not _is_there(folder, "state.db") or _is_there(folder, HEADS):
        return
    engine = reader_engine(folder.state_db)
    try:
        with explained(folder.state_db), engine.begin() as connection:
            known = _logged(connection) if inspect(connection).has_table("audit") else 0
    finally:
        engine.dispose()
    if known:
        raise AuditError(
            f"the audit log is gone: the database knows of {known:,} records",
            why=f"{folder.path / HEADS} is missing or empty",
            do=_DO,
        )


def refuse_lost_state(folder: Folder, log: AuditLog) -> None:
    """Before the database is opened, which makes one where there is none. Raises StoreError."""
    if log.size and not _is_there(folder, "state.db"):
        raise StoreError(
            f"the database is gone: the audit log has {log.size:,} records of it",
            why=f"{folder.state_db} is missing or empty",
            do=f"{_DO}; or begin a new store in another folder",
        )


def refuse_older_log(state: State, log: AuditLog) -> None:
    """The database marks what the log took, after the log has it for good. Raises AuditError."""
    with state.read() as connection:
        known = _logged(connection)
    if log.size < known:
        raise AuditError(
            f"the audit log has {log.size:,} records, but the database knows of {known:,}",
            why="its end was cut off, or it is of an earlier time",
            do=_DO,
        )


def _logged(connection: Connection) -> int:
    newest = connection.execute(select(func.max(outbox.c.seq))).scalar()
    return 0 if newest is None else newest + 1


def _is_there(folder: Folder, name: str) -> bool:
    path = folder.path / name
    return path.is_file() and path.stat().st_size > 0
