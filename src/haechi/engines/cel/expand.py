"""Functions of Kubernetes that the CEL wheel cannot be given become CEL that it runs by itself.

Lists never go to Python: the wheel would convert every element, and it kills the process on some
(types, optionals). So ``min`` is the first of the sorted list, ``sum`` and ``indexOf`` are loops,
and so on; ``format.named`` and ``validate`` are wrapped into the optionals that Python functions
cannot make; ``quantity(text).isInteger()`` asks the text; ``quantity('1')`` and the like, of a
constant, are worked out once (a call of Python costs time, and the wheel never gives back what it
hands to one). The rewriting works on the checked tree
that serialising gives, after all types are known, by the overloads that the checker chose.

The messages are those of cel-spec (proto/cel/expr/checked.proto, syntax.proto).
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator

from haechi.engines.cel.cel_go import MARK, as_cel_go
from haechi.engines.cel.libraries import overloads
from haechi.engines.cel.libraries.overload import Invalid
from haechi.engines.cel.wire import Fields, decode, encode, text_of

_MARK = re.compile(
    rb"list_[a-z]+_|format[-.]|quantity_is_integer|quantity_get_int|lists\.range"
    rb"|string_to_(?:quantity|url|ip|cidr|semver)" + MARK
)
EDITION = 2
"""Goes up with every change of what is written out: compiled forms of another one are not used."""
_ID, _IDENT, _SELECT, _CALL, _LIST, _STRUCT, _LOOP = 2, 4, 5, 6, 7, 8, 9
_NESTED = {_SELECT: (1,), _CALL: (1, 3), _LIST: (1,), _LOOP: (2, 4, 5, 6, 7)}
_FIRST_ID = 1 << 24
_PURE = ("quantity", "url", "ip", "cidr", "semver")
_RANGE = 10_000  # as many as the wheel lets a loop have


def expand(serialised: bytes) -> bytes:
    """The same expression with what is above written out; the same bytes when there is none."""
    if not _MARK.search(serialised):
        return serialised
    outer = decode(serialised)
    checked = decode(outer.blob(2))
    rewriter = Rewriter(dict(_references(checked)))
    rewritten = rewriter.visit(checked.blob(4))
    return encode(outer.put(2, encode(checked.put(4, rewritten))))


def _references(checked: Fields) -> Iterator[tuple[int, frozenset[str]]]:
    for entry in checked.blobs(2):
        pair = decode(entry)
        overloads = decode(pair.blob(2)).blobs(3)
        yield pair.number(1), frozenset(text_of(one) for one in overloads)


def _constant(function: str, call: Fields) -> bytes | None:
    """What a function gives for one constant text, or for nothing; None where it is no such call
    or fails, which is an error when it runs."""
    arguments = call.blobs(3)
    if call.has(1) or len(arguments) > 1 or (function not in _PURE and function[:7] != "format."):
        return None
    texts: list[str] = []
    for argument in arguments:
        constant = decode(decode(argument).blob(3))
        if not constant.has(6):
            return None
        texts.append(text_of(constant.blob(6)))
    several = overloads().get(function, ())
    for one in several:
        if one.call is not None and one.parameters == ("string",) * len(texts):
            try:
                made: bytes = one.call(*texts)
            except Invalid:
                return None
            return made
    return None


class Rewriter:
    """Visits the expressions of a tree, innermost first, and makes new ones."""

    def __init__(self, references: dict[int, frozenset[str]]) -> None:
        self._references = references
        self._next = _FIRST_ID
        self._folded: dict[bytes, list[bytes]] = {}
        """Constants that stand for a call, with its arguments."""

    def visit(self, raw: bytes) -> bytes:
        """An expression with its parts rewritten, then itself."""
        expr = decode(raw)
        for kind, parts in _NESTED.items():
            if expr.has(kind):
                inner = decode(expr.blob(kind))
                for part in parts:
                    inner = inner.each(part, self.visit)
                expr = expr.put(kind, encode(inner))
        if expr.has(_STRUCT):
            struct = decode(expr.blob(_STRUCT)).each(2, self._entry)
            expr = expr.put(_STRUCT, encode(struct))
        if expr.has(_CALL):
            return self._call(expr)
        return self._select(expr) if expr.has(_SELECT) else encode(expr)

    def _select(self, expr: Fields) -> bytes:
        return encode(expr)

    def _entry(self, raw: bytes) -> bytes:
        return encode(decode(raw).each(3, self.visit).each(4, self.visit))

    def _call(self, expr: Fields) -> bytes:
        call = decode(expr.blob(_CALL))
        operands = [*call.blobs(1), *call.blobs(3)]
        names = self._references.get(expr.number(_ID), frozenset())
        lists = {name for name in names if name.startswith("list_")}
        unchanged = encode(expr)
        if "format-named" in names:
            return self._optional(self.call("@format_named", *operands))
        if "format-validate" in names:
            return self._optional(self.call("@format_validate", *operands))
        if names & {"quantity_is_integer", "quantity_get_int"}:
            return self._of_text(operands[0], text_of(call.blob(2))) or unchanged
        constant = _constant(text_of(call.blob(2)), call)
        if constant is not None:
            folded = self._new(3, Fields([(7, constant)]))
            self._folded[folded] = call.blobs(3)
            return folded
        if text_of(call.blob(2)) == "lists.range" and len(operands) == 1:
            return self._range(operands[0], unchanged)
        if not lists:
            return as_cel_go(self, names, operands) or unchanged
        if len(operands) not in (1, 2):
            return unchanged
        return self._of_list(text_of(call.blob(2)), operands, lists, names, unchanged)

    def _range(self, size: bytes, unchanged: bytes) -> bytes:
        """The wheel would make a list of any length."""
        fits = self.call("_<=_", size, self.integer(_RANGE))
        return self.call("_?_:_", fits, unchanged, self.call("@too_long"))

    def _of_text(self, operand: bytes, function: str) -> bytes | None:
        if operand in self._folded:
            return self.call(f"@{function}", *self._folded[operand])
        quantity = decode(operand)
        if not quantity.has(_CALL):
            return None
        call = decode(quantity.blob(_CALL))
        if text_of(call.blob(2)) != "quantity":
            return None
        return self.call(f"@{function}", *call.blobs(3))

    def _of_list(
        self,
        function: str,
        operands: list[bytes],
        lists: set[str],
        names: frozenset[str],
        unchanged: bytes,
    ) -> bytes:
        over = operands[0]
        match function:
            case "isSorted":
                return self.call("_==_", over, self.member("sort", over))
            case "min":
                return self.call("_[_]", self.member("sort", over), self.integer(0))
            case "max":
                sorted_ = self.member("reverse", self.member("sort", over))
                return self.call("_[_]", sorted_, self.integer(0))
            case "sum":
                return self._sum(over, lists)
            case "indexOf" | "lastIndexOf":
                found = self._index(function, over, operands[1])
                if names == lists:
                    return found
                is_text = self.call("_==_", self.call("type", over), self.ident("string"))
                return self.call("_?_:_", is_text, unchanged, found)
            case "includes":
                is_list = self.call("_==_", self.call("type", over), self.ident("list"))
                among = self.call("@in", operands[1], over)
                return self.call("_?_:_", is_list, among, self.call("_==_", over, operands[1]))
        return unchanged

    def _sum(self, over: bytes, lists: set[str]) -> bytes:
        """``e - e`` sees to it that texts and lists, which have ``+`` too, are an error."""
        element, so_far = self.ident("@e"), self.ident("@s")
        minus = self.call("_-_", element, element)
        first = self.call("_?_:_", self.call("_==_", minus, minus), element, element)
        nothing = self.call("_==_", so_far, self.null())
        step = self.call("_?_:_", nothing, first, self.call("_+_", so_far, element))
        result = self.call("_?_:_", nothing, self._zero(lists), so_far)
        return self.loop(over, "@e", "@s", self.null(), step, result)

    def _zero(self, lists: set[str]) -> bytes:
        if len(lists) == 1:
            match next(iter(lists)).split("_")[1]:
                case "double":
                    return self.call("double", self.integer(0))
                case "uint":
                    return self.call("uint", self.integer(0))
                case "duration":
                    return self.call("duration", self.text("0s"))
        return self.integer(0)

    def _index(self, function: str, over: bytes, item: bytes) -> bytes:
        element, place, found = self.ident("@e"), self.ident("@i"), self.ident("@r")
        same = self.call("_==_", element, item)
        if function == "indexOf":
            none = self.call("_<_", found, self.integer(0))
            same = self.call("_&&_", none, same)
        step = self.call("_?_:_", same, place, found)
        return self.loop(over, "@i", "@r", self.integer(-1), step, found, second="@e")

    def _optional(self, value: bytes) -> bytes:
        return self.call("optional.ofNonZeroValue", value)

    def _new(self, kind: int, inner: Fields) -> bytes:
        self._next += 1
        return encode(Fields([(_ID, self._next), (kind, encode(inner))]))

    def call(self, function: str, *arguments: bytes) -> bytes:
        """``function(arguments)``."""
        return self._new(_CALL, Fields([(2, function.encode()), *((3, one) for one in arguments)]))

    def member(self, function: str, target: bytes, *arguments: bytes) -> bytes:
        """``target.function(arguments)``."""
        fields = [(1, target), (2, function.encode()), *((3, one) for one in arguments)]
        return self._new(_CALL, Fields(list(fields)))

    def bound(self, values: list[bytes], result: Callable[..., bytes]) -> bytes:
        """``result`` of values each of which is evaluated at most once, when it is needed."""
        names = list(values)
        held = []
        for place, value in enumerate(values):
            expr = decode(value)
            if not expr.has(_IDENT) and not expr.has(3):
                self._next += 1
                name = f"@{self._next}"
                held.append((name, value))
                names[place] = self.ident(name)
        made = result(*names)
        for name, value in reversed(held):
            made = self._bind(name, value, made)
        return made

    def _bind(self, name: str, value: bytes, result: bytes) -> bytes:
        """``cel.bind(name, value, result)``: a loop over nothing."""
        parts = (b"#unused", self.empty_list(), name.encode(), value, self.false())
        fields = [*enumerate(parts, start=1), (6, self.ident(name)), (7, result)]
        return self._new(_LOOP, Fields(list(fields)))

    def empty_list(self) -> bytes:
        """``[]``."""
        return self._new(_LIST, Fields([]))

    def false(self) -> bytes:
        """``false``."""
        return self._new(3, Fields([(2, 0)]))

    def ident(self, name: str) -> bytes:
        """A variable."""
        return self._new(_IDENT, Fields([(1, name.encode())]))

    def integer(self, value: int) -> bytes:
        """An int."""
        return self._new(3, Fields([(3, value)]))

    def text(self, value: str) -> bytes:
        """A string."""
        return self._new(3, Fields([(6, value.encode())]))

    def null(self) -> bytes:
        """``null``."""
        return self._new(3, Fields([(1, 0)]))

    def loop(
        self,
        over: bytes,
        variable: str,
        accumulator: str,
        start: bytes,
        step: bytes,
        result: bytes,
        *,
        second: str = "",
    ) -> bytes:
        """A comprehension. With a second variable the first one is the index."""
        condition = self._new(3, Fields([(2, 1)]))
        return self._new(
            _LOOP,
            Fields(
                [
                    (1, variable.encode()),
                    (2, over),
                    (3, accumulator.encode()),
                    (4, start),
                    (5, condition),
                    (6, step),
                    (7, result),
                    *([(8, second.encode())] if second else []),
                ]
            ),
        )
