"""The fields of Kubernetes' own kinds and their types, for who checks expressions about them.

Data made by ``bench/kubernetes_fields.py``; read when first asked for, by policies only. A type is
a short text: ``t`` text, ``i`` integer, ``n`` number, ``b`` truth value, ``x`` a scalar of which
nothing more is said (quantities, times, bytes), ``*`` anything, ``@7`` the message with number 7,
``[`` a list of what follows, ``{`` a map of it.
"""

from __future__ import annotations

import zlib
from functools import cache
from typing import Final

import msgspec

from haechi.rules.compiled import DATA

PATH: Final = DATA / "tables" / "kubernetes_fields.msgpack.z"


class FieldTable(msgspec.Struct, frozen=True, array_like=True):
    """``names`` and ``fields`` of messages by number; ``kinds``: group, version, kind, number."""

    release: str
    kinds: list[tuple[str, str, str, int]]
    names: list[str]
    fields: list[dict[str, str]]


@cache
def field_table() -> FieldTable:
    """The table, read once."""
    return msgspec.msgpack.decode(zlib.decompress(PATH.read_bytes()), type=FieldTable)
