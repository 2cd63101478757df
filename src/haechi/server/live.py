"""The live stream: what the store tells after each commit, to every page that listens.

All notices go into one ring; a client is a place in it. So a client that reads slowly costs no
memory: when the ring has gone on without it, it is told how many notices it missed (``skipped``)
and reads what is still there. Each client is written to four times a second at most, with one
message for each topic, and only of what its principal reaches at that moment.

On the wire (text/event-stream of the HTML standard): ``id`` is ``<epoch>-<n>``, where the epoch
names this run of the server; ``event`` is a topic, ``data`` is ``{"count", "items"}`` with the
newest 20; ``event: skipped`` has ``{"skipped": n}``.
"""

from __future__ import annotations

import asyncio
import secrets
import threading
from collections import Counter, deque
from collections.abc import Awaitable, Callable
from typing import Any

import msgspec

from haechi.errors import TooManyRequests
from haechi.model.access import ANY, EVERYWHERE, Principal, Role, covered
from haechi.store.records import Notice

TOPICS = (
    "finding",
    "scan",
    "waiver",
    "event",
    "incident",
    "response",
    "alert",
    "admission",
    "policy",
    "audit",
    "source",
    "token",
    "advisory",
    "proposal",
)
KEPT = 4096
SHOWN = 20
LARGEST_ITEM = 8 << 10
Send = Callable[[Any], Awaitable[None]]
Receive = Callable[[], Awaitable[Any]]
Again = Callable[[], Awaitable[Principal | None]]


class Pacing(msgspec.Struct, frozen=True, kw_only=True):
    """Seconds: between two writes to a client, between signs of life, until a client that takes
    nothing is let go, and between two looks whether it may still listen."""

    pause: float = 0.25
    heartbeat: float = 15.0
    stuck: float = 20.0
    recheck: float = 30.0


class Follow(msgspec.Struct, frozen=True, kw_only=True):
    """What a handler answers with to begin a stream: for whom, and of which topics. A topic may
    go on after a slash (``event/…``: some events only); clients are told what stands before it.
    ``done`` is called when the stream has ended, or did not begin."""

    principal: Principal
    topics: frozenset[str]
    done: Callable[[], None] | None = None


class _Client:
    """One listener. ``place`` is the number of the last notice that it was given."""

    __slots__ = ("ended", "gone", "place", "principal", "recheck", "topics", "wake")

    def __init__(self, principal: Principal, topics: frozenset[str], place: int) -> None:
        self.principal = principal
        self.topics = topics
        self.place = place
        self.wake = asyncio.Event()
        self.ended = asyncio.Event()
        self.gone = False
        self.recheck = False

    def end(self) -> None:
        """Whatever it waits for, it waits no more."""
        self.ended.set()
        self.wake.set()


