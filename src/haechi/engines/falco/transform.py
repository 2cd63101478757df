"""Operands: fields and transformers, their type, and their value for an event.

A transformer of a value that is not there is not there, and so is one that fails (text that is no
base64). On a list ``tolower``, ``toupper``, ``b64`` and ``basename`` work item by item, ``len``
counts the items. Lengths are bytes, letter case is ASCII's, both as in libs.
"""

from __future__ import annotations

import base64
import binascii
import ipaddress
from collections.abc import Callable
from typing import Any, TypeAlias

import msgspec

from haechi.engines.falco import access
from haechi.engines.falco.fields import FieldInfo, field
from haechi.engines.falco.syntax import Field, Items, Operand, Text, Transform
from haechi.engines.falco.values import coerce, family, lowered, raised, text_of
from haechi.errors import ConditionError
from haechi.model.event import Event

Value: TypeAlias = Callable[[Event], Any]
"""The typed value of an operand for an event, None when it is missing; a list where it is many."""


class Shape(msgspec.Struct, frozen=True):
    """``type`` as in fields; ``many`` a list; ``spread`` is ``ends``, ``line`` or "" (access)."""

    type: str
    many: bool = False
    spread: str = ""


def info_of(operand: Field, source: str) -> FieldInfo:
    """The field's description, its argument checked. Raises ConditionError."""
    info = field(operand.name, source)
    if info is None:
        raise ConditionError(
            f"filter_check called with nonexistent field {operand.name}", operand.place
        )
    if info.argument == "required" and operand.arg is None:
        raise ConditionError(f"field '{operand.name}' requires an argument", operand.place)
    if info.argument == "none" and operand.arg is not None:
        raise ConditionError(f"field '{operand.name}' does not support an argument", operand.place)
    return info


def shape(operand: Operand, source: str) -> Shape:
    """What the operand yields. Raises ConditionError where it makes no sense."""
    if isinstance(operand, Field):
        info = info_of(operand, source)
        return Shape(info.type, info.many, access.spread(operand.name, operand.arg))
    if isinstance(operand, Text):
        return Shape("string")
    if isinstance(operand, Items):
        for item in operand.items:
            shape(item, source)
        return Shape("string", many=True)
    return _transformed(operand, source)


def _transformed(operand: Transform, source: str) -> Shape:
    shapes = [shape(arg, source) for arg in operand.args]
    if operand.name in _MULTIPLE:
        return _MULTIPLE[operand.name](operand, shapes)
    if len(shapes) != 1:
        raise ConditionError(f"transformer '{operand.name}' takes one argument", operand.place)
    if operand.arg is not None:
        raise ConditionError(
            f"transformer '{operand.name}' does not support field arguments", operand.place
        )
    inner = operand.args[0]
    if isinstance(inner, Field) and not info_of(inner, source).transformed:
        raise ConditionError(f"field '{inner.name}' does not support transformers", operand.place)
    return _single(operand, shapes[0])


def _single(operand: Transform, inner: Shape) -> Shape:
    kind = family(inner.type)
    if operand.name == "len" and (inner.many or kind in ("text", "bytes", "any")):
        return Shape("number")
    changes = kind in ("text", "any") or (kind == "bytes" and operand.name == "b64")
    if changes and operand.name != "len":
        return Shape("string" if kind == "any" else inner.type, inner.many)
    raise ConditionError(
        f"can't add field transformer: type '{inner.type}' is not supported by "
        f"'{operand.name}' transformer",
        operand.place,
    )


def _refuse(operand: Transform, message: str) -> ConditionError:
    return ConditionError(f"{operand.name}() {message}", operand.place)


def _no_argument(operand: Transform) -> None:
    if operand.arg is not None:
        raise ConditionError(
            f"transformer '{operand.name}' does not support field arguments", operand.place
        )


