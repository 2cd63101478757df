"""Which parts of its variables an expression can look at, from its syntax tree.

One unknown value makes the whole variable unusable to CEL (see ``data``). This analysis tells
which expressions cannot tell the difference: those that read no path at, above or below an
unknown one. It only ever errs towards "reads more": whatever is not a chain of field selections,
constant indexes, optional selections, ``has``, ``orValue`` or a loop over such a chain counts as
reading everything below. Bytes that are not understood count as reading everything.

The tree is the ``cel.expr.CheckedExpr`` message (cel-spec, proto/cel/expr/checked.proto and
syntax.proto) that serialising gives; the few fields needed are decoded here.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final

import msgspec

from haechi.model.location import AttrPath


class _Any:
    """An index or key that is not a constant."""


ANY: Final = _Any()
Place = tuple[Any, ...]
"""Variable, then keys; ANY stands for every key."""


class Read(msgspec.Struct, frozen=True):
    """``deep`` reads everything below the place; otherwise only what it is, and its keys."""

    place: Place
    deep: bool

    def touches(self, path: AttrPath) -> bool:
        """Whether the value at ``path`` can change what is read."""
        pairs = zip(self.place, path, strict=False)
        if any(mine is not ANY and mine != theirs for mine, theirs in pairs):
            return False
        return self.deep or len(path) <= len(self.place)


class Reads(msgspec.Struct, frozen=True):
    """Reads of one expression. ``everything`` when the tree was not understood."""

    reads: frozenset[Read] = frozenset()
    everything: bool = False

    def touch(self, variable: str, paths: Sequence[AttrPath]) -> bool:
        """Whether one of the values at these paths of a variable can change the result."""
        return self.everything or any(
            read.touches((variable, *path)) for read in self.reads for path in paths
        )


def reads_of(serialised: bytes) -> Reads:
    """Reads of an expression in the library's serialised form. Never raises."""
    try:
        checked = _message(_one(_message(serialised), 2))
        tracer = _Tracer()
        tracer.visit(_message(_one(checked, 4)), {})
    except (_NotUnderstood, RecursionError):
        return Reads(everything=True)
    return Reads(frozenset(tracer.reads))


class _NotUnderstood(Exception):
    pass


_Message = dict[int, list[Any]]
_Scope = Mapping[str, Place | None]
"""Local names; the place they stand for, or None when their source was already counted."""

_CONST, _IDENT, _SELECT, _CALL, _LIST, _STRUCT, _LOOP = range(3, 10)


class _Tracer:
    def __init__(self) -> None:
        self.reads: set[Read] = set()

    def visit(self, expr: _Message, scope: _Scope) -> None:
        """Count an expression whose value is used in full."""
        place = self._place(expr, scope)
        if place is not None:
            self._read(place, deep=True)
            return
        for kind, visit in (
            (_SELECT, self._select),
            (_CALL, self._call),
            (_LIST, self._list),
            (_STRUCT, self._struct),
            (_LOOP, self._loop),
        ):
            if kind in expr:
                visit(_message(expr[kind][-1]), scope)
                return
        if _CONST not in expr and _IDENT not in expr:
            raise _NotUnderstood

    def _read(self, place: Place, *, deep: bool) -> None:
        if place:
            self.reads.add(Read(place, deep))

    def _place(self, expr: _Message, scope: _Scope) -> Place | None:
        """The place an expression stands for; () for a local whose source was counted."""
        if _IDENT in expr:
            name = _text(_one(_message(expr[_IDENT][-1]), 1)).removeprefix(".")
            return (scope[name] or ()) if name in scope else (name,)
        if _SELECT in expr:
            select = _message(expr[_SELECT][-1])
            if 3 in select:
                return None
            return _below(self._place(_child(select, 1), scope), _text(_one(select, 2)))
        if _CALL in expr:
            return self._place_of_call(_message(expr[_CALL][-1]), scope)
        return None

    def _place_of_call(self, call: _Message, scope: _Scope) -> Place | None:
        function = _text(_one(call, 2))
        arguments = [_message(raw) for raw in call.get(3, [])]
        if function in ("_[_]", "_[?_]", "_?._") and len(arguments) == 2:
            base = self._place(arguments[0], scope)
            if base is None:
                return None
            key = _constant(arguments[1])
            if key is ANY:
                self.visit(arguments[1], scope)
            return _below(base, key)
        if function == "orValue" and 1 in call and len(arguments) == 1 and _is_plain(arguments[0]):
            return self._place(_child(call, 1), scope)
        if function == "value" and 1 in call:
            return self._place(_child(call, 1), scope)
        return None

    def _select(self, select: _Message, scope: _Scope) -> None:
        operand = _child(select, 1)
        place = self._place(operand, scope)
        if 3 in select and place is not None:  # has(place.field)
            self._read(_below(place, _text(_one(select, 2))) or (), deep=False)
        else:
            self.visit(operand, scope)

    def _call(self, call: _Message, scope: _Scope) -> None:
        function = _text(_one(call, 2))
        operands = [*call.get(1, []), *call.get(3, [])]
        if function in ("hasValue", "size") and len(operands) == 1:
            place = self._place(_message(operands[0]), scope)
            if place is not None:
                self._read(place, deep=False)
                return
        for raw in operands:
            self.visit(_message(raw), scope)

    def _list(self, message: _Message, scope: _Scope) -> None:
        for raw in message.get(1, []):
            self.visit(_message(raw), scope)

    def _struct(self, message: _Message, scope: _Scope) -> None:
        for raw in message.get(2, []):
            entry = _message(raw)
            for part in (*entry.get(3, []), *entry.get(4, [])):
                self.visit(_message(part), scope)

    def _loop(self, loop: _Message, scope: _Scope) -> None:
        """``all``, ``exists``, ``map`` …; ``cel.bind`` is a loop over nothing."""
        over, start = _child(loop, 2), _child(loop, 4)
        source, held = self._place(over, scope), self._place(start, scope)
        inner = dict(scope)
        if _is_nothing(over):  # cel.bind: condition and step never run
            if held is None:
                self.visit(start, scope)
            inner[_text(_one(loop, 3))] = held
            self.visit(_child(loop, 7), inner)
            return
        if source is None:
            self.visit(over, scope)
        else:
            self._read(source, deep=False)
        self.visit(start, scope)
        inner[_text(_one(loop, 1))] = _below(source, ANY)
        if 8 in loop:
            inner[_text(_one(loop, 8))] = _below(source, ANY)
        inner[_text(_one(loop, 3))] = None
        for part in (5, 6, 7):
            if part in loop:
                self.visit(_child(loop, part), inner)


