"""Fields that no object has: what an expression asks of Kubernetes' own kinds by a wrong name.

``object`` is of no type to CEL, so ``object.spec.replica`` compiles, and fails at every request;
``has(object.spec.replica)`` is worse, as it is false for ever. The API server checks the types of
the kinds that a policy matches, too, and writes warnings into its status. This follows the same
paths through the checked tree (cel-spec, syntax.proto), through loops, optionals and variables,
and tells of a field only when no kind that is meant has one of that name there; of a comparison
only when no two values of these types can be equal. What it does not understand may be anything.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

import msgspec

from haechi.admit.vap.types import (
    ANY,
    BOOL,
    INTEGER,
    NOTHING,
    NUMBER,
    TEXT,
    ListOf,
    MapOf,
    Type,
    element_of,
    items_of,
    join,
    only_named,
    select,
    sorts_of,
)
from haechi.engines.cel.wire import Fields, Malformed, decode, text_of

_ID, _CONST, _IDENT, _SELECT, _CALL, _LIST, _STRUCT, _LOOP = range(2, 10)
_CONSTANTS: Final = {2: BOOL, 3: INTEGER, 4: INTEGER, 5: NUMBER, 6: TEXT}
_PRIMITIVES: Final = {1: BOOL, 2: INTEGER, 3: INTEGER, 4: NUMBER, 5: TEXT}
_COMPARED: Final = frozenset({"_==_", "_!=_", "_<_", "_<=_", "_>_", "_>=_"})
_KEPT: Final = frozenset(
    {"value", "optional.of", "optional.ofNonZeroValue", "distinct", "sort", "reverse", "slice"}
)
"""Functions that give what they are given; optionals count as what is in them."""
_GUARDS: Final = {"_&&_": "_==_", "_?_:_": "_==_", "_||_": "_!=_"}
_JOINED: Final = {"_==_": "_&&_", "_!=_": "_||_"}
BOUND: Final = "__v_"
"""What ``variables.`` is written as in a composed expression."""
_OBJECTS: Final = ("object", "oldObject", f"{BOUND}anyObject")
_KINDS_ASKED: Final = ("object.kind", "oldObject.kind", "variables.anyObject.kind")
"""Gatekeeper calls the object that there is ``variables.anyObject``."""
Scope = Mapping[str, Type]


class Misfit(msgspec.Struct, frozen=True):
    """Something that cannot be. ``base`` is the type that has no such ``field``, or of what is
    compared; ``starts``: nodes after which the name stands. ``asked``: whether it was only asked
    whether it is there."""

    starts: tuple[int, ...]
    chain: str
    field: str
    base: Type
    asked: bool = False
    other: Type = ANY
    """For a comparison: the other side."""


class Checked(msgspec.Struct, frozen=True):
    """The type of an expression, and what cannot be in it."""

    type: Type
    misfits: tuple[Misfit, ...] = ()


def check(serialised: bytes, roots: Scope) -> Checked:
    """Look at a compiled expression. ``roots``: types of variables by name, with ``__v_`` before
    the policy's own. Never raises."""
    try:
        checked = decode(decode(serialised).blob(2))
        walker = _Walker(checked)
        type_ = walker.visit(checked.blob(4), roots)
    except (Malformed, RecursionError):
        return Checked(ANY)
    return Checked(type_, tuple(dict.fromkeys(walker.misfits)))


def offset_of(serialised: bytes, misfit: Misfit) -> int:
    """Where in the compiled text to look for what does not fit; -1 when that is not known."""
    try:
        information = decode(decode(decode(serialised).blob(2)).blob(5))
        pairs = [decode(entry) for entry in information.blobs(4)]
    except Malformed:
        return -1
    places = {pair.number(1): pair.number(2) for pair in pairs}
    return max((places.get(start, -1) for start in misfit.starts), default=-1)


