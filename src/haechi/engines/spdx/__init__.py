"""Licence expressions of SPDX (specification 2.3, annex D): parsed to a tree and written back.

``A AND B OR C WITH E`` is read as ``(A AND B) OR (C WITH E)``. Identifiers are known without case
and written as the list has them; operators are taken in small letters as well. What packages
write instead of an expression is the matter of ``spellings``, what a policy says of one is that
of ``policy``.
"""

from __future__ import annotations

import re

import msgspec

from haechi.engines.licences import exceptions, identifiers
from haechi.errors import InputError

MAX_LENGTH = 2000
MAX_DEPTH = 32

_TOKEN = re.compile(r"\s*([()]|[A-Za-z0-9][A-Za-z0-9.:+-]*|\S)")
_REFERENCE = re.compile(r"(?:DocumentRef-[A-Za-z0-9.-]+:)?LicenseRef-[A-Za-z0-9.-]+").fullmatch
_ADDITION = re.compile(r"(?:DocumentRef-[A-Za-z0-9.-]+:)?AdditionRef-[A-Za-z0-9.-]+").fullmatch


class Term(msgspec.Struct, frozen=True):
    """One licence, ``later`` with its ``+``, with an exception or ""."""

    id: str
    later: bool = False
    exception: str = ""

    def __str__(self) -> str:
        bare = f"{self.id}+" if self.later else self.id
        return f"{bare} WITH {self.exception}" if self.exception else bare


class Joint(msgspec.Struct, frozen=True):
    """At least two expressions joined by ``AND`` or ``OR``; none of them by the same."""

    operator: str
    parts: tuple[Term | Joint, ...]

    def __str__(self) -> str:
        # OR binds looser, so that only it needs parentheses, inside of AND
        inner = [
            f"({part})" if isinstance(part, Joint) and self.operator == "AND" else str(part)
            for part in self.parts
        ]
        return f" {self.operator} ".join(inner)


Expression = Term | Joint


def parse(text: str) -> Expression:
    """The tree of an expression; InputError for what is none or names an unknown licence."""
    if len(text) > MAX_LENGTH:
        raise _wrong(text, f"at most {MAX_LENGTH} characters are read")
    parser = _Parser(text)
    found = parser.alternatives(0)
    if parser.ahead:
        raise _wrong(text, f"{parser.ahead[:40]!r} is too much")
    return found


def spelled(text: str) -> str | None:
    """The expression as SPDX writes it; None for a text that is none: whoever writes a document
    says that as a name instead of claiming an identifier."""
    try:
        return str(parse(text))
    except InputError:
        return None


def terms(expression: Expression) -> tuple[Term, ...]:
    """All licences of an expression, in order."""
    if isinstance(expression, Term):
        return (expression,)
    return tuple(term for part in expression.parts for term in terms(part))


class _Parser:
    """By descent: alternatives, conjunctions, one licence or parentheses."""

    def __init__(self, text: str) -> None:
        self._text = text
        self._tokens = _TOKEN.findall(text)
        self._place = 0

    @property
    def ahead(self) -> str:
        return self._tokens[self._place] if self._place < len(self._tokens) else ""

    def _next(self) -> str:
        token = self.ahead
        self._place += 1
        return token

    def alternatives(self, depth: int) -> Expression:
        parts = [self._conjunction(depth)]
        while self.ahead.upper() == "OR":
            self._next()
            parts.append(self._conjunction(depth))
        return _joined("OR", parts)

    def _conjunction(self, depth: int) -> Expression:
        parts = [self._operand(depth)]
        while self.ahead.upper() == "AND":
            self._next()
            parts.append(self._operand(depth))
        return _joined("AND", parts)

    def _operand(self, depth: int) -> Expression:
        word = self._next()
        if word != "(":
            return self._licence(word)
        if depth >= MAX_DEPTH:
            raise _wrong(self._text, f"it is nested deeper than {MAX_DEPTH}")
        inner = self.alternatives(depth + 1)
        if self._next() != ")":
            raise _wrong(self._text, "a parenthesis is not closed")
        return inner

    def _licence(self, token: str) -> Term:
        term = _known(token)
        if term is None:
            why = (
                f"{token[:40]!r} is no licence of SPDX's list" if token else "a licence is missing"
            )
            raise _wrong(self._text, why)
        if self.ahead.upper() != "WITH":
            return term
        self._next()
        named = self._next()
        exception = exceptions().get(named.lower()) or (named if _ADDITION(named) else "")
        if not exception:
            raise _wrong(self._text, f"{named[:40]!r} is no exception of SPDX's list")
        return Term(term.id, term.later, exception)


def _known(token: str) -> Term | None:
    listed = identifiers()
    if token.lower() in listed:
        return Term(listed[token.lower()])
    if token.endswith("+") and token[:-1].lower() in listed:
        return Term(listed[token[:-1].lower()], later=True)
    return Term(token) if _REFERENCE(token) else None


def _joined(operator: str, parts: list[Expression]) -> Expression:
    """Joined, with inner joints by the same operator taken apart."""
    if len(parts) == 1:
        return parts[0]
    flat: list[Expression] = []
    for part in parts:
        same = isinstance(part, Joint) and part.operator == operator
        flat += part.parts if same and isinstance(part, Joint) else (part,)
    return Joint(operator, tuple(flat))


def _wrong(text: str, why: str) -> InputError:
    shown = text if len(text) <= 80 else text[:77] + "..."
    return InputError(
        f"{shown!r} is no licence expression",
        why=why,
        do="write it with SPDX's identifiers: MIT OR Apache-2.0; for others, LicenseRef-NAME",
    )
