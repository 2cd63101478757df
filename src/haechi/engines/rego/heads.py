"""Reading rules: heads, bodies in a chain, ``else``, and rules that are a head alone."""

from __future__ import annotations

from typing import NoReturn

import msgspec

from haechi.engines.rego.bodies import Bodies
from haechi.engines.rego.cursor import FUTURE
from haechi.engines.rego.lexer import NAME
from haechi.engines.rego.terms import OPERATORS
from haechi.engines.rego.tree import (
    Call,
    Else,
    Expression,
    Literal,
    Place,
    Ref,
    Rule,
    RuleKind,
    Scalar,
    Set,
    Term,
    Var,
    Version,
)
from haechi.engines.rego.walk import is_constant, is_ground
from haechi.errors import RuleError

_IF = "write 'if' before the body, or mark the policy as Rego v0"
_CONTAINS = "write 'name contains value', or mark the policy as Rego v0"
_OPERATIONS = frozenset(name for _, name in OPERATORS.values())
_STARTS_HEAD = frozenset((".", "[", "("))


class Head(msgspec.Struct, frozen=True, kw_only=True):
    """A rule before its body. ``gap``: a space stands between the name and what follows it.
    ``arguments`` is None without parentheses, ``value`` where none is written."""

    place: Place
    name: str
    path: tuple[Term, ...]
    arguments: tuple[Term, ...] | None
    value: Term | None
    contains: bool
    gap: bool


