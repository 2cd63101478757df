"""A query string as a Struct: strictly, with every fault named by its key.

A misspelt filter that is passed over would answer another question than the one asked, so an
unknown key is an error, as is a key that is given twice and holds one value only.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Generic, TypeVar
from urllib.parse import parse_qsl

import msgspec
from msgspec import inspect

from haechi.engines.typed import nearest, shown
from haechi.server.problems import Refusal

MOST_BYTES, MOST_VALUES, LONGEST_VALUE = 16 << 10, 200, 4096
MOST_ROWS = 1000
"""Bound of every ``limit``: a page of a list is held in memory whole."""
SAFE_INTEGER = 2**53 - 1
"""Beyond it JSON's readers disagree (RFC 8259 section 6), and SQLite's integers end soon after."""

S = TypeVar("S", bound=msgspec.Struct)
Pairs = Sequence[tuple[str, str]]


def parse(query: bytes) -> Pairs:
    """The pairs of a query string. Raises Refusal 400 for what cannot be one."""
    if len(query) > MOST_BYTES:
        raise Refusal(400, f"the query is longer than {MOST_BYTES} bytes")
    try:
        pairs = parse_qsl(
            query.decode("ascii"),
            keep_blank_values=True,
            errors="strict",
            max_num_fields=MOST_VALUES,
        )
    except UnicodeDecodeError as error:
        raise Refusal(400, "the query is not percent-encoded UTF-8") from error
    except ValueError as error:
        raise Refusal(400, f"the query has more than {MOST_VALUES} values") from error
    for key, value in pairs:
        if "\0" in key or "\0" in value or len(value) > LONGEST_VALUE:
            raise Refusal(
                400,
                f"a value is longer than {LONGEST_VALUE} characters or holds a NUL",
                errors=[(f"query.{key[:60]!r}", "too long, or a NUL")],
            )
    return pairs


class _Key(msgspec.Struct, frozen=True):
    type: Any
    several: bool
    texts: bool
    numbers: bool
    required: bool


class QueryReader(Generic[S]):
    """Reads queries into one Struct."""

    def __init__(self, type_: type[S]) -> None:
        self._type = type_
        info = inspect.type_info(type_)
        if not isinstance(info, inspect.StructType):
            raise TypeError(f"{type_!r} is no Struct")
        fields = msgspec.structs.fields(type_)
        self._keys = {
            plain.encode_name: _key(field.type, plain.type, field.required)
            for field, plain in zip(info.fields, fields, strict=True)
        }

    def read(self, pairs: Pairs) -> S:
        """The Struct. Raises Refusal 400 with all faults."""
        faults: list[tuple[str, str]] = []
        given: dict[str, list[str]] = {}
        for key, value in pairs:
            given.setdefault(key, []).append(value)
        values: dict[str, Any] = {}
        for key, texts in given.items():
            try:
                values[key] = self._one(key, texts)
            except _Fault as fault:
                faults.append((f"query.{key[:60]}", str(fault)))
        for name, one in self._keys.items():
            if one.required and name not in given:
                faults.append((f"query.{name}", "is required"))
        if not faults:
            try:
                return msgspec.convert(values, self._type)
            except msgspec.ValidationError as error:
                faults.append(("query", str(error)))
        raise Refusal(400, f"the query is wrong: {faults[0][0]}: {faults[0][1]}", errors=faults)

    def _one(self, name: str, texts: list[str]) -> Any:
        key = self._keys.get(name)
        if key is None:
            hint = nearest(name, self._keys) or f"the keys here are: {', '.join(self._keys)}"
            raise _Fault(f"unknown key; {hint}")
        if not key.several and len(texts) > 1:
            raise _Fault("is given twice and takes one value")
        value = _converted(texts if key.several else texts[0], key)
        if name == "limit" and isinstance(value, int) and not 1 <= value <= MOST_ROWS:
            raise _Fault(f"must be from 1 to {MOST_ROWS}, not {value}")
        return value


class _Fault(Exception):
    """What is wrong with one key."""


def _key(info: inspect.Type, type_: Any, required: bool) -> _Key:
    several = isinstance(info, (inspect.ListType, inspect.VarTupleType, inspect.SetType))
    inner = info.item_type if several else info  # type: ignore[attr-defined]
    options = inner.types if isinstance(inner, inspect.UnionType) else (inner,)
    return _Key(
        type=type_,
        several=several,
        texts=any(isinstance(one, inspect.StrType) for one in options),
        numbers=any(isinstance(one, (inspect.IntType, inspect.FloatType)) for one in options),
        required=required,
    )


def _converted(value: str | list[str], key: _Key) -> Any:
    texts = value if isinstance(value, list) else [value]
    if not key.texts and any(_is_no_value(text) for text in texts):
        raise _Fault("has no value")
    try:
        # Text stays text: lax conversion would be free to read "null" or "1" out of it.
        made = msgspec.convert(value, key.type, strict=key.texts)
    except (msgspec.ValidationError, ValueError, OverflowError) as error:
        words = str(error).split(" - at ")[0].replace("`", "")
        raise _Fault(f"{words}: {shown(' '.join(texts))}") from error
    if key.numbers:
        for one in made if isinstance(made, (list, tuple)) else (made,):
            if isinstance(one, (int, float)) and not -SAFE_INTEGER <= one <= SAFE_INTEGER:
                raise _Fault("is a number out of range")
    return made


def _is_no_value(text: str) -> bool:
    """A key without a value or with ``null``, where it is no text: neither says anything."""
    return text == "" or text.lower() == "null"


def with_value(pairs: Pairs, name: str, value: str) -> list[tuple[str, str]]:
    """The pairs with ``name`` set to ``value``."""
    return [*((key, one) for key, one in pairs if key != name), (name, value)]


def without(pairs: Pairs, name: str) -> tuple[Pairs, list[str]]:
    """The pairs but ``name``, and the values that it had."""
    return (
        [(key, one) for key, one in pairs if key != name],
        [one for key, one in pairs if key == name],
    )


Params = Mapping[str, str]
