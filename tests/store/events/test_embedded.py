"""The embedded engine: the contract, and what is its own."""

from __future__ import annotations

import hashlib
import stat
import threading
from pathlib import Path

import msgspec
import pytest

from haechi.errors import StoreBusy, StoreError
from haechi.model.access import Reach
from haechi.store.events.encoding import EncodedBatch
from haechi.store.events.events import Events
from haechi.store.events.shapes import OTHER, Appended, EventFilter, Options
from tests.store.events.contract import EventsContract, everything
from tests.store.events.made import EVERYWHERE, HOUR, NOW, NOW_NS, event


class TestEmbedded(EventsContract):
    """The contract."""


class TestEmbeddedInSmallPieces(EventsContract):
    """The contract with tiny files and groups."""

    options = Options(file_rows=9, group_events=4, dictionary_after=20, dictionary_bytes=1024)


def opened(folder: Path, **options: int) -> Events:
    return Events(folder, clock=lambda: NOW, options=Options(**options))  # type: ignore[arg-type]


def test_files_are_the_owners_alone(tmp_path: Path) -> None:
    store = opened(tmp_path)
    store.append([event(1)]).result()
    store.seal(NOW_NS + HOUR)
    files = [path for path in tmp_path.rglob("*") if path.is_file()]
    assert {path.suffix for path in files} >= {".db", ".parquet"}
    assert {stat.S_IMODE(path.stat().st_mode) for path in files} == {0o600}
    store.close()


def test_a_full_queue_says_so_and_keeps_nothing_of_the_batch(tmp_path: Path) -> None:
    holding, held = threading.Event(), threading.Event()

    def hold(batch: EncodedBatch, appended: Appended) -> None:
        held.set()
        holding.wait(30)

    store = Events(tmp_path, clock=lambda: NOW, options=Options(queue_events=3), committed=hold)
    store.append([event(1)])
    assert held.wait(30)
    waiting = [store.append([event(2), event(3)])]
    with pytest.raises(StoreBusy):
        store.append([event(4), event(5)])
    holding.set()
    assert waiting[0].result().accepted == 2
    assert {one.event.id for one in everything(store)} == {"id-1", "id-2", "id-3"}
    assert store.figures()["refused_busy"] == 2
    store.close()


def test_a_batch_larger_than_the_queue_is_taken_when_nothing_waits(tmp_path: Path) -> None:
    store = opened(tmp_path, queue_events=2)
    assert store.append([event(n) for n in range(5)]).result().accepted == 5
    store.close()


def test_a_closed_store_refuses(tmp_path: Path) -> None:
    store = opened(tmp_path)
    last = store.append([event(1)])
    store.close()
    store.close()
    assert last.result().accepted == 1
    with pytest.raises(StoreError):
        store.append([event(2)])
    with pytest.raises(StoreError):
        store.page(EventFilter(), within=EVERYWHERE)


def test_too_many_kinds_in_a_minute_are_counted_as_other(tmp_path: Path) -> None:
    store = opened(tmp_path, kinds_a_minute=5)
    told = [event(n, rule=f"r{n}", namespace=f"n{n % 4}") for n in range(30)]
    told += [event(100 + n, rule="r", namespace=f"m{n}") for n in range(30)]
    store.append(told).result()
    at = NOW_NS // 10**9
    found = store.series(since_s=at - 60, until_s=at + 60, step_s=60, by="rule", within=EVERYWHERE)
    assert sum(found.lines[OTHER]) == 55 == store.figures()["counted_as_other"]
    assert store.counts(at - 60, at + 60, within=EVERYWHERE) == 60
    # what lies beyond all bounds is only for those who see everything
    inside = store.counts(at - 60, at + 60, within=(Reach(cluster="prod"),))
    assert 5 < inside < 60
    # and what is not counted apart is found all the same
    page = store.page(EventFilter(rule=["r29"]), within=EVERYWHERE)
    assert [one.event.id for one in page.items] == ["id-29"]
    store.close()


