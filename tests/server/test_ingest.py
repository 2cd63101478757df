"""Events over HTTP: durable before the answer, refused one by one, within the sender's reach."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import Any

import httpx
import msgspec
import pytest
import zstandard

from haechi.server.api import all_operations
from haechi.store.events.events import Events
from haechi.store.events.shapes import Appended
from haechi.store.events.shapes import StoreBusy as EventsBusy
from haechi.store.records import Notice
from haechi.store.store import Store
from tests.server.serving import Running, by_word, real_world, serving
from tests.server.wire import packed

URL = "/api/v1/events"


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Running]:
    with (
        real_world(tmp_path / "store") as world,
        serving(world, operations=all_operations(), authenticate=by_word()) as running,
    ):
        yield running


def event(number: int, at_ns: int, **fields: Any) -> dict[str, Any]:
    """One event of the shop."""
    return {
        "id": f"e{number}",
        "ts_ns": at_ns,
        "source": "falco",
        "type": "syscall",
        "cluster": "east",
        "namespace": "shop",
        "rule": "Terminal shell in container",
        "priority": "notice",
        "message": f"shell {number}",
        "fields": {"proc.name": "bash"},
        **fields,
    }


def batch(server: Running, count: int = 3, **fields: Any) -> list[dict[str, Any]]:
    """Events of now."""
    now_ns = int(server.world.clock().timestamp() * 1e9)
    return [event(number, now_ns + number, **fields) for number in range(count)]


def taken(accepted: int, duplicates: int = 0) -> dict[str, Any]:
    """The answer to a batch of which nothing was refused and nothing detected."""
    return {
        "accepted": accepted,
        "duplicates": duplicates,
        "refused": [],
        "detections": 0,
        "by_rule": {},
    }


def lines(events: list[Any]) -> bytes:
    """As NDJSON."""
    return b"\n".join(msgspec.json.encode(one) for one in events)


def send(server: Running, body: bytes, who: str = "operator", **headers: str) -> httpx.Response:
    """The answer to a batch."""
    shown = {"Content-Type": "application/x-ndjson"} | {
        name.replace("_", "-"): value for name, value in headers.items()
    }
    with server.client(who, timeout=60) as client:
        return client.post(URL, content=body, headers=shown)


def test_what_was_acknowledged_is_there_after_a_restart(tmp_path: Path) -> None:
    with (
        real_world(tmp_path / "store") as world,
        serving(world, operations=all_operations(), authenticate=by_word()) as running,
    ):
        answer = send(running, lines(batch(running, 100)))
        assert answer.json() == taken(100, 0)
    store = Store.open(tmp_path / "store")
    try:
        assert store.events.event("e99", within=by_reach()).event.message == "shell 99"
    finally:
        store.close()


def by_reach() -> tuple[Any, ...]:
    """Everywhere."""
    from haechi.model.access import EVERYWHERE

    return (EVERYWHERE,)


def test_takes_every_form_and_counts_a_repeated_event_once(server: Running) -> None:
    events = batch(server)
    bodies = {"gzip": packed(lines(events)), "zstd": zstandard.compress(lines(events))}
    assert send(server, lines(events)).json()["accepted"] == 3
    array = send(server, msgspec.json.encode(events), Content_Type="application/json")
    assert array.json() == taken(0, 3)
    for encoding, body in bodies.items():
        assert send(server, body, Content_Encoding=encoding).json()["duplicates"] == 3


def test_one_bad_event_does_not_cost_the_others(server: Running) -> None:
    good = batch(server, 4)
    body = b"\n".join(
        [
            msgspec.json.encode(good[0]),
            b'{"id":"x"}',
            msgspec.json.encode(good[1]),
            b"{",
            msgspec.json.encode({**good[2], "priority": "loud"}),
            msgspec.json.encode({**good[3], "ts_ns": 5}),
        ]
    )
    answer = send(server, body).json()
    assert answer["accepted"] == 2
    assert [one["index"] for one in answer["refused"]] == [1, 3, 4, 5]
    assert all(one["why"] for one in answer["refused"])
    only_bad = send(server, b"{}\n{}").json()
    assert (only_bad["accepted"], len(only_bad["refused"])) == (0, 2)


def test_a_scoped_sender_sends_for_its_own_places_only(server: Running) -> None:
    mine, other, west = (
        batch(server, 1)[0],
        {**batch(server, 1)[0], "id": "o", "namespace": "other"},
        {**batch(server, 1)[0], "id": "w", "cluster": "west"},
    )
    answer = send(server, lines([other, mine, west]), who="shop").json()
    assert answer["accepted"] == 1
    assert [one["index"] for one in answer["refused"]] == [0, 2]


@pytest.mark.parametrize(
    ("body", "who", "headers", "status"),
    [
        (b"{}", "viewer", {}, 403),
        (b"{}", "", {}, 401),
        (b"{}", "operator", {"Content_Type": "text/plain"}, 415),
        (b"[{]", "operator", {"Content_Type": "application/json"}, 400),
        (b"plain", "operator", {"Content_Encoding": "gzip"}, 400),
        (b" " * (17 << 20), "operator", {}, 413),
        (packed(b"\n" * (17 << 20)), "operator", {"Content_Encoding": "gzip"}, 413),
    ],
)
def test_refuses(
    server: Running, body: bytes, who: str, headers: dict[str, str], status: int
) -> None:
    assert send(server, body, who, **headers).status_code == status


def test_an_empty_batch_is_nothing(server: Running) -> None:
    assert send(server, b"\n\n").json() == taken(0, 0)


def test_a_full_queue_is_told_with_the_time_to_come_back(
    server: Running, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(self: Events, batch: Any) -> Future[Appended]:
        raise EventsBusy("too many events wait to be written")

    monkeypatch.setattr(Events, "append", full)
    answer = send(server, lines(batch(server)))
    assert (answer.status_code, answer.headers["retry-after"]) == (503, "1")


def test_the_stream_tells_of_events_and_the_source_is_heard(
    server: Running, monkeypatch: pytest.MonkeyPatch
) -> None:
    told: list[Notice] = []
    monkeypatch.setattr(server.world.hub, "publish", told.append)
    body = lines(batch(server, 50))
    send(server, body)
    send(server, body)  # duplicates are no news
    [notice] = told
    assert (notice.topic, notice.cluster, notice.namespace) == ("event", "east", "shop")
    assert (notice.data["count"], len(notice.data["events"])) == (50, 3)
    assert notice.data["events"][-1]["message"] == "shell 49"
    sources = server.world.store.state.sources.all(within=by_reach())
    assert ("events", "falco", "fresh") in [(one.kind, one.name, one.state) for one in sources]


def test_many_senders_at_once_lose_nothing(server: Running) -> None:
    now_ns = int(server.world.clock().timestamp() * 1e9)

    def one(sender: int) -> int:
        events = [event(sender * 1000 + n, now_ns + n, source=f"s{sender}") for n in range(200)]
        return int(send(server, lines(events)).json()["accepted"])

    with ThreadPoolExecutor(8) as senders:
        assert sum(senders.map(one, range(16))) == 3200
    end = int(server.world.clock().timestamp()) + 120
    counted = server.world.store.events.counts(end - 3600, end, within=by_reach())
    assert counted == 3200
