"""Decisions on their way to a haechi server, or into a file.

The event loop only counts and queues; a thread sends. What waits is bounded: past it records are
forgotten and counted (``dropped``), never the reviews held up. A batch whose answer was lost is
sent again under its number, and counts once there.
"""

from __future__ import annotations

import contextlib
import errno
import logging
import os
import secrets
import threading
import time
from collections import deque
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec
from msgspec import structs

from haechi import __version__
from haechi.admit.recording import Tallies
from haechi.client.answers import ServerRefused, ServerUnreachable
from haechi.client.asks import BASE, Ask
from haechi.model.decision_record import (
    MOST_RECORDS,
    SCHEMA,
    DecisionBatch,
    DecisionRecord,
    Outcome,
    WebhookState,
)
from haechi.server.webhook.frames import Notes, Route

if TYPE_CHECKING:
    from haechi.client.http import Client

log = logging.getLogger("haechi.webhook")
WAITING, WAITING_BYTES = 5_000, 32 << 20
EVERY_S, PAUSES = 5.0, (1.0, 2.0, 5.0, 15.0, 30.0)
LIST_S = 180.0
"""How often the list of policies is told when it did not change."""
FILE_BYTES = 64 << 20
_BROKEN = frozenset({400, 413, 415, 422})
_RECORD = msgspec.msgpack.Decoder(DecisionRecord)
_LINE = msgspec.json.Encoder()
StateOf = Callable[[], WebhookState]
Dropped = Callable[[str], None]


class Lines:
    """A file of decisions, one JSON document a line; when full it is kept once as ``.1``."""

    def __init__(self, path: Path, *, most: int = FILE_BYTES) -> None:
        self._path, self._most = path, most
        self._size = path.stat().st_size if path.exists() else 0

    def write(self, records: Sequence[DecisionRecord]) -> None:
        """Append. OSError."""
        data = b"".join(_LINE.encode(record) + b"\n" for record in records)
        if self._size + len(data) > self._most:
            with contextlib.suppress(FileNotFoundError):
                self._path.replace(self._path.with_name(f"{self._path.name}.1"))
            self._size = 0
        flags = os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC
        with open(os.open(self._path, flags, 0o600), "ab", buffering=0) as file:  # noqa: PTH123
            written = file.write(data)
            self._size += written
            if written < len(data):  # the disk is full: no half a line
                whole = data.rfind(b"\n", 0, written) + 1
                os.truncate(file.fileno(), max(0, file.tell() - (written - whole)))
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(self._path))


class Telling:
    """Collects notes of the event loop and sends them in a thread of its own."""

    def __init__(
        self,
        *,
        state: StateOf,
        client: Client | None = None,
        lines: Lines | None = None,
        cluster: str = "",
        replica: str = "",
        dropped: Dropped = lambda reason: None,
        every_s: float = EVERY_S,
    ) -> None:
        self._state, self._client, self._lines = state, client, lines
        self._cluster, self._replica = cluster, replica
        self._dropped_one, self._every_s = dropped, every_s
        self._run, self._number = secrets.token_hex(8), 0
        self._lock = threading.Lock()
        self._waiting: deque[tuple[bytes, int]] = deque()
        self._bytes = 0
        self._tallies = Tallies()
        self.dropped = 0
        self._listed = ("", float("-inf"))
        self._again: DecisionBatch | None = None
        self._unwritten = False
        self._stopped = threading.Event()
        self._thread: threading.Thread | None = None

    def told(self, route: Route, notes: Notes, seconds: float) -> None:
        """A review was answered."""
        words = {policy: Outcome(word) for policy, word in notes.words}
        took = int(seconds * 1e6)
        with self._lock:
            self._tallies.add(
                words,
                Outcome(notes.outcome),
                notes.namespace,
                at_ns=time.time_ns(),
                duration_us=took,
            )
            if not notes.record:
                return
            if len(self._waiting) >= WAITING or self._bytes > WAITING_BYTES:
                self._drop("queue", 1)
                return
            self._waiting.append((notes.record, took))
            self._bytes += len(notes.record)

    def start(self) -> None:
        """Begin to send."""
        self._thread = threading.Thread(target=self._work, name="haechi-telling", daemon=True)
        self._thread.start()

    def close(self, seconds: float = 2.0) -> None:
        """Send what waits, as far as it goes in that time."""
        self._stopped.set()
        if self._thread is not None:
            self._thread.join(seconds)
        if self._client is not None:
            self._client.close()

    def _drop(self, reason: str, count: int) -> None:
        self.dropped += count
        for _ in range(count):
            self._dropped_one(reason)

    def _work(self) -> None:
        failed = 0
        while True:
            last = self._stopped.wait(
                PAUSES[min(failed, len(PAUSES)) - 1] if failed else self._every_s
            )
            try:
                more = self._send()
                while more and not failed:
                    more = self._send()
                failed = 0
            except (ServerUnreachable, ServerRefused, OSError) as error:
                failed += 1
                if failed == 1:
                    log.warning("decisions cannot be told: %s", error)
            except Exception:  # the boundary of a thread
                log.exception("telling decisions failed")
                failed += 1
            if last:
                return

    def _send(self) -> bool:
        """Send one batch; whether more waits. Raises ServerRefused, ServerUnreachable."""
        batch = self._again or self._batch()
        if self._lines is not None and self._again is None and batch.records:
            self._write(self._lines, batch.records)
        if self._client is not None:
            self._again = batch
            try:
                self._client.send(_ask(batch))
            except ServerRefused as error:
                if error.status not in _BROKEN:
                    raise
                self._drop("refused", len(batch.records))
                log.warning("the server does not take a batch of decisions: %s", error)
            self._again = None
        return bool(self._waiting)

    def _write(self, lines: Lines, records: Sequence[DecisionRecord]) -> None:
        """A full disk costs the file its lines, and nobody else anything."""
        try:
            lines.write(records)
            self._unwritten = False
        except OSError as error:
            self._drop("file", len(records))
            if not self._unwritten:
                log.warning("decisions cannot be written: %s", error)
            self._unwritten = True

    def _batch(self) -> DecisionBatch:
        with self._lock:
            count = min(len(self._waiting), MOST_RECORDS)
            taken = [self._waiting.popleft() for _ in range(count)]
            self._bytes -= sum(len(data) for data, _ in taken)
            tallies, latencies = self._tallies.take()
        records = tuple(
            structs.replace(_RECORD.decode(data), duration_us=took) for data, took in taken
        )
        self._number += 1
        state = self._state()
        now = time.monotonic()
        if state.generation == self._listed[0] and now - self._listed[1] < LIST_S:
            state = structs.replace(state, policies=None, faults=None)
        else:
            self._listed = (state.generation, now)
        return DecisionBatch(
            schema=SCHEMA,
            cluster=self._cluster,
            replica=self._replica,
            run=self._run,
            number=self._number,
            state=structs.replace(state, dropped=self.dropped, version=__version__),
            records=records,
            tallies=tallies,
            latencies=latencies,
        )


def _ask(batch: DecisionBatch) -> Ask:
    body = msgspec.json.encode(batch)
    return Ask(method="POST", path=f"{BASE}/admission/decisions", body=body, again=True)
