"""Where the parser stands in a run of tokens, and the fault that stops an expression."""

from __future__ import annotations

from haechi.engines.hcl.lexer import Token
from haechi.errors import LimitExceeded

MAX_DEPTH = 100
"""Levels of brackets, templates and blocks. People stay below 20; Python's stack is finite."""
MAX_CHAIN = 250
"""Operators or steps in a row (``a + b + …``, ``a.b.c…``), which nest, too."""


class SyntaxFault(Exception):
    """What stands at ``token`` cannot stand there. What the lexer could not read says why
    itself."""

    def __init__(self, message: str, token: Token) -> None:
        if token[0] == "bad":
            message = token[1]
        super().__init__(message)
        self.message = message
        self.token = token


class Cursor:
    __slots__ = ("at", "depth", "name", "tokens")

    def __init__(self, tokens: list[Token], name: str = "") -> None:
        self.tokens = tokens
        self.at = 0
        self.depth = 0
        self.name = name

    def deeper(self) -> None:
        self.depth += 1
        if self.depth > MAX_DEPTH:
            raise LimitExceeded(
                f"HCL nested deeper than {MAX_DEPTH} levels",
                where=f"{self.name}:{self.tokens[self.at][2]}" if self.name else "",
            )

    def chain(self, count: int) -> None:
        if count > MAX_CHAIN:
            raise LimitExceeded(
                f"an expression with more than {MAX_CHAIN} operators in a row",
                where=f"{self.name}:{self.tokens[self.at][2]}" if self.name else "",
            )

    def expect(self, kind: str, what: str) -> Token:
        token = self.tokens[self.at]
        if token[0] != kind:
            raise SyntaxFault(f"{what}, not {told(token)}", token)
        self.at += 1
        return token

    def skip_lines(self) -> Token:
        """The next token that is no line break, not consumed."""
        tokens = self.tokens
        while tokens[self.at][0] == "nl":
            self.at += 1
        return tokens[self.at]


def told(token: Token) -> str:
    """What a fault calls a token."""
    kind, text = token[0], token[1]
    match kind:
        case "nl":
            return "the end of the line"
        case "end":
            return "the end of the file"
        case "str" | "oq" | "txt":
            return "a text"
        case "cq":
            return "the end of a text"
        case "oh" | "ch":
            return "a heredoc"
        case "}t":
            return "'}'"
    shown = text if kind in ("id", "num") else kind
    return repr(shown if len(shown) <= 40 else shown[:40] + "…")
