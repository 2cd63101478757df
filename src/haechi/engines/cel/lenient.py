"""``has(x.y)`` and ``x.?y`` where ``x`` is no map: false and none in cel-go, an error in the wheel.

``has(oldObject.spec)`` and ``oldObject.?metadata`` in a CREATE are the plain cases. Asking what
``x`` is before each would cost every expression; so this form is made, and evaluated, only when
the usual one ended in such an error. What did not is right as it is: ``&&``, ``||`` and loops pass
over an error only where its value would not matter.
"""

from __future__ import annotations

import re

from haechi.engines.cel.expand import Rewriter
from haechi.engines.cel.wire import Fields, Malformed, decode, encode, text_of

_SELECT, _CALL = 5, 6
_ASKING = re.compile(r"SELECT to non-message|overloads found : (?:_\[\?_\]|_\?\._)")


def might_help(failure: str) -> bool:
    """Whether an evaluation failed for want of this form."""
    return _ASKING.search(failure) is not None


def lenient(serialised: bytes) -> bytes | None:
    """The same expression with every such question asked of maps only (of lists too, where they
    have an answer); None when there is no question in it."""
    try:
        outer = decode(serialised)
        checked = decode(outer.blob(2))
        rewriter = _Lenient({})
        rewritten = rewriter.visit(checked.blob(4))
    except (Malformed, RecursionError):
        return None
    if not rewriter.asked:
        return None
    return encode(outer.put(2, encode(checked.put(4, rewritten))))


class _Lenient(Rewriter):
    asked = False

    def _select(self, expr: Fields) -> bytes:
        select = decode(expr.blob(_SELECT))
        operand = select.blob(1)

        def selected(target: bytes) -> bytes:
            return encode(expr.put(_SELECT, encode(select.put(1, target))))

        self.asked = True
        if select.has(3):
            return self.bound([operand], lambda one: self._has(one, selected(one)))
        return self.bound([operand], lambda one: self._below(one, selected(one)))

    def _has(self, target: bytes, asked: bytes) -> bytes:
        return self.call("_?_:_", self._holds(target), asked, self.false())

    def _below(self, target: bytes, asked: bytes) -> bytes:
        """``a.?b.c``: the field of what an optional holds."""
        type_ = self.call("type", target)
        is_optional = self.call("_==_", type_, self.call("type", self.call("optional.none")))
        empty = self.call(
            "_&&_",
            self.member("hasValue", target),
            self.call("!_", self._holds(self.member("value", target))),
        )
        none = self.call("_&&_", is_optional, empty)
        return self.call("_?_:_", none, self.call("optional.none"), asked)

    def _call(self, expr: Fields) -> bytes:
        call = decode(expr.blob(_CALL))
        function, operands = text_of(call.blob(2)), call.blobs(3)
        if function not in ("_?._", "_[?_]") or len(operands) != 2:
            return encode(expr)
        self.asked = True
        return self.bound(operands[:1], lambda one: self._asked(function, one, operands[1]))

    def _asked(self, function: str, target: bytes, key: bytes) -> bytes:
        type_ = self.call("type", target)
        none = self.call("optional.none")
        is_optional = self.call("_==_", type_, self.call("type", none))
        asked = self.call(function, target, key)
        inner = self.member("value", target)
        fits = self.call(
            "_?_:_",
            is_optional,
            self.call("_?_:_", self.member("hasValue", target), self._holds(inner), self.false()),
            self._holds(target),
        )
        return self.call("_?_:_", fits, asked, none)

    def _holds(self, target: bytes) -> bytes:
        """A map, or a list, which has no fields: that is an error in cel-go too."""
        type_ = self.call("type", target)
        is_map = self.call("_==_", type_, self.ident("map"))
        return self.call("_||_", is_map, self.call("_==_", type_, self.ident("list")))