def _join_shape(operand: Transform, args: list[Shape]) -> Shape:
    _no_argument(operand)
    if len(args) != 2:
        raise _refuse(operand, "requires exactly 2 arguments: separator and list")
    if args[0].many:
        raise _refuse(operand, "first argument (separator) must be a single value, not a list")
    if not args[1].many:
        raise _refuse(operand, "second argument must be a list")
    return Shape("string")


def _concat_shape(operand: Transform, args: list[Shape]) -> Shape:
    _no_argument(operand)
    if len(args) < 2:
        raise _refuse(operand, "requires at least 2 arguments")
    if any(arg.many or family(arg.type) not in ("text", "any") for arg in args):
        raise _refuse(operand, "arguments must be strings")
    return Shape("string")


def _getopt_shape(operand: Transform, args: list[Shape]) -> Shape:
    if len(args) != 2:
        raise _refuse(operand, "requires exactly 2 arguments: args list and optstring")
    if not args[0].many:
        raise _refuse(operand, "first argument must be a list")
    if args[1].many:
        raise _refuse(operand, "second argument (optstring) must be a single value")
    if any(family(arg.type) not in ("text", "any") for arg in args):
        raise _refuse(operand, "arguments must be strings")
    if operand.arg is not None and len(operand.arg.encode("utf-8", "replace")) != 1:
        raise _refuse(operand, "field argument must be a single option character")
    return Shape("string", many=operand.arg is None)


_MULTIPLE: dict[str, Callable[[Transform, list[Shape]], Shape]] = {
    "join": _join_shape,
    "concat": _concat_shape,
    "getopt": _getopt_shape,
}


# -- values -----------------------------------------------------------------------------------


def evaluator(operand: Operand, source: str) -> Value:
    """The function that gives the operand's value; ``shape`` must have taken the operand."""
    if isinstance(operand, Field):
        return _field(operand, shape(operand, source))
    if isinstance(operand, Text):
        constant = operand.value
        return lambda event: constant
    if isinstance(operand, Items):
        return _items([evaluator(item, source) for item in operand.items])
    values = [evaluator(arg, source) for arg in operand.args]
    shapes = [shape(arg, source) for arg in operand.args]
    if operand.name in _MULTIPLE:
        return _together(operand, values)
    return _alone(operand.name, values[0], shapes[0])


def _field(operand: Field, its: Shape) -> Value:
    read = access.reader(operand.name, operand.arg)
    if its.many or its.spread:
        return lambda event: listed(read(event), its.type)

    def one(event: Event) -> Any:
        value = read(event)
        return None if value is None else coerce(value, its.type)

    return one


def listed(value: Any, type: str) -> list[Any] | None:
    """A list of typed values; one value counts as a list of itself, nothing as missing."""
    if value is None:
        return None
    items = value if isinstance(value, list | tuple) else [value]
    found = [typed for typed in (coerce(item, type) for item in items) if typed is not None]
    return found or None


def _items(values: list[Value]) -> Value:
    def together(event: Event) -> list[str] | None:
        found: list[str] = []
        for value in values:
            one = value(event)
            if one is None:
                return None
            found += _plain_texts(one)
        return found

    return together


def _plain_texts(value: Any) -> list[str]:
    if isinstance(value, list):
        return [text for item in value for text in _plain_texts(item)]
    if isinstance(value, tuple):
        return [address_text(value)]
    return [text_of(value) or ""]


def address_text(place: tuple[int, int]) -> str:
    """An address as outputs print it."""
    bits, number = place
    return str(ipaddress.IPv4Address(number) if bits == 32 else ipaddress.IPv6Address(number))


def _alone(name: str, value: Value, its: Shape) -> Value:
    if name == "len":
        return lambda event: _length(value(event))
    change = _CHANGES[name]
    if its.many:

        def each(event: Event) -> list[Any] | None:
            items = value(event)
            changed = None if items is None else [change(item) for item in items]
            return None if changed is None or None in changed else changed

        return each

    def one(event: Event) -> Any:
        found = value(event)
        return None if found is None else change(found)

    return one