class Hub:
    """Takes notices from any thread, gives them to the clients of one event loop."""

    def __init__(
        self,
        *,
        most: int = 256,
        most_each: int = 16,
        kept: int = KEPT,
        pacing: Pacing | None = None,
    ) -> None:
        self.epoch = secrets.token_hex(4)
        self._most = most
        self._most_each = most_each
        self._pacing = pacing or Pacing()
        self._lock = threading.Lock()
        self._ring: deque[tuple[int, Notice]] = deque(maxlen=kept)
        self._last = 0
        self._clients: set[_Client] = set()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._closed = False
        self._waking = False
        self._skipped = 0

    def publish(self, notice: Notice) -> None:
        """Tell the clients; thread-safe and quick. Without clients it only goes into the ring."""
        with self._lock:
            self._last += 1
            self._ring.append((self._last, notice))
            loop = self._loop
            if self._waking or loop is None or not self._clients:
                return
            self._waking = True
        try:
            loop.call_soon_threadsafe(self._wake)
        except RuntimeError:  # the loop ended in between: so did its clients
            with self._lock:
                self._waking = False

    def _wake(self) -> None:
        with self._lock:
            self._waking = False
        for client in self._clients:
            client.wake.set()

    def figures(self) -> dict[str, int]:
        """For health and metrics."""
        return {"clients": len(self._clients), "told": self._last, "skipped": self._skipped}

    def close(self) -> None:
        """End all streams; call it in the event loop. Streams asked for later end at once."""
        self._closed = True
        for client in self._clients:
            client.end()

    def admit(self, principal: Principal) -> None:
        """Raises TooManyRequests when there are too many streams, in all or of this principal."""
        each = Counter(client.principal.id for client in self._clients)
        if len(self._clients) >= self._most:
            raise TooManyRequests("too many live streams are open", retry_after=30)
        if each[principal.id] >= self._most_each:
            raise TooManyRequests(
                f"{self._most_each} live streams of {principal.id} are open already",
                retry_after=10,
                do="close a page that shows live data",
            )

    async def follow(
        self,
        asked: Follow,
        last_id: str,
        receive: Receive,
        send: Send,
        again: Again,
        now: Callable[[], Any],
    ) -> None:
        """Serve one client until it goes, may no longer listen, or the hub closes. ``again``
        authenticates it anew; ``now`` gives the time that ``principal.expires`` is held to."""
        self.admit(asked.principal)
        self._loop = asyncio.get_running_loop()
        client = _Client(asked.principal, asked.topics, self._last)
        missed = self._resume(client, last_id)
        self._clients.add(client)
        if self._closed:
            client.end()
        watcher = asyncio.create_task(_watch(client, receive))
        try:
            await send(
                {
                    "type": "http.response.start",
                    "status": 200,
                    "headers": [
                        (b"content-type", b"text/event-stream; charset=utf-8"),
                        (b"cache-control", b"no-store"),
                        (b"x-accel-buffering", b"no"),
                    ],
                }
            )
            first = f": haechi\nretry: 2000\nid: {self.epoch}-{client.place}\n\n".encode()
            if await self._written(client, send, first + self._skip_message(client, missed)):
                await self._serve(client, send, again, now)
            if not client.gone:
                await self._written(client, send, b"", last=True)
        finally:
            self._clients.discard(client)
            watcher.cancel()

    def _resume(self, client: _Client, last_id: str) -> int:
        """Put the client where it was. What it missed before this run cannot be counted: 1."""
        epoch, _, number = last_id.partition("-")
        if not last_id:
            return 0
        if epoch != self.epoch or not number.isascii() or not number.isdecimal():
            return 1
        client.place = min(int(number[:18]), self._last)
        return 0

    async def _serve(
        self, client: _Client, send: Send, again: Again, now: Callable[[], Any]
    ) -> None:
        pacing = self._pacing
        loop = asyncio.get_running_loop()
        told = checked = loop.time()
        while not client.ended.is_set():
            if client.recheck or loop.time() - checked >= pacing.recheck:
                client.recheck, checked = False, loop.time()
                fresh = await again()
                if fresh is None or fresh.id != client.principal.id:
                    return
                client.principal = fresh
            expires = client.principal.expires
            if expires is not None and expires <= now():
                return
            client.wake.clear()
            data = self._taken(client)
            if not data and loop.time() - told >= pacing.heartbeat:
                data = b": alive\n\n"
            if data:
                if not await self._written(client, send, data):
                    return
                told = loop.time()
                await _passed(client.ended, pacing.pause)
            else:
                await _passed(client.wake, min(pacing.heartbeat, pacing.recheck))

    async def _written(
        self, client: _Client, send: Send, data: bytes, *, last: bool = False
    ) -> bool:
        """False when the client took nothing for so long that it is let go, or all is over."""
        message = {"type": "http.response.body", "body": data, "more_body": not last}
        task = asyncio.ensure_future(send(message))
        ended = asyncio.ensure_future(client.ended.wait())
        try:
            await asyncio.wait(
                {task, ended}, timeout=self._pacing.stuck, return_when=asyncio.FIRST_COMPLETED
            )
            if not task.done():  # at the end, what fits into the connection goes out still
                await asyncio.wait({task}, timeout=0.05)
            return task.done() and task.exception() is None
        finally:
            ended.cancel()
            task.cancel()

    def _taken(self, client: _Client) -> bytes:
        """The messages of what is new for the client; it moves to the end of the ring."""
        with self._lock:
            if client.place >= self._last:
                return b""
            missed = max(0, self._ring[0][0] - 1 - client.place)
            news: list[Notice] = []
            for number, notice in reversed(self._ring):
                if number <= client.place:
                    break
                news.append(notice)
            client.place = self._last
        news.reverse()
        if any(notice.topic == "token" for notice in news):
            client.recheck = True
            client.wake.set()
        mine = [
            one for one in news if one.topic in client.topics and may_hear(client.principal, one)
        ]
        return self._skip_message(client, missed) + self._messages(client, mine)

    def _messages(self, client: _Client, notices: list[Notice]) -> bytes:
        topics: dict[str, list[Notice]] = {}
        for notice in notices:
            topics.setdefault(notice.topic.partition("/")[0], []).append(notice)
        return b"".join(
            self._message(client, topic, {"count": len(rows), "items": _items(rows)})
            for topic, rows in topics.items()
        )

    def _skip_message(self, client: _Client, missed: int) -> bytes:
        if not missed:
            return b""
        self._skipped += missed
        return self._message(client, "skipped", {"skipped": missed})

    def _message(self, client: _Client, event: str, data: Any) -> bytes:
        head = f"id: {self.epoch}-{client.place}\nevent: {event}\ndata: ".encode()
        return head + msgspec.json.encode(data, enc_hook=str) + b"\n\n"


def _items(notices: list[Notice]) -> list[msgspec.Raw]:
    """The newest of them, oldest first."""
    made = (
        msgspec.json.encode({"cluster": one.cluster, "namespace": one.namespace, **one.data})
        for one in notices[-SHOWN:]
    )
    return [msgspec.Raw(one) for one in made if len(one) <= LARGEST_ITEM]


def may_hear(principal: Principal, notice: Notice) -> bool:
    """True when the principal may see the place, as the lists of the same things would show it."""
    match notice.topic:
        case "token":
            return EVERYWHERE in principal.within(Role.ADMIN)
        case "audit":
            return EVERYWHERE in principal.within(Role.VIEWER)
        case "scan" | "source":  # they tell of all namespaces
            return any(
                reach.namespace == ANY and reach.covers(notice.cluster, notice.namespace)
                for reach in principal.within(Role.VIEWER)
            )
        case _:
            return covered(principal.within(Role.VIEWER), notice.cluster, notice.namespace)


async def _watch(client: _Client, receive: Receive) -> None:
    """Notice when the client hangs up: writing to it would not tell."""
    while (await receive())["type"] != "http.disconnect":
        pass
    client.gone = True
    client.end()


async def _passed(event: asyncio.Event, seconds: float) -> None:
    """Until the event, or so many seconds."""
    try:
        await asyncio.wait_for(event.wait(), timeout=seconds)
    except TimeoutError:
        return
