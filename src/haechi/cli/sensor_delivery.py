"""Events on their way to the server: batches, a bounded queue, retries, the spool.

The sensor's thread only encodes and packs; a thread of its own sends, so that a server that hangs
never holds up the reading of the kernel's ring. What waits goes out together: a server that is slow
gets larger batches, not more of them. When it is behind, events that a rule holds for overtake the
others; from half a queue on, the others are left out (``shed``), so that a flood of them does not
cost those that matter; a full queue takes no more at all (``dropped``). The next status tells both.
A batch counts as sent when the server said that it is durable; a batch that came twice counts once
there, by the events' ids. One that is too large for the server, or for what stands before it, is
sent in halves, and those that follow are made smaller: only an event too large by itself is lost.
"""

from __future__ import annotations

import sys
import threading
import time
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

import msgspec

from haechi.cli import sensor_queue
from haechi.cli.sensor_queue import Part, Queue
from haechi.client.answers import ServerRefused, ServerUnreachable
from haechi.client.asks import BASE, NDJSON, Ask

if TYPE_CHECKING:
    from haechi.cli.sensor_spool import Spool
    from haechi.client.http import Client
    from haechi.model.event import Event

BATCH, BATCH_BYTES = 4_000, 8 << 20
EVERY_S, SOON = 0.2, 1_000
"""How often what waits is sent, and how much of it is sent at once."""
_PAUSES = (0.5, 1.0, 2.0, 5.0, 10.0, 20.0, 30.0)
_STOPPING_S = 5.0
_MOST_ANSWER = 4 << 20
"""Bytes; an answer names each refused event."""
_BROKEN = frozenset({400, 413, 415, 422})
"""Answers to a batch that will never be taken as it is."""
_TOO_LARGE = 413
_FEWEST_BYTES = 256 << 10
"""Batches are not made smaller than this, however small those are that the server takes."""


def _told(line: str) -> None:
    sys.stderr.write(f"haechi: {line}\n")


class Counts(msgspec.Struct, frozen=True, kw_only=True):
    """What became of the events so far."""

    sent: int = 0
    dropped: int = 0
    shed: int = 0
    refused: int = 0
    waiting: int = 0


