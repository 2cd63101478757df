"""What ``isolated`` and its worker say to each other: MessagePack frames with a length before them.

Parent: ``Setup``, then any number of ``Batch``. Worker: ``Ready`` after ``Setup``, then one
``Answer`` for each task of a batch, in order. Beside the pipes both map one small file, the
``Cell``: the worker writes there what it is about to do, which costs a fraction of a microsecond
and can still be read when the worker had to be killed.
"""

from __future__ import annotations

import mmap
import os
import struct
from typing import Any, BinaryIO

import msgspec

from haechi.engines.cel import Unfit
from haechi.model.unknown import Unknown
from haechi.rules.schema import Rule

FRAME_LIMIT = 64 * 1024 * 1024
_LENGTH = struct.Struct(">I")
_UNKNOWN, _UNFIT = 1, 2


class Setup(msgspec.Struct, frozen=True, array_like=True):
    """The rules, which of them to leave out, the cell's file and the limits."""

    rules: list[Rule]
    skip: list[int]
    cell: str
    memory_bytes: int
    deadline_s: float


class RuleProblem(msgspec.Struct, frozen=True, array_like=True):
    """A RuleError's parts, by the rule's number."""

    rule: int
    what: str
    why: str
    do: str


class Ready(msgspec.Struct, frozen=True, array_like=True):
    """All rules are compiled but these."""

    problems: list[RuleProblem]


class Task(msgspec.Struct, frozen=True, array_like=True):
    """One resource and the numbers of the rules to judge it by. ``data`` is a Material."""

    rules: list[int]
    data: msgspec.Raw


class Material(msgspec.Struct, frozen=True, array_like=True):
    """The variables of a review. ``key`` is that of the resource, by which it is told what its
    data means."""

    object: Any
    old: Any
    request: Any
    params: Any
    namespace: Any
    key: str = "isolated"


class Batch(msgspec.Struct, frozen=True, array_like=True):
    """Tasks to judge in order."""

    tasks: list[Task]


class Answer(msgspec.Struct, frozen=True, array_like=True):
    """(state, message) for each rule of a task; processor seconds of the rules that took long."""

    verdicts: list[tuple[str, str]]
    seconds: list[tuple[int, float]]


def _mark(value: Any) -> Any:
    if isinstance(value, Unknown):
        told = "\0".join((value.reason, value.cause, "given" if value.given else ""))
        return msgspec.msgpack.Ext(_UNKNOWN, told.encode("utf-8", "replace"))
    if isinstance(value, Unfit):
        return msgspec.msgpack.Ext(_UNFIT, value.fault.encode("utf-8", "replace"))
    raise NotImplementedError


def _unmark(code: int, data: memoryview) -> Any:
    text = bytes(data).decode("utf-8", "replace")
    if code != _UNKNOWN:
        return Unfit(text)
    reason, _, rest = text.partition("\0")
    cause, _, given = rest.rpartition("\0")
    return Unknown(reason, cause=cause, given=bool(given))


ENCODER = msgspec.msgpack.Encoder(enc_hook=_mark)
MATERIAL = msgspec.msgpack.Decoder(Material, ext_hook=_unmark)


def send(stream: BinaryIO, payload: bytes) -> None:
    """Write one frame and flush it."""
    stream.write(_LENGTH.pack(len(payload)))
    stream.write(payload)
    stream.flush()


def receive(stream: BinaryIO) -> bytes | None:
    """Read one frame; None at the end, or when the frame is cut off or over the limit."""
    head = stream.read(_LENGTH.size)
    if len(head) < _LENGTH.size:
        return None
    length = _LENGTH.unpack(head)[0]
    if length > FRAME_LIMIT:
        return None
    payload = stream.read(length)
    return payload if len(payload) == length else None


class Cell:
    """The mapped file: a counter that grows, the task's number in its batch, the rule's number."""

    SIZE = 16
    NOTHING, COMPILING = 0xFFFFFFFF, 0xFFFFFFFE
    _FORM = struct.Struct("<QII")

    def __init__(self, descriptor: int) -> None:
        """``descriptor`` is closed; the map stays."""
        try:
            self._map = mmap.mmap(descriptor, self.SIZE)
        finally:
            os.close(descriptor)
        self._count = 0

    def write(self, task: int, rule: int) -> None:
        """Say what comes next."""
        self._count += 1
        self._FORM.pack_into(self._map, 0, self._count, task, rule)

    def read(self) -> tuple[int, int, int]:
        """(counter, task, rule). While the worker runs it may be half of two states."""
        count, task, rule = self._FORM.unpack_from(self._map, 0)
        return count, task, rule

    def close(self) -> None:
        """Unmap."""
        self._map.close()
