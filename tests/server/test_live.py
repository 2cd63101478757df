"""The live stream: what is told to whom, resuming, dropping, limits, and the end."""

from __future__ import annotations

import asyncio
import datetime as dt
import threading
from collections.abc import Callable, Iterator
from typing import Any

import httpx
import msgspec
import pytest

from haechi.errors import TooManyRequests
from haechi.model.access import Grant, Principal, Reach, Role
from haechi.server.api.meta import OPERATIONS
from haechi.server.live import SHOWN, Follow, Hub, Pacing, may_hear
from haechi.server.settings import Limits
from haechi.store.records import Notice
from tests.server.serving import NOW, PRINCIPALS, Running, bare_world, by_word, local_settings
from tests.server.serving import serving as serve
from tests.server.wire import exchange, head

QUICK = Pacing(pause=0.01, heartbeat=5.0, stuck=0.2, recheck=5.0)
ADMIN, SHOP = PRINCIPALS["admin"], PRINCIPALS["shop"]


class Ear:
    """A client of a hub without a server: what it was sent, and when it takes it."""

    def __init__(
        self,
        hub: Hub,
        principal: Principal = ADMIN,
        *,
        topics: tuple[str, ...] = ("finding", "event", "token"),
        last_id: str = "",
        again: Callable[[], Principal | None] | None = None,
        deaf: bool = False,
    ) -> None:
        self.hub, self.principal, self.topics, self.last_id = hub, principal, topics, last_id
        self.again = again or (lambda: principal)
        self.deaf = deaf
        self.data = b""
        self.writes = 0
        self.ended = False
        self.now: dt.datetime = NOW
        self._gone = asyncio.Event()

    def start(self) -> asyncio.Task[None]:
        """Begin to listen."""
        return asyncio.create_task(
            self.hub.follow(
                Follow(principal=self.principal, topics=frozenset(self.topics)),
                self.last_id,
                self._receive,
                self._send,
                self._again,
                lambda: self.now,
            )
        )

    def hang_up(self) -> None:
        """Close the connection."""
        self._gone.set()

    async def heard(self, what: bytes) -> None:
        """Until this was sent."""
        async with asyncio.timeout(30):  # a test that fails must end
            while what not in self.data:
                await asyncio.sleep(0.001)

    def events(self) -> list[tuple[str, Any]]:
        """The messages so far: event and data."""
        found = []
        for block in self.data.decode().split("\n\n"):
            fields = dict(line.split(": ", 1) for line in block.splitlines() if ": " in line)
            if "event" in fields:
                found.append((fields["event"], msgspec.json.decode(fields["data"])))
        return found

    def last(self) -> str:
        """The id that a browser would send when it comes back."""
        return [line for line in self.data.decode().splitlines() if line.startswith("id: ")][-1][4:]

    async def _receive(self) -> Any:
        await self._gone.wait()
        return {"type": "http.disconnect"}

    async def _send(self, message: Any) -> None:
        if message["type"] != "http.response.body":
            return
        if self.deaf and self.writes:
            await asyncio.Event().wait()
        self.writes += 1
        self.data += message["body"]
        self.ended = not message["more_body"]

    async def _again(self) -> Principal | None:
        return self.again()


def finding(number: int = 0, cluster: str = "east", namespace: str = "shop") -> Notice:
    """A notice of a finding."""
    return Notice(topic="finding", cluster=cluster, namespace=namespace, data={"id": f"f{number}"})


def test_tells_what_happens_with_the_place() -> None:
    async def main() -> list[tuple[str, Any]]:
        hub = Hub(pacing=QUICK)
        ear = Ear(hub)
        task = ear.start()
        await ear.heard(b"retry: ")
        hub.publish(finding(1))
        await ear.heard(b'"f1"')
        hub.close()
        await task
        assert ear.ended
        return ear.events()

    assert asyncio.run(main()) == [
        (
            "finding",
            {"count": 1, "items": [{"cluster": "east", "namespace": "shop", "id": "f1"}]},
        )
    ]


