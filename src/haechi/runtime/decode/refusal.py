"""What a decoder gives back, and a record it could not make an event of.

A sample goes into logs and the dead letter, so it is short, printable and without credentials.
"""

from __future__ import annotations

import msgspec

from haechi.engines.masking import printable
from haechi.model.event import Event

SAMPLE_CHARS = 200
_LOOKED_AT = 4_096


class Refusal(msgspec.Struct, frozen=True, kw_only=True):
    """Why a record was not taken; ``sample`` is how it begins, escaped."""

    why: str
    sample: str = ""


class Decoded(msgspec.Struct, kw_only=True):
    """Filled while decoding. ``skipped`` records are fine and not wanted (a stage that comes
    again, a level below what is asked for); ``lost`` is how many events the source itself says
    it could not send."""

    events: list[Event] = msgspec.field(default_factory=list)
    refusals: list[Refusal] = msgspec.field(default_factory=list)
    skipped: int = 0
    lost: int = 0

    def refuse(self, why: str, record: object) -> None:
        """Note a record that was not taken."""
        self.refusals.append(refusal(why, record))


def refusal(why: str, record: object) -> Refusal:
    """A refusal with the beginning of the record."""
    return Refusal(why=why[:300], sample=sample(record))


def sample(record: object, chars: int = SAMPLE_CHARS) -> str:
    """How a record begins: one printable ASCII line without credentials."""
    if not isinstance(record, bytes | str):
        record = _shown(record)
    return printable(record, chars)


def _shown(value: object) -> str:
    """A value of JSON as text; only as much of it as a sample needs."""
    if isinstance(value, dict):
        parts: list[str] = []
        for key, inner in value.items():
            shown = inner[:200] if isinstance(inner, str) else type(inner).__name__
            parts.append(f"{str(key)[:60]}: {shown}")
            if len(parts) == 8:
                break
        return "{" + ", ".join(parts) + "}"
    if isinstance(value, int) and not isinstance(value, bool) and value.bit_length() > 128:
        return "a huge number"
    if isinstance(value, list | tuple | set):
        return f"{type(value).__name__} of {len(value)}"
    return str(value)[:_LOOKED_AT]
