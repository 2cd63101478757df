"""One writer for all: groups, savepoints, a full disk, the outbox."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import event, func, insert, select, text

from haechi.errors import AuditError, StoreError, StoreFull
from haechi.store.records import AuditEntry, AuditRow, FindingFilter
from haechi.store.state.engine import Transaction
from haechi.store.state.outbox import TOKEN
from haechi.store.state.schema import audit, meta
from haechi.store.state.state import State
from tests.store.state.made import ALL, START, TODAY, Clock, found, open_state, push, receive


class Log:
    """A signed log as far as the outbox sees it; may be told to fail."""

    def __init__(self) -> None:
        self.entries: list[AuditEntry] = []
        self.fails: Exception | None = None
        self.refuses = ""

    def append(self, entries: Sequence[AuditEntry]) -> range:
        if self.fails is not None:
            raise self.fails
        if any(self.refuses and self.refuses in str(one.detail) for one in entries):
            raise AuditError("an entry has too many bytes")
        first = len(self.entries)
        self.entries += entries
        return range(first, len(self.entries))

    def rows(self, *, since_seq: int = 0, limit: int) -> list[AuditRow]:
        return [
            AuditRow(
                seq=seq,
                at=one.at,
                actor=one.actor,
                action=one.action,
                object=one.object,
                cluster=one.cluster,
                namespace=one.namespace,
                detail=one.detail,
                private=dict(one.private),
            )
            for seq, one in enumerate(self.entries)
        ][since_seq : since_seq + limit]


def entry(name: str, **values: Any) -> AuditEntry:
    return AuditEntry(at=START, actor="user:ana", action="test.do", object=name, **values)


def put(key: str) -> Any:
    def work(transaction: Transaction) -> str:
        transaction.connection.execute(insert(meta), {"key": key, "value": "x"})
        transaction.audit(entry(key))
        return key

    return work


def keys(state: State) -> set[str]:
    with state.read() as connection:
        return set(connection.execute(select(meta.c.key)).scalars()) - {"schema"}


def together(state: State, works: dict[str, Any]) -> dict[str, Any]:
    """Run the works so that they share a group: the writer is held until all wait."""
    hold, held = threading.Event(), threading.Event()
    answers: dict[str, Any] = {}

    def wait(_transaction: Transaction) -> None:
        held.set()
        hold.wait(30)

    def ask(name: str, work: Any) -> None:
        try:
            answers[name] = state.write(work)
        except Exception as error:  # noqa: BLE001  looked at by the test
            answers[name] = error

    first = threading.Thread(target=ask, args=("hold", wait))
    first.start()
    held.wait(30)
    threads = [threading.Thread(target=ask, args=pair) for pair in works.items()]
    for thread in threads:
        thread.start()
    while state._database._jobs.qsize() < len(works):
        threading.Event().wait(0.001)
    hold.set()
    for thread in (first, *threads):
        thread.join()
    return answers


def limit_pages(state: State, pages: list[int]) -> None:
    """Have every connection of the writer allow only so many pages: a full disk."""

    @event.listens_for(state._database._writer, "connect")
    def _limit(connection: Any, _record: Any) -> None:
        connection.execute(f"PRAGMA max_page_count={pages[0]}")

    state._database._writer.dispose()


def test_one_that_fails_takes_nobody_along(state: State) -> None:
    def fail(transaction: Transaction) -> None:
        transaction.connection.execute(insert(meta), {"key": "lost", "value": "x"})
        transaction.audit(entry("lost"))
        raise KeyError("mine")

    log = Log()
    state.attach(log)
    generation = state.generation
    works = {"a": put("a"), "fail": fail, "same": put("schema"), "b": put("b")}
    answers = together(state, works)
    assert (answers["a"], answers["b"]) == ("a", "b")
    assert isinstance(answers["fail"], KeyError)
    assert "UNIQUE" in str(answers["same"])
    assert keys(state) == {"a", "b"}
    assert {one.object for one in log.entries} == {"a", "b"}
    assert state.generation - generation <= 2  # the hold with what waited, or both alone


def test_a_full_disk_is_told_and_gets_well_by_itself(state: State) -> None:
    receive(state, push([found("a")]))
    pages = [1]
    limit_pages(state, pages)
    with pytest.raises(StoreFull, match="cannot be written"):
        receive(state, push([found(f"f{n}", message="x" * 3000) for n in range(200)]))
    page = state.findings.page(FindingFilter(), within=ALL, today=TODAY)
    assert [one.fingerprint for one in page.items] == ["a"]
    pages[0] = 2**30
    assert receive(state, push([found("a"), found("b")])).changes["new"] == 1


def test_on_a_full_disk_small_works_are_not_lost_with_a_large_one(state: State) -> None:
    def large(transaction: Transaction) -> None:
        row = {"key": "large", "value": "x" * 4_000_000}
        transaction.connection.execute(insert(meta), row)

    with state.read() as connection:
        pages = [connection.exec_driver_sql("PRAGMA page_count").scalar_one() + 60]
    limit_pages(state, pages)
    answers = together(state, {"a": put("a"), "large": large, "b": put("b")})
    assert isinstance(answers["large"], StoreFull)
    assert (answers["a"], answers["b"]) == ("a", "b")
    assert keys(state) == {"a", "b"}


def test_readers_cannot_write_and_see_one_moment(state: State) -> None:
    with state.read() as connection:
        before = connection.execute(select(func.count()).select_from(meta)).scalar_one()
        state.write(put("later"))
        after = connection.execute(select(func.count()).select_from(meta)).scalar_one()
        assert before == after
    with pytest.raises(StoreFull), state.read() as connection:
        connection.execute(insert(meta), {"key": "x", "value": "y"})


def test_a_work_does_not_wait_for_itself(state: State) -> None:
    with pytest.raises(RuntimeError, match="for ever"):
        state.write(lambda transaction: state.write(lambda other: None))


def test_what_a_request_notes_does_not_wait_behind_a_large_push(state: State) -> None:
    goes_on, begun = threading.Event(), threading.Event()

    def large(_: Transaction) -> None:
        begun.set()
        assert goes_on.wait(30)

    pusher = threading.Thread(target=state.write, args=(large,))
    pusher.start()
    try:
        assert begun.wait(30)
        state.sources.streams_heard([("falco", "-")], START)
        assert state.sources.all(within=ALL) == []
    finally:
        goes_on.set()
        pusher.join()
    state.write(lambda _: None)
    assert [one.name for one in state.sources.all(within=ALL)] == ["falco"]


def test_a_closed_state_says_so(tmp_path: Path) -> None:
    state = open_state(tmp_path)
    state.close()
    state.close()
    with pytest.raises(StoreError, match="closed"):
        state.write(lambda transaction: None)


class TestOutbox:
    """Records reach the signed log once, in order, with the change they tell of."""

    def test_records_are_in_the_log_when_the_answer_comes(self, state: State) -> None:
        log = Log()
        state.attach(log)
        receive(state, push([found("a")]))
        assert [one.action for one in log.entries] == ["scan.push"]
        with state.read() as connection:
            assert connection.execute(select(audit.c.seq)).scalars().all() == [0]

    def test_a_log_that_fails_is_tried_again_in_order(self, state: State) -> None:
        log = Log()
        state.attach(log)
        log.fails = OSError("no disk")
        for name in "abc":
            assert state.write(put(name)) == name
        assert state.audit_waits
        log.fails = None
        state.write(put("d"))
        assert [one.object for one in log.entries] == ["a", "b", "c", "d"]
        assert not state.audit_waits

    def test_private_words_stay_in_the_log_alone(self, state: State) -> None:
        log = Log()
        state.attach(log)
        state.write(lambda t: t.audit(entry("x", private={"mail": "ana@example.org"})))
        assert log.entries[0].private == {"mail": "ana@example.org"}
        with state.read() as connection:
            assert connection.execute(select(audit.c.private)).scalar_one() == "{}"

    def test_what_the_log_cannot_hold_is_logged_without_its_detail(self, state: State) -> None:
        log = Log()
        state.attach(log)
        log.refuses = "huge"

        def work(transaction: Transaction) -> None:
            for name, detail in [("a", "fine"), ("b", "huge"), ("c", "fine")]:
                transaction.audit(entry(name, detail={"what": detail}))

        state.write(work)
        assert [one.object for one in log.entries] == ["a", "b", "c"]
        assert "left_out" in log.entries[1].detail
        assert log.entries[2].detail["what"] == "fine"

    @pytest.mark.parametrize("appended", [0, 1, 2, 3])
    def test_after_a_crash_nothing_is_missing_and_nothing_twice(
        self, tmp_path: Path, appended: int
    ) -> None:
        """The dead process appended some of its rows and marked none."""
        log, clock = Log(), Clock()
        first = open_state(tmp_path, clock)
        first.attach(log)
        first.write(put("before"))
        first.close()
        crashed = open_state(tmp_path, clock)
        for name in "abc":
            crashed.write(put(name))
        with crashed.read() as connection:
            waits = connection.execute(
                select(audit.c.token, audit.c.object).where(audit.c.seq.is_(None))
            ).all()
        crashed.close()
        log.append([entry("others")])
        for token, name in waits[:appended]:
            log.append([entry(name, detail={TOKEN: token})])
        again = open_state(tmp_path, clock)
        again.attach(log)
        again.write(put("after"))
        told = [one.object for one in log.entries]
        assert told == ["before", "others", "a", "b", "c", "after"]
        with again.read() as connection:
            unmarked = select(func.count()).select_from(audit).where(audit.c.seq.is_(None))
            assert connection.execute(unmarked).scalar_one() == 0
        again.close()

    def test_marks_that_do_not_reach_the_disk_are_made_later(
        self, state: State, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        log = Log()
        state.attach(log)
        outbox = state._database.outbox
        with monkeypatch.context() as patch:
            patch.setattr(outbox, "_mark", _fail_after(outbox._mark, 1))
            state.write(put("a"))
        assert [one.object for one in log.entries] == ["a"]
        state.write(put("b"))
        assert [one.object for one in log.entries] == ["a", "b"]


def _fail_after(mark: Any, calls: int) -> Any:
    count = 0

    def marked(*arguments: Any) -> None:
        nonlocal count
        count += 1
        if count > calls:
            raise StoreFull("no room for marks")
        mark(*arguments)

    return marked


def test_numbers_go_on_where_they_were(state: State) -> None:
    state.write(put("a"))
    with state.read() as connection:
        assert connection.execute(text("PRAGMA journal_mode")).scalar_one() == "wal"
        assert connection.execute(text("PRAGMA synchronous")).scalar_one() == 2
        assert connection.execute(text("PRAGMA foreign_keys")).scalar_one() == 1
