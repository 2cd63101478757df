"""Faults by script: which requests fail, how, and how often. And the log of all requests.

A fault names the requests it means and what happens to them; the first that matches is taken.
`kind` says what: a status, no answer, a reset before or after the write took effect, garbage,
a slow body, a cut watch. Faults drawn at random come from a seed (`Faults.chaos`).
"""

from __future__ import annotations

import hashlib
import random
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Literal

Json = dict[str, Any]
Kind = Literal[
    "status",
    "timeout",
    "reset",
    "reset_after",
    "timeout_after",
    "garbage",
    "slow",
    "cut",
    "expired",
]


@dataclass(slots=True, kw_only=True)
class Fault:
    """`verb`, `resource` (plural), `namespace`, `name`, `subresource` narrow it; empty means any.

    `after` matching requests pass first; then `times` are hit (0: all). `when` narrows further.
    """

    kind: Kind = "status"
    verb: str = ""
    resource: str = ""
    namespace: str = ""
    name: str = ""
    subresource: str | None = None
    dry: bool | None = None
    after: int = 0
    times: int = 1
    code: int = 500
    reason: str = ""
    message: str = "injected"
    retry_after: int = 0
    seconds: float = 0.2  # slow: between pieces; timeout: how long at most (0: until stopped)
    events: int = 1  # cut: after so many watch events
    when: Callable[[Entry], bool] | None = None
    hits: int = field(default=0, init=False)
    seen: int = field(default=0, init=False)

    def takes(self, entry: Entry) -> bool:
        if not self._means(entry):
            return False
        self.seen += 1
        if self.seen <= self.after or (self.times and self.hits >= self.times):
            return False
        self.hits += 1
        return True

    def _means(self, entry: Entry) -> bool:
        wanted = (
            (self.verb, entry.verb),
            (self.resource, entry.resource),
            (self.namespace, entry.namespace),
            (self.name, entry.name),
        )
        if any(want and want != have for want, have in wanted):
            return False
        if self.subresource is not None and self.subresource != entry.subresource:
            return False
        if self.dry is not None and self.dry is not entry.dry:
            return False
        return self.when is None or self.when(entry)


@dataclass(slots=True, kw_only=True)
class Entry:
    """One request as the log keeps it; `code` 0: none was sent."""

    number: int
    method: str
    path: str
    query: dict[str, str]
    verb: str = ""
    resource: str = ""
    namespace: str = ""
    name: str = ""
    subresource: str = ""
    user: str = ""
    dry: bool = False
    media: str = ""
    agent: str = ""
    body_hash: str = ""
    body: bytes = b""
    code: int = 0
    fault: str = ""
    version: int = 0  # the store's after the request

    @property
    def writes(self) -> bool:
        return self.verb in ("create", "update", "patch", "delete", "deletecollection")


class Faults:
    def __init__(self) -> None:
        self._lock, self._faults = threading.Lock(), list[Fault]()
        self._chaos: Callable[[Entry], Fault | None] | None = None

    def add(self, fault: Fault | None = None, **what: Any) -> Fault:
        made = fault or Fault(**what)
        with self._lock:
            self._faults.append(made)
        return made

    def clear(self) -> None:
        with self._lock:
            self._faults.clear()
            self._chaos = None

    def chaos(
        self,
        seed: int,
        *,
        share: float = 0.1,
        kinds: tuple[Kind, ...] = ("status", "reset", "reset_after", "timeout_after"),
        codes: tuple[int, ...] = (409, 429, 500, 503, 504),
        when: Callable[[Entry], bool] | None = None,
    ) -> None:
        """Hit a share of the requests, which ones and how drawn from the seed alone."""
        source = random.Random(seed)  # noqa: S311

        def draw(entry: Entry) -> Fault | None:
            if when is not None and not when(entry):
                return None
            hit, kind, code = source.random() < share, source.choice(kinds), source.choice(codes)
            retry = 1 if code in (429, 503) else 0
            return Fault(kind=kind, code=code, retry_after=retry, seconds=0.05) if hit else None

        with self._lock:
            self._chaos = draw

    def draw(self, entry: Entry) -> Fault | None:
        with self._lock:
            for fault in self._faults:
                if fault.takes(entry):
                    return fault
            return self._chaos(entry) if self._chaos else None


REASONS = {
    400: "BadRequest",
    401: "Unauthorized",
    403: "Forbidden",
    404: "NotFound",
    409: "Conflict",
    410: "Expired",
    429: "TooManyRequests",
    500: "InternalError",
    503: "ServiceUnavailable",
    504: "Timeout",
}


class Log:
    """All requests in the order they came."""

    def __init__(self) -> None:
        self._lock, self._entries = threading.Lock(), list[Entry]()

    def note(self, method: str, path: str, query: dict[str, str], body: bytes) -> Entry:
        with self._lock:
            digest = hashlib.sha256(body).hexdigest() if body else ""
            entry = Entry(
                number=len(self._entries),
                method=method,
                path=path,
                query=query,
                body=body,
                body_hash=digest,
                dry=query.get("dryRun") == "All",
            )
            self._entries.append(entry)
            return entry

    def __len__(self) -> int:
        return len(self._entries)

    def all(self, **what: Any) -> list[Entry]:
        """The entries with these attributes, e.g. `verb="create"`, `resource="pods"`."""
        with self._lock:
            found = list(self._entries)
        return [e for e in found if all(getattr(e, key) == value for key, value in what.items())]

    def writes(self) -> list[Entry]:
        """What was meant to change something: no reads, reviews or dry runs."""
        reviews = ("reviews", "token")
        return [
            e
            for e in self.all()
            if e.writes
            and not e.dry
            and not e.resource.endswith(reviews)
            and e.subresource != "token"
        ]

    def clear(self) -> None:
        with self._lock:
            self._entries.clear()
