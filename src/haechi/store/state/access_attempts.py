"""Failed sign-ins: counted per network address and per token's first characters.

After some failures each further one doubles the wait, up to a quarter of an hour. The keys are
hashes: an address is a fact about a person. The table has a bound; the oldest go first, which
frees whoever has been quiet longest.
"""

from __future__ import annotations

import datetime as dt
import hashlib
from collections.abc import Iterable

from sqlalchemy import func, select

from haechi.store.records import AuditEntry
from haechi.store.state.access_tables import Database, Transaction, attempt, one
from haechi.store.state.times import from_us, to_us

LONGEST_WAIT = dt.timedelta(minutes=15)
FORGOTTEN = dt.timedelta(hours=24)
ROWS = 10_000


class Attempts:
    """The table ``attempt``."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def wait(self, whom: Iterable[str], now: dt.datetime) -> dt.timedelta:
        """How long these (``address:…``, ``token:…``) are locked out yet; zero: not."""
        keys = [_key(one) for one in whom]
        with self._database.read() as connection:
            until = connection.execute(
                select(func.max(attempt.c.until)).where(attempt.c.key.in_(keys))
            ).scalar_one_or_none()
        return max(dt.timedelta(0), from_us(until or 0) - now)

    def failed(self, whom: Iterable[str], *, allowed: int, address: str) -> dt.timedelta:
        """Counts one more failure; how long they have to wait now."""
        keys = [_key(one) for one in whom]

        def work(tx: Transaction) -> dt.timedelta:
            waits = [self._count(tx, key, allowed) for key in keys]
            longest = max(waits, default=dt.timedelta(0))
            if longest:
                tx.audit(
                    AuditEntry(
                        at=tx.now,
                        actor="anonymous",
                        action="session.lock",
                        object="sign-in",
                        detail={"seconds": int(longest.total_seconds())},
                        private={"address": address},
                    )
                )
            self._bound(tx)
            return longest

        return self._database.write(work)

    def succeeded(self, whom: Iterable[str]) -> None:
        """Forgets their failures."""
        keys = [_key(one) for one in whom]
        with self._database.read() as connection:
            known = connection.execute(
                select(func.count()).select_from(attempt).where(attempt.c.key.in_(keys))
            ).scalar_one()
        if known:
            self._database.write(
                lambda tx: tx.connection.execute(attempt.delete().where(attempt.c.key.in_(keys)))
            )

    def _count(self, tx: Transaction, key: str, allowed: int) -> dt.timedelta:
        row = one(tx.connection, select(attempt).where(attempt.c.key == key))
        fresh = row is None or tx.now - from_us(row["last"]) > FORGOTTEN
        failures = 1 if fresh or row is None else row["failures"] + 1
        over = failures - allowed
        wait = min(LONGEST_WAIT, dt.timedelta(seconds=2 ** min(over, 20))) if over >= 0 else None
        values = {
            "failures": failures,
            "last": to_us(tx.now),
            "until": 0 if wait is None else to_us(tx.now + wait),
        }
        if row is None:
            tx.connection.execute(attempt.insert().values(key=key, **values))
        else:
            tx.connection.execute(attempt.update().where(attempt.c.key == key).values(**values))
        return wait or dt.timedelta(0)

    def _bound(self, tx: Transaction) -> None:
        count = tx.connection.execute(select(func.count()).select_from(attempt)).scalar_one()
        if count > ROWS:
            oldest = select(attempt.c.key).order_by(attempt.c.last).limit(count - ROWS)
            tx.connection.execute(attempt.delete().where(attempt.c.key.in_(oldest)))


def _key(whom: str) -> str:
    return hashlib.sha256(whom.encode()).hexdigest()