class Rules(Bodies):
    """``v0_only`` is the first thing v1 forbids; it counts if ``import rego.v1`` comes later."""

    v0_only: tuple[Place, str, str] | None = None

    def rules(self) -> list[Rule]:
        """The rules of one statement: several where bodies are chained."""
        place = self.place
        if self.kind == "default" and not self.starts_reference():
            self.step()
            return [self._default(place, self._head())]
        head = self._head()
        # behind a value, ``if.x`` begins the next rule
        wants = self.kind == "if" and (head.value is None or not self.starts_reference())
        first = self._rule(place, head, wants=wants)
        if wants:
            self.step()
            body = self._body_after_if()
        elif self.kind == "{":
            self._not_in_v1(place, "a body without 'if'", _IF)
            body = self._block()
        else:
            return [self._without_body(head, first)]
        if first.kind is RuleKind.PARTIAL_SET and not head.contains:
            self._not_in_v1(place, "a set without 'contains'", _CONTAINS)
        first = msgspec.structs.replace(first, body=body)
        if self.kind == "else" and not self.starts_reference():
            return [self._with_else(head, first, wants=wants)]
        return [first, *self._chained(first)]

    def _chained(self, first: Rule) -> list[Rule]:
        rules = []
        while self.kind == "{":
            place = self.place
            rules.append(msgspec.structs.replace(first, place=place, body=self._block()))
        return rules

    def _head(self) -> Head:
        place = self.place
        if self.kind != NAME and not self.starts_reference():
            self.fail(
                "expected a rule: a name, then ':=', 'if', 'contains' or a body",
                do="begin each rule on the top level with its name",
            )
        if self.token.text == "_":
            self.fail("expected a name for the rule")
        name = self.step().text
        gap = not self.token.glued
        path: tuple[Term, ...] = ()
        arguments: tuple[Term, ...] | None = None
        if self.kind in _STARTS_HEAD:
            term = self.reference(Var(place=place, name=name))
            if isinstance(term, Ref) and isinstance(term.head, Var):
                path = term.path
            elif isinstance(term, Call):
                path = tuple(Scalar(place=place, value=part) for part in term.function[1:])
                arguments = term.arguments
            else:
                self.fault("a rule cannot be called this", do="use a name", place=place)
        contains = self.kind == "contains"
        value = None
        if contains and arguments is not None:
            self.fail("expected a function's value", do="a set has no arguments; use '[…]'")
        if contains or self.kind in ("=", ":="):
            self.step()
            value = self.infix()
        return Head(
            place=place,
            name=name,
            path=path,
            arguments=arguments,
            value=value,
            contains=contains,
            gap=gap,
        )

    def _rule(self, place: Place, head: Head, *, wants: bool) -> Rule:
        """The rule without its body. ``p[x]`` is a set in v0, an object where ``if`` follows."""
        path, value = head.path, head.value
        if head.contains:
            kind = RuleKind.PARTIAL_SET
        elif head.arguments:
            kind = RuleKind.FUNCTION
        elif len(path) == 1 and value is None and not wants:
            kind, value = RuleKind.PARTIAL_SET, path[0]
            path = ()
        else:
            kind = RuleKind.PARTIAL_OBJECT if path else RuleKind.COMPLETE
        return Rule(
            place=place,
            kind=kind,
            name=head.name,
            path=path,
            arguments=head.arguments or (),
            value=value or _true(place),
        )

    def _default(self, place: Place, head: Head) -> Rule:
        if head.contains or (head.value is None and len(head.path) == 1):
            self.fault("a default needs a value", do="write 'default name := value'", place=place)
        rule = self._rule(place, head, wants=True)
        if not is_constant(rule.value):
            self.fault(
                "the value of a default is a constant: no variable, reference or call",
                do="write the value itself, or a rule with 'else'",
                place=rule.value.place,
            )
        names = [one.name for one in rule.arguments if isinstance(one, Var)]
        if len(names) != len(rule.arguments) or len(set(names)) != len(names):
            self.fault(
                "the arguments of a default are names, each another", do="use '_'", place=place
            )
        return msgspec.structs.replace(rule, default=True)

    def _without_body(self, head: Head, rule: Rule) -> Rule:
        place = rule.place
        if head.contains:
            return rule
        bare = head.value is None
        if (bare and not head.path and not head.arguments) or (
            head.gap and (head.path or head.arguments is not None)
        ):
            self.fail(
                "expected ':=', 'if' or a body after the head of the rule",
                do="a rule has a value or a body; 'name if …' is true where the body holds",
            )
        if bare and head.arguments and head.name in _OPERATIONS:
            self.fault("a rule cannot be called this", do="use another name", place=place)
        if rule.kind is RuleKind.PARTIAL_SET:
            self._not_in_v1(place, "a set without 'contains'", _CONTAINS)
        elif bare and rule.kind is not RuleKind.FUNCTION:
            self._not_in_v1(place, "a rule without value and body", "write ':= true' behind it")
        if head.name in FUTURE and not head.path:
            self._not_in_v1(place, f"a rule named {head.name!r}", "give it another name")
        return rule

    def _with_else(self, head: Head, rule: Rule, *, wants: bool) -> Rule:
        keyed = len(head.path) == 1 and not head.arguments
        if (
            rule.kind is RuleKind.PARTIAL_SET
            or not all(map(is_ground, head.path))
            or (keyed and (not wants or isinstance(head.path[0], Ref)))
        ):
            self.fault(
                "'else' cannot follow a rule that makes a set, or has variables in its head",
                do="write a rule of its own for the other case",
            )
        branches = []
        while self.kind == "else":
            branches.append(self._else())
            if not branches[-1].body:
                break
        if self.kind == "{":
            self.fail("expected 'else' before this body")
        return msgspec.structs.replace(rule, otherwise=tuple(branches))

    def _else(self) -> Else:
        place = self.place
        self.step()
        value: Term = _true(place)
        if self.kind in ("=", ":="):
            self.step()
            value = self.infix()
        elif self.kind not in ("{", "if"):
            self.fail("expected ':=', 'if' or a body after 'else'")
        body: tuple[Literal, ...] = ()
        if self.kind == "if":
            self.step()
            body = self._block() if self.kind == "{" else (self.literal(),)
        elif self.kind == "{":
            self._not_in_v1(place, "a body without 'if'", _IF)
            body = self._block()
        return Else(place=place, value=value, body=body)

    def _block(self) -> tuple[Literal, ...]:
        self.expect("{", "and the body of the rule")
        body = self.body("}")
        self.step()
        return body

    def _body_after_if(self) -> tuple[Literal, ...]:
        """One statement, or a block. ``{ x }`` is a block, ``{"a": 1}`` is an object."""
        if self.kind != "{":
            return (self.literal(),)
        mark = self.mark()
        try:
            literal = self.literal()
        except RuleError:
            literal = None
        if literal is not None:
            statement = literal.statement
            if not (isinstance(statement, Expression) and isinstance(statement.term, Set)):
                return (literal,)
        self.back(mark)
        return self._block()

    def _not_in_v1(self, place: Place, what: str, do: str) -> None:
        if self.version is Version.V1:
            self._forbid(place, what, do)
        self.v0_only = self.v0_only or (place, what, do)

    def _forbid(self, place: Place, what: str, do: str) -> NoReturn:
        self.fault(f"Rego v1 does not allow {what}", do=do, place=place)

    def check_dialect(self) -> None:
        """At the end: what v1 forbids, where v1 was imported below it."""
        if self.version is Version.V1 and self.v0_only is not None:
            self._forbid(*self.v0_only)


def _true(place: Place) -> Scalar:
    return Scalar(place=place, value=True)
