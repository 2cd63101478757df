"""Where the parser is: the token at hand, which names are keywords now, steps and ways back.

Rego cannot be read with one token of foresight (``{a | b}`` is a comprehension, ``{a | b, c}`` a
set), so the parser goes back in a few spots. ``Terms`` remembers what it read at which token, so
going back costs no second reading and hostile nesting stays linear.
"""

from __future__ import annotations

from typing import NoReturn

from haechi.engines.rego.lexer import END, ILLEGAL, NAME, Token, tokenize
from haechi.engines.rego.tree import Place, Term, Version
from haechi.errors import RuleError

NESTING_LIMIT = 200
"""Each pair of brackets counts as two, a comprehension's as three."""
KEYWORDS = frozenset(
    ("package", "import", "as", "default", "else", "not", "some", "with", "null", "true", "false")
)
FUTURE = frozenset(("in", "every", "contains", "if"))


class Cursor:
    """``kind`` is the current token's kind, or the word itself where it is a keyword."""

    def __init__(self, text: str, file: str, version: Version) -> None:
        self.file = file
        self.version = version
        self.keywords: frozenset[str] = KEYWORDS | FUTURE if version is Version.V1 else KEYWORDS
        self.tokens = tokenize(text)
        self.wildcards = 0
        self.depth = 0
        self.read: dict[int, tuple[Term, int, int] | RuleError] = {}
        self.go(0)

    def go(self, index: int) -> None:
        """Stand at a token."""
        self.index = index
        token = self.token = self.tokens[index]
        kind = token.kind
        self.kind = token.text if kind == NAME and token.text in self.keywords else kind

    def step(self) -> Token:
        """Go to the next token; the one that was left."""
        token = self.token
        if token.kind not in (END, ILLEGAL):
            self.go(self.index + 1)
        return token

    def mark(self) -> tuple[int, int, int]:
        return self.index, self.wildcards, self.depth

    def back(self, mark: tuple[int, int, int]) -> None:
        index, self.wildcards, self.depth = mark
        self.go(index)

    def learn(self, words: frozenset[str]) -> None:
        """From here on these are keywords, too."""
        self.keywords |= words | ({"in"} if "every" in words else frozenset())
        self.read.clear()
        self.go(self.index)

    @property
    def place(self) -> Place:
        return Place(self.token.line, self.token.column)

    @property
    def after(self) -> Token:
        """The token after the current one."""
        return self.tokens[min(self.index + 1, len(self.tokens) - 1)]

    def starts_reference(self) -> bool:
        """A keyword is a plain name where a reference goes on behind it (``if.x``, ``some[0]``)."""
        if self.kind not in self.keywords:
            return False
        after = self.after
        return after.glued and after.kind in (".", "[")

    def expect(self, kind: str, meaning: str) -> Token:
        if self.kind != kind:
            self.fail(f"expected {kind!r} {meaning}")
        return self.step()

    def enter(self) -> None:
        """One level deeper. Without a bound hostile text would end the interpreter's stack.
        Who enters takes one from ``depth`` at the end; ``back`` restores it after a fault."""
        self.depth += 1
        if self.depth > NESTING_LIMIT:
            self.too_deep(self.place)

    def too_deep(self, place: Place) -> NoReturn:
        self.fault(
            "terms and bodies are nested too deep",
            do="name the inner parts by rules or variables of their own",
            place=place,
        )

    def fail(self, expected: str, *, do: str = "") -> NoReturn:
        """What stands here is not what was expected."""
        if self.token.kind == ILLEGAL:
            self.fault(f"cannot read {self.token.text}", do="correct it, or remove it")
        self.fault(f"{expected}, found {self._found()}", do=do or "correct this line of the policy")

    def fault(self, what: str, *, do: str, place: Place | None = None) -> NoReturn:
        at = place or self.place
        where = f"{self.file}:{at.line}:{at.column}" if self.file else f"{at.line}:{at.column}"
        raise RuleError(what, do=do, where=where)

    def _found(self) -> str:
        token = self.token
        if token.kind == END:
            return "the end of the text"
        if self.kind in self.keywords:
            return f"the keyword {token.text!r}"
        text = token.text if len(token.text) <= 40 else token.text[:37] + "..."
        return f"{token.kind} {text!r}" if token.kind.isalpha() else repr(text)