class Delivery:
    """Sends events to one server. ``close`` sends what is left, or spools it."""

    def __init__(
        self,
        client: Client,
        *,
        spool: Spool | None = None,
        matters: Callable[[Event], bool] = lambda event: True,
        queue: Queue | None = None,
        tell: Callable[[str], None] = _told,
        pauses: Sequence[float] = _PAUSES,
    ) -> None:
        self._client = client
        self._spool = spool
        self._matters = matters
        self._queue = Queue() if queue is None else queue
        self._tell = tell
        self._pauses = pauses
        self._encode = msgspec.json.Encoder().encode
        self._sent = self._dropped = self._shed = self._refused = 0
        self._flying: list[Part] = []
        """What is being sent at this moment."""
        self._failures = 0
        self._batch_bytes = BATCH_BYTES
        self._told_large = False
        self._not_before = 0.0
        self._lock = threading.Lock()
        self._wake = threading.Event()
        self._ending = threading.Event()
        self._thread = threading.Thread(target=self._run, name="delivery", daemon=True)
        self._thread.start()

    def offer(self, events: Sequence[Event]) -> None:
        """Take events, as far as there is room."""
        dropped = shed = 0
        queue, encode = self._queue, self._encode
        for event in events:
            first = queue.behind and self._matters(event)
            if not first and queue.pressed:
                shed += 1
                continue
            try:
                line = encode(event)
            except (OverflowError, ValueError, TypeError):
                dropped += 1  # a number past 64 bits
                continue
            if not queue.put(line, first=first):
                dropped += 1
        self._taken(dropped, shed)

    def offer_lines(self, lines: Sequence[bytes]) -> None:
        """Take events that are encoded already, while there is no need to look at them."""
        put = self._queue.put
        self._taken(sum([not put(line) for line in lines]), 0)

    @property
    def pressed(self) -> bool:
        """Half the queue is full: from here on events are left out."""
        return self._queue.pressed

    @property
    def behind(self) -> bool:
        """So much waits that events must be looked at (``offer``)."""
        return self._queue.behind

    def _taken(self, dropped: int, shed: int) -> None:
        if dropped or shed:
            with self._lock:
                self._dropped += dropped
                self._shed += shed
        if len(self._queue) >= SOON:
            self._wake.set()

    @property
    def counts(self) -> Counts:
        """What became of the events."""
        with self._lock:
            return Counts(
                sent=self._sent,
                dropped=self._dropped,
                shed=self._shed,
                refused=self._refused,
                waiting=len(self._queue),
            )

    def close(self) -> Counts:
        """Send or spool what is left, for some seconds at most. What then waits is dropped."""
        self._ending.set()
        self._wake.set()
        self._thread.join(_STOPPING_S + 3.0)
        self._keep_rest()
        counts = self.counts
        self._client.close()
        return counts

    def _run(self) -> None:
        ends = float("inf")
        while True:
            if self._ending.is_set():
                ends = min(ends, time.monotonic() + _STOPPING_S)
                if not len(self._queue) or time.monotonic() > ends or self._failures:
                    return
            else:
                self._wake.wait(EVERY_S)
                self._wake.clear()
            if not self._drained():
                self._rest()

    def _drained(self) -> bool:
        """Send what is there; False when the server does not take it now."""
        while batch := self._queue.take(BATCH, self._batch_bytes):
            self._flying = batch
            if not self._delivered(batch):
                self._queue.put_back(batch)
                self._flying = []
                return False
            self._flying = []
            if self._ending.is_set():
                return True
            if len(self._queue) < SOON:
                break
        spool = self._spool
        while spool is not None and not self._ending.is_set() and (kept := spool.oldest()):
            if not self._posted_lines(kept):
                return False
            spool.sent()
            if len(self._queue):
                return True
        return True

    def _delivered(self, batch: list[Part]) -> bool:
        count = sum(part.count for part in batch)
        if self._posted(sensor_queue.body(batch), count, lambda: sensor_queue.lines(batch)):
            return True
        return self._spool is not None and self._spool.keep(sensor_queue.lines(batch))

    def _posted_lines(self, lines: bytes) -> bool:
        return self._posted(sensor_queue.packed(lines), lines.count(b"\n") + 1, lambda: lines)

    def _halved(self, lines: bytes) -> bool:
        """Send each half by itself. When the second must wait, both come again."""
        self._batch_bytes = max(_FEWEST_BYTES, min(self._batch_bytes, len(lines) // 2))
        each = lines.split(b"\n")
        middle = len(each) // 2
        return all(self._posted_lines(b"\n".join(half)) for half in (each[:middle], each[middle:]))

    def _posted(self, body: bytes, count: int, lines: Callable[[], bytes]) -> bool:
        """True when nothing more is to be done with it: taken, or never to be taken."""
        if self._failures and not self._ending.is_set() and time.monotonic() < self._not_before:
            return False
        try:
            answer = self._client.send(self._ask(body))
        except ServerUnreachable as error:
            return self._failed(error.explain())
        except ServerRefused as error:
            if error.status not in _BROKEN:
                return self._failed(error.explain())
            if error.status == _TOO_LARGE and count > 1:
                return self._halved(lines())
            with self._lock:
                self._refused += count
            if error.status != _TOO_LARGE or not self._told_large:
                self._tell(f"the server refuses {count} events: {error.what}")
            self._told_large |= error.status == _TOO_LARGE
            return True
        except Exception as error:  # noqa: BLE001  nothing that is answered may end the thread
            return self._failed(f"{type(error).__name__}: {error}")
        if not isinstance(answer, dict) or type(answer.get("accepted")) is not int:
            return self._failed("what answers there is no haechi server")
        self._arrived(answer, count)
        return True

    def _arrived(self, answer: dict[str, Any], count: int) -> None:
        refused = answer.get("refused")
        number = min(len(refused), count) if isinstance(refused, list) else 0
        with self._lock:
            self._refused += number
            self._sent += count - number
        if self._failures:
            self._tell("the server takes events again")
        self._failures = 0

    def _failed(self, why: str) -> bool:
        if not self._failures:
            self._tell(f"events wait, for the server does not take them: {why}")
        pause = self._pauses[min(self._failures, len(self._pauses) - 1)]
        self._not_before = time.monotonic() + pause
        self._failures += 1
        return False

    def _rest(self) -> None:
        """Until it is worth trying again; with a spool the queue is emptied into it meanwhile."""
        left = self._not_before - time.monotonic()
        if left > 0:
            self._ending.wait(min(left, EVERY_S) if self._spool is not None else left)

    def _ask(self, body: bytes) -> Ask:
        return Ask(
            method="POST",
            path=f"{BASE}/events",
            body=body,
            type=NDJSON,
            encoding="zstd",
            again=False,
            most=_MOST_ANSWER,
        )

    def _keep_rest(self) -> None:
        """What could not be sent goes to the spool, or is counted as dropped; so does what is
        under way to a server that hangs: should it arrive after all, it counts once there."""
        batch = self._flying if self._thread.is_alive() else []
        while batch := batch or self._queue.take(BATCH, BATCH_BYTES):
            if self._spool is None or not self._spool.keep(sensor_queue.lines(batch)):
                with self._lock:
                    self._dropped += sum(part.count for part in batch)
            batch = []
