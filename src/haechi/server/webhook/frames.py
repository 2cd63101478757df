"""What front, nursery and evaluators say to each other.

Every frame is a length and a payload on a Unix socketpair. Reviews travel as the raw bytes that
the API server sent: the front does not parse what it does not decide about. Everything else is
MessagePack. Beside the socket an evaluator maps a ``Cell``, which tells at any moment, even when
it had to be killed, which policy it was at and since when.
"""

from __future__ import annotations

import mmap
import os
import struct
import time
from collections.abc import Callable, Mapping, Sequence
from enum import IntEnum
from typing import Any

import msgspec

from haechi.errors import InputError
from haechi.model.admission import PolicyFault, PolicyInfo
from haechi.model.waiver import Waiver

LENGTH = struct.Struct("<I")
MOST_FRAME = 64 << 20


class Route(IntEnum):
    """Which group of policies a request is for, and whether they check or change."""

    ADMIT_FAIL = 0
    ADMIT_IGNORE = 1
    MUTATE_FAIL = 2
    MUTATE_IGNORE = 3

    @property
    def closed(self) -> bool:
        """True when what cannot be judged is refused."""
        return self in (Route.ADMIT_FAIL, Route.MUTATE_FAIL)

    @property
    def mutating(self) -> bool:
        return self in (Route.MUTATE_FAIL, Route.MUTATE_IGNORE)

    @property
    def path(self) -> str:
        return PATHS[self]


PATHS = {
    Route.ADMIT_FAIL: "/admit/fail",
    Route.ADMIT_IGNORE: "/admit/ignore",
    Route.MUTATE_FAIL: "/mutate/fail",
    Route.MUTATE_IGNORE: "/mutate/ignore",
}


class Message(IntEnum):
    """The first byte of a frame to an evaluator."""

    REVIEW = 1
    CHANGES = 2


class Result(IntEnum):
    """What an evaluator could make of a review."""

    JUDGED = 0
    MALFORMED = 1
    """No AdmissionReview: HTTP 400."""
    UNREADABLE = 2
    """A review that cannot be judged as a whole; answered by group."""


_ASKED = struct.Struct("<BIBI")
_ANSWERED = struct.Struct("<IBI")


class Known(msgspec.Struct, frozen=True, array_like=True):
    """An object of the cluster that policies may ask for; ``body`` (JSON) empty: it is gone."""

    api_version: str
    kind: str
    namespace: str
    name: str
    body: bytes = b""


class Changes(msgspec.Struct, frozen=True, array_like=True):
    """News of the cluster. ``unknown``: the kinds (group, kind) that policies ask for and of which
    not all is known (``*``: none is), None: no news of that. ``waivers``: all that the server has;
    None: no news of them."""

    objects: list[Known] = []
    unknown: list[tuple[str, str]] | None = None
    waivers: list[Waiver] | None = None


class Text(msgspec.Struct, frozen=True, array_like=True):
    """A file of policies."""

    name: str
    data: bytes


class Setup(msgspec.Struct, frozen=True, kw_only=True):
    """What a nursery loads. ``waivers``: files of them. ``records``: decisions are described, as
    ``telling`` wants."""

    texts: list[Text]
    waivers: list[Text] = []
    packs: list[str] = []
    memory_bytes: int = 0
    cluster: str = ""
    records: bool = False
    sample: int = 0
    bodies: bool = False


class Fork(msgspec.Struct, frozen=True, tag=True):
    """Make an evaluator; its socket and its cell come with the message."""


class News(msgspec.Struct, frozen=True, tag=True):
    """Changes that evaluators born from now on must know."""

    changes: Changes


class Loaded(msgspec.Struct, frozen=True, kw_only=True, tag=True):
    """The policies are compiled."""

    generation: str
    policies: list[PolicyInfo]
    reads: list[tuple[str, str]] = []
    """Kinds (group, kind) of other objects that are looked at."""
    mutators: list[PolicyInfo] = []
    faults: list[PolicyFault] = []
    waivers: int = 0
    seconds: float = 0.0


class Failed(msgspec.Struct, frozen=True, tag=True):
    """The policies could not be loaded at all."""

    what: str


class Born(msgspec.Struct, frozen=True, tag=True):
    """An evaluator; its pidfd comes with the message."""

    pid: int


class Notes(msgspec.Struct, frozen=True, array_like=True):
    """What the front counts of a judged review. ``words``: (policy, outcome) of those that did
    not simply pass. ``record`` is a DecisionRecord as MessagePack without its duration."""

    kind: str = ""
    namespace: str = ""
    outcome: str = "allowed"
    words: list[tuple[str, str]] = []
    record: bytes = b""


