"""Reading bodies: statements, ``some``, ``every``, ``not`` and ``with``."""

from __future__ import annotations

from haechi.engines.rego.lexer import NAME
from haechi.engines.rego.terms import MEMBER, MEMBER_KEY, ROOTS, Terms
from haechi.engines.rego.tree import (
    Assign,
    Call,
    Every,
    Expression,
    Literal,
    Ref,
    Scalar,
    SetComprehension,
    Some,
    SomeIn,
    Statement,
    Term,
    Unify,
    Var,
    With,
)
from haechi.errors import RuleError

FILLING = "__filling__"
"""The variable of an expression in a template string that has ``with`` behind it."""


class Bodies(Terms):
    def body(self, end: str) -> tuple[Literal, ...]:
        if self.kind == end:
            self.fail("expected a statement in the body", do="write 'true' if it always holds")
        literals = []
        while True:
            literals.append(self.literal())
            if self.kind == ";":
                self.step()
            elif self.kind == end:
                return tuple(literals)
            elif not self.token.newline:
                self.fail(f"expected a new line, ';' or {end!r} after the statement")

    def literal(self) -> Literal:
        self.enter()
        place, negated = self.place, False
        if self.starts_reference():
            self.read.pop(self.index, None)
            self.kind = NAME
        elif self.kind == "not":
            self.step()
            negated = True
        if self.kind in ("some", "every") and not self.starts_reference():
            if negated:
                self.fail("expected an expression after 'not'", do="negate a rule that has it")
            literal = self._declaration()
        else:
            statement = self._expression()
            literal = Literal(
                place=place, statement=statement, negated=negated, modifiers=self._modifiers()
            )
        self.depth -= 1
        return literal

    def _declaration(self) -> Literal:
        place = self.place
        statement = self._every() if self.kind == "every" else self._some()
        modifiers = () if isinstance(statement, Some) else self._modifiers()
        return Literal(place=place, statement=statement, modifiers=modifiers)

    def _expression(self) -> Statement:
        place = self.place
        left = self.infix()
        if self.kind == ":=":
            self.step()
            return Assign(place=place, target=left, value=self.infix())
        if self.kind == "=":
            self.step()
            return Unify(place=place, left=left, right=self.infix())
        return Expression(place=place, term=left)

    def _modifiers(self) -> tuple[With, ...]:
        modifiers = []
        while self.kind == "with" and not self.starts_reference():
            place = self.place
            self.step()
            if self.kind != NAME:
                self.fail("expected input, data or a function's name after 'with'")
            target = self.term()
            if not isinstance(target, Var | Ref):
                self.fault(
                    "'with' cannot replace this",
                    do="name a path under input or data, or a function without its arguments",
                    place=target.place,
                )
            self.expect("as", "and the value after the target of 'with'")
            modifiers.append(With(place=place, target=target, value=self.infix()))
        return tuple(modifiers)

    def _some(self) -> Statement:
        place = self.place
        self.step()
        mark = self.mark()
        try:
            term: Term | None = self.infix()
        except RuleError:
            term = None
        if isinstance(term, Call):
            key, value, collection = self._members(term, "some")
            return SomeIn(place=place, key=key, value=value, collection=collection)
        self.back(mark)
        names = [self._declared()]
        while self.kind == ",":
            self.step()
            names.append(self._declared())
        return Some(place=place, names=tuple(names))

    def _declared(self) -> str:
        if self.kind != NAME:
            self.fail("expected the name of a variable after 'some'")
        name = self.variable().name
        if self.kind == NAME and self.token.text == "in":
            self.fail(
                "expected no 'in'", do="write 'import future.keywords.in' or 'import rego.v1' above"
            )
        return name

    def _members(self, call: Call, word: str) -> tuple[Term | None, Term, Term]:
        if call.function == MEMBER and len(call.arguments) == 2:
            return None, call.arguments[0], call.arguments[1]
        if call.function == MEMBER_KEY and len(call.arguments) == 3:
            return call.arguments
        return self.fault(
            f"expected 'x in xs' or 'k, x in xs' after {word!r}",
            do="declare variables by name, or say what they are members of",
            place=call.place,
        )

    def _every(self) -> Every:
        place = self.place
        self.step()
        term = self.infix()
        if not isinstance(term, Call):
            self.fail("expected 'every x in xs { … }'")
        key, value, domain = self._members(term, "every")
        for name in (key, value):
            if name is not None and (not isinstance(name, Var) or name.name in ROOTS):
                self.fault("expected a variable after 'every'", do="use a name", place=name.place)
        self.expect("{", "and what holds for every member")
        body = self.body("}")
        self.step()
        return Every(place=place, key=key, value=value, domain=domain, body=body)

    def filling(self) -> Term:
        literal = self.literal()
        statement = literal.statement
        if literal.negated or not isinstance(statement, Expression):
            self.fault(
                "only a value can stand in a template string",
                do="give it a name before the string",
                place=literal.place,
            )
        term, place = statement.term, literal.place
        if not literal.modifiers:
            if isinstance(term, Scalar):
                return term
            holds = Expression(place=place, term=Scalar(place=place, value=True))
            body = (Literal(place=place, statement=holds),)
            return SetComprehension(place=place, head=term, body=body)
        name = Var(place=place, name=FILLING)
        named = Assign(place=place, target=name, value=term)
        body = (Literal(place=place, statement=named, modifiers=literal.modifiers),)
        return SetComprehension(place=place, head=name, body=body)