def test_the_dictionary_is_trained_kept_and_trained_anew(tmp_path: Path) -> None:
    options = {"dictionary_after": 200, "dictionary_bytes": 4096}
    store = opened(tmp_path, **options)
    for start in range(0, 600, 200):
        store.append([event(n, ago_ns=n) for n in range(start, start + 200)]).result()
    first = store.figures()
    assert first["dictionary_version"] == 1
    assert first["dictionary_ratio"] > 2
    store.close()
    store = opened(tmp_path, **options)
    assert store.figures()["dictionary_version"] == 1
    for start in range(1000, 9000, 1000):
        strange = [
            event(n, message=hashlib.shake_128(b"%d" % n).hexdigest(800), fields={"other": "thing"})
            for n in range(start, start + 1000)
        ]
        store.append(strange).result()
    assert store.figures()["dictionary_version"] == 2
    for seq in (1, 500, 700):
        assert store.event(seq, within=EVERYWHERE).seq == seq
    store.close()


def test_a_missing_file_is_reported_and_the_rest_is_read(tmp_path: Path) -> None:
    store = opened(tmp_path)
    store.append([event(n, ago_ns=n * HOUR) for n in range(3)]).result()
    store.seal(NOW_NS - HOUR // 2 * 3 // 2)
    gone, damaged = sorted((tmp_path / "cold").glob("*/*.parquet"))[:2]
    gone.unlink()
    assert [one.event.id for one in everything(store)] == ["id-0", "id-1"]
    assert store.figures()["state"] == "degraded"
    store.close()
    damaged.write_bytes(b"PAR1 no more")
    store = opened(tmp_path)
    assert [one.event.id for one in everything(store)] == ["id-0"]
    assert len(store.figures()["lost_files"]) == 2
    assert len(store.check()) == 2
    store.close()


def test_at_open_what_a_crash_left_is_tidied_and_the_foreign_is_not(tmp_path: Path) -> None:
    store = opened(tmp_path)
    store.append([event(n) for n in range(3)]).result()
    store.seal(NOW_NS + HOUR)
    store.append([event(10, ago_ns=2 * HOUR)]).result()
    store.close()
    (sealed,) = (tmp_path / "cold").glob("*/*.parquet")
    hour = (NOW_NS - 2 * HOUR) // HOUR * HOUR
    unlisted = sealed.with_name(f"{hour}-4.parquet")  # as if killed before the manifest's row
    unlisted.write_bytes(sealed.read_bytes())
    temporary = tmp_path / "cold" / ".tmp" / "sealed.parquet"
    temporary.parent.mkdir(exist_ok=True)
    temporary.write_bytes(b"half")
    store = opened(tmp_path)
    assert not temporary.exists()
    assert unlisted.exists()  # holds three events, of which none is hot: not ours to remove
    assert store.figures()["stray_files"] == [f"{unlisted.parent.name}/{unlisted.name}"]
    assert len(everything(store)) == 4
    store.close()


def test_tending_seals_past_the_window_and_early_when_rows_are_many(tmp_path: Path) -> None:
    store = opened(tmp_path, hot_hours=4, hot_rows=10)
    store.append([event(n, ago_ns=n * HOUR // 2) for n in range(12)]).result()
    done = store.tend(NOW, days=30, max_bytes=10**12)
    assert done["sealed"] == 12 - store.figures()["hot_events"] > 0
    store.append([event(n, ago_ns=n) for n in range(100, 130)]).result()
    assert store.tend(NOW, days=30, max_bytes=10**12)["sealed"] > 0
    assert store.figures()["hot_events"] <= 8
    assert len(everything(store)) == 42
    store.close()


def test_batches_of_many_threads_all_land(tmp_path: Path) -> None:
    store = opened(tmp_path, group_events=50)
    answers: list[Appended] = []

    def send(start: int) -> None:
        batches = [range(n, n + 10) for n in range(start, start + 100, 10)]
        answers.extend(
            store.append([event(k, ago_ns=k) for k in batch]).result() for batch in batches
        )

    threads = [threading.Thread(target=send, args=(n * 90,)) for n in range(4)]
    for one in threads:
        one.start()
    for one in threads:
        one.join()
    assert sum(one.accepted for one in answers) == 370 == len(everything(store))
    assert sum(one.duplicates for one in answers) == 30
    store.close()


def test_an_encoded_batch_tells_its_kinds_and_places(tmp_path: Path) -> None:
    store = opened(tmp_path)
    batch = store.encode(msgspec.json.encode([event(1), event(2), event(3, cluster="b")]))
    assert set(batch.places()) == {("prod", "shop"), ("b", "shop")}
    assert set(batch.sources()) == {("falco", "prod"), ("falco", "b")}
    assert sorted(batch.kinds.values()) == [1, 2]
    assert sum(batch.places().values()) == sum(batch.tally().values()) == 3
    store.close()