def test_many_notices_are_few_writes_with_the_newest_shown() -> None:
    async def main() -> Ear:
        hub = Hub(pacing=QUICK)
        ear = Ear(hub)
        task = ear.start()
        await ear.heard(b"retry: ")
        for number in range(3000):
            hub.publish(finding(number))
        await ear.heard(b'"f2999"')
        hub.close()
        await task
        return ear

    ear = asyncio.run(main())
    assert sum(data["count"] for event, data in ear.events() if event == "finding") == 3000
    assert max(len(data["items"]) for _, data in ear.events()) <= SHOWN
    assert ear.writes < 20


def test_writes_to_a_client_keep_their_distance() -> None:
    """Nothing is written during the pause, whatever is published in it."""

    async def main() -> int:
        hub = Hub(pacing=Pacing(pause=3600.0))
        ear = Ear(hub)
        task = ear.start()
        await ear.heard(b"retry: ")
        hub.publish(finding(1))
        await ear.heard(b'"f1"')
        before = ear.writes
        for number in range(2, 50):
            hub.publish(finding(number))
            await asyncio.sleep(0)
        after = ear.writes
        hub.close()
        await task
        return after - before

    assert asyncio.run(main()) == 0


@pytest.mark.parametrize(
    ("principal", "notice", "hears"),
    [
        (ADMIN, finding(), True),
        (SHOP, finding(), True),
        (SHOP, finding(namespace="other"), False),
        (SHOP, finding(cluster="west"), False),
        (SHOP, finding(cluster="-", namespace="-"), False),
        (PRINCIPALS["viewer"], finding(cluster="-", namespace="-"), True),
        (PRINCIPALS["viewer"], Notice(topic="audit"), True),
        (SHOP, Notice(topic="audit", cluster="east", namespace="shop"), False),
        (ADMIN, Notice(topic="token"), True),
        (PRINCIPALS["approver"], Notice(topic="token"), False),
        (Principal(id="x", name="x"), finding(), False),
    ],
)
def test_tells_only_what_the_lists_would_show(
    principal: Principal, notice: Notice, hears: bool
) -> None:
    assert may_hear(principal, notice) is hears


def test_a_scoped_client_hears_nothing_of_other_places() -> None:
    async def main() -> list[tuple[str, Any]]:
        hub = Hub(pacing=QUICK)
        ear = Ear(hub, SHOP)
        task = ear.start()
        await ear.heard(b"retry: ")
        hub.publish(finding(1, namespace="other"))
        hub.publish(finding(2, cluster="west"))
        hub.publish(Notice(topic="scan", cluster="east", namespace="shop"))  # not asked for
        hub.publish(finding(3))
        await ear.heard(b'"f3"')
        ear.hang_up()
        await task
        return ear.events()

    [(_, data)] = asyncio.run(main())
    assert [item["id"] for item in data["items"]] == ["f3"]


def test_a_client_that_comes_back_hears_what_it_missed() -> None:
    async def main() -> list[tuple[str, Any]]:
        hub = Hub(pacing=QUICK)
        first = Ear(hub)
        task = first.start()
        await first.heard(b"retry: ")
        hub.publish(finding(1))
        await first.heard(b'"f1"')
        first.hang_up()
        await task
        for number in range(2, 5):
            hub.publish(finding(number))
        second = Ear(hub, last_id=first.last())
        task = second.start()
        await second.heard(b'"f4"')
        hub.close()
        await task
        return second.events()

    [(event, data)] = asyncio.run(main())
    assert (event, [item["id"] for item in data["items"]]) == ("finding", ["f2", "f3", "f4"])


@pytest.mark.parametrize("last_id", ["other-5", "junk", "-", "{epoch}-x", "{epoch}-１"])
def test_an_id_of_another_run_says_that_something_was_skipped(last_id: str) -> None:
    async def main() -> list[tuple[str, Any]]:
        hub = Hub(pacing=QUICK)
        hub.publish(finding(1))
        ear = Ear(hub, last_id=last_id.replace("{epoch}", hub.epoch))
        task = ear.start()
        await ear.heard(b"skipped")
        hub.close()
        await task
        return ear.events()

    assert asyncio.run(main())[0] == ("skipped", {"skipped": 1})


