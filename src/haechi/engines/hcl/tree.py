"""The syntax tree of HCL (https://github.com/hashicorp/hcl/blob/main/hclsyntax/spec.md).

Every node carries its span as (line, column, end line, end column), from 1, columns in
characters, the end behind the last one. Small classes with slots: a repository has hundreds of
thousands of nodes. A tree has no cycles, so Python's collector need not look at it (``gc=False``
doubles the speed of parsing).
"""

from __future__ import annotations

from typing import Any

import msgspec

Span = tuple[int, int, int, int]


class Node(msgspec.Struct, frozen=True, eq=False, gc=False):
    """Base of expressions."""

    span: Span


class Literal(Node, frozen=True, eq=False, gc=False):
    """null, true, false, a number (int where it is whole, else float) or plain text."""

    value: Any


class Template(Node, frozen=True, eq=False, gc=False):
    """Text with ``${}`` and ``%{}``. Parts are text, expressions, or template directives."""

    parts: tuple[Any, ...]  # str | Node


class TemplateIf(Node, frozen=True, eq=False, gc=False):
    condition: Node
    then: Template
    otherwise: Template | None


class TemplateFor(Node, frozen=True, eq=False, gc=False):
    key: str | None
    value: str
    collection: Node
    body: Template


class Name(Node, frozen=True, eq=False, gc=False):
    """A root name: ``var``, ``local``, ``each``, ``aws_s3_bucket``, or a name bound by for."""

    name: str


class Attribute(Node, frozen=True, eq=False, gc=False):
    """``of.name``; also ``of.0``."""

    of: Node
    name: str


class Index(Node, frozen=True, eq=False, gc=False):
    of: Node
    key: Node


class Splat(Node, frozen=True, eq=False, gc=False):
    """``of[*]…`` (full) or ``of.*…``; ``each`` is what is asked of every element, which stands
    in it as ``Name("*")``: ``of[*].id`` has ``Attribute(Name("*"), "id")``."""

    of: Node
    full: bool
    each: Node


class Call(Node, frozen=True, eq=False, gc=False):
    name: str
    args: tuple[Node, ...]
    expand: bool = False  # the last argument is followed by ...


class Unary(Node, frozen=True, eq=False, gc=False):
    op: str
    value: Node


class Binary(Node, frozen=True, eq=False, gc=False):
    op: str
    left: Node
    right: Node


class Conditional(Node, frozen=True, eq=False, gc=False):
    condition: Node
    then: Node
    otherwise: Node


class Tuple(Node, frozen=True, eq=False, gc=False):
    items: tuple[Node, ...]


class Object(Node, frozen=True, eq=False, gc=False):
    """Pairs of key expression and value; a bare word as key is a Literal."""

    items: tuple[tuple[Node, Node], ...]


class For(Node, frozen=True, eq=False, gc=False):
    """``[for k, v in c : value if cond]`` or ``{for … : key => value...}`` (``key`` set)."""

    key_name: str | None
    value_name: str
    collection: Node
    key: Node | None
    value: Node
    condition: Node | None
    group: bool = False


class Bad(Node, frozen=True, eq=False, gc=False):
    """What the grammar could not read: its value is unknown, and the file has a fault."""

    text: str


class Assignment(msgspec.Struct, frozen=True, eq=False, gc=False):
    """``name = value`` in a body."""

    name: str
    value: Node
    span: Span
    name_span: Span


class Block(msgspec.Struct, frozen=True, eq=False, gc=False):
    """``type "label" … { body }``. ``span`` is the whole block, ``head`` its first line."""

    type: str
    labels: tuple[str, ...]
    body: Body
    span: Span
    head: Span


class Body(msgspec.Struct, frozen=True, eq=False, gc=False):
    """Assignments by name in order, and blocks in order."""

    attributes: dict[str, Assignment]
    blocks: tuple[Block, ...]
    span: Span


class Comment(msgspec.Struct, frozen=True):
    """For suppressions: text without its mark, first and last line."""

    text: str
    line: int
    end_line: int


class Fault(msgspec.Struct, frozen=True):
    """Where a text is not HCL; the rest of it is read on."""

    message: str
    line: int
    column: int


class File(msgspec.Struct, frozen=True, eq=False, gc=False):
    body: Body
    comments: tuple[Comment, ...] = ()
    faults: tuple[Fault, ...] = ()
