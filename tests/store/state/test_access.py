"""Users, tokens, sessions, codes and attempts on a real database."""

from __future__ import annotations

import datetime as dt
import sqlite3
from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import select

from haechi.errors import Conflict, NotFound, UsageError
from haechi.model.access import Grant, Reach, Role
from haechi.store.state.access import Access
from haechi.store.state.access_attempts import LONGEST_WAIT
from haechi.store.state.access_secrets import Kind, mint, prefix
from haechi.store.state.access_sessions import CODE_LASTS
from haechi.store.state.access_tokens import NewToken, Standing
from haechi.store.state.access_users import OWNER, Person, user_id_of
from haechi.store.state.access_ways import FULL
from haechi.store.state.engine import Database
from haechi.store.state.open import prepare
from haechi.store.state.schema import audit

START = dt.datetime(2026, 3, 1, 12, tzinfo=dt.UTC)
DAY, HOUR, MINUTE = dt.timedelta(days=1), dt.timedelta(hours=1), dt.timedelta(minutes=1)
VIEWER = Grant(role=Role.VIEWER)


class Bench:
    """A database with a clock that stands until it is moved."""

    def __init__(self, folder: Path) -> None:
        self.file = folder / "state.db"
        self.now = START
        prepare(self.file, backups=folder)
        self.database = Database(self.file, clock=lambda: self.now)
        self.access = Access(self.database)

    def actions(self) -> list[str]:
        with self.database.read() as connection:
            return list(connection.execute(select(audit.c.action).order_by(audit.c.n)).scalars())

    def token(self, *grants: Grant, user: str = "", **more: object) -> tuple[str, str]:
        wanted = NewToken(name="t", grants=grants or (VIEWER,), user=user, **more)  # type: ignore[arg-type]
        record, secret = self.access.tokens.make(wanted, by=OWNER)
        return record.id, secret

    def session(self, **whose: str) -> str:
        return self.access.sessions.start(lasts=DAY, address="192.0.2.1", way="token", **whose)

    def in_session(self, secret: str) -> str | None:
        found = self.access.sessions.find(secret, self.now, 8 * HOUR)
        return found.principal.id if found else None


@pytest.fixture
def bench(tmp_path: Path) -> Iterator[Bench]:
    made = Bench(tmp_path)
    yield made
    made.database.close()


def somebody(*grants: Grant, name: str = "Ana") -> Person:
    return Person(
        issuer="https://id.example", subject="1", name=name, email="ana@example.com", grants=grants
    )


def test_a_token_is_found_by_its_secret_alone(bench: Bench) -> None:
    token_id, secret = bench.token(permissions=["scans.push"], repositories=["https://x/*"])
    found = bench.access.tokens.find(secret, bench.now)
    assert found is not None
    assert found.standing is Standing.LIVE
    assert found.principal.id == token_id
    assert found.principal.permissions == frozenset({"scans.push"})
    assert found.principal.repositories == ("https://x/*",)
    assert found.record.prefix == prefix(secret)
    assert bench.access.tokens.find(mint(Kind.TOKEN), bench.now) is None


def test_no_secret_stands_in_the_file(bench: Bench) -> None:
    _, token = bench.token()
    bench.access.users.owner()
    secrets = [
        token,
        bench.session(user=OWNER),
        bench.access.sessions.new_code(OWNER, by=OWNER),
    ]
    bench.database.close()
    with sqlite3.connect(bench.file) as connection:
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    connection.close()
    files = b"".join(one.read_bytes() for one in bench.file.parent.iterdir() if one.is_file())
    for secret in secrets:
        assert secret[-20:].encode() not in files
        assert prefix(secret).encode() in files or secret is not token


@pytest.mark.parametrize(
    ("spoil", "standing"),
    [("wait", Standing.EXPIRED), ("revoke", Standing.REVOKED), ("disable", Standing.DISABLED)],
)
def test_a_token_ends(bench: Bench, spoil: str, standing: Standing) -> None:
    bench.access.tokens.first(NewToken(name="a", grants=(FULL,)), by=OWNER)
    bench.access.users.owner()
    token_id, secret = bench.token(user=OWNER)
    session = bench.session(token=token_id, user=OWNER)
    assert bench.in_session(session) == token_id
    match spoil:
        case "wait":
            bench.now += 90 * DAY
        case "revoke":
            bench.access.tokens.revoke(token_id, by=OWNER)
        case _:
            bench.access.users.change(OWNER, disabled=True, by="user:x")
    found = bench.access.tokens.find(secret, bench.now)
    assert found is not None
    assert found.standing is standing
    assert bench.in_session(session) is None