def test_an_id_of_the_future_is_now() -> None:
    async def main() -> list[tuple[str, Any]]:
        hub = Hub(pacing=QUICK)
        ear = Ear(hub, last_id=f"{hub.epoch}-{'9' * 30}")
        task = ear.start()
        await ear.heard(b"retry")
        hub.publish(finding(1))
        await ear.heard(b'"f1"')
        hub.close()
        await task
        return ear.events()

    assert [event for event, _ in asyncio.run(main())] == ["finding"]


def test_a_slow_client_is_told_how_many_it_missed_and_costs_no_memory() -> None:
    async def main() -> tuple[list[tuple[str, Any]], dict[str, int]]:
        hub = Hub(kept=100, pacing=QUICK)
        first = Ear(hub)
        task = first.start()
        await first.heard(b"retry: ")
        hub.publish(finding(0))
        await first.heard(b'"f0"')
        first.hang_up()
        await task
        for number in range(1, 1001):
            hub.publish(finding(number))
        second = Ear(hub, last_id=first.last())
        task = second.start()
        await second.heard(b'"f1000"')
        hub.close()
        await task
        return second.events(), hub.figures()

    events, figures = asyncio.run(main())
    assert events[0] == ("skipped", {"skipped": 900})
    assert events[1][1]["count"] == 100
    assert figures["skipped"] == 900


def test_a_client_that_takes_nothing_is_let_go() -> None:
    async def main() -> dict[str, int]:
        hub = Hub(pacing=QUICK)
        ear = Ear(hub, deaf=True)
        task = ear.start()
        await ear.heard(b"retry: ")
        hub.publish(finding(1))
        await task
        return hub.figures()

    assert asyncio.run(main())["clients"] == 0


def test_a_revoked_or_changed_principal_is_looked_at_again_at_once() -> None:
    async def main(after: Principal | None) -> list[tuple[str, Any]]:
        hub = Hub(pacing=QUICK)
        now: list[Principal | None] = [ADMIN]
        ear = Ear(hub, again=lambda: now[0])
        task = ear.start()
        await ear.heard(b"retry: ")
        now[0] = after
        hub.publish(Notice(topic="token", data={"revoked": "t"}))
        if after is not None:
            hub.publish(finding(1))
            hub.publish(finding(2, namespace="other"))
            await ear.heard(b'"f1"')
            hub.publish(finding(3, namespace="other"))
            hub.publish(finding(4))
            await ear.heard(b'"f4"')
            hub.close()
        await task
        return ear.events()

    assert [event for event, _ in asyncio.run(main(None))] in ([], ["token"])
    narrowed = msgspec.structs.replace(
        ADMIN, grants=(Grant(role=Role.VIEWER, reach=Reach(cluster="east", namespace="shop")),)
    )
    said = repr(asyncio.run(main(narrowed)))
    assert "f4" in said
    assert "f3" not in said


def test_a_stream_ends_with_the_time_of_its_principal() -> None:
    async def main() -> bool:
        hub = Hub(pacing=QUICK)
        ear = Ear(hub, msgspec.structs.replace(ADMIN, expires=NOW + dt.timedelta(hours=1)))
        task = ear.start()
        await ear.heard(b"retry: ")
        ear.now = NOW + dt.timedelta(hours=2)
        hub.publish(finding(1))
        await task
        return ear.ended

    assert asyncio.run(main())


def test_limits_streams_of_one_and_of_all() -> None:
    async def main() -> None:
        hub = Hub(most=3, most_each=2, pacing=QUICK)
        ears = [Ear(hub), Ear(hub), Ear(hub, SHOP)]
        tasks = [ear.start() for ear in ears]
        for ear in ears:
            await ear.heard(b"retry: ")
        for principal in (ADMIN, PRINCIPALS["viewer"]):
            with pytest.raises(TooManyRequests):
                hub.admit(principal)
        ears[2].hang_up()
        await tasks[2]
        hub.admit(SHOP)
        with pytest.raises(TooManyRequests, match="token:admin"):
            hub.admit(ADMIN)
        hub.close()
        await asyncio.gather(*tasks)

    asyncio.run(main())


