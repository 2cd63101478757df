"""Lines as they are read, and where reading goes on."""

from __future__ import annotations

from hashlib import blake2b
from typing import NamedTuple

import msgspec

MOST_LINE = 4 * 1024 * 1024
"""An audit event may carry an object of 1.5 MiB twice."""
FINGERPRINT_BYTES = 1024


class Checkpoint(msgspec.Struct, frozen=True, kw_only=True):
    """Where reading goes on: an inode of a device, an offset, and what tells whether the file is
    still the one that was read (a hash of its first ``head`` bytes, all of them read). A line
    that was too long and is being skipped is still so after a restart. Plain JSON by
    ``msgspec.to_builtins``; ``of`` reads it back."""

    device: int
    inode: int
    offset: int
    head: int = 0
    fingerprint: str = ""
    skipping: bool = False

    @classmethod
    def of(cls, value: object) -> Checkpoint | None:
        """The checkpoint of what was kept; None for anything that is none (reading starts again,
        which is safe)."""
        try:
            found = msgspec.convert(value, cls)
        except msgspec.ValidationError:
            return None
        return found if found.offset >= 0 and found.head >= 0 else None


class Line(NamedTuple):
    """A line without its end, and where it stood: ``device:inode:offset``."""

    data: bytes
    place: str


class Overlong(NamedTuple):
    """A line over the limit: how it begins and where it stands. The rest was passed over."""

    sample: bytes
    place: str


class Batch(msgspec.Struct, frozen=True, kw_only=True):
    """Lines that were read together, maybe none. Keep ``checkpoint`` once what they say is
    durable; streams have none."""

    lines: tuple[Line, ...]
    overlong: tuple[Overlong, ...] = ()
    checkpoint: Checkpoint | None = None


def fingerprint(head: bytes) -> str:
    """What stands for the beginning of a file."""
    return blake2b(head, digest_size=16).hexdigest()
