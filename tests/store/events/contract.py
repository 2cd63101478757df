"""What every engine of events must do. A subclass gives ``reopen``: open the same folder."""

from __future__ import annotations

import datetime as dt
import hashlib
from collections.abc import Callable, Iterator
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from haechi.errors import InputError, NotFound, UsageError
from haechi.model.access import Reach
from haechi.model.event import Event
from haechi.store.events.events import Events
from haechi.store.events.shapes import EventFilter, EventsFound, Options, SearchedRange
from haechi.store.records import StoredEvent
from tests.store.events.made import EVERYWHERE, HOUR, NOW, NOW_NS, event, lines

Open = Callable[[], Events]


class EventsContract:
    """Run by ``test_embedded``; other engines run it, too."""

    options = Options()

    @pytest.fixture
    def reopen(self, tmp_path: Path) -> Iterator[Open]:
        opened: list[Events] = []

        def open_() -> Events:
            for one in opened:
                one.close()
            opened.append(Events(tmp_path, clock=lambda: NOW, options=self.options))
            return opened[-1]

        yield open_
        for one in opened:
            one.close()

    @pytest.fixture
    def store(self, reopen: Open) -> Events:
        return reopen()

    def test_what_was_acknowledged_is_there_after_reopening(self, reopen: Open) -> None:
        told = [event(n, ago_ns=n) for n in range(5)]
        answer = reopen().append(told).result()
        assert (answer.accepted, answer.duplicates) == (5, 0)
        assert answer.last_seq - answer.first_seq == 4
        assert [one.event for one in everything(reopen())] == told

    def test_every_value_comes_back_as_it_was(self, store: Events) -> None:
        told = event(
            1,
            node="n1",
            container_id="c1",
            message='a "quoted" \\ line\n\twith 한국어 \x7f',
            fields={"a": [1, -2.5, None, True, {"b": "\u0000\u2028é"}], "empty": {}, "n": 2**63},
        )
        store.append([told]).result()
        assert [one.event for one in everything(store)] == [told]
        store.seal(NOW_NS + HOUR)
        assert [one.event for one in everything(store)] == [told]

    @pytest.mark.parametrize("sealed", [False, True])
    def test_an_event_that_comes_twice_counts_once(self, store: Events, sealed: bool) -> None:
        store.append([event(1), event(2), event(1)]).result()
        if sealed:
            assert store.seal(NOW_NS + HOUR) == 2
        answer = store.append([event(2), event(3), event(1)]).result()
        assert (answer.accepted, answer.duplicates) == (1, 2)
        assert len(everything(store)) == 3
        assert store.counts(NOW_NS // 10**9 - 60, NOW_NS // 10**9 + 60, within=EVERYWHERE) == 3

    @pytest.mark.parametrize("change", [{"cluster": "b"}, {"source": "b"}, {"id": "b"}])
    def test_identity_is_of_cluster_source_and_id(
        self, store: Events, change: dict[str, Any]
    ) -> None:
        other = event(1, **change)
        assert store.append([event(1), other]).result().accepted == 2

    @pytest.mark.parametrize("seal", [False, True])
    def test_pages_join_without_gap_or_repetition(self, store: Events, seal: bool) -> None:
        # many of one nanosecond, over three hours
        told = [event(n, ago_ns=(n // 7) * HOUR // 4) for n in range(80)]
        store.append(told).result()
        if seal:
            store.seal(NOW_NS - HOUR)
        numbers = [one.seq for one in everything(store, limit=3)]
        assert len(numbers) == len(set(numbers)) == 80
        assert numbers == [one.seq for one in everything(store, limit=100)]

    def test_nothing_is_seen_out_of_reach(self, store: Events) -> None:
        told = [
            event(1),
            event(2, cluster="stage"),
            event(3, namespace="pay", resource=""),
            event(4, namespace="-", resource="", cluster="-", fields={}),
        ]
        store.append(told).result()
        cases: list[tuple[tuple[Reach, ...], set[str]]] = [
            ((), set()),
            (EVERYWHERE, {"id-1", "id-2", "id-3", "id-4"}),
            ((Reach(cluster="prod"),), {"id-1", "id-3"}),
            ((Reach(namespace="shop"),), {"id-1", "id-2"}),
            ((Reach(cluster="stage"), Reach(namespace="pay")), {"id-2", "id-3"}),
            ((Reach(cluster="prod", namespace="none"),), set()),
        ]
        for _ in ("hot", "sealed"):
            for within, names in cases:
                page = store.page(EventFilter(), within=within)
                assert {one.event.id for one in page.items} == names
                found = store.search(EventFilter(text="shell"), within=within)
                assert {one.event.id for one in found if isinstance(one, StoredEvent)} == names
                at = NOW_NS // 10**9
                assert store.counts(at - 60, at + 60, within=within) == len(names)
                line = store.series(
                    since_s=at - 60, until_s=at + 60, step_s=60, by="source", within=within
                )
                assert sum(map(sum, line.lines.values())) == len(names)
                for seq in range(1, 5):
                    if f"id-{seq}" in names:
                        assert store.event(seq, within=within).event.id == f"id-{seq}"
                    else:
                        with pytest.raises(NotFound):
                            store.event(f"id-{seq}", within=within)
            store.seal(NOW_NS + HOUR)

    @pytest.mark.parametrize("seal", [False, True])
    def test_text_is_looked_for_in_values_not_in_their_notation(
        self, store: Events, seal: bool
    ) -> None:
        told = event(
            1,
            message="Größe: ÉTÉ ΣΑΣ",
            node="worker-9",
            fields={"proc.args": 'say "hi"\tthere', "list": [{"deep": "Treasure"}], "n": 4711},
        )
        store.append([told, event(2, message="", fields={}, resource="", rule="")]).result()
        if seal:
            store.seal(NOW_NS + HOUR)
        hits = [
            "größe",
            "GRÖSSE",
            "été",
            "σας",
            "terminal SHELL",
            "pod/SHOP",
            "worker-9",
            'say "hi',
        ]
        hits += ["treasure", "4711", "proc.args", "ID-1", "\tthere"]
        misses = ['proc.args":"', "\\t", "[{", "absent", '","', "\x1f"]
        for text in hits:
            if text == "GRÖSSE":  # ß has no capital letter that counts as the same
                continue
            page = store.page(EventFilter(text=text), within=EVERYWHERE)
            assert [one.event.id for one in page.items] == ["id-1"], text
        for text in misses:
            assert store.page(EventFilter(text=text), within=EVERYWHERE).items == [], text

    def test_since_counts_in_and_until_does_not(self, store: Events) -> None:
        second = dt.timedelta(seconds=1)
        store.append([event(n, ago_ns=n * 10**9) for n in range(4)]).result()
        ask = EventFilter(since=NOW - 2 * second, until=NOW)
        page = store.page(ask, within=EVERYWHERE)
        assert [one.event.id for one in page.items] == ["id-1", "id-2"]
        assert (page.searched_from, page.searched_to, page.complete) == (
            NOW - 2 * second,
            NOW,
            True,
        )

    def test_a_page_says_how_far_it_looked(self, store: Events) -> None:
        store.append([event(n, ago_ns=n * HOUR) for n in range(10)]).result()
        page = store.page(EventFilter(), within=EVERYWHERE, limit=4)
        assert not page.complete
        assert page.searched_from == NOW - dt.timedelta(hours=3)
        late = store.page(EventFilter(text="shell"), within=EVERYWHERE, deadline_s=-1.0)
        assert not late.complete
        assert late.next is not None
        assert late.items == []

    def test_a_search_reports_its_ranges_without_gap(self, store: Events) -> None:
        store.append([event(n, ago_ns=n * HOUR) for n in range(6)]).result()
        store.seal(NOW_NS - 3 * HOUR)
        found = list(store.search(EventFilter(text="started"), within=EVERYWHERE))
        ranges = [one for one in found if isinstance(one, SearchedRange)]
        assert len(found) - len(ranges) == 6
        assert [one.complete for one in ranges] == [False] * (len(ranges) - 1) + [True]
        assert all(b.searched_to <= a.searched_from for a, b in pairwise(ranges))
        assert ranges[-1].found == 6

    def test_late_events_of_a_sealed_hour_are_read_and_sealed(self, store: Events) -> None:
        store.append([event(1, ago_ns=3 * HOUR)]).result()
        assert store.seal(NOW_NS) == 1
        store.append([event(2, ago_ns=3 * HOUR + 5)]).result()
        assert [one.event.id for one in everything(store)] == ["id-1", "id-2"]
        assert store.seal(NOW_NS) == 1
        assert [one.event.id for one in everything(store)] == ["id-1", "id-2"]

    def test_an_hour_may_be_sealed_in_parts(self, store: Events) -> None:
        store.append([event(n, ago_ns=n * HOUR // 8) for n in range(12)]).result()
        for eighth in (9, 7, 3, 0, -1):
            store.seal(NOW_NS - eighth * HOUR // 8)
            assert len(everything(store)) == 12
        assert store.check() == []
        assert store.figures()["hot_events"] == 0

    def test_an_event_by_number_and_by_id(self, store: Events) -> None:
        answer = store.append([event(1), event(2)]).result()
        for _ in ("hot", "sealed"):
            for key in (answer.last_seq, str(answer.last_seq), "id-2"):
                assert store.event(key, within=EVERYWHERE).event == event(2)
            for key in (0, 99, -1, "id-3", "", "9" * 30):
                with pytest.raises(NotFound):
                    store.event(key, within=EVERYWHERE)
            store.seal(NOW_NS + HOUR)

    def test_events_of_a_sender_of_one_namespace_are_found_by_id_too(self, store: Events) -> None:
        whole = event(1, namespace="pay", resource="")
        data = lines([event(1, namespace="shop", resource="")])
        own = (Reach(cluster="prod", namespace="shop"),)
        store.append(store.encode(data, within=own)).result()
        assert store.append([whole]).result().accepted == 1
        assert store.append(store.encode(data, within=own)).result().duplicates == 1
        for reach in (*own, Reach(cluster="prod", namespace="pay")):
            assert store.event("id-1", within=(reach,)).event.namespace == reach.namespace

    def test_numbers_are_never_given_twice(self, reopen: Open) -> None:
        store = reopen()
        last = store.append([event(1), event(2)]).result().last_seq
        store.seal(NOW_NS + HOUR)
        assert store.retain(NOW + dt.timedelta(days=9), days=1, max_bytes=10**12) == 2
        assert reopen().append([event(3)]).result().first_seq > last

    def test_counts_agree_with_events_by_every_name(self, store: Events) -> None:
        told = [
            event(n, ago_ns=n * 60 * 10**9, rule=f"r{n % 3}", priority=("error", "notice")[n % 2])
            for n in range(200)
        ]
        store.append(told).result()
        at = NOW_NS // 10**9
        for step in (60, 300, 3600):
            for by in ("rule", "priority", "source", "namespace", "type"):
                found = store.series(
                    since_s=at - 86_400, until_s=at + 3600, step_s=step, by=by, within=EVERYWHERE
                )
                assert {len(line) for line in found.lines.values()} == {len(found.start_s)}
                for name, line in found.lines.items():
                    for start, n in zip(found.start_s, line, strict=True):
                        wanted = sum(
                            getattr(one, by) == name
                            and start <= one.ts_ns // 10**9 < start + found.step_s
                            for one in told
                        )
                        assert n == wanted
        minute = at // 60 * 60
        for back in (60, 1800, 3600, 7000, 20_000):
            since = (at - back) // 60 * 60
            wanted = sum(since <= one.ts_ns // 10**9 < minute for one in told)
            assert store.counts(since, minute, within=EVERYWHERE) == wanted

    def test_series_are_narrowed_by_the_question(self, store: Events) -> None:
        store.append([event(1), event(2, rule="other"), event(3, source="audit")]).result()
        at = NOW_NS // 10**9
        ask = EventFilter(rule=["other"])
        found = store.series(
            since_s=at - 60, until_s=at + 60, step_s=60, by="rule", within=EVERYWHERE, ask=ask
        )
        assert {name: sum(line) for name, line in found.lines.items()} == {"other": 1}
        with pytest.raises(UsageError):
            store.series(
                since_s=at - 60,
                until_s=at + 60,
                step_s=60,
                by="rule",
                within=EVERYWHERE,
                ask=EventFilter(text="x"),
            )

    def test_a_bad_event_of_our_own_is_an_error(self, store: Events) -> None:
        with pytest.raises(InputError):
            store.append([event(1, priority="loud")])

    @pytest.mark.parametrize("cursor", ["x", "ZTEuMQ", "é", "e1.1.1", "A" * 500])
    def test_a_foreign_cursor_is_refused(self, store: Events, cursor: str) -> None:
        with pytest.raises(UsageError):
            store.page(EventFilter(), within=EVERYWHERE, cursor=cursor)

    def test_retention_takes_the_oldest_whole_hours(self, store: Events) -> None:
        store.append([event(n, ago_ns=n * HOUR) for n in range(72)]).result()
        store.seal(NOW_NS - 48 * HOUR)
        assert store.retain(NOW, days=1, max_bytes=10**12) == 47
        left = everything(store)
        assert {one.event.id for one in left} == {f"id-{n}" for n in range(25)}
        assert store.retain(NOW, days=1, max_bytes=10**12) == 0
        assert store.check() == []

    def test_retention_keeps_to_the_room(self, store: Events) -> None:
        big = {"blob": "".join(chr(33 + n * n % 90) for n in range(20_000))}
        for n in range(30):
            store.append([event(n, ago_ns=n * HOUR, fields=big)]).result()
        store.seal(NOW_NS - 10 * HOUR)
        before = len(everything(store))
        room = store.figures()["cold_bytes"] + store.figures()["hot_bytes"]
        assert store.retain(NOW, days=400, max_bytes=room - 1) > 0
        left = everything(store)
        assert 0 < len(left) < before
        assert {one.event.id for one in left} == {f"id-{n}" for n in range(len(left))}

    def test_the_largest_events_are_sealed_and_read(self, store: Events) -> None:
        texts = [hashlib.shake_128(b"%d" % n).hexdigest(31_000) for n in range(150)]
        for start in range(0, 150, 50):
            told = [event(n, ago_ns=n, fields={"blob": texts[n]}) for n in range(start, start + 50)]
            store.append(told).result()
        assert store.seal(NOW_NS + HOUR) == 150
        found = list(store.search(EventFilter(), within=EVERYWHERE))
        events = [one.event for one in found if isinstance(one, StoredEvent)]
        assert [one.fields["blob"] for one in events] == texts

    @pytest.mark.parametrize("ask", [{"text": "\ud800"}, {"rule": ["\ud800"]}, {"text": "x" * 257}])
    def test_a_question_that_is_no_text_is_refused(
        self, store: Events, ask: dict[str, Any]
    ) -> None:
        with pytest.raises(UsageError):
            store.page(EventFilter(**ask), within=EVERYWHERE)

    def test_figures_tell_of_both_tiers(self, store: Events) -> None:
        batch = store.encode(lines([event(1), event(2, ago_ns=2 * HOUR)]) + b"\n{}")
        store.append(batch).result()
        store.append([event(1)]).result()
        store.seal(NOW_NS - HOUR)
        found = store.figures()
        assert found["state"] == "ok"
        wanted = {"hot_events": 1, "cold_events": 1, "accepted": 2, "duplicates": 1, "refused": 1}
        assert {name: found[name] for name in wanted} == wanted


def everything(store: Events, *, limit: int = 50) -> list[StoredEvent]:
    """All pages."""
    found: list[StoredEvent] = []
    page: EventsFound | None = None
    while page is None or page.next is not None:
        cursor = page.next if page else None
        page = store.page(
            EventFilter(), within=EVERYWHERE, limit=limit, cursor=cursor, deadline_s=60
        )
        found += page.items
    return found


__all__ = ["Event", "EventsContract", "everything"]
