"""Reading terms: literals, references, calls, operators, collections and comprehensions.

Operators bind, from loosest to tightest: ``in``, comparison, ``|``, ``&``, ``+ -``, ``* / %``,
each from left to right. Inside braces and brackets a ``|`` after the first term begins a
comprehension if what follows reads as a body, else it is the union of sets.
"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from decimal import Decimal

from haechi.engines.rego.cursor import Cursor
from haechi.engines.rego.lexer import NAME, NUMBER, PART, STRING, TAIL, Token
from haechi.engines.rego.tree import (
    Array,
    ArrayComprehension,
    Call,
    Literal,
    Object,
    ObjectComprehension,
    Place,
    Ref,
    Scalar,
    Set,
    SetComprehension,
    Term,
    Var,
)
from haechi.engines.rego.walk import TEMPLATE
from haechi.errors import RuleError

DIGITS_LIMIT = 1000
"""Before or behind the point. OPA stops at 2 to the 100,000; no policy comes near either."""
ROOTS = frozenset(("input", "data"))
MEMBER = ("internal", "member_2")
MEMBER_KEY = ("internal", "member_3")
OPERATORS: dict[str, tuple[int, str]] = {
    "==": (1, "equal"),
    "!=": (1, "neq"),
    "<": (1, "lt"),
    ">": (1, "gt"),
    "<=": (1, "lte"),
    ">=": (1, "gte"),
    "|": (2, "or"),
    "&": (3, "and"),
    "+": (4, "plus"),
    "-": (4, "minus"),
    "*": (5, "mul"),
    "/": (5, "div"),
    "%": (5, "rem"),
}
_CONSTANTS = {"null": None, "true": True, "false": False}
_GOES_ON = frozenset((".", "[", "("))


class Terms(Cursor, ABC):
    """Methods read from the current token and stop at the first one that is not theirs."""

    @abstractmethod
    def body(self, end: str) -> tuple[Literal, ...]:
        """Statements up to ``end``, which stays."""

    @abstractmethod
    def filling(self) -> Term:
        """The expression in a template string."""

    def infix(self, *, pairs: bool = True) -> Term:
        """A term with operators. ``pairs``: also ``key, value in collection``; not in lists."""
        self.enter()
        left = self._binary(1)
        if pairs and self.kind == ",":
            left = self._pair(left) or left
        while self.kind == "in" and not self.starts_reference():
            self.step()
            left = self._call(MEMBER, left, self._binary(1))
        self.depth -= 1
        return left

    def _pair(self, key: Term) -> Term | None:
        mark = self.mark()
        try:
            self.step()
            value = self._binary(1)
            if self.kind == "in":
                self.step()
                return self._call(MEMBER_KEY, key, value, self._binary(1))
        except RuleError:
            pass  # a plain comma: whoever asked knows what it means
        self.back(mark)
        return None

    def _binary(self, level: int) -> Term:
        left = self.term()
        while True:
            binds, function = OPERATORS.get(self.kind, (0, ""))
            if binds < level or not binds:
                return left
            self.step()
            left = self._call((function,), left, self._binary(binds + 1))

    def _call(self, function: tuple[str, ...], *arguments: Term) -> Call:
        return Call(place=arguments[0].place, function=function, arguments=arguments)

    def term(self) -> Term:
        """A term without operators; read once for each token that one begins at."""
        known = self.read.get(self.index)
        if isinstance(known, RuleError):
            raise known
        if known is not None:
            term, index, self.wildcards = known
            self.go(index)
            return term
        start = self.index
        try:
            self.enter()
            term, refers = self._primary()
            if self.token.glued and self.kind in _GOES_ON:
                if not refers:
                    self.fail("expected an operator or the end of the term")
                term = self.reference(term)
            self.depth -= 1
        except RuleError as error:
            self.read[start] = error
            raise
        self.read[start] = (term, self.index, self.wildcards)
        return term

    def _primary(self) -> tuple[Term, bool]:
        """A term, and whether a reference or a call may go on behind it."""
        place, kind = self.place, self.kind
        if kind in (NAME, "contains"):
            return self.variable(), True
        if kind == STRING:
            return Scalar(place=place, value=self.step().text), False
        if kind == "-" and self.after.kind == NAME:
            return self._negative(), False
        if kind in (NUMBER, "-", "."):
            return self._number(), False
        if kind in _CONSTANTS:
            self.step()
            return Scalar(place=place, value=_CONSTANTS[kind]), False
        if kind == "[":
            return self._array(), True
        if kind == "{":
            return self._braces(), True
        if kind == "(":
            return self._parentheses()
        if kind in (PART, TAIL):
            return self._template(), False
        return self.fail("expected a value, a name or a collection")

    def _parentheses(self) -> tuple[Term, bool]:
        self.step()
        term = self.infix()
        self.expect(")", "after the term in parentheses")
        root = isinstance(term, Var) and term.name in ROOTS
        return term, not (root or isinstance(term, Scalar | Ref))

    def variable(self) -> Var:
        place, name = self.place, self.step().text
        if name == "_":
            name = f"${self.wildcards}"
            self.wildcards += 1
        return Var(place=place, name=name)

    def _negative(self) -> Term:
        """``-x`` is ``0 - x``, as in late OPA 1.x; only a name may follow."""
        place = self.place
        self.step()
        if self.kind not in (NAME, "contains"):
            self.fail("expected a number or a name after '-'")
        zero = Scalar(place=place, value=0)
        return Call(place=place, function=("minus",), arguments=(zero, self.term()))

    def _number(self) -> Scalar:
        place, sign, text = self.place, "", ""
        if self.kind == "-":
            sign = self.step().text
        if self.kind == ".":
            text = self.step().text
        if self.kind != NUMBER:
            self.fail("expected a number", do="to negate something else, subtract it from 0")
        text += self.token.text
        if (text[0] == "0" and text[1:2].isdigit()) or text.count(".") > 1:
            self.fail("expected a number as JSON writes them, without a leading zero")
        number = _number_of(sign + text)
        if number is None:
            self.fault(
                f"a number of more than {DIGITS_LIMIT} digits", do="use a smaller one", place=place
            )
        self.step()
        return Scalar(place=place, value=number)

    def _template(self) -> Term:
        """``$"a{x}"``: a call of the builtin that OPA makes of it. Each expression is a set of
        none or one value, so that an undefined one does not make the whole text undefined."""
        place, parts = self.place, list[Term]()
        while True:
            piece = Scalar(place=self.place, value=self.token.text)
            if piece.value:
                parts.append(piece)
            if self.step().kind == TAIL:
                break
            parts.append(self.filling())
            self.expect("}", "at the end of the expression in the template string")
        if all(isinstance(part, Scalar) for part in parts) and len(parts) <= 1:
            value = parts[0] if parts else Scalar(place=place, value="")
            if isinstance(value, Scalar) and isinstance(value.value, str):
                return value
        array = Array(place=place, items=tuple(parts))
        return Call(place=place, function=TEMPLATE, arguments=(array,))

    def reference(self, head: Term) -> Term:
        """What follows without a gap: ``.name``, ``[term]``, and calls."""
        path: list[Term] = []
        while True:
            kind = self.kind
            if kind == ".":
                self.step()
                place = self.place
                path.append(Scalar(place=place, value=self.field().text))
            elif kind == "[":
                self.step()
                path.append(self.infix())
                self.expect("]", "after the key of the reference")
            else:
                head, path = self._called(head, path), []
                if not (self.token.glued and self.kind in (".", "[")):
                    return head
                continue
            if not (self.token.glued and self.kind in _GOES_ON):
                return Ref(place=head.place, head=head, path=tuple(path))

    def field(self) -> Token:
        """The name right after a dot; a keyword is one, too."""
        token = self.token
        if not token.glued or token.kind != NAME:
            self.fail(
                "expected a name right after '.'", do='write other keys in brackets: x["a-b"]'
            )
        return self.step()

    def _called(self, head: Term, path: list[Term]) -> Term:
        names = [head.name] if isinstance(head, Var) and not head.name.startswith("$") else []
        names += [
            part.value for part in path if isinstance(part, Scalar) and isinstance(part.value, str)
        ]
        if len(names) != len(path) + 1:
            self.fail("expected no call here: only a function's name can be called")
        self.step()
        arguments = self._list(")")
        if names == ["set"] and not arguments:
            return Set(place=head.place, items=())
        return Call(place=head.place, function=tuple(names), arguments=tuple(arguments))

    def _list(self, end: str, *first: Term) -> list[Term]:
        """Terms up to ``end``, which is read, too. A comma before it is allowed."""
        items = list(first)
        while self.kind != end:
            items.append(self.infix(pairs=False))
            if self.kind == ",":
                self.step()
            elif self.kind != end:
                self.fail(f"expected ',' or {end!r}")
        self.step()
        return items

    def _array(self) -> Term:
        place = self.place
        self.step()
        if self.kind == "]":
            self.step()
            return Array(place=place, items=())
        comprehends = not self._leading_comma()
        mark = self.mark()
        head = self.term()
        if self.kind == "|" and comprehends:
            body, fault = self._comprehension("]")
            if body is not None:
                return ArrayComprehension(place=place, head=head, body=body)
            return Array(place=place, items=self._union("]", mark, fault))
        self.back(mark)
        return Array(place=place, items=tuple(self._list("]")))

    def _leading_comma(self) -> bool:
        """``[, x]`` is read for compatibility, as OPA does."""
        if self.kind != ",":
            return False
        self.step()
        if self.kind in ("]", "}"):
            self.fail("expected a term after ','")
        return True

    def _comprehension(self, end: str) -> tuple[tuple[Literal, ...] | None, RuleError | None]:
        """The body after ``|``; where it does not read as one, why not."""
        self.step()
        try:
            body = self.body(end)
        except RuleError as error:
            return None, error
        self.step()
        return body, None

    def _union(
        self, end: str, mark: tuple[int, int, int], fault: RuleError | None
    ) -> tuple[Term, ...]:
        self.back(mark)
        try:
            return tuple(self._list(end))
        except RuleError:
            raise fault or RuleError("not a comprehension") from None

    def _braces(self) -> Term:
        place = self.place
        self.step()
        if self.kind == "}":
            self.step()
            return Object(place=place, pairs=())
        comprehends = not self._leading_comma()
        mark = self.mark()
        head = self.term()
        if self.kind == "|" and comprehends:
            body, fault = self._comprehension("}")
            if body is not None:
                return SetComprehension(place=place, head=head, body=body)
            return Set(place=place, items=self._union("}", mark, fault))
        if self.kind not in (":", ",", "}"):
            self.back(mark)
            head = self.infix(pairs=False)
        if self.kind == ":":
            return self._object(place, head, comprehends=comprehends)
        if self.kind not in (",", "}"):
            self.fail("expected ',', ':' or '}' in the set or object")
        if self.kind == ",":
            self.step()
        return Set(place=place, items=tuple(self._list("}", head)))

    def _object(self, place: Place, key: Term, *, comprehends: bool) -> Term:
        self.step()
        mark, fault = self.mark(), None
        value = self.term()
        if self.kind == "|" and comprehends:
            body, fault = self._comprehension("}")
            if body is not None:
                return ObjectComprehension(place=place, key=key, value=value, body=body)
        self.back(mark)
        try:
            pairs = self._pairs(key)
        except RuleError as error:
            raise fault or error from None
        return Object(place=place, pairs=tuple(pairs))

    def _pairs(self, key: Term) -> list[tuple[Term, Term]]:
        pairs = [(key, self.infix(pairs=False))]
        while self.kind == ",":
            self.step()
            if self.kind == "}":
                break
            key = self.infix(pairs=False)
            self.expect(":", "after the key of the object")
            pairs.append((key, self.infix(pairs=False)))
        self.expect("}", "or ',' in the object")
        return pairs


def _number_of(text: str) -> int | float | None:
    """Whole numbers are ints however they are written; None if there are too many digits."""
    if len(text.lower().partition("e")[2]) > 6:
        return None
    number = Decimal(text)
    if not number:
        return 0
    if abs(number.adjusted()) >= DIGITS_LIMIT:
        return None
    if number == number.to_integral_value():
        return int(number)
    value = float(number)
    return int(number) if math.isinf(value) else value
