"""What a rule says about an event: ``%proc.name``, ``%proc.aname[2]``, ``%toupper(proc.name)``.

As Falco prints it: a missing value is ``<NA>``, a list is ``(a,b)``, the line of ancestors has
blanks between, ``%8proc.name`` is cut or filled to eight characters, and a ``*`` at the beginning
("print even when values are missing", which Falco always does) is not printed. A ``%`` that begins
no field stays as it is; the loader has told its author.

Events are written by attackers: characters that move a cursor, turn the direction of writing or
end a line are printed as escapes, and a value is cut after ``LONGEST`` characters.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from functools import lru_cache
from typing import Any, TypeAlias

import msgspec

from haechi.engines.falco import access
from haechi.engines.falco.fields import field
from haechi.engines.falco.parse import parse_operand_at
from haechi.engines.falco.syntax import Field, Items, Operand, Transform
from haechi.engines.falco.transform import evaluator, shape
from haechi.engines.falco.values import text_of
from haechi.errors import ConditionError
from haechi.model.event import Event

MISSING = "<NA>"
LONGEST = 4_096
"""Characters of one value in an output."""
_WIDEST = 1_024
_WIDTH = re.compile(r"%([0-9]{0,4})")
_SHORT = {"\n": "\\n", "\r": "\\r", "\t": "\\t", "\b": "\\b", "\f": "\\f"}
_UNSAFE = re.compile(
    "[\x00-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028\u2029\u202a-\u202e\u2066-\u2069\ud800-\udfff]"
)

Value: TypeAlias = Callable[[Event], Any]


class Token(msgspec.Struct, frozen=True, kw_only=True):
    """``text`` before, then an operand (none at the end) and how wide it is to be."""

    text: str
    operand: Field | Transform | None = None
    width: int = 0


@lru_cache(maxsize=2_048)
def tokens(output: str) -> tuple[Token, ...]:
    """An output taken apart."""
    text = output.removeprefix("*")
    found: list[Token] = []
    plain = at = 0
    while (match := _WIDTH.search(text, at)) is not None:
        at = match.end()
        try:
            operand, end = parse_operand_at(text, at)
        except ConditionError:
            continue
        width = min(int(match[1] or 0), _WIDEST)
        found.append(Token(text=text[plain : match.start()], operand=operand, width=width))
        plain = at = end
    found.append(Token(text=text[plain:]))
    return tuple(found)


def used_fields(output: str) -> tuple[str, ...]:
    """The fields that an output names, those inside transformers too, each once."""
    found: dict[str, None] = {}
    for token in tokens(output):
        if token.operand is not None:
            found.update(dict.fromkeys(_names(token.operand)))
    return tuple(found)


def _names(operand: Operand) -> list[str]:
    if isinstance(operand, Field):
        return [str(operand)]
    inner: tuple[Operand, ...] = ()
    if isinstance(operand, Transform):
        inner = operand.args
    elif isinstance(operand, Items):
        inner = operand.items
    return [name for one in inner for name in _names(one)]


def render(rule_or_output: str, event: Event) -> str:
    """The output for an event: one line."""
    source = access.SOURCES.get(event.source, "syscall")
    parts = []
    for token in tokens(rule_or_output):
        parts.append(escaped(token.text))
        if token.operand is not None:
            parts.append(_fitted(shown(token.operand, event, source), token.width))
    return "".join(parts)


def shown(operand: Field | Transform, event: Event, source: str) -> str:
    """One value as outputs print it."""
    found = value_of(operand, source)(event)
    if found is None:
        return MISSING
    if not isinstance(found, list):
        return escaped(_printed(found)[:LONGEST])
    line = isinstance(operand, Field) and bool(access.spread(operand.name, operand.arg))
    joined = (" " if line else ",").join(map(_printed, found))
    return escaped((joined if line else f"({joined})")[:LONGEST])


def _printed(value: Any) -> str:
    text = text_of(value)
    return MISSING if text is None else text


def _fitted(text: str, width: int) -> str:
    return text[:width].ljust(width) if width else text


@lru_cache(maxsize=4_096)
def value_of(operand: Field | Transform, source: str) -> Value:
    """The function that gives an operand's value as it stands in the event; nothing for what
    makes no sense."""
    if isinstance(operand, Field):
        return _field_value(operand, source)
    try:
        shape(operand, source)
        return evaluator(operand, source)
    except ConditionError:
        return _nothing


def _field_value(operand: Field, source: str) -> Value:
    name, arg = operand.name, operand.arg
    if name == "proc.apid" and arg is None:
        arg = "0"  # outside of a test it is the process's own, as in libs
    read = access.reader(name, arg)
    info = field(name, source)
    many = bool(info and info.many) or bool(access.spread(name, arg))

    def value(event: Event) -> Any:
        found = read(event)
        if isinstance(found, list | tuple):
            scalars = [item for item in found if text_of(item) is not None]
            return (scalars or None) if many else ",".join(map(_printed, scalars))
        return found if text_of(found) is not None else None

    return value


def _nothing(event: Event) -> Any:
    return None


def escaped(text: str) -> str:
    """Characters that do something to a terminal or to a log's lines, written out."""
    if text.isascii() and text.isprintable():
        return text
    return _UNSAFE.sub(lambda match: _SHORT.get(match[0]) or f"\\u{ord(match[0]):04x}", text)
