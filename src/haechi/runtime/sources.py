"""Where events come from: the kinds of feeds and their decoders, and sources that are read.

A source gives what it has (``take``) and is told when that is durable (``done``): only then does
its place move on. So whatever dies in between, a source begins again where the last durable
batch ended.
"""

from __future__ import annotations

import queue
import time
from collections.abc import Callable, Mapping, Sequence
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, Protocol

import msgspec

from haechi.errors import ConfigError, UsageError
from haechi.model.event import Event

if TYPE_CHECKING:
    from haechi.runtime.decode.refusal import Decoded, Refusal
    from haechi.world.feeds.lines import Batch as Lines

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
    """What a source had. ``checkpoint`` is where it goes on once this is durable; ``lost`` is how
    many events it says itself that it could not send."""

    events: Sequence[Event] = ()
    refusals: Sequence[Refusal] = ()
    skipped: int = 0
    lost: int = 0
    checkpoint: Any = None

    @property
    def empty(self) -> bool:
        """True when there was nothing at all."""
        return not (self.events or self.refusals or self.skipped or self.lost or self.checkpoint)


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


class FileSource:
    """A file that is followed through rotation, from its checkpoint on."""

    def __init__(
        self,
        settings: FeedSettings,
        decode: Decode,
        *,
        checkpoint: Any = None,
        now_ns: Callable[[], int] = time.time_ns,
        patience_s: float = 5.0,
    ) -> None:
        from haechi.world.feeds.follow import Follower
        from haechi.world.feeds.lines import Checkpoint

        self.kind: str = settings.kind
        self.id = settings.id
        self._settings, self._now_ns, self._decode = settings, now_ns, decode
        self._follower = Follower(
            Path(settings.file),
            start=None if checkpoint is None else Checkpoint.of(checkpoint),
            from_end=not settings.from_start,
            patience_s=patience_s,
        )

    @property
    def error(self) -> str:
        """Why the file cannot be read now, or empty."""
        return self._follower.error

    def take(self) -> Batch:
        """What is new."""
        found = self._follower.poll()
        if found is None:
            return Batch()
        return _decoded(
            found,
            self._decode,
            self._settings,
            self._now_ns(),
            msgspec.to_builtins(found.checkpoint),
        )

    def done(self, batch: Batch) -> None:
        """The follower has moved on already."""

    def close(self) -> None:
        """Close the file."""
        self._follower.close()


class StreamSource:
    """Standard input or a pipe: what was read and is not durable is lost with the process."""

    def __init__(
        self,
        settings: FeedSettings,
        decode: Decode,
        *,
        descriptor: int = 0,
        now_ns: Callable[[], int] = time.time_ns,
    ) -> None:
        from haechi.world.feeds.stream import Stream

        self.kind: str = settings.kind
        self.id = settings.id
        self._settings, self._now_ns, self._decode = settings, now_ns, decode
        self._stream = Stream(descriptor)

    @property
    def error(self) -> str:
        """A stream that ended is told as such."""
        return "the input has ended" if self._stream.ended else ""

    def take(self) -> Batch:
        """What came within a moment."""
        found = self._stream.poll(0.25)
        if found is None:
            return Batch()
        return _decoded(found, self._decode, self._settings, self._now_ns(), None)

    def done(self, batch: Batch) -> None:
        """There is no way back in a stream."""

    def close(self) -> None:
        """The descriptor is its owner's."""


def _decoded(
    found: Lines, decode: Decode, settings: FeedSettings, now_ns: int, checkpoint: Any
) -> Batch:
    from haechi.runtime.decode.refusal import refusal

    events: list[Event] = []
    refusals = [refusal("the line is too long", one.sample) for one in found.overlong]
    skipped = lost = 0
    for line in found.lines:
        made = decode(
            line.data,
            cluster=settings.cluster,
            node=settings.node,
            now_ns=now_ns,
            place=line.place,
        )
        events += made.events
        refusals += made.refusals
        skipped += made.skipped
        lost += made.lost
    return Batch(
        events=events, refusals=refusals, skipped=skipped, lost=lost, checkpoint=checkpoint
    )


def opened(
    settings: FeedSettings, mappings: Mapping[str, Any], *, checkpoint: Any = None
) -> FileSource | StreamSource:
    """The source of a configured feed. ConfigError."""
    mapping = mapping_of(settings.mapping, mappings) if settings.kind == "application" else None
    decode = decoder(settings.kind, mapping)
    if settings.file == "-":
        return StreamSource(settings, decode)
    return FileSource(settings, decode, checkpoint=checkpoint)
