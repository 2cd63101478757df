"""Many rows by few statements: all arrive, and those that were there already are not counted."""

from __future__ import annotations

import sqlite3
from contextlib import closing

import pytest

from haechi.model.access import Reach
from haechi.store.events.encoding import Known, encode
from haechi.store.events.rows import Rows
from haechi.store.events.shapes import Limits
from tests.store.events.made import NOW_NS, event, lines


@pytest.mark.parametrize("count", [0, 1, 199, 200, 201, 400, 457])
@pytest.mark.parametrize("known", [0, 1, 150])
def test_rows_are_inserted_once(count: int, known: int) -> None:
    rows = Rows("INSERT OR IGNORE INTO t (a, b) VALUES", 2)
    told = [(n, f"row {n}") for n in range(count)]
    with closing(sqlite3.connect(":memory:")) as connection:
        connection.execute("CREATE TABLE t (a INTEGER PRIMARY KEY, b TEXT)")
        connection.executemany(rows.one, told[:known])
        assert rows.insert(connection, told) == count - len(told[:known])
        assert connection.execute("SELECT a, b FROM t ORDER BY a").fetchall() == told


def test_sums_are_added_up_where_a_row_is_there() -> None:
    rows = Rows("INSERT INTO t (a, n) VALUES", 2, "ON CONFLICT (a) DO UPDATE SET n=n+excluded.n")
    with closing(sqlite3.connect(":memory:")) as connection:
        connection.execute("CREATE TABLE t (a INTEGER PRIMARY KEY, n INTEGER)")
        for _ in range(3):
            rows.insert(connection, [(n, n) for n in range(250)])
        found = connection.execute("SELECT a, n FROM t ORDER BY a").fetchall()
    assert found == [(n, 3 * n) for n in range(250)]


def test_what_one_sender_may_send_is_not_thereby_another_s() -> None:
    known, limits, body = (
        Known(Limits()),
        Limits(),
        lines([event(1), event(2, cluster="other", resource="")]),
    )
    for within, refused in (
        ((Reach(),), []),
        ((Reach(cluster="other"),), [0]),
        ((Reach(cluster="prod", namespace="shop"),), [1]),
        ((Reach(),), []),
        ((), [0, 1]),
    ):
        batch = encode(body, limits, now_ns=NOW_NS, within=within, known=known)
        assert [one.index for one in batch.refused] == refused


def test_names_that_were_refused_once_stay_refused() -> None:
    known, limits = Known(Limits()), Limits()
    bad = [event(1, rule="a\x1fb"), event(2, node="a\nb"), event(3, resource="r" * 2000), event(4)]
    for _ in range(2):
        batch = encode(lines(bad), limits, now_ns=NOW_NS, known=known)
        assert [one.index for one in batch.refused] == [0, 1, 2]