class _Walker:
    def __init__(self, checked: Fields) -> None:
        self._checked = checked
        self._static: dict[int, Type] | None = None
        self.misfits: list[Misfit] = []

    def visit(self, raw: bytes, scope: Scope) -> Type:
        """The type of an expression; what is wrong in it is noted."""
        expr = decode(raw)
        kind = next((number for number, _ in expr.items if number > _ID), 0)
        match kind:
            case 3:
                return self._constant(decode(expr.blob(_CONST)))
            case 4:
                name = text_of(decode(expr.blob(_IDENT)).blob(1))
                return scope.get(name.removeprefix("."))
            case 5:
                return self._select(expr, scope)
            case 6:
                return self._call(expr, scope)
            case 7:
                elements = decode(expr.blob(_LIST)).blobs(1)
                return frozenset({ListOf(join([self.visit(one, scope) for one in elements]))})
            case 8:
                return self._struct(decode(expr.blob(_STRUCT)), scope)
            case 9:
                return self._loop(decode(expr.blob(_LOOP)), scope)
        return ANY

    def _constant(self, constant: Fields) -> Type:
        if constant.has(1):
            return NOTHING
        return next((_CONSTANTS[one] for one, _ in constant.items if one in _CONSTANTS), ANY)

    def _select(self, expr: Fields, scope: Scope) -> Type:
        inner = decode(expr.blob(_SELECT))
        operand = inner.blob(1)
        base, field = self.visit(operand, scope), text_of(inner.blob(2))
        asked = inner.number(3) == 1
        found = self._field(expr, operand, base, field, asked=asked)
        return BOOL if asked else found

    def _field(self, expr: Fields, operand: bytes, base: Type, field: str, *, asked: bool) -> Type:
        found = select(base, field)
        if not found.known:
            starts = (expr.number(_ID), decode(operand).number(_ID))
            dot = ".?" if asked and expr.has(_CALL) else "."
            chain = f"{_written(operand)}{dot}{field}"
            absent = asked or ".?" in chain  # all after an optional is one as well
            self.misfits.append(Misfit(starts, chain, field, base, absent))
        return found.type

    def _call(self, expr: Fields, scope: Scope) -> Type:
        call = decode(expr.blob(_CALL))
        function = text_of(call.blob(2))
        operands = [*call.blobs(1), *call.blobs(3)]
        types = self._operands(function, operands, scope)
        if len(operands) == 2:
            key = _text_constant(operands[1])
            if function in ("_[_]", "_[?_]", "_?._"):
                if key is None or not _is_object(types[0]):
                    return _indexed(types[0])
                return self._field(expr, operands[0], types[0], key, asked=function != "_[_]")
            if function == "@in":
                self._among(expr, operands, types)
            elif function in _COMPARED:
                self._compare(expr, operands[0], types[0], types[1])
        return self._result(function, types, expr)

    def _operands(self, function: str, operands: list[bytes], scope: Scope) -> list[Type]:
        """Behind a question for the kind only that kind counts."""
        types: list[Type] = []
        for place, one in enumerate(operands):
            inner = scope
            if place == 1 and function in _GUARDS:
                inner = _narrowed(scope, _guarded(operands[0], _GUARDS[function]))
            types.append(self.visit(one, inner))
        return types

    def _result(self, function: str, types: list[Type], expr: Fields) -> Type:
        if not types:
            return NOTHING if function == "optional.none" else self._type_of(expr)
        if function in ("orValue", "or", "_+_"):
            return join(types) if function != "_+_" or all(map(_is_list, types)) else ANY
        if function == "_?_:_":
            return join(types[1:])
        if function in _KEPT:
            return types[0]
        if function in ("first", "last") and _is_list(types[0]):
            return element_of(types[0])
        return self._type_of(expr)

    def _among(self, expr: Fields, operands: list[bytes], types: list[Type]) -> None:
        name, whole = _text_constant(operands[0]), types[1]
        if name is not None and _is_object(whole):
            found = select(whole, name)
            if not found.known:
                chain = f"{_written(operands[1])}.{name}"
                starts = (decode(operands[0]).number(_ID),)
                self.misfits.append(Misfit(starts, chain, name, whole, True))
        elif _is_list(whole):
            self._compare(expr, operands[0], types[0], element_of(whole))

    def _compare(self, expr: Fields, left: bytes, one: Type, other: Type) -> None:
        mine, theirs = sorts_of(one), sorts_of(other)
        if mine is not None and theirs is not None and mine.isdisjoint(theirs):
            chain = _written(left)
            self.misfits.append(Misfit((expr.number(_ID),), chain, "", one, other=other))

    def _struct(self, struct: Fields, scope: Scope) -> Type:
        values: list[Type] = []
        for raw in struct.blobs(2):
            entry = decode(raw)
            for key in entry.blobs(3):
                self.visit(key, scope)
            values += [self.visit(value, scope) for value in entry.blobs(4)]
        return ANY if struct.blob(1) else frozenset({MapOf(join(values))})

    def _loop(self, loop: Fields, scope: Scope) -> Type:
        """``all``, ``exists``, ``map`` …; a variable is a loop over nothing that binds it."""
        held = text_of(loop.blob(3))
        if held.startswith(BOUND) and held in scope:  # looked at where it stands
            return self.visit(loop.blob(7), scope)
        over = self.visit(loop.blob(2), scope)
        start = self.visit(loop.blob(4), scope)
        inner = dict(scope)
        if loop.has(8):
            key, value = items_of(over)
            inner[text_of(loop.blob(1))], inner[text_of(loop.blob(8))] = key, value
        else:
            inner[text_of(loop.blob(1))] = element_of(over)
        inner[held] = start
        self.visit(loop.blob(5), inner)
        after = self.visit(loop.blob(6), inner)
        inner[held] = join([start, after])
        return self.visit(loop.blob(7), inner)

    def _type_of(self, expr: Fields) -> Type:
        """What the library's checker says, of scalars."""
        if self._static is None:
            self._static = {}
            for entry in self._checked.blobs(3):
                pair = decode(entry)
                primitive = decode(pair.blob(2)).number(3)
                self._static[pair.number(1)] = _PRIMITIVES.get(primitive)
        return self._static.get(expr.number(_ID))


