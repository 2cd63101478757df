"""What the server and the process that judges say to each other: MessagePack frames with a length.

The server: ``Setup`` once, then rounds of ``News``, ``Asked`` and ``Go`` (or ``Compare``, or
``Foresee``). The process: ``Ready`` or ``Failed``, then for each round ``Found`` frames and
``Done`` (or ``Compared``, or ``Foretold``). Every frame is small enough to be held, however large a
cluster is.
"""

from __future__ import annotations

import datetime as dt
import struct
from collections.abc import Iterator, Mapping
from typing import Any

import msgspec

from haechi.admit.simulate import Forecast, WhatIf
from haechi.model.admission import PolicyFault, PolicyInfo, PolicyVerdict
from haechi.world.kube.cluster import Kept

LENGTH = struct.Struct("<I")
MOST_FRAME = 64 << 20
PART_BYTES = 8 << 20


class Text(msgspec.Struct, frozen=True, array_like=True):
    """A file of policies, or an object that is one."""

    name: str
    data: bytes


class Setup(msgspec.Struct, frozen=True, tag=True):
    """Policies to judge by, and bounds."""

    texts: list[Text]
    packs: list[str]
    cluster: str
    deadline_s: float
    memory_bytes: int


class News(msgspec.Struct, frozen=True, tag=True):
    """Objects that policies may ask for. ``anew``: all that was known before is forgotten.
    ``unknown``: the kinds (group, kind) of which not all is known; None: no news of that."""

    kept: list[Kept] = []
    gone: list[tuple[str, str, str]] = []
    anew: bool = False
    unknown: list[tuple[str, str]] | None = None


class Asked(msgspec.Struct, frozen=True, tag=True):
    """Objects to judge in this round."""

    kept: list[Kept]


class Go(msgspec.Struct, frozen=True, tag=True):
    """Judge what was asked. ``anew``: what was judged before counts no more; ``gone`` are keys
    of objects that are no more."""

    anew: bool
    gone: list[str] = []


class Recorded(msgspec.Struct, frozen=True, array_like=True):
    """A recorded request, as the store has it."""

    body: bytes
    at_ns: int
    count: int = 1


class Compare(msgspec.Struct, frozen=True, tag=True):
    """Judge what was asked, and these requests, by the policies of the setup and by others:
    these texts and packs, in their place or besides (``replace``)."""

    texts: list[Text]
    packs: list[str]
    replace: bool
    recorded: list[Recorded]
    today: dt.date
    """By which it is told where rollouts stand."""


class Compared(msgspec.Struct, frozen=True, tag=True):
    """What is different. ``left_out``: recorded requests that could not be read."""

    found: WhatIf
    faults: list[PolicyFault]
    left_out: int
    kinds: list[str] = []
    """Types that the new policies name by themselves."""
    denying: tuple[list[str], list[str]] = ([], [])
    """Policies that refuse, of those in force and of the new ones."""
    forecast: list[Forecast] = []


class Foresee(msgspec.Struct, frozen=True, tag=True):
    """What the next stages of the rollouts would do to what was asked."""

    today: dt.date


class Foretold(msgspec.Struct, frozen=True, tag=True):
    """The answer to ``Foresee``."""

    judged: int
    rows: list[Forecast]


class Ready(msgspec.Struct, frozen=True, tag=True):
    """The policies are compiled."""

    generation: str
    policies: list[PolicyInfo]
    faults: list[PolicyFault]
    marked: list[str] = []
    """Policies whose violations are incidents: by their annotation."""
    owners: list[tuple[str, str]] = []
    """Kinds (group, kind) that tell how old an object is that belongs to one."""


class Failed(msgspec.Struct, frozen=True, tag=True):
    """The policies cannot be used at all."""

    what: str


class AuditedVerdict(msgspec.Struct, frozen=True, array_like=True):
    """A verdict that is no pass, in words that may be kept: secrets of the object are taken out
    of them. ``fingerprint`` and ``attribute`` are those of a finding; ``ordinal`` tells several of
    one rule and place apart."""

    verdict: PolicyVerdict
    path: str
    fingerprint: str
    ordinal: int
    evidence: Mapping[str, Any]


class AuditedObject(msgspec.Struct, frozen=True, array_like=True):
    """What policies say of an object, passes left out. ``owner`` is the key of what manages it,
    ``idle`` that it runs nothing (a set of no replicas, kept for going back)."""

    key: str
    type: str
    namespace: str
    name: str
    label: str
    owner: str
    team: str
    idle: bool
    verdicts: list[AuditedVerdict]


class Found(msgspec.Struct, frozen=True, tag=True):
    """Some of a round's objects that are not all right."""

    objects: list[AuditedObject]


class Done(msgspec.Struct, frozen=True, tag=True):
    """The end of a round. ``passes``: how many objects pass, by policy and namespace, of all that
    are judged by now; ``off``: policies that were stopped, with the reason."""

    judged: int
    objects: int
    passes: list[tuple[str, str, int]]
    off: dict[str, str]
    cpu_s: float


ENCODE = msgspec.msgpack.Encoder(enc_hook=str).encode
to_child = msgspec.msgpack.Decoder(Setup | News | Asked | Go | Compare | Foresee).decode
Answer = Ready | Failed | Found | Done | Compared | Foretold
_to_server: msgspec.msgpack.Decoder[Answer] = msgspec.msgpack.Decoder(Answer)


def to_server(payload: bytes) -> Answer:
    """A message of the process. Raises MsgspecError."""
    return _to_server.decode(payload)


def framed(message: msgspec.Struct) -> bytes:
    """The bytes of a frame."""
    payload = ENCODE(message)
    return LENGTH.pack(len(payload)) + payload


def parted(kept: list[Kept]) -> Iterator[list[Kept]]:
    """Objects in lists that fit a frame."""
    part: list[Kept] = []
    size = 0
    for one in kept:
        if part and size + len(one.body) > PART_BYTES:
            yield part
            part, size = [], 0
        part.append(one)
        size += len(one.body) + 200
    if part:
        yield part