def _below(place: Place | None, key: Any) -> Place | None:
    """() stays (): below a local whose source was counted everything was counted."""
    return (*place, key) if place else place


def _constant(expr: _Message) -> Any:
    """A constant key: text, or a small index; everything else may be any key."""
    if _CONST not in expr:
        return ANY
    constant = _message(expr[_CONST][-1])
    if 6 in constant:
        return _text(constant[6][-1])
    value = constant.get(3, [None])[-1]
    return value if isinstance(value, int) and value < 2**31 else ANY


def _is_plain(expr: _Message) -> bool:
    """A constant, or an empty list or map: reads nothing."""
    return (
        _CONST in expr
        or _is_nothing(expr)
        or (_STRUCT in expr and 2 not in _message(expr[_STRUCT][-1]))
    )


def _is_nothing(expr: _Message) -> bool:
    return _LIST in expr and 1 not in _message(expr[_LIST][-1])


def _child(message: _Message, number: int) -> _Message:
    return _message(_one(message, number))


def _one(message: _Message, number: int) -> Any:
    found = message.get(number)
    if not found:
        raise _NotUnderstood
    return found[-1]


def _text(raw: Any) -> str:
    if not isinstance(raw, bytes):
        raise _NotUnderstood
    try:
        return raw.decode()
    except UnicodeDecodeError as error:
        raise _NotUnderstood from error


def _message(raw: Any) -> _Message:
    """Fields of a protobuf message by number: numbers, or bytes still to be decoded."""
    if not isinstance(raw, bytes):
        raise _NotUnderstood
    fields: _Message = {}
    for number, value in _fields(raw):
        fields.setdefault(number, []).append(value)
    return fields


def _fields(raw: bytes) -> Iterator[tuple[int, int | bytes]]:
    place = 0
    while place < len(raw):
        tag, place = _varint(raw, place)
        kind = tag & 7
        if kind == 0:
            value, place = _varint(raw, place)
            yield tag >> 3, value
            continue
        if kind == 2:
            size, place = _varint(raw, place)
        elif kind in (1, 5):
            size = 8 if kind == 1 else 4
        else:
            raise _NotUnderstood
        if place + size > len(raw):
            raise _NotUnderstood
        yield tag >> 3, raw[place : place + size]
        place += size


def _varint(raw: bytes, place: int) -> tuple[int, int]:
    value = 0
    for shift in range(0, 70, 7):
        if place >= len(raw):
            break
        byte = raw[place]
        place += 1
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            return value, place
    raise _NotUnderstood