def test_a_users_token_has_no_more_than_the_user_has_today(bench: Bench) -> None:
    user = bench.access.users.arrived(somebody(FULL))
    _, secret = bench.token(FULL, user=user.id)
    bench.access.users.arrived(somebody(Grant(role=Role.OPERATOR, reach=Reach(cluster="a"))))
    found = bench.access.tokens.find(secret, bench.now)
    assert found is not None
    assert found.principal.grants == (Grant(role=Role.OPERATOR, reach=Reach(cluster="a")),)


@pytest.mark.parametrize("days", [0, -1, 366])
def test_a_token_lasts_a_year_at_most(bench: Bench, days: int) -> None:
    with pytest.raises(UsageError, match="1 to 365"):
        bench.token(lasts=dt.timedelta(days=days))


def test_last_use_is_written_once_a_minute_and_audited_once_an_hour(bench: Bench) -> None:
    token_id, secret = bench.token()
    marks = []
    for wait in (0, 10, 60, 59, 1, 3600):
        bench.now += dt.timedelta(seconds=wait)
        found = bench.access.tokens.find(secret, bench.now)
        assert found is not None
        bench.access.tokens.used(found.record, bench.now, "192.0.2.1")
        again = bench.access.tokens.find(secret, bench.now)
        assert again is not None
        marks.append(bench.now == again.record.last_used)
    assert marks == [True, False, True, False, True, True]
    assert bench.actions().count("token.use") == 2
    assert token_id.startswith("token:t-")


def test_lists_part_by_part(bench: Bench) -> None:
    made = []
    for _ in range(5):
        made.append(bench.token()[0])
        bench.now += MINUTE
    seen: list[str] = []
    cursor = None
    while True:
        page = bench.access.tokens.page(limit=2, cursor=cursor)
        assert page.total == 5
        seen += [one.id for one in page.items]
        if (cursor := page.next) is None:
            break
    assert seen == made[::-1]
    with pytest.raises(UsageError):
        bench.access.tokens.page(limit=2, cursor="token:none")


def test_first_start_makes_one_token_and_later_ones_none(bench: Bench) -> None:
    bench.access.users.owner()
    wanted = NewToken(name="first", grants=(FULL,), user=OWNER)
    secret = bench.access.tokens.first(wanted, by=OWNER)
    assert secret is not None
    assert bench.access.tokens.first(wanted, by=OWNER) is None
    assert bench.access.tokens.first(wanted, by=OWNER, anew=True) not in (None, secret)
    bench.now += 90 * DAY
    assert bench.access.tokens.first(wanted, by=OWNER) is not None


@pytest.mark.parametrize("change", ["revoke", "disable", "degrade"])
def test_the_last_administrator_stays(bench: Bench, change: str) -> None:
    bench.access.users.owner()
    token_id, secret = bench.token(FULL, user=OWNER)
    bench.token(FULL, permissions=["now.show"])  # narrowed ones do not count
    bench.token(Grant(role=Role.ADMIN, reach=Reach(cluster="a")))

    def attack() -> None:
        if change == "revoke":
            bench.access.tokens.revoke(token_id, by=OWNER)
        elif change == "disable":
            bench.access.users.change(OWNER, disabled=True, by=OWNER)
        else:
            bench.access.users.change(OWNER, grants=[VIEWER], by=OWNER)

    with pytest.raises(Conflict, match="last administrator"):
        attack()
    found = bench.access.tokens.find(secret, bench.now)
    assert found is not None
    assert found.standing is Standing.LIVE
    assert FULL in found.principal.grants
    bench.access.users.arrived(somebody(FULL))
    attack()


def test_taking_a_viewer_away_is_no_matter_of_administrators(bench: Bench) -> None:
    token_id, _ = bench.token()
    assert bench.access.tokens.revoke(token_id, by=OWNER).revoked == START
    with pytest.raises(Conflict):
        bench.access.tokens.revoke(token_id, by=OWNER)
    with pytest.raises(NotFound):
        bench.access.tokens.revoke("token:none", by=OWNER)


def test_groups_of_the_provider_and_roles_given_here_add_up(bench: Bench) -> None:
    here = Grant(role=Role.OPERATOR, reach=Reach(cluster="b"))
    user = bench.access.users.arrived(somebody(VIEWER))
    assert user.id == user_id_of("https://id.example", "1")
    changed = bench.access.users.change(user.id, grants=[VIEWER, here], by=OWNER)
    assert set(changed.grants) == {VIEWER, here}
    assert bench.access.users.arrived(somebody()).grants == [here]
    bench.access.users.arrived(somebody(VIEWER))
    with pytest.raises(Conflict, match="groups"):
        bench.access.users.change(user.id, grants=[], by=OWNER)
    assert bench.access.users.change(user.id, grants=[VIEWER], by=OWNER).grants == [VIEWER]


