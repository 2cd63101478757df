"""Writing the log: numbers, durability, groups, heads, rotation, redaction, pages."""

from __future__ import annotations

import datetime as dt
import enum
import errno
import json
import logging
import os
import stat
import threading
from pathlib import Path
from typing import Any

import pytest

from haechi.engines.merkle import consistency_holds
from haechi.errors import AuditError, ConfigError, HaechiError, NotFound, StoreError, StoreFull
from haechi.store.audit import segments
from haechi.store.audit.log import AuditLog
from haechi.store.audit.offline import reading
from haechi.store.audit.rows import Ask
from haechi.store.audit.verify import verify
from haechi.store.audit.verify_report import Kind, Result
from tests.store.audit.logs import START, Clock, entry, filled, heads, opened, raw_records, segment


def test_entries_come_back_under_numbers_without_holes(tmp_path: Path) -> None:
    log = opened(tmp_path)
    assert log.append([entry(0), entry(1)]) == range(2)
    assert log.append([]) == range(2, 2)
    assert log.append([entry(2, private={"address": "10.0.0.1"})]) == range(2, 3)
    rows = log.rows(limit=10)
    log.close()
    assert [row.seq for row in rows] == [0, 1, 2]
    assert rows[1].action == entry(1).action
    assert rows[1].at == entry(1).at
    assert rows[1].detail == {"n": 1}
    assert rows[2].private == {"address": "10.0.0.1"}


def test_private_values_stand_nowhere_in_the_records(tmp_path: Path) -> None:
    log = opened(tmp_path)
    log.append([entry(0, private={"mail": "ana@example.org"}) for _ in range(2)])
    log.close()
    data = segment(tmp_path).read_bytes()
    assert b"mail" in data
    assert b"ana@example.org" not in data
    told = {json.loads(raw)["private"]["mail"] for raw in raw_records(segment(tmp_path))}
    assert len(told) == 2, "equal values must not be told apart by equal commitments"


class Colour(enum.StrEnum):
    RED = "red"


def test_values_with_an_obvious_form_are_logged(tmp_path: Path) -> None:
    log = opened(tmp_path)
    detail = {"colour": Colour.RED, "day": dt.date(2026, 1, 2), "share": 0.5, "who": {"é": [None]}}
    log.append([entry(0, detail=detail)])
    log.close()
    again = opened(tmp_path)
    found = again.rows(limit=1)[0].detail
    again.close()
    assert found == {"colour": "red", "day": "2026-01-02", "share": 0.5, "who": {"é": [None]}}


@pytest.mark.parametrize(
    ("more", "said"),
    [
        ({"at": dt.datetime(2026, 1, 1)}, "without a zone"),
        ({"detail": {"x": float("nan")}}, "cannot be logged"),
        ({"detail": {"x": "\ud800"}}, "cannot be logged"),
        ({"detail": {"x": 2**70}}, "cannot be logged"),
        ({"detail": {"x": "y" * 300_000}}, "at most 262144"),
        ({"private": {"": "x"}}, "1 to 64 characters"),
        ({"private": {"x": "\ud800"}}, "not Unicode"),
        ({"private": {"x": "y" * 20_000}}, "longer than"),
    ],
)
def test_what_cannot_be_logged_exactly_is_refused_and_leaves_nothing(
    tmp_path: Path, more: dict[str, Any], said: str
) -> None:
    log = opened(tmp_path)
    with pytest.raises(AuditError) as caught:
        log.append([entry(0), entry(1, **more)])
    assert said in caught.value.explain()
    assert log.size == 0
    assert log.append([entry(0)]) == range(1)
    log.close()


def test_everything_is_private_to_the_owner(tmp_path: Path) -> None:
    log = opened(tmp_path)
    log.append([entry(0, private={"a": "b"})])
    log.close()
    for path in (*(tmp_path / "audit").rglob("*"), *(tmp_path / "keys").rglob("*")):
        wanted = 0o700 if path.is_dir() else 0o600
        assert stat.S_IMODE(path.stat().st_mode) == wanted, path
    assert list((tmp_path / "keys").iterdir())