def test_items_that_are_too_large_are_counted_only() -> None:
    async def main() -> Any:
        hub = Hub(pacing=QUICK)
        ear = Ear(hub)
        task = ear.start()
        await ear.heard(b"retry: ")
        hub.publish(Notice(topic="event", data={"message": "x" * 100_000}))
        await ear.heard(b"count")
        hub.close()
        await task
        return ear.events()[0][1]

    assert asyncio.run(main()) == {"count": 1, "items": []}


def test_publishing_before_and_after_a_loop_is_harmless() -> None:
    hub = Hub(pacing=QUICK)
    hub.publish(finding(1))

    async def main() -> None:
        ear = Ear(hub)
        task = ear.start()
        await ear.heard(b"retry: ")
        hub.close()
        await task

    asyncio.run(main())
    hub.publish(finding(2))
    assert hub.figures() == {"clients": 0, "told": 2, "skipped": 0}


@pytest.fixture
def server() -> Iterator[Running]:
    settings = local_settings(limits=Limits(streams=4, streams_each=3))
    world = bare_world(settings, hub=Hub(most=4, most_each=3, pacing=QUICK))
    with serve(world, operations=OPERATIONS, authenticate=by_word()) as running:
        yield running


def test_a_server_streams_and_ends_all_streams_when_it_stops(server: Running) -> None:
    with (
        server.client(timeout=30) as client,
        client.stream("GET", "/api/v1/stream?topics=finding") as answer,
    ):
        assert answer.headers["content-type"] == "text/event-stream; charset=utf-8"
        assert answer.headers["cache-control"] == "no-store"
        parts = answer.iter_text()
        assert "retry:" in next(parts)
        server.world.hub.publish(finding(1))
        assert "event: finding" in next(parts)
        server.stop()
        assert "".join(parts) == ""
    server.thread.join()


def test_a_server_keeps_to_its_limits_under_a_flood(server: Running) -> None:
    """Threads publish without a pause, one client never reads, and the rest goes on."""
    stop = threading.Event()

    def flood() -> None:
        while not stop.wait(0.0005):
            for number in range(20):
                server.world.hub.publish(finding(number))

    deaf = head("GET", "/api/v1/stream", who="shop")
    threads = [threading.Thread(target=flood) for _ in range(2)]
    listener = threading.Thread(target=exchange, args=(server.port, deaf), kwargs={"seconds": 3})
    for thread in threads:
        thread.start()
    listener.start()
    try:
        with server.client(timeout=30) as client, client.stream("GET", "/api/v1/stream") as answer:
            parts = answer.iter_text()
            heard = "".join(next(parts) for _ in range(20))
            assert heard.count("event: finding") >= 10
            assert client.get("/healthz").status_code == 200
    finally:
        stop.set()
        for thread in threads:
            thread.join()
    server.stop()
    listener.join()
    assert server.world.hub.figures()["told"] > 100


def test_a_server_refuses_the_stream_over_the_limit_and_to_strangers(server: Running) -> None:
    with server.client(timeout=30) as client:
        opened: list[httpx.Response] = []
        try:
            for _ in range(3):
                request = client.build_request("GET", "/api/v1/stream")
                opened.append(client.send(request, stream=True))
            refused = client.get("/api/v1/stream")
            assert (refused.status_code, refused.headers["retry-after"]) == (429, "10")
        finally:
            for answer in opened:
                answer.close()
        stranger = client.get("/api/v1/stream", headers={"Authorization": ""})
        unknown = client.get("/api/v1/stream?topics=finding,nothing")
        assert client.head("/api/v1/stream").status_code == 405
    assert (stranger.status_code, unknown.status_code) == (401, 400)
