"""Where events come from: the kinds of feeds and their decoders, and sources that are read.

A source gives what it has (``take``) and is told when that is durable (``done``): only then does
its place move on. So whatever dies in between, a source begins again where the last durable
batch ended.
"""

from __future__ import annotations

import queue
from collections.abc import Callable, Iterable, Mapping, Sequence
from importlib import import_module
from typing import TYPE_CHECKING, Any, Literal, Protocol

import msgspec

from haechi.errors import ConfigError, UsageError
from haechi.model.event import Event

if TYPE_CHECKING:
    from haechi.runtime.decode.refusal import Decoded, Refusal

Kind = Literal["falco", "tetragon", "kubernetes-audit", "hubble", "envoy", "application"]
KINDS: tuple[str, ...] = Kind.__args__  # type: ignore[attr-defined]
NATIVE = "native"
"""haechi's own events: recordings."""
NETWORK = frozenset({"hubble", "envoy"})
_MODULES = {kind: kind.replace("-", "_") for kind in (*KINDS, NATIVE)}
MOST_RECORDS = 2_000
"""Events of one turn of a source."""


class FeedSettings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A file that events are read from, as it is written to. ``file`` ``-`` is standard input.
    ``mapping`` names one of ``runtime.mappings`` (kind ``application``). ``from_start``: what
    stands in the file already counts when it is first read."""

    kind: Kind
    file: str
    cluster: str = "-"
    node: str = ""
    mapping: str = ""
    from_start: bool = True

    @property
    def id(self) -> str:
        """What the feed is known by, with its cluster."""
        return f"{self.kind}:{self.file}"


class Decode(Protocol):
    """Bytes to events. It never raises for what the bytes hold."""

    def __call__(
        self,
        record: bytes | dict[str, Any],
        *,
        cluster: str,
        node: str = "",
        now_ns: int | None = None,
        place: str = "",
    ) -> Decoded:
        """What became of the record."""


def decoder(kind: str, mapping: Any = None) -> Decode:
    """The decoder of a kind. ``mapping`` is the declared one of kind ``application``.
    UsageError, ConfigError."""
    if kind not in _MODULES:
        raise UsageError(
            f"there is no kind of feed {kind[:40]!r}", do=f"one of: {', '.join(KINDS)}"
        )
    module = import_module(f"haechi.runtime.decode.{_MODULES[kind]}")
    if kind == "application":
        if mapping is None:
            raise UsageError(
                "events of applications need a mapping",
                do="declare it under runtime.mappings, and name it",
                where="mapping",
            )
        made: Decode = module.Application(mapping).read
        return made
    read = module.read

    def decode(
        record: bytes | dict[str, Any],
        *,
        cluster: str,
        node: str = "",
        now_ns: int | None = None,
        place: str = "",
    ) -> Decoded:
        found: Decoded = read(record, cluster=cluster, node=node, now_ns=now_ns)
        return found

    return decode


def mapping_of(name: str, mappings: Mapping[str, Any]) -> Any:
    """A declared mapping. ConfigError names the declared ones."""
    if name not in mappings:
        known = ", ".join(sorted(mappings)) or "none"
        raise ConfigError(f"there is no mapping {name[:60]!r}", do=f"declared are: {known}")
    return mappings[name]


class Batch(msgspec.Struct, frozen=True, kw_only=True):
    """What a source had. ``checkpoint`` is where it goes on once this is durable; ``records`` is
    how many records it took from its input."""

    events: Sequence[Event] = ()
    refusals: Sequence[Refusal] = ()
    skipped: int = 0
    checkpoint: Any = None

    @property
    def empty(self) -> bool:
        """True when there was nothing at all."""
        return not (self.events or self.refusals or self.skipped or self.checkpoint)


class Source(Protocol):
    """Something that events are collected from. Used by one thread at a time."""

    kind: str
    id: str

    def take(self) -> Batch:
        """What is there by now; empty when there is nothing. Raises InputError, OSError."""

    def done(self, batch: Batch) -> None:
        """The batch is durable: the source may forget it."""

    def close(self) -> None:
        """Let go of files."""


class QueueSource:
    """Events that a program puts in by itself: ``put`` from any thread. Bounded: ``put`` says
    False when it is full."""

    def __init__(self, kind: str, *, id: str = "", most: int = 10_000) -> None:
        self.kind, self.id = kind, id or f"{kind}:queue"
        self._events: queue.Queue[Event] = queue.Queue(most)
        self._undone: list[Event] = []

    def put(self, event: Event) -> bool:
        """Take one more, if there is room."""
        try:
            self._events.put_nowait(event)
        except queue.Full:
            return False
        return True

    def take(self) -> Batch:
        """What was put in; what was taken and is not done comes again first."""
        while len(self._undone) < MOST_RECORDS:
            try:
                self._undone.append(self._events.get_nowait())
            except queue.Empty:
                break
        return Batch(events=tuple(self._undone))

    def done(self, batch: Batch) -> None:
        """Forget them."""
        del self._undone[: len(batch.events)]

    def close(self) -> None:
        """Nothing to let go of."""


Now = Callable[[], int]


def joined(several: Iterable[Decoded]) -> tuple[list[Event], list[Refusal], int]:
    """Events, refusals and what was skipped of several records."""
    events: list[Event] = []
    refusals: list[Refusal] = []
    skipped = 0
    for one in several:
        events += one.events
        refusals += one.refusals
        skipped += one.skipped
    return events, refusals, skipped