def test_two_issuers_never_share_a_person() -> None:
    assert user_id_of("https://a", "bc") != user_id_of("https://ab", "c")


def test_a_session_ends_idle_and_at_last(bench: Bench) -> None:
    bench.access.users.owner()
    idle, kept = bench.session(user=OWNER), bench.session(user=OWNER)
    for _ in range(3):
        bench.now += 7 * HOUR
        found = bench.access.sessions.find(kept, bench.now, 8 * HOUR)
        assert found is not None
        bench.access.sessions.used(found, bench.now)
    assert bench.in_session(idle) is None
    bench.now += 3 * HOUR
    assert bench.in_session(kept) is None


def test_signing_out_ends_the_session(bench: Bench) -> None:
    bench.access.users.owner()
    secret = bench.session(user=OWNER)
    assert bench.in_session(secret) == OWNER
    assert bench.access.sessions.end(secret, by=OWNER)
    assert bench.in_session(secret) is None
    assert not bench.access.sessions.end(secret, by=OWNER)


def test_a_disabled_user_is_out_at_once_and_does_not_come_back_in_by_old_sessions(
    bench: Bench,
) -> None:
    bench.token(FULL)
    user = bench.access.users.arrived(somebody(VIEWER))
    secret = bench.session(user=user.id)
    bench.access.users.change(user.id, disabled=True, by=OWNER)
    assert bench.in_session(secret) is None
    bench.access.users.change(user.id, disabled=False, by=OWNER)
    assert bench.in_session(secret) is None


def test_a_code_is_good_once_and_for_ten_minutes(bench: Bench) -> None:
    bench.access.users.owner()
    code = bench.access.sessions.new_code(OWNER, by=OWNER)
    late = bench.access.sessions.new_code(OWNER, by=OWNER)
    assert bench.access.sessions.take_code(code) == OWNER
    assert bench.access.sessions.take_code(code) is None
    assert bench.access.sessions.take_code(mint(Kind.CODE)) is None
    bench.now += CODE_LASTS
    assert bench.access.sessions.take_code(late) is None
    with pytest.raises(NotFound):
        bench.access.sessions.new_code("user:none", by=OWNER)


def test_each_further_failure_doubles_the_wait(bench: Bench) -> None:
    whom = ("address:192.0.2.1", "token:haechi_api_abc")
    attempts = bench.access.attempts
    waits = [
        attempts.failed(whom, allowed=3, address="192.0.2.1").total_seconds() for _ in range(16)
    ]
    assert waits[:7] == [0, 0, 1, 2, 4, 8, 16]
    assert waits[-1] == LONGEST_WAIT.total_seconds()
    assert attempts.wait(("token:haechi_api_abc",), bench.now) == LONGEST_WAIT
    assert attempts.wait(("address:192.0.2.2",), bench.now) == dt.timedelta(0)
    assert "session.lock" in bench.actions()
    attempts.succeeded(whom)
    assert attempts.wait(whom, bench.now) == dt.timedelta(0)


def test_a_day_without_failures_begins_anew(bench: Bench) -> None:
    whom = ("address:192.0.2.1",)
    for _ in range(5):
        bench.access.attempts.failed(whom, allowed=3, address="")
    bench.now += 25 * HOUR
    assert bench.access.attempts.failed(whom, allowed=3, address="") == dt.timedelta(0)


def test_the_table_of_failures_has_a_bound(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("haechi.store.state.access_attempts.ROWS", 3)
    for number in range(6):
        bench.now += MINUTE
        bench.access.attempts.failed((f"address:{number}",), allowed=1, address="")
    waits = [bench.access.attempts.wait((f"address:{n}",), START) for n in range(6)]
    assert [bool(wait) for wait in waits] == [False, False, False, True, True, True]


def test_every_change_is_audited_and_holds_no_secret(bench: Bench) -> None:
    bench.token(FULL)
    bench.access.users.owner()
    user = bench.access.users.arrived(somebody(VIEWER))
    token_id, token = bench.token(user=user.id)
    session = bench.session(user=user.id)
    code = bench.access.sessions.new_code(user.id, by=OWNER)
    bench.access.users.change(user.id, disabled=True, by=OWNER)
    bench.access.tokens.revoke(token_id, by=OWNER)
    assert bench.actions() == [
        "token.create",
        "user.create",
        "user.create",
        "token.create",
        "session.start",
        "code.create",
        "user.change",
        "token.revoke",
    ]
    with bench.database.read() as connection:
        rows = connection.execute(select(audit)).mappings().all()
    text = str([{key: value for key, value in row.items() if key != "private"} for row in rows])
    for hidden in (token, session, code, "ana@example.com", "Ana", "192.0.2.1"):
        assert hidden not in text
    assert "ana@example.com" in str([row["private"] for row in rows])
