"""The syntax tree of a condition, after the grammar in libs (``libsinsp/filter/parser.h``).

Values stay texts here: what a text means (a number, an address, a duration) depends on the
field's type and is decided in ``values``. ``place`` never takes part in equality, so equal
conditions are equal trees wherever they stand: that is how macros are recognised and computed
once.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TypeAlias

import msgspec


class Place(msgspec.Struct, frozen=True, gc=False):
    """Where something begins in the text of its condition; line and column count from 1."""

    index: int = 0
    line: int = 1
    column: int = 1

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Place)

    def __hash__(self) -> int:
        return 0


_HERE = Place()


class _Node(msgspec.Struct, frozen=True, kw_only=True, tag=True):
    place: Place = _HERE


class Field(_Node, frozen=True, kw_only=True):
    """``proc.aname[2]``: name ``proc.aname``, argument ``2``."""

    name: str
    arg: str | None = None

    def __str__(self) -> str:
        return self.name if self.arg is None else f"{self.name}[{self.arg}]"


class Text(_Node, frozen=True, kw_only=True):
    """A value as written, quotes and escapes undone. ``quoted`` only tells how it was written."""

    value: str
    quoted: bool = False


class Transform(_Node, frozen=True, kw_only=True):
    """``tolower(proc.name)``, ``join(",", (a, b))``, ``getopt(…)[x]``."""

    name: str
    args: tuple[Operand, ...]
    arg: str | None = None


class Items(_Node, frozen=True, kw_only=True):
    """A list of operands, as ``join`` and ``concat`` take."""

    items: tuple[Operand, ...]


class Values(_Node, frozen=True, kw_only=True):
    """``(a, b, c)`` on the right of ``in`` and kin. Before resolution items may be names of lists
    (in Falco a bare word in a list that is a list's name stands for the items of that list)."""

    values: tuple[Text, ...]


class ListName(_Node, frozen=True, kw_only=True):
    """A list's name on the right of ``in`` without parentheses. Gone after resolution."""

    name: str


Operand: TypeAlias = Field | Text | Transform | Items
Right: TypeAlias = Field | Transform | Text | Values | ListName | None
"""The right of a check; a Field or Transform stands for ``val(…)`` or a transformer."""


class Check(_Node, frozen=True, kw_only=True):
    """``left op [modifier] right``; ``exists`` has no right. ``op`` is one of OPERATORS (``==`` is
    kept as ``=``); ``modifier`` is "", ``oneof``, ``anyof`` or ``allof``."""

    left: Field | Transform
    op: str
    modifier: str = ""
    right: Right = None


class Macro(_Node, frozen=True, kw_only=True):
    """A macro's name. Gone after resolution."""

    name: str


class Not(_Node, frozen=True, kw_only=True):
    part: Node


class And(_Node, frozen=True, kw_only=True):
    """Two parts or more."""

    parts: tuple[Node, ...]


class Or(_Node, frozen=True, kw_only=True):
    """Two parts or more."""

    parts: tuple[Node, ...]


Node: TypeAlias = Check | Macro | Not | And | Or

UNARY = frozenset({"exists"})
NUMERIC = frozenset({"<", "<=", ">", ">="})
TEXTUAL = frozenset(
    {
        "=",
        "!=",
        "contains",
        "icontains",
        "bcontains",
        "startswith",
        "bstartswith",
        "endswith",
        "glob",
        "iglob",
        "regex",
    }
)
LISTS = frozenset({"in", "intersects", "pmatch"})
OPERATORS = UNARY | NUMERIC | TEXTUAL | LISTS
MODIFIERS = frozenset({"oneof", "anyof", "allof"})


def checks_of(node: Node) -> Iterator[Check]:
    """Every check of a tree, in the order in which it is written; macros are not entered."""
    pending: list[Node] = [node]
    while pending:
        part = pending.pop()
        match part:
            case Check():
                yield part
            case Not():
                pending.append(part.part)
            case And() | Or():
                pending.extend(reversed(part.parts))
            case Macro():
                pass


def fields_in(operand: Operand) -> Iterator[Field]:
    """Every field that an operand reads, in order."""
    match operand:
        case Field():
            yield operand
        case Transform():
            for arg in operand.args:
                yield from fields_in(arg)
        case Items():
            for item in operand.items:
                yield from fields_in(item)
        case Text():
            return
