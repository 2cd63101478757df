"""The syntax tree of Rego: what the parser makes and the compiler and the writer read.

It is the same for both dialects. v0 (no ``if``/``contains``) is read into the shapes of v1, so
that nothing behind the parser knows dialects, with one exception that changes meaning:
``Module.version`` says what ``import rego.v1`` would. Operators are calls of the builtins that
OPA names (``a + b`` is ``plus(a, b)``), ``==`` is ``equal``, ``&`` is ``and``, ``|`` is ``or``,
``x in xs`` is ``internal.member_2``; unification and assignment are nodes of their own.
Specification: the grammar in OPA's policy reference (https://www.openpolicyagent.org/docs).
"""

from __future__ import annotations

from enum import IntEnum
from typing import TypeAlias

import msgspec


class Version(IntEnum):
    """The dialect. OPA reads v1 by default since 1.0; Gatekeeper's templates are v0 by default."""

    V0 = 0
    V1 = 1


class Place(msgspec.Struct, frozen=True):
    """Line and column in the module's text, both from 1."""

    line: int
    column: int


class Node(msgspec.Struct, frozen=True, kw_only=True):
    """``place`` takes no part in what a node means."""

    place: Place


class Scalar(Node, frozen=True, kw_only=True, tag=True):
    """null, a truth value, a number (int where it is whole, else float), or text."""

    value: bool | int | float | str | None


class Var(Node, frozen=True, kw_only=True, tag=True):
    """A name; what it means (local, argument, rule, import, ``input``, ``data``) is resolved by
    the compiler. A wildcard is a fresh name that begins with ``$``."""

    name: str


class Ref(Node, frozen=True, kw_only=True, tag=True):
    """``head.a["b"][x]``: ``path`` never is empty; ``.a`` is the scalar "a"."""

    head: Term
    path: tuple[Term, ...]


class Array(Node, frozen=True, kw_only=True, tag=True):
    items: tuple[Term, ...]


class Object(Node, frozen=True, kw_only=True, tag=True):
    pairs: tuple[tuple[Term, Term], ...]


class Set(Node, frozen=True, kw_only=True, tag=True):
    """``{a, b}`` and ``set()``."""

    items: tuple[Term, ...]


class ArrayComprehension(Node, frozen=True, kw_only=True, tag=True):
    head: Term
    body: tuple[Literal, ...]


class SetComprehension(Node, frozen=True, kw_only=True, tag=True):
    head: Term
    body: tuple[Literal, ...]


class ObjectComprehension(Node, frozen=True, kw_only=True, tag=True):
    key: Term
    value: Term
    body: tuple[Literal, ...]


class Call(Node, frozen=True, kw_only=True, tag=True):
    """``function`` is its dotted name in parts: ``("plus",)``, ``("regex", "match")``,
    ``("data", "lib", "f")``, ``("helper",)``. What an import or a rule shadows is not resolved."""

    function: tuple[str, ...]
    arguments: tuple[Term, ...]


Term: TypeAlias = (
    Scalar
    | Var
    | Ref
    | Array
    | Object
    | Set
    | ArrayComprehension
    | SetComprehension
    | ObjectComprehension
    | Call
)


class With(Node, frozen=True, kw_only=True):
    """``with target as value``; the target is a Ref or Var under input or data, or a function."""

    target: Term
    value: Term


class Literal(Node, frozen=True, kw_only=True):
    """One statement of a body."""

    statement: Statement
    negated: bool = False
    modifiers: tuple[With, ...] = ()


class Expression(Node, frozen=True, kw_only=True, tag=True):
    """True unless the term is undefined or false."""

    term: Term


class Unify(Node, frozen=True, kw_only=True, tag=True):
    """``left = right``."""

    left: Term
    right: Term


class Assign(Node, frozen=True, kw_only=True, tag=True):
    """``target := value``; the target is a Var, or arrays and objects of variables."""

    target: Term
    value: Term


class Some(Node, frozen=True, kw_only=True, tag=True):
    """``some x, y``."""

    names: tuple[str, ...]


class SomeIn(Node, frozen=True, kw_only=True, tag=True):
    """``some key, value in collection``; all three may be terms with fresh variables."""

    key: Term | None
    value: Term
    collection: Term


class Every(Node, frozen=True, kw_only=True, tag=True):
    """``every key, value in domain { body }``."""

    key: Term | None
    value: Term
    domain: Term
    body: tuple[Literal, ...]


Statement: TypeAlias = Expression | Unify | Assign | Some | SomeIn | Every


class Else(Node, frozen=True, kw_only=True):
    """One ``else`` of a rule or a function, in order."""

    value: Term
    body: tuple[Literal, ...]


class RuleKind(IntEnum):
    COMPLETE = 0  # name := value if body
    FUNCTION = 1  # name(arguments) := value if body
    PARTIAL_SET = 2  # name contains value if body
    PARTIAL_OBJECT = 3  # name[key] := value if body, also name.a[x].b := value


class Rule(Node, frozen=True, kw_only=True):
    """One rule. Chained bodies (``} {``) and several heads become several rules.

    ``name`` is the first part of the head's reference, ``path`` what follows it (a partial
    object's key is its last part; with ``contains`` a path before the set is possible, too).
    ``value`` is the scalar true where none is written. ``default`` rules have an empty body.
    """

    kind: RuleKind
    name: str
    path: tuple[Term, ...] = ()
    arguments: tuple[Term, ...] = ()
    value: Term
    body: tuple[Literal, ...] = ()
    otherwise: tuple[Else, ...] = ()
    default: bool = False


class Import(Node, frozen=True, kw_only=True):
    """``import data.lib.x as y``; ``name`` is the alias, or the last part of the path."""

    path: tuple[str, ...]
    name: str


class Module(msgspec.Struct, frozen=True, kw_only=True):
    """A parsed text. ``package`` without the leading ``data``. ``future.keywords`` and
    ``rego.v1`` imports are consumed by the parser and not listed."""

    file: str
    package: tuple[str, ...]
    imports: tuple[Import, ...]
    rules: tuple[Rule, ...]
    version: Version