def _guarded(raw: bytes, question: str) -> str:
    """The kind that an object has where ``object.kind == 'Pod'`` holds, or ``!=`` does not."""
    call = decode(decode(raw).blob(_CALL))
    operands = call.blobs(3)
    if len(operands) != 2:
        return ""
    if text_of(call.blob(2)) != question:
        parts = _JOINED[question]
        if text_of(call.blob(2)) != parts:
            return ""
        return _guarded(operands[0], question) or _guarded(operands[1], question)
    for one, other in (operands, operands[::-1]):
        if _written(one) in _KINDS_ASKED:
            return _text_constant(other) or ""
    return ""


def _narrowed(scope: Scope, kind: str) -> Scope:
    if not kind:
        return scope
    inner = dict(scope)
    for name in _OBJECTS:
        inner[name] = only_named(scope.get(name), kind) or scope.get(name)
    return inner


def _is_object(type_: Type) -> bool:
    return type_ is not None and sorts_of(type_) == frozenset({"an object"})


def _is_list(type_: Type) -> bool:
    return type_ is not None and sorts_of(type_) == frozenset({"a list"})


def _indexed(type_: Type) -> Type:
    """A value at a key that is not known; of a message that may be any of its fields."""
    if type_ is None or not all(isinstance(atom, ListOf | MapOf) for atom in type_):
        return ANY
    return items_of(type_)[1]


def _text_constant(raw: bytes) -> str | None:
    expr = decode(raw)
    constant = decode(expr.blob(_CONST))
    return text_of(constant.blob(6)) if constant.has(6) else None


def _written(raw: bytes) -> str:
    """A path as its author may have written it."""
    expr = decode(raw)
    if expr.has(_IDENT):
        name = text_of(decode(expr.blob(_IDENT)).blob(1))
        return f"variables.{name[len(BOUND) :]}" if name.startswith(BOUND) else name
    if expr.has(_SELECT):
        inner = decode(expr.blob(_SELECT))
        return f"{_written(inner.blob(1))}.{text_of(inner.blob(2))}"
    if expr.has(_CALL):
        call = decode(expr.blob(_CALL))
        operands = call.blobs(3)
        function = text_of(call.blob(2))
        if function == "_?._" and len(operands) == 2:
            return f"{_written(operands[0])}.?{_text_constant(operands[1]) or '…'}"
        if function in ("_[_]", "_[?_]") and len(operands) == 2:
            return f"{_written(operands[0])}[…]"
        return f"{_written(call.blob(1))}.{function}(…)" if call.has(1) else f"{function}(…)"
    return "…"