NOTES = msgspec.msgpack.Decoder(Notes)
CHANGES = msgspec.msgpack.Decoder(Changes)
ENCODE: Callable[[Any], bytes] = msgspec.msgpack.Encoder().encode


def asked(number: int, route: int, off: Mapping[str, str], body: bytes) -> bytes:
    """The frame of a review. ``off``: ids of policies that may not run, with the reason."""
    words = ENCODE(off) if off else b""
    size = _ASKED.size + len(words) + len(body)
    return b"".join(
        (
            LENGTH.pack(size),
            _ASKED.pack(Message.REVIEW, number, route, len(words)),
            words,
            body,
        )
    )


def changed(changes: Changes) -> bytes:
    """The frame of news."""
    data = ENCODE(changes)
    return LENGTH.pack(len(data) + 1) + bytes([Message.CHANGES]) + data


def review_of(frame: memoryview) -> tuple[int, int, dict[str, str], memoryview]:
    """(number, route, off, body) of a frame that begins with ``Message.REVIEW``."""
    _, number, route, words = _ASKED.unpack_from(frame, 0)
    start = _ASKED.size
    off: dict[str, str] = msgspec.msgpack.decode(frame[start : start + words]) if words else {}
    return number, route, off, frame[start + words :]


def answered(number: int, result: int, response: bytes, notes: bytes) -> bytes:
    """The frame of an answer."""
    size = _ANSWERED.size + len(response) + len(notes)
    return b"".join(
        (LENGTH.pack(size), _ANSWERED.pack(number, result, len(response)), response, notes)
    )


def answer_of(frame: bytes) -> tuple[int, int, bytes, bytes]:
    """(number, result, response, notes)."""
    number, result, length = _ANSWERED.unpack_from(frame, 0)
    start = _ANSWERED.size
    return number, result, frame[start : start + length], frame[start + length :]


class Frames:
    """Cuts a stream of bytes into frames. Raises InputError past ``MOST_FRAME``."""

    def __init__(self) -> None:
        self._data = bytearray()

    def feed(self, data: bytes | memoryview) -> Sequence[bytes]:
        """The frames that are whole by now."""
        held = self._data
        if held:
            held += data
        found: list[bytes] = []
        with memoryview(held or data) as view:
            at, end = 0, len(view)
            while end - at >= 4:
                size = LENGTH.unpack_from(view, at)[0]
                if size > MOST_FRAME:
                    raise InputError(f"a frame of {size:,} bytes")
                if end - at - 4 < size:
                    break
                found.append(bytes(view[at + 4 : at + 4 + size]))
                at += 4 + size
            if not held and at < end:
                held += view[at:]
                at = 0
        if at and held:
            del held[:at]
        return found


class Cell:
    """A mapped page: how often it was written, since when, which review, which policy."""

    SIZE = 64
    NOTHING, READING, ANSWERING = 0xFFFFFFFF, 0xFFFFFFFE, 0xFFFFFFFD
    _FORM = struct.Struct("<QqII")

    def __init__(self, descriptor: int) -> None:
        """Maps the file; ``descriptor`` stays the caller's."""
        self._map = mmap.mmap(descriptor, self.SIZE)
        self._count = 0

    @classmethod
    def made(cls) -> tuple[Cell, int]:
        """A new cell and the descriptor of its file."""
        descriptor = os.memfd_create("haechi-cell", os.MFD_CLOEXEC)
        os.ftruncate(descriptor, cls.SIZE)
        cell = cls(descriptor)
        cell.write(0, cls.NOTHING)
        return cell, descriptor

    def write(self, review: int, policy: int) -> None:
        """Say what comes next."""
        self._count += 1
        self._FORM.pack_into(self._map, 0, self._count, time.monotonic_ns(), review, policy)

    def watcher(self, review: int, numbers: Sequence[int]) -> Callable[[int], None]:
        """A function that writes the number that stands at an index: the shortest way there is,
        since it is called before each policy."""
        pack, target, clock = self._FORM.pack_into, self._map, time.monotonic_ns

        def watch(index: int) -> None:
            self._count += 1
            pack(target, 0, self._count, clock(), review, numbers[index])

        return watch

    def read(self) -> tuple[int, int, int, int]:
        """(count, since in ns of the monotonic clock, review, policy). Of a process that runs it
        may be half of two states; of one that ended it is exact."""
        count, since, review, policy = self._FORM.unpack_from(self._map, 0)
        return count, since, review, policy

    def close(self) -> None:
        """Unmap."""
        self._map.close()
