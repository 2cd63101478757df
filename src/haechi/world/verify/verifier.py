"""The seam of ``--verify``: a credential in, live, dead or unknown out.

Careful with other people's servers and with the value: each credential is asked about once a
run, a provider at most once a second and 50 times a run, and no more once it asks to slow down
or does not answer. Nothing is retried. Values are held for the time of a call; what is
remembered between calls is a keyed digest whose key lives and dies with the run.
"""

from __future__ import annotations

import datetime as dt
import hashlib
import hmac
import secrets
import threading
import time
from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Protocol

from haechi.world.verify.conditions import Life, Verification, judged
from haechi.world.verify.providers import Ask, Provider
from haechi.world.verify.request import build
from haechi.world.verify.signing import Unsendable
from haechi.world.verify.transport import HttpsTransport, Transport, Unanswered, trusted_context

INTERVAL = 1.0
"""Seconds between two requests to one provider."""
MAX_REQUESTS = 50
"""Requests to one provider in one run."""
MAX_FAILURES = 2
"""Requests without any answer after which a provider is left alone."""


class Clock(Protocol):
    """Time, so that tests need not wait for it."""

    def now(self) -> dt.datetime:
        """The time in UTC."""

    def monotonic(self) -> float:
        """Seconds that only grow."""

    def sleep(self, seconds: float) -> None:
        """Wait."""


class SystemClock:
    """The machine's time."""

    def now(self) -> dt.datetime:
        """The time in UTC."""
        return dt.datetime.now(dt.UTC)

    def monotonic(self) -> float:
        """Seconds that only grow."""
        return time.monotonic()

    def sleep(self, seconds: float) -> None:
        """Wait."""
        time.sleep(seconds)


@dataclass(slots=True)
class _Turn:
    """What was asked of one provider in this run, one request at a time."""

    lock: threading.Lock = field(default_factory=threading.Lock)
    requests: int = 0
    failures: int = 0
    last: float | None = None
    stopped: str = ""
    answers: dict[bytes, Verification] = field(default_factory=dict)


class Verifier:
    """Asks providers; safe to use from several threads."""

    def __init__(
        self, transport: Transport, table: Mapping[str, Provider], clock: Clock | None = None
    ) -> None:
        self._transport = transport
        self._table = table
        self._clock = clock or SystemClock()
        self._key = secrets.token_bytes(32)
        self._turns: dict[str, _Turn] = defaultdict(_Turn)
        self._lock = threading.Lock()

    def __repr__(self) -> str:
        return f"Verifier({', '.join(sorted(self._table))})"

    def verify(self, provider: str, values: Mapping[str, str]) -> Verification:
        """Whether a credential lives. ``values`` holds ``secret`` and what else the provider
        needs (``id`` of a key pair, ``session``); empty values count as missing."""
        entry = self._table.get(provider)
        if entry is None:
            return _unknown(f"{provider} is not among the providers to ask")
        given = {name: value for name, value in values.items() if value}
        missing = [name for name in entry.needs if name not in given]
        if missing:
            return _unknown(f"{entry.title} can only be asked with the {' and the '.join(missing)}")
        with self._lock:
            turn = self._turns[provider]
        with turn.lock:
            digest = self._digest(given)
            if digest not in turn.answers:
                turn.answers[digest] = self._asked(entry, given, turn)
            return turn.answers[digest]

    def _digest(self, values: Mapping[str, str]) -> bytes:
        joined = "\0".join(f"{name}\0{values[name]}" for name in sorted(values))
        return hmac.new(self._key, joined.encode("utf-8", "surrogatepass"), hashlib.sha256).digest()

    def _asked(self, entry: Provider, values: Mapping[str, str], turn: _Turn) -> Verification:
        """The first region that accepts it decides; dead only where all of them refuse."""
        results = []
        for ask in entry.asks:
            result = self._request(entry, ask, values, turn)
            if result.state is Life.LIVE:
                return result
            results.append(result)
        for result in results:
            if result.state is Life.UNKNOWN:
                return result
        return Verification(
            state=Life.DEAD, detail="; ".join(dict.fromkeys(result.detail for result in results))
        )

    def _request(
        self, entry: Provider, ask: Ask, values: Mapping[str, str], turn: _Turn
    ) -> Verification:
        if turn.requests >= MAX_REQUESTS:
            turn.stopped = f"{entry.title} was asked {MAX_REQUESTS} times in this run"
        if turn.stopped:
            return _unknown(f"not asked: {turn.stopped}")
        try:
            request = build(ask, values, self._clock.now())
        except Unsendable as error:
            return _unknown(f"not asked: {error.what}")
        self._wait(turn)
        turn.requests += 1
        try:
            answer = self._transport.send(request)
        except Unanswered as error:
            turn.failures += 1
            if turn.failures >= MAX_FAILURES:
                turn.stopped = f"{ask.host} did not answer"
            return _unknown(f"{ask.host}: {error.what}")
        if answer.status == 429:
            turn.stopped = f"{ask.host} asked to slow down"
        return judged(entry, ask.host, answer)

    def _wait(self, turn: _Turn) -> None:
        now = self._clock.monotonic()
        if turn.last is not None and now - turn.last < INTERVAL:
            self._clock.sleep(INTERVAL - (now - turn.last))
        turn.last = self._clock.monotonic()


def online_verifier(table: Mapping[str, Provider]) -> Verifier:
    """A verifier that asks the real providers of ``table``."""
    return Verifier(HttpsTransport(context=trusted_context()), table)


def _unknown(detail: str) -> Verification:
    return Verification(state=Life.UNKNOWN, detail=detail)
