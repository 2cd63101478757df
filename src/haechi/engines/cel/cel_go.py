"""Calls to which the wheel (cel-cpp) answers otherwise than cel-go, which the API server runs.

Found by giving both the same 80,000 calls. Written out here in the wheel's own CEL, so that no
Python runs; what is evaluated twice is bound first. ``expand`` asks for each call, by the overload
that the checker chose; what differs and stays so is in docs/guide/admission-policies.md.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Protocol

MARK = (
    rb"|string_substring_int_int|ndex_of_string_int|string_split_|string_to_(?:u?int64|double)"
    rb"|duration_to_milliseconds"
)
"""The overloads, as part of a pattern."""


class Maker(Protocol):
    """Makes expressions (``expand.Rewriter``)."""

    def call(self, function: str, *arguments: bytes) -> bytes: ...
    def member(self, function: str, target: bytes, *arguments: bytes) -> bytes: ...
    def ident(self, name: str) -> bytes: ...
    def integer(self, value: int) -> bytes: ...
    def text(self, value: str) -> bytes: ...
    def empty_list(self) -> bytes: ...
    def bound(self, values: list[bytes], result: Callable[..., bytes]) -> bytes: ...


def as_cel_go(make: Maker, names: frozenset[str], operands: list[bytes]) -> bytes | None:
    """The call written so that it gives what cel-go gives; None when it does."""
    if "string_substring_int_int" in names:
        return make.bound(operands, lambda *parts: _substring(make, *parts))
    if "string_index_of_string_int" in names:
        return make.bound(operands, lambda *parts: _index(make, "indexOf", *parts))
    if "string_last_index_of_string_int" in names:
        return make.bound(operands, lambda *parts: _index(make, "lastIndexOf", *parts))
    if names & {"string_split_string", "string_split_string_int"}:
        return make.bound(operands, lambda *parts: _split(make, *parts))
    if "duration_to_milliseconds" in names:
        return make.bound(operands, lambda one: _milliseconds(make, one, sure=len(names) == 1))
    for function in ("int64", "uint64", "double"):
        if f"string_to_{function}" in names:
            name, sure = function.removesuffix("64"), len(names) == 1
            return make.bound(operands, functools.partial(_number, make, name, sure=sure))
    return None


def _substring(make: Maker, target: bytes, start: bytes, end: bytes) -> bytes:
    """The end may be the size. The start still has to be no more than that."""
    whole = make.call("_==_", end, make.call("size", target))
    rest = make.member("substring", target, start)
    return make.call("_?_:_", whole, rest, make.member("substring", target, start, end))


def _index(make: Maker, function: str, target: bytes, part: bytes, offset: bytes) -> bytes:
    """An offset past the end finds nothing, and the empty text at the end."""
    size = make.call("size", target)
    none = make.call("_==_", part, make.text(""))
    past = make.call("_?_:_", none, size, make.integer(-1))
    beyond = make.call("_>=_", offset, size)
    return make.call("_?_:_", beyond, past, make.member(function, target, part, offset))


def _split(make: Maker, target: bytes, *arguments: bytes) -> bytes:
    """Nothing has no characters."""
    empty = make.text("")
    nothing = make.call(
        "_&&_", make.call("_==_", target, empty), make.call("_==_", arguments[0], empty)
    )
    return make.call("_?_:_", nothing, make.empty_list(), make.member("split", target, *arguments))


def _milliseconds(make: Maker, target: bytes, *, sure: bool) -> bytes:
    """The whole duration, not what is left over of a second."""
    left = make.member("getMilliseconds", target)
    seconds = make.call("_*_", make.member("getSeconds", target), make.integer(1000))
    whole = make.call("_+_", seconds, left)
    if sure:
        return whole
    nothing = make.call("duration", make.text("0s"))
    same = make.call("_==_", make.call("type", target), make.call("type", nothing))
    return make.call("_?_:_", same, whole, left)


def _number(make: Maker, function: str, value: bytes, *, sure: bool) -> bytes:
    """No blanks around a number, and a truth value is none: '' is the error."""
    wrong = make.call("_!=_", make.member("trim", value), value)
    if not sure:
        type_ = make.call("type", value)
        is_text = make.call("_==_", type_, make.ident("string"))
        is_truth = make.call("_==_", type_, make.ident("bool"))
        wrong = make.call("_||_", is_truth, make.call("_&&_", is_text, wrong))
    return make.call("_?_:_", wrong, make.call(function, make.text("")), make.call(function, value))