def test_threads_share_a_sync_and_every_record_gets_its_own_number(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    log = opened(tmp_path)
    log.append([entry(0)])
    synced, real = [], os.fsync
    first, gate = threading.Event(), threading.Event()

    def slow(handle: int) -> None:
        synced.append(handle)
        first.set()
        assert gate.wait(30)
        real(handle)

    monkeypatch.setattr(os, "fsync", slow)
    got: list[range] = []
    threads = [
        threading.Thread(target=lambda n=n: got.append(log.append([entry(n), entry(n)])))
        for n in range(8)
    ]
    threads[0].start()
    assert first.wait(30)
    for thread in threads[1:]:
        thread.start()
    while len(log._queue) < 7:
        threading.Event().wait(0.001)
    gate.set()
    for thread in threads:
        thread.join()
    monkeypatch.undo()
    assert len(synced) == 2, "seven that waited go with one sync"
    assert sorted(n for numbers in got for n in numbers) == list(range(1, 17))
    log.close()


def test_blocks_frames_and_segments_are_crossed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(segments, "SEGMENT_LIMIT", 50_000)
    log = opened(tmp_path)
    for start in range(0, 2000, 77):
        log.append([entry(n, private={"p": f"v{n}"}) for n in range(start, start + 77)])
    assert segment(tmp_path, 3).exists()
    size = log.size
    seen = [row.seq for row in log.rows(limit=10_000)]
    anchor = log.anchor()
    log.close()
    assert seen == list(range(size))
    again = opened(tmp_path)
    newest = again.rows(limit=600, newest_first=True)
    assert [row.seq for row in newest] == list(range(size - 1, size - 601, -1))
    assert all(row.private == {"p": f"v{row.seq}"} for row in newest)
    again.append([entry(size)])
    again.close()
    assert verify(tmp_path / "audit", anchor=anchor).result is Result.VERIFIED


def test_without_its_index_the_log_is_the_same(tmp_path: Path) -> None:
    log = filled(tmp_path, 700)
    proof = log.prove(300)
    log.close()
    index = tmp_path / "audit" / "index.bin"
    content = index.read_bytes()
    for damaged in (b"", content[:100], bytes(len(content)), content[::-1], content * 2):
        index.write_bytes(damaged)
        again = opened(tmp_path)
        assert again.prove(300) == proof
        again.close()
        assert index.read_bytes() == content


def test_a_full_disk_refuses_and_keeps_what_was_there(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    log = filled(tmp_path, 3)
    real = os.pwrite

    def full(handle: int, data: bytes, offset: int) -> int:
        if len(data) > 100:
            real(handle, bytes(data)[:50], offset)
            raise OSError(errno.ENOSPC, "No space left on device")
        return real(handle, data, offset)

    with monkeypatch.context() as patch:
        patch.setattr(os, "pwrite", full)
        with pytest.raises(StoreFull, match="cannot be written"):
            log.append([entry(3), entry(4, private={"x": "y"})])
    assert log.size == 3
    assert log.append([entry(3, private={"x": "z"})]) == range(3, 4)
    log.close()
    again = opened(tmp_path)
    assert (again.torn, again.rows(limit=9)[3].private) == (0, {"x": "z"})
    again.close()


def test_after_a_failed_sync_nothing_more_is_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    log = filled(tmp_path, 3)

    def broken(_: int) -> None:
        raise OSError(errno.EIO, "Input/output error")

    with monkeypatch.context() as patch:
        patch.setattr(os, "fsync", broken)
        with pytest.raises(StoreError):
            log.append([entry(3)])
    with pytest.raises(StoreError, match="no more records"):
        log.append([entry(3)])
    with caplog.at_level(logging.WARNING):
        log.close()
    again = opened(tmp_path)
    assert again.size in (3, 4)
    again.close()


def test_a_closed_log_takes_nothing(tmp_path: Path) -> None:
    log = filled(tmp_path, 1)
    log.close()
    log.close()
    with pytest.raises(StoreError, match="closed"):
        log.append([entry(1)])


# --- heads


def test_heads_follow_and_say_what_is_unsigned(tmp_path: Path) -> None:
    log = opened(tmp_path)
    log.append([entry(0), entry(1)])
    assert (log.head().size, log.head().unsigned) == (0, 2)
    signed = log.sign()
    assert (signed.size, signed.unsigned, signed.algorithms) == (2, 0, ["ed25519", "ml-dsa-65"])
    assert log.sign().counter == signed.counter, "nothing new, nothing to sign"
    log.append([entry(2)])
    log.close()
    assert len(heads(tmp_path)) == 3, "the beginning, a head, the head of the close"


@pytest.mark.parametrize("more", [{"every": 5}, {"within_s": 0.01}])
def test_the_thread_signs_by_number_and_by_time(tmp_path: Path, more: dict[str, Any]) -> None:
    log = opened(tmp_path, **more)
    for start in (0, 10):
        log.append([entry(n) for n in range(start, start + 10)])
        for _ in range(3000):
            if not log.head().unsigned:
                break
            threading.Event().wait(0.01)
        assert log.head().size == start + 10
    log.close()


def test_a_head_that_cannot_be_signed_does_not_stop_records(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    log = opened(tmp_path, every=2)
    monkeypatch.setattr(log._heads, "add", _raise)
    with caplog.at_level(logging.WARNING):
        log.append([entry(0), entry(1), entry(2)])
        for _ in range(3000):
            if log.head().problem:
                break
            threading.Event().wait(0.01)
        assert "no room" in log.head().problem
        assert log.append([entry(3)]) == range(3, 4)
        log.close()
    assert "closed without a head" in caplog.text


def _raise(_: object) -> None:
    raise StoreFull("no room")


def test_consistency_is_proved_between_any_two_sizes(tmp_path: Path) -> None:
    log = filled(tmp_path, 300, 400)
    for old in (0, 1, 255, 256, 300, 513, 700):
        proof = log.consistency(old)
        path = [bytes.fromhex(step) for step in proof["path"]]
        roots = bytes.fromhex(proof["old_root"]), bytes.fromhex(proof["root"])
        assert consistency_holds(old, roots[0], proof["size"], roots[1], path)
    with pytest.raises(NotFound):
        log.consistency(701)
    log.close()


# --- opening


def test_a_key_that_is_gone_or_open_to_others_is_told(tmp_path: Path) -> None:
    filled(tmp_path, 1).close()
    (key,) = (tmp_path / "keys").iterdir()
    key.chmod(0o644)
    with pytest.raises(AuditError, match="read by others"):
        opened(tmp_path)
    key.unlink()
    with pytest.raises(AuditError, match="missing"):
        opened(tmp_path)


def test_the_key_is_sealed_by_a_passphrase(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    secret = tmp_path / "passphrase"
    secret.write_text("correct horse battery\n")
    monkeypatch.setenv("HAECHI_AUDIT_PASSPHRASE_FILE", str(secret))
    log = filled(tmp_path, 1)
    log.rotate(by="user:ana")
    log.close()
    opened(tmp_path).close()
    (key,) = (tmp_path / "keys").iterdir()
    assert json.loads(key.read_text())["sealed"]
    secret.write_text("another long passphrase")
    with pytest.raises(AuditError, match="does not open"):
        opened(tmp_path)
    secret.write_text("short")
    with pytest.raises(ConfigError, match="at least 12"):
        opened(tmp_path)
    monkeypatch.delenv("HAECHI_AUDIT_PASSPHRASE_FILE")
    with pytest.raises(AuditError, match="sealed"):
        opened(tmp_path)


@pytest.mark.parametrize(
    ("gone", "said"),
    [
        ("heads.log", "chain of heads is gone"),
        ("segment-00000000.log", "0 records, but 300 were signed"),
    ],
)
def test_missing_files_are_not_begun_anew(tmp_path: Path, gone: str, said: str) -> None:
    filled(tmp_path, 300).close()
    (tmp_path / "audit" / gone).unlink()
    with pytest.raises(AuditError) as caught:
        opened(tmp_path)
    assert said in caught.value.explain()


def test_other_records_under_the_signed_root_are_refused(tmp_path: Path) -> None:
    filled(tmp_path / "a", 300).close()
    filled(tmp_path / "b", 300).close()
    theirs = segment(tmp_path / "b").read_bytes()
    segment(tmp_path / "a").write_bytes(theirs.replace(b"user:u1", b"user:u2"))
    with pytest.raises(AuditError):
        opened(tmp_path / "a")
    segment(tmp_path / "a").write_bytes(theirs)
    with pytest.raises(AuditError, match="different audit logs"):
        opened(tmp_path / "a")


# --- rotation, witness


def test_a_new_key_takes_over_and_the_old_one_is_deleted(tmp_path: Path) -> None:
    log = filled(tmp_path, 3)
    first = log.anchor()
    new = log.rotate(by="user:ana")
    log.append([entry(4)])
    second = log.anchor()
    log.close()
    assert new == second.key.id != first.key.id
    assert [path.name for path in (tmp_path / "keys").iterdir()] == [f"audit-{new[:32]}.json"]
    for anchor in (first, second):
        report = verify(tmp_path / "audit", anchor=anchor)
        assert (report.result, report.keys) == (Result.VERIFIED, [first.key.id, new])
    again = opened(tmp_path)
    rotated = again.rows(limit=9, action="audit.rotate")
    again.close()
    assert [row.actor for row in rotated] == ["user:ana"]


def test_a_witness_gets_every_head_and_knows_a_log_that_was_cut(tmp_path: Path) -> None:
    witness, store = tmp_path / "elsewhere.log", tmp_path / "store"
    log = filled(store, 3)
    log.use_witness(witness)
    log.append([entry(3)])
    log.sign()
    log.rotate(by="user:ana")
    log.close()
    chain = (store / "audit" / "heads.log").read_bytes()
    assert witness.read_bytes() == chain
    whole = chain.splitlines(keepends=True)
    (store / "audit" / "heads.log").write_bytes(b"".join(whole[:-1]))
    with pytest.raises(AuditError, match="the log was cut or replaced"):
        opened(store, witness=witness)
    with pytest.raises(AuditError, match="inside of the store"):
        opened(store, witness=store / "witness.log")


def test_a_witness_that_cannot_be_written_is_told_and_caught_up(tmp_path: Path) -> None:
    folder = tmp_path / "elsewhere"
    log = filled(tmp_path / "store", 3)
    log.use_witness(folder / "heads.log")
    assert log.head().witness_problem
    folder.mkdir()
    log.append([entry(3)])
    assert not log.sign().witness_problem
    log.close()
    chain = (tmp_path / "store" / "audit" / "heads.log").read_bytes()
    assert (folder / "heads.log").read_bytes() == chain


# --- redaction


def test_a_redacted_value_is_gone_and_the_log_still_verifies(tmp_path: Path) -> None:
    log = opened(tmp_path)
    log.append([entry(n, private={"name": f"ana-{n}", "mail": f"m-{n}"}) for n in range(300)])
    log.redact(270, "name", by="user:dpo")
    log.redact(270, "name", by="user:dpo")
    row = log.rows(since_seq=270, limit=1)[0]
    anchor, size = log.anchor(), log.size
    log.close()
    assert row.private == {"name": None, "mail": "m-270"}
    assert size == 301, "done twice it is logged once"
    for path in (tmp_path / "audit").rglob("*"):
        assert path.is_dir() or b"ana-270" not in path.read_bytes()
    report = verify(tmp_path / "audit", anchor=anchor)
    assert report.result is Result.VERIFIED
    assert [(one.seq, one.name) for one in report.redacted] == [(270, "name")]


@pytest.mark.parametrize(("seq", "name"), [(0, "nothing"), (1, "name"), (-1, "name")])
def test_there_is_nothing_else_to_redact(tmp_path: Path, seq: int, name: str) -> None:
    log = opened(tmp_path)
    log.append([entry(0, private={"name": "x"})])
    with pytest.raises(NotFound):
        log.redact(seq, name, by="user:ana")
    log.close()


def test_an_interrupted_redaction_is_finished_at_the_next_start(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    log = opened(tmp_path)
    log.append([entry(0, private={"name": "ana"})])
    with monkeypatch.context() as patch:
        patch.setattr("haechi.store.audit.private.erase", _killed)
        with pytest.raises(KeyboardInterrupt):
            log.redact(0, "name", by="user:dpo")
    log.close()
    again = opened(tmp_path)
    assert again.rows(limit=1)[0].private == {"name": None}
    again.close()
    assert not (tmp_path / "audit" / "private" / "redacting.json").exists()
    found = verify(tmp_path / "audit", anchor=again.anchor())
    assert found.result is Result.VERIFIED


def _killed(*_: object) -> None:
    raise KeyboardInterrupt


# --- pages


@pytest.mark.parametrize(
    ("ask", "wanted"),
    [
        (Ask(), list(range(5))),
        (Ask(newest_first=True), [599, 598, 597, 596, 595]),
        (Ask(since_seq=300), [300, 301, 302, 303, 304]),
        (Ask(before_seq=300, newest_first=True), [299, 298, 297, 296, 295]),
        (Ask(since_seq=297, before_seq=300), [297, 298, 299]),
        (Ask(actor="user:u1", newest_first=True), [598, 595, 592, 589, 586]),
        (Ask(action="token.", since_seq=255), [256, 257, 259, 260, 262]),
        (Ask(action="token.revoke"), [2, 5, 8, 11, 14]),
        (Ask(action="token"), []),
        (Ask(object="f-400"), [400]),
        (Ask(object='f-400","x":"'), []),
        (Ask(since=START + dt.timedelta(seconds=597)), [597, 598, 599]),
        (Ask(until=START + dt.timedelta(seconds=2), newest_first=True), [2, 1, 0]),
        (Ask(since_seq=600), []),
        (Ask(before_seq=10**9, newest_first=True, since_seq=598), [599, 598]),
    ],
)
def test_pages(tmp_path_factory: pytest.TempPathFactory, ask: Ask, wanted: list[int]) -> None:
    log = _six_hundred(tmp_path_factory)
    found = log.page(ask, limit=5)
    assert [row.seq for row in found.items] == wanted
    assert found.complete is (found.next is None)


_KEPT: list[AuditLog] = []


def _six_hundred(factory: pytest.TempPathFactory) -> AuditLog:
    if not _KEPT:
        _KEPT.append(filled(factory.mktemp("pages"), 300, 300))
    return _KEPT[0]


@pytest.fixture(scope="module", autouse=True)
def _closed_in_the_end() -> Any:
    yield
    while _KEPT:
        _KEPT.pop().close()


@pytest.mark.parametrize("newest_first", [True, False])
@pytest.mark.parametrize("limit", [1, 7, 256, 1000])
def test_going_on_shows_every_record_once(
    tmp_path_factory: pytest.TempPathFactory, newest_first: bool, limit: int
) -> None:
    log = _six_hundred(tmp_path_factory)
    seen: list[int] = []
    ask = Ask(newest_first=newest_first, action="token.")
    while True:
        found = log.page(ask, limit=limit, scan=300)
        seen += [row.seq for row in found.items]
        if found.next is None:
            break
        edge = {"before_seq": found.next} if newest_first else {"since_seq": found.next}
        ask = Ask(newest_first=newest_first, action="token.", **edge)  # type: ignore[arg-type]
    wanted = [n for n in range(600) if n % 3]
    assert seen == (wanted[::-1] if newest_first else wanted)


def test_a_page_says_where_it_stopped_looking(tmp_path_factory: pytest.TempPathFactory) -> None:
    found = _six_hundred(tmp_path_factory).page(
        Ask(actor="nobody", newest_first=True), limit=5, scan=200
    )
    assert not found.items
    assert not found.complete
    assert (found.searched_from, found.searched_to, found.next) == (256, 600, 256)


def test_reading_beside_the_owner_writes_nothing(tmp_path: Path) -> None:
    log = filled(tmp_path, 300)
    log.append([entry(300, private={"name": "ana"})])
    before = {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*")}
    (tmp_path / "audit" / "index.bin").rename(tmp_path / "index")
    with reading(tmp_path / "audit") as reader:
        rows = reader.page(Ask(newest_first=True), limit=1).items
        assert (rows[0].seq, rows[0].private) == (300, {"name": "ana"})
        assert reader.prove(5) == log.prove(5) or reader.prove(5)["size"] == 300
        with pytest.raises(NotFound, match="no signed head covers"):
            reader.prove(300)
        assert reader.anchor() == log.anchor()
    (tmp_path / "index").rename(tmp_path / "audit" / "index.bin")
    log_files = {path: path.stat().st_mtime_ns for path in before if path.name != "heads.log"}
    assert all(before[path] == at for path, at in log_files.items() if path.is_file())
    log.close()


def test_there_is_nothing_to_read_in_an_empty_folder(tmp_path: Path) -> None:
    with pytest.raises(NotFound), reading(tmp_path):
        pass
    with pytest.raises(HaechiError):
        verify(tmp_path, anchor=None)


def test_a_clock_that_goes_back_is_a_warning(tmp_path: Path) -> None:
    log = opened(tmp_path, clock=Clock(step=dt.timedelta(seconds=-60)))
    log.append([entry(100), entry(99), entry(3)])
    anchor = log.anchor()
    log.close()
    report = verify(tmp_path / "audit", anchor=anchor)
    assert report.result is Result.VERIFIED
    clocks = [note for note in report.warnings if note.kind is Kind.CLOCK]
    assert {note.seq for note in clocks} == {None, 2}
