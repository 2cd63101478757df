"""Rules for the runtime that are saved here: files in versions, and rules turned on and off.

What a file means is not looked at; whoever saves has loaded it first.
"""

from __future__ import annotations

from typing import Any

from sqlalchemy import Connection, and_, delete, func, insert, select

from haechi.errors import Conflict, NotFound, UsageError
from haechi.store.records import AuditEntry, RuleFile, RuleSwitch
from haechi.store.state.bulk import next_number
from haechi.store.state.engine import Database, Transaction
from haechi.store.state.plain import clean
from haechi.store.state.runtime_tables import rule_file, rule_switch
from haechi.store.state.times import from_us, to_us

LARGEST, MOST_FILES, MOST_VERSIONS, MOST_SWITCHES = 1 << 20, 200, 100, 5_000
_NAME = 200
f, s = rule_file.c, rule_switch.c


class RuntimeRules:
    """Of the whole server: rules are not bound to a place."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def files(self) -> list[RuleFile]:
        """The newest version of each file that is there, by name."""
        newest = select(f.name, func.max(f.version).label("version")).group_by(f.name).subquery()
        ask = (
            select(rule_file)
            .join(newest, and_(f.name == newest.c.name, f.version == newest.c.version))
            .where(f.removed == 0)
            .order_by(f.name)
        )
        with self._database.read() as connection:
            return [_file(row) for row in connection.execute(ask)]

    def versions(self, name: str) -> list[RuleFile]:
        """All versions that are kept, newest first. NotFound."""
        ask = select(rule_file).where(f.name == name).order_by(f.version.desc())
        with self._database.read() as connection:
            found = [_file(row) for row in connection.execute(ask)]
        if not found:
            raise NotFound(f"there is no rule file {clean(name, 80)!r}", do="GET /runtime/files")
        return found

    def save(self, name: str, text: str, *, expected: int, by: str, note: str = "") -> RuleFile:
        """Keep a new version over ``expected`` (0: there is no such file). Conflict."""
        _check(name, text)

        def work(transaction: Transaction) -> RuleFile:
            connection = transaction.connection
            version = _following(connection, name, expected)
            if not expected and _files(connection) >= MOST_FILES:
                raise UsageError(f"there are {MOST_FILES} rule files already", do="join some")
            return _keep(transaction, name, version, text, by, note)

        return self._database.write(work)

    def remove(self, name: str, *, expected: int, by: str) -> None:
        """Take a file out of force; its versions stay. NotFound, Conflict."""

        def work(transaction: Transaction) -> None:
            if _newest(transaction.connection, name) is None:
                raise NotFound(f"there is no rule file {clean(name, 80)!r}")
            version = _following(transaction.connection, name, expected)
            _keep(transaction, name, version, "", by, "", removed=True)

        self._database.write(work)

    def switches(self) -> list[RuleSwitch]:
        """Every word about a rule's being on or off."""
        ask = select(rule_switch).order_by(s.source, s.name)
        with self._database.read() as connection:
            return [
                RuleSwitch(
                    source=row.source,
                    name=row.name,
                    enabled=bool(row.enabled),
                    at=from_us(row.at),
                    by=row.actor,
                )
                for row in connection.execute(ask)
            ]

    def switch(self, source: str, name: str, *, enabled: bool, by: str) -> None:
        """Turn a rule on or off."""

        def work(transaction: Transaction) -> None:
            connection = transaction.connection
            mine = (s.source == source) & (s.name == name)
            connection.execute(delete(rule_switch).where(mine))
            count = connection.execute(select(func.count()).select_from(rule_switch)).scalar_one()
            if count >= MOST_SWITCHES:
                raise UsageError(f"{MOST_SWITCHES} rules are switched by hand already")
            row = {"source": source, "name": name, "enabled": int(enabled)}
            row |= {"at": to_us(transaction.now), "actor": by}
            connection.execute(insert(rule_switch), row)
            detail = {"source": source, "enabled": enabled}
            _told(transaction, "runtime.switch", name, by, detail)

        self._database.write(work)


def _check(name: str, text: str) -> None:
    if not name or len(name) > _NAME or not name.isprintable() or "/" in name:
        raise UsageError(
            f"{clean(name, 80)!r} is no name for a rule file",
            why=f"1 to {_NAME} printable characters without a slash",
            do="for example: shop.yaml",
        )
    if len(text.encode("utf-8", "surrogatepass")) > LARGEST:
        raise UsageError("the rule file is larger than 1 MiB", do="save it in parts")
    if clean(text, LARGEST) != text:
        raise UsageError("the rule file holds a NUL or half a character")


def _newest(connection: Connection, name: str) -> int | None:
    """The version in force; None when there is no such file (any more)."""
    ask = select(f.version, f.removed).where(f.name == name).order_by(f.version.desc()).limit(1)
    row = connection.execute(ask).one_or_none()
    return None if row is None or row.removed else int(row.version)


def _following(connection: Connection, name: str, expected: int) -> int:
    found = _newest(connection, name) or 0
    if found != expected:
        raise Conflict(
            f"the rule file {name!r} is at version {found}, not {expected}",
            do="look at what changed, then save again over that version",
        )
    last = connection.execute(select(func.max(f.version)).where(f.name == name)).scalar()
    return int(last or 0) + 1


def _files(connection: Connection) -> int:
    names = select(func.count(func.distinct(f.name)))
    return int(connection.execute(names).scalar_one())


def _keep(
    transaction: Transaction,
    name: str,
    version: int,
    text: str,
    by: str,
    note: str,
    *,
    removed: bool = False,
) -> RuleFile:
    connection = transaction.connection
    row = {
        "n": next_number(connection, rule_file),
        "name": name,
        "version": version,
        "text": text,
        "at": to_us(transaction.now),
        "actor": by,
        "note": clean(note, 1_000),
        "removed": int(removed),
    }
    connection.execute(insert(rule_file), row)
    old = delete(rule_file).where(f.name == name, f.version <= version - MOST_VERSIONS)
    connection.execute(old)
    action = "runtime.remove" if removed else "runtime.save"
    _told(transaction, action, name, by, {"version": version, "characters": len(text)})
    return RuleFile(
        name=name,
        version=version,
        text=text,
        at=transaction.now,
        by=by,
        note=str(row["note"]),
        removed=removed,
    )


def _told(
    transaction: Transaction, action: str, object_: str, by: str, detail: dict[str, Any]
) -> None:
    transaction.audit(
        AuditEntry(at=transaction.now, actor=by, action=action, object=object_, detail=detail)
    )


def _file(row: Any) -> RuleFile:
    return RuleFile(
        name=row.name,
        version=row.version,
        text=row.text,
        at=from_us(row.at),
        by=row.actor,
        note=row.note,
        removed=bool(row.removed),
    )
