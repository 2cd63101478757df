"""Conditions to trees: the grammar of libs (``filter/parser.h``), function for function.

A recursive descent over the text without a token list, because what a character means depends
on where it stands (``in`` needs no blank after it, ``contains`` does; ``=`` ends a bare value).
Every function counts against the same depth limit as in libs, so a text is too deep here
exactly where it is there.

Two deliberate differences. A value with a broken escape as the first item of a list is an error
(libs takes the list for an empty one), and ``val(x)`` is kept as the field ``x`` itself.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Concatenate, ParamSpec, TypeVar

from haechi.engines.falco.cursor import Cursor
from haechi.engines.falco.escaping import BARE
from haechi.engines.falco.syntax import (
    And,
    Check,
    Field,
    Items,
    ListName,
    Macro,
    Node,
    Not,
    Operand,
    Or,
    Place,
    Text,
    Transform,
    Values,
)
from haechi.errors import ConditionError

MAX_DEPTH = 100
MAX_LENGTH = 1_000_000
"""Characters in one condition; the largest public one has fewer than 10,000."""

_NOT = re.compile(r"not[\t\n\v\f\r ]+")
_IDENTIFIER = re.compile(r"[a-zA-Z][a-zA-Z0-9_]*")
_FIELD = re.compile(r"[a-zA-Z][a-zA-Z0-9_]*(?:\.[a-zA-Z][a-zA-Z0-9_]*)+")
_FIELD_ARG = re.compile(r"[^\]\[\"'\t\n\v\f\r ]+")
_NUMBER = re.compile(r"0[xX][0-9a-fA-F]+|[+\-]?[0-9]+\.?[0-9]*(?:[eE][+\-][0-9]+)?")
_NUMERIC_OP = re.compile(r"<=|<|>=|>")
_TEXT_OP = re.compile(
    r"==|=|!=|(?:glob|iglob|contains|icontains|bcontains|startswith|bstartswith|endswith|regex)"
    r"(?=[ \t\b\r\n])"
)
_LIST_OP = re.compile(r"intersects|in|pmatch")
_MODIFIER = re.compile(r"(oneof|anyof|allof)[ \t\b\r\n]+")
_TRANSFORM = re.compile(r"(tolower|toupper|b64|basename|len|join|concat|getopt)\(")
_KEYWORD = re.compile(r"(?:and|or|not)(?![a-zA-Z0-9])")
_TRANSFORMS = "'val', 'tolower', 'toupper', 'b64', 'basename', 'len', 'join', 'concat', 'getopt'"
_OPERATORS = (
    "'exists', '<=', '<', '>=', '>', '==', '=', '!=', 'glob', 'iglob', 'contains', 'icontains', "
    "'bcontains', 'startswith', 'bstartswith', 'endswith', 'regex', 'intersects', 'in', 'pmatch'"
)

_P = ParamSpec("_P")
_T = TypeVar("_T")


def parse_condition(text: str) -> Node:
    """The tree of a whole condition. Raises ConditionError."""
    if not text:
        raise ConditionError("filter input string is empty", Place())
    if len(text) > MAX_LENGTH:
        raise ConditionError(
            f"the condition has {len(text):,} characters; the limit is {MAX_LENGTH:,}", Place()
        )
    parser = _Parser(text)
    node = parser.disjunction()
    if parser.at != len(text):
        raise parser.error(f"unexpected token after '{parser.last}', expecting 'or', 'and'")
    return node


def parse_operand(text: str) -> Field | Transform:
    """A field or a transformer as outputs name them: ``proc.aname[2]``, ``toupper(fd.name)``."""
    operand, end = parse_operand_at(text, 0)
    if end != len(text):
        raise _Parser(text, end).error(f"unexpected text after '{text[:end][-40:]}'")
    return operand


def parse_operand_at(text: str, start: int) -> tuple[Field | Transform, int]:
    """The field or transformer that begins at ``start``, and where it ends."""
    parser = _Parser(text, start)
    operand = parser.field_or_transform()
    if operand is None:
        raise parser.error("expected a field or a transformer")
    return operand, parser.at


def _counted(
    function: Callable[Concatenate[_Parser, _P], _T],
) -> Callable[Concatenate[_Parser, _P], _T]:
    """Count the call against the depth limit."""

    def counted(parser: _Parser, /, *args: _P.args, **kwargs: _P.kwargs) -> _T:
        parser.depth += 1
        if parser.depth >= MAX_DEPTH:
            raise parser.error(f"exceeded max depth limit of {MAX_DEPTH}")
        result = function(parser, *args, **kwargs)
        parser.depth -= 1
        return result

    return counted


class _Parser(Cursor):
    """One method for each rule of the grammar; those that recurse are counted."""

    __slots__ = ()

    # -- and, or, not ---------------------------------------------------------------------

    @_counted
    def disjunction(self) -> Node:
        self.blank()
        start = self.place()
        parts = [self.conjunction()]
        self.blank()
        while self.word("or"):
            parts.append(self._operand_of("or", self.conjunction))
            self.blank()
        return parts[0] if len(parts) == 1 else Or(parts=tuple(parts), place=start)

    @_counted
    def conjunction(self) -> Node:
        self.blank()
        start = self.place()
        parts = [self.negation()]
        self.blank()
        while self.word("and"):
            parts.append(self._operand_of("and", self.negation))
            self.blank()
        return parts[0] if len(parts) == 1 else And(parts=tuple(parts), place=start)

    def _operand_of(self, keyword: str, following: Callable[[], Node]) -> Node:
        if self.blank():
            return following()
        if self.word("("):
            return self.embedded()
        raise self.error(f"expected blank or '(' after '{keyword}'")

    @_counted
    def negation(self) -> Node:
        self.blank()
        start = self.place()
        negative = False
        while self.take(_NOT):
            negative = not negative
        if self.word("not("):
            negative = not negative
            part = self.embedded()
        else:
            part = self.check()
        return Not(part=part, place=start) if negative else part

    @_counted
    def embedded(self) -> Node:
        """What follows an opening parenthesis."""
        self.blank()
        node = self.disjunction()
        self.blank()
        if not self.word(")"):
            raise self.error("expected a ')' token")
        return node

    # -- checks ---------------------------------------------------------------------------

    @_counted
    def check(self) -> Node:
        self.blank()
        start = self.place()
        if self.word("("):
            return self.embedded()
        left = self.field_or_transform()
        if left is not None:
            return self.comparison(left, start)
        if self.take(_IDENTIFIER):
            return Macro(name=self.last, place=start)
        raise self.error("expected a '(' token, a field check, or an identifier")

    @_counted
    def comparison(self, left: Field | Transform, start: Place) -> Check:
        self.blank()
        if self.word("exists"):
            return Check(left=left, op="exists", place=start)
        if self.take(_NUMERIC_OP):
            return Check(left=left, op=self.last, right=self.number(), place=start)
        if self.take(_TEXT_OP):
            return self._text_check(left, start)
        if self.take(_LIST_OP):
            return Check(left=left, op=self.last, right=self.list_or_transform(), place=start)
        raise self.error(f"expected a valid check operator: one of {_OPERATORS}")

    def _text_check(self, left: Field | Transform, start: Place) -> Check:
        op = "=" if self.last == "==" else self.last
        saved = self.at
        if self.blank() and self.take(_MODIFIER) and self._list_follows():
            modifier = self.last.strip(" \t\b\r\n")
            return Check(left=left, op=op, modifier=modifier, right=self.list(), place=start)
        self.at = saved
        return Check(left=left, op=op, right=self.string(), place=start)

    def _list_follows(self) -> bool:
        """A modifier's name is a value like any other unless a list comes after it."""
        if _KEYWORD.match(self.text, self.at):
            return False
        return self.text.startswith("(", self.at) or bool(_IDENTIFIER.match(self.text, self.at))

    # -- the right side -------------------------------------------------------------------

    @_counted
    def number(self) -> Field | Transform | Text:
        self.blank()
        start = self.place()
        operand = self.transform_or_val()
        if operand is not None:
            return operand
        if self.take(_NUMBER):
            return Text(value=self.last, place=start)
        raise self.error(
            f"expected a number value or a field with a valid transformer: {_TRANSFORMS}"
        )

    @_counted
    def string(self) -> Field | Transform | Text:
        self.blank()
        operand = self.transform_or_val()
        if operand is not None:
            return operand
        text = self.value()
        if text is not None:
            return text
        raise self.error(
            f"expected a string value or a field with a valid transformer: {_TRANSFORMS}"
        )

    def value(self) -> Text | None:
        start = self.place()
        if self.quoted():
            return Text(value=self.last, quoted=True, place=start)
        if self.take(BARE):
            return Text(value=self.last, place=start)
        return None

    @_counted
    def list(self) -> Values | ListName:
        self.blank()
        values = self._values() or self._list_name()
        if values is None:
            raise self.error("expected a list or an identifier")
        return values

    @_counted
    def list_or_transform(self) -> Values | ListName | Field | Transform:
        self.blank()
        right = self._values() or self.transform_or_val() or self._list_name()
        if right is None:
            raise self.error(
                "expected a list, an identifier, or a field with a valid transformer: "
                + _TRANSFORMS
            )
        return right

    def _list_name(self) -> ListName | None:
        start = self.place()
        return ListName(name=self.last, place=start) if self.take(_IDENTIFIER) else None

    def _values(self) -> Values | None:
        start = self.place()
        if not self.word("("):
            return None
        self.blank()
        values: list[Text] = []
        first = self.value()
        if first is not None:
            values.append(first)
            self.blank()
            while self.word(","):
                self.blank()
                item = self.value()
                if item is None:
                    raise self.error("expected a string value")
                values.append(item)
                self.blank()
        if not self.word(")"):
            raise self.error("expected a ')' token")
        return Values(values=tuple(values), place=start)

    # -- fields and transformers ----------------------------------------------------------

    def field_or_transform(self) -> Field | Transform | None:
        start = self.place()
        if self.take(_FIELD):
            return self.field(start)
        if self.take(_TRANSFORM):
            self.blank()
            return self.transform(self.last[:-1], start)
        return None

    @_counted
    def field(self, start: Place) -> Field:
        return Field(name=self.last, arg=self.argument(), place=start)

    def argument(self) -> str | None:
        if not self.word("["):
            return None
        if not self.quoted() and not self.take(_FIELD_ARG):
            raise self.error("expected a valid field argument: a quoted string or a bare string")
        argument = self.last
        if not self.word("]"):
            raise self.error("expected a ']' token")
        return argument

    @_counted
    def transform_or_val(self) -> Field | Transform | None:
        start = self.place()
        if self.word("val("):
            return self._val()
        if self.take(_TRANSFORM):
            self.blank()
            return self.transform(self.last[:-1], start)
        return None

    def _val(self) -> Field:
        self.blank()
        start = self.place()
        if not self.take(_FIELD):
            raise self.error("expected a field within 'val' transformer")
        field = self.field(start)
        self.blank()
        if not self.word(")"):
            raise self.error("expected a ')' token closing the transformer")
        if self.argument() is not None:
            raise self.error("transformer 'val' does not support an argument", start.index)
        return field

    @_counted
    def transform(self, name: str, start: Place) -> Transform:
        """What follows ``name(``."""
        self.blank()
        args = [self.transform_arg()]
        self.blank()
        while self.word(","):
            args.append(self.transform_arg())
            self.blank()
        if not self.word(")"):
            raise self.error("expected a ')' token closing the transformer")
        return Transform(name=name, args=tuple(args), arg=self.argument(), place=start)

    @_counted
    def transform_arg(self) -> Operand:
        self.blank()
        start = self.place()
        operand = self._literal() or self._items(start) or self.field_or_transform()
        if operand is None:
            raise self.error(
                "expected field transformer argument: field, transformer, quoted string, "
                "number, or transformer list"
            )
        return operand

    def _literal(self) -> Text | None:
        start = self.place()
        if self.take(_NUMBER):
            return Text(value=self.last, place=start)
        return Text(value=self.last, quoted=True, place=start) if self.quoted() else None

    def _items(self, start: Place) -> Items | None:
        if not self.word("("):
            return None
        self.blank()
        if self.word(")"):
            return Items(items=(), place=start)
        items = [self._item()]
        self.blank()
        while self.word(","):
            self.blank()
            items.append(self._item())
            self.blank()
        if not self.word(")"):
            raise self.error("expected ')'")
        return Items(items=tuple(items), place=start)

    def _item(self) -> Operand:
        operand = self.field_or_transform() or self._literal()
        if operand is None:
            raise self.error(
                "expected transformer list argument: field, transformer, quoted string, or number"
            )
        return operand