def _length(value: Any) -> int | None:
    if value is None:
        return None
    if isinstance(value, list | bytes):
        return len(value)
    text = text_of(value) or ""
    return len(text) if text.isascii() else len(text.encode("utf-8", "surrogatepass"))


def basename(text: Any) -> str:
    """What stands behind the last slash."""
    return (text_of(text) or "").rpartition("/")[2]


def decoded(value: Any) -> Any:
    """Base64 with or without padding; None where libs refuses it. A text ends at a NUL."""
    plain = value if isinstance(value, bytes) else (text_of(value) or "").encode("utf-8", "replace")
    if not plain:
        return value
    bare = plain[:-1] if plain.endswith(b"=") else plain
    bare = bare[:-1] if len(bare) < len(plain) and bare.endswith(b"=") else bare
    try:
        whole = base64.b64decode(bare + b"=" * (-len(bare) % 4), validate=True)
    except (binascii.Error, ValueError):
        return None
    # bits beyond the last byte must be zero
    if not bare or base64.b64encode(whole).rstrip(b"=") != bare:
        return None
    if isinstance(value, bytes):
        return whole
    return whole.split(b"\0", 1)[0].decode("utf-8", "surrogateescape")


_CHANGES: dict[str, Callable[[Any], Any]] = {
    "tolower": lambda value: lowered(text_of(value) or ""),
    "toupper": lambda value: raised(text_of(value) or ""),
    "basename": basename,
    "b64": decoded,
}


def _together(operand: Transform, values: list[Value]) -> Value:
    if operand.name == "getopt":
        return _getopt(operand, values)

    def joined(event: Event) -> str | None:
        found = [value(event) for value in values]
        if any(value is None for value in found):
            return None
        if operand.name == "join":
            return (text_of(found[0]) or "").join(_plain_texts(found[1]))
        return "".join(text_of(value) or "" for value in found)

    return joined


def _getopt(operand: Transform, values: list[Value]) -> Value:
    argv, optstring = values
    only = operand.arg

    def options(event: Event) -> Any:
        words, known = argv(event), optstring(event)
        if words is None or known is None:
            return None
        found = getopt(_plain_texts(words), text_of(known) or "")
        if only is None:
            return [part for option in found for part in option.shown]
        mine = [option.value for option in found if option.letter == only]
        return mine[-1] if mine else None

    return options


class Option(msgspec.Struct, frozen=True):
    """One option found: its letter ("" for an unknown one), what a list of all shows of it, and
    what asking for this letter gives."""

    letter: str
    shown: tuple[str, ...]
    value: str


def getopt(words: list[str], optstring: str) -> list[Option]:
    """The options of an argument list as ``getopt(3)`` reads short ones. Long options are skipped,
    ``--`` and the first other word end them, an unknown letter is ``?``, and a letter whose value
    is missing is the empty text."""
    valid, valued = _letters(optstring)
    found: list[Option] = []
    at = 0
    while at < len(words):
        word = words[at]
        at += 1
        if word == "--" or not word.startswith("-") or len(word) == 1:
            break
        if word.startswith("--"):
            continue
        for place, letter in enumerate(word[1:], start=2):
            if letter not in valid:
                found.append(Option("", ("?",), "?"))
            elif letter not in valued:
                found.append(Option(letter, (letter,), letter))
            else:
                taken = place >= len(word)
                found.append(_valued(letter, words[at : at + 1] if taken else [word[place:]]))
                at += taken
                break
    return found


def _valued(letter: str, value: list[str]) -> Option:
    if not value:
        return Option(letter, ("",), "")
    return Option(letter, (letter, value[0]), value[0])


def _letters(optstring: str) -> tuple[set[str], set[str]]:
    text = optstring.removeprefix(":")
    valid: set[str] = set()
    valued: set[str] = set()
    for at, letter in enumerate(text):
        if letter != ":":
            valid.add(letter)
            if text[at + 1 : at + 2] == ":":
                valued.add(letter)
    return valid, valued
