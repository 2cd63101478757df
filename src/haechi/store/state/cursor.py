"""Cursors: where a list goes on, as a text that a client gives back unread.

A cursor holds the sort values of the last row and a checksum over them and the question, so
that one that was cut, changed or belongs to another list is refused instead of answered with a
wrong part. It gives no rights: every page is narrowed to the asker's reach anew.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
from collections.abc import Sequence
from typing import Any

import msgspec
from sqlalchemy import ColumnElement, tuple_

from haechi.errors import UsageError

_LONGEST = 8_000
_CHECK = 9
Values = list[int | str]


def write_cursor(question: Any, values: Sequence[int | str]) -> str:
    """The cursor after a row with these sort values."""
    body = msgspec.json.encode(list(values))
    return base64.urlsafe_b64encode(_check(question, body) + body).decode().rstrip("=")


def read_cursor(question: Any, cursor: str, like: Sequence[type]) -> Values:
    """The values; UsageError unless ``write_cursor`` made it for the same question."""
    try:
        if len(cursor) > _LONGEST:
            raise ValueError("too long")
        raw = base64.b64decode(cursor + "=" * (-len(cursor) % 4), altchars=b"-_", validate=True)
        check, body = raw[:_CHECK], raw[_CHECK:]
        if check != _check(question, body):
            raise ValueError("checksum")
        values = msgspec.json.decode(body, type=Values)
    except (ValueError, binascii.Error, msgspec.MsgspecError) as error:
        raise _wrong() from error
    if [type(value) for value in values] != list(like):
        raise _wrong()
    return values


def beyond(columns: Sequence[Any], values: Values, *, backwards: bool) -> ColumnElement[bool]:
    """Rows after these values; all columns sort the same way."""
    row = tuple_(*columns)
    return row < tuple_(*values) if backwards else row > tuple_(*values)


def _check(question: Any, body: bytes) -> bytes:
    asked = msgspec.json.encode(question)
    return hashlib.blake2b(asked + b"\0" + body, digest_size=_CHECK).digest()


def _wrong() -> UsageError:
    return UsageError(
        "the cursor does not belong to this list",
        why="it was changed, or the filter, the order or the reach is another than before",
        do="ask again without a cursor",
        where="query.cursor",
    )
