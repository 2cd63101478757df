"""Any tree as the text of a Rego v1 module that OPA 1.x reads and that means the same.

With it OPA can judge policies in v0, which it no longer reads by default. What v1 refuses is put
in other words (``dialect``): deprecated builtins become newer ones or rules that are written
below, names that are keywords now get another name. Operators inside of terms stand in
parentheses, so that the text gives the same tree again. Places and comments are not kept.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable

from haechi.engines.rego.cursor import FUTURE, KEYWORDS
from haechi.engines.rego.dialect import Names, names_of
from haechi.engines.rego.terms import MEMBER, MEMBER_KEY, OPERATORS
from haechi.engines.rego.tree import (
    Array,
    ArrayComprehension,
    Assign,
    Call,
    Else,
    Every,
    Expression,
    Import,
    Literal,
    Module,
    Object,
    ObjectComprehension,
    Ref,
    Rule,
    RuleKind,
    Scalar,
    Set,
    SetComprehension,
    Some,
    SomeIn,
    Term,
    Unify,
    Var,
)

_SIGNS = {function: sign for sign, (_, function) in OPERATORS.items()}
_IDENTIFIER = re.compile(r"[A-Za-z_][A-Za-z_0-9]*\Z")
_INDENT = "    "


def write(module: Module) -> str:
    """Rego v1 text, with a new line at its end."""
    writer = _Writer(names_of(module))
    parts = [f"package {_path(module.package)}"]
    imports = dict.fromkeys(map(writer.import_, module.imports))
    if imports:
        parts.append("\n".join(imports))
    parts += map(writer.rule, module.rules)
    parts += writer.names.helpers()
    return "\n\n".join(parts) + "\n"


class _Writer:
    def __init__(self, names: Names) -> None:
        self.names = names

    def import_(self, one: Import) -> str:
        text = f"import {_path(one.path)}"
        name = self.names.variable(one.name)
        return text if name == one.path[-1] else f"{text} as {name}"

    def rule(self, rule: Rule) -> str:
        self.names.begin(rule)
        head = self.names.variable(rule.name) + self._keys(rule.path)
        if rule.kind is RuleKind.PARTIAL_SET:
            head += f" contains {self.term(rule.value)}"
        else:
            if rule.arguments:
                head += f"({self._terms(rule.arguments)})"
            head += f" := {self.term(rule.value)}"
        if rule.default:
            return f"default {head}"
        return head + self._block(rule.body) + "".join(map(self._else, rule.otherwise))

    def _else(self, branch: Else) -> str:
        return f" else := {self.term(branch.value)}{self._block(branch.body)}"

    def _block(self, body: tuple[Literal, ...]) -> str:
        """One statement a line. A line that begins with a minus would go on with the one above."""
        if not body:
            return ""
        lines = [_INDENT + self._literal(one) for one in body]
        for number, line in enumerate(lines[1:]):
            if line.startswith(_INDENT + "-"):
                lines[number] += ";"
        return " if {\n" + "\n".join(lines) + "\n}"

    def _inline(self, body: Iterable[Literal]) -> str:
        return "; ".join(map(self._literal, body))

    def _literal(self, literal: Literal) -> str:
        text = self._statement(literal)
        for one in literal.modifiers:
            text += f" with {self.term(one.target)} as {self.term(one.value)}"
        return f"not {text}" if literal.negated else text

    def _statement(self, literal: Literal) -> str:
        match literal.statement:
            case Expression(term=term):
                return self._bare(term)
            case Unify(left=left, right=right):
                return f"{self.term(left)} = {self._bare(right)}"
            case Assign(target=target, value=value):
                return f"{self.term(target)} := {self._bare(value)}"
            case Some(names=names):
                return "some " + ", ".join(map(self.names.variable, names))
            case SomeIn(key=key, value=value, collection=collection):
                return f"some {self._member(key, value)} in {self.term(collection)}"
            case Every(key=key, value=value, domain=domain, body=body):
                head = f"every {self._member(key, value)} in {self.term(domain)}"
                return f"{head} {{ {self._inline(body)} }}"

    def _member(self, key: Term | None, value: Term) -> str:
        return self.term(value) if key is None else f"{self.term(key)}, {self.term(value)}"

    def _bare(self, term: Term) -> str:
        """A term that is a statement or its right side: no parentheses around an operator, but
        around a union, which a brace before it would make a comprehension."""
        if isinstance(term, Call) and term.function != ("or",):
            return self._operation(term) or self.term(term)
        return self.term(term)

    def term(self, term: Term) -> str:
        match term:
            case Scalar(value=value):
                return json.dumps(value)
            case Var(name=name):
                return self.names.variable(name)
            case Ref():
                return self._reference(term)
            case Array(items=items):
                return f"[{self._terms(items)}]"
            case Set(items=items):
                return f"{{{self._terms(items)}}}" if items else "set()"
            case Object(pairs=pairs):
                written = (f"{self.term(key)}: {self.term(value)}" for key, value in pairs)
                return f"{{{', '.join(written)}}}"
            case ArrayComprehension(head=head, body=body):
                return f"[{self.term(head)} | {self._inline(body)}]"
            case SetComprehension(head=head, body=body):
                return f"{{{self.term(head)} | {self._inline(body)}}}"
            case ObjectComprehension(key=key, value=value, body=body):
                return f"{{{self.term(key)}: {self.term(value)} | {self._inline(body)}}}"
            case Call():
                operation = self._operation(term)
                return f"({operation})" if operation else self._call(term)

    def _terms(self, terms: Iterable[Term]) -> str:
        return ", ".join(map(self.term, terms))

    def _operation(self, call: Call) -> str:
        """The call with its operator, or nothing if it has none."""
        arguments = call.arguments
        if call.function == MEMBER and len(arguments) == 2:
            return f"{self.term(arguments[0])} in {self.term(arguments[1])}"
        if call.function == MEMBER_KEY and len(arguments) == 3:
            return f"{self._member(*arguments[:2])} in {self.term(arguments[2])}"
        sign = _SIGNS.get(call.function[0]) if len(call.function) == 1 else None
        if sign is None or len(arguments) != 2:
            return ""
        return f"{self.term(arguments[0])} {sign} {self.term(arguments[1])}"

    def _call(self, call: Call) -> str:
        return f"{_path(self.names.function(call.function))}({self._terms(call.arguments)})"

    def _reference(self, ref: Ref) -> str:
        head, path = ref.head, ref.path
        while isinstance(head, Ref):  # no text reads as this; it means one longer reference
            path = head.path + path
            head = head.head
        written = self.term(head)
        return (f"[{written}][0]" if isinstance(head, Scalar) else written) + self._keys(path)

    def _keys(self, path: Iterable[Term]) -> str:
        return "".join(
            _key(part.value)
            if isinstance(part, Scalar) and isinstance(part.value, str)
            else f"[{self._bare(part)}]"
            for part in path
        )


def _path(parts: tuple[str, ...]) -> str:
    return parts[0] + "".join(map(_key, parts[1:]))


def _key(name: str) -> str:
    if _IDENTIFIER.match(name) and name not in KEYWORDS and name not in FUTURE:
        return f".{name}"
    return f"[{json.dumps(name)}]"
