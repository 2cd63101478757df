"""Templates: quoted texts and heredocs with ``${}`` and ``%{}``, and the escapes in them.

The white space that ``~`` and ``<<-`` take away is taken as hclsyntax does it
(hclsyntax/parser_template.go): ``~`` looks at one neighbouring piece of text, which in a heredoc
is one line, and the indentation of a heredoc is the least of its lines that begin with text.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

from haechi.engines.hcl.cursor import Cursor, SyntaxFault, told
from haechi.engines.hcl.lexer import Token
from haechi.engines.hcl.tree import Literal, Node, Span, Template, TemplateFor, TemplateIf

Expression = Callable[[Cursor], Node]

_ESCAPE = re.compile(r"\\u([0-9A-Fa-f]{4})|\\U([0-9A-Fa-f]{8})|\\(.?)|\$\$\{|%%\{", re.DOTALL)
_DOLLARS = re.compile(r"\$\$\{|%%\{")
_SIMPLE = {"n": "\n", "r": "\r", "t": "\t", '"': '"', "\\": "\\"}


class _Mark:
    """A directive before it is known which text belongs to it."""

    __slots__ = ("key", "node", "token", "value", "word")

    def __init__(self, word: str, token: Token) -> None:
        self.word = word
        self.token = token
        self.node: Node = Literal((token[2], token[3], token[2], token[4]), None)
        self.key: str | None = None
        self.value = ""


def unescape(raw: str, token: Token) -> str:
    """A quoted text's escapes. Raises SyntaxFault for one that HCL does not have."""
    if "\\" not in raw and "{" not in raw:
        return raw

    def put(found: re.Match[str]) -> str:
        whole = found[0]
        if whole in ("$${", "%%{"):
            return whole[1:]
        digits = found[1] or found[2]
        if digits:
            number = int(digits, 16)
            if number > 0x10FFFF or 0xD800 <= number <= 0xDFFF:
                raise SyntaxFault(f"{whole} is no character", token)
            return chr(number)
        character = _SIMPLE.get(found[3])
        if character is None:
            raise SyntaxFault(f"'{whole}' is no escape of HCL", token)
        return character

    return _ESCAPE.sub(put, raw)


def template(cursor: Cursor, expression: Expression) -> Node:
    """The template whose opening token is next."""
    first = cursor.tokens[cursor.at]
    cursor.at += 1
    cursor.deeper()
    quoted = first[0] == "oq"
    closing = "cq" if quoted else "ch"
    pieces = _pieces(cursor, closing, quoted, expression)
    last = cursor.tokens[cursor.at]
    cursor.at += 1
    cursor.depth -= 1
    if not quoted and first[1].startswith("-"):
        _dedent(pieces)
    return assemble(pieces, (first[2], first[3], last[2], last[4]), cursor)


def whole_template(cursor: Cursor, expression: Expression) -> Template:
    """A text that is a template from its first to its last character."""
    pieces = _pieces(cursor, "ch", False, expression)
    last = cursor.tokens[cursor.at]
    cursor.at += 1
    span = (1, 1, last[2], last[4])
    return Template(span, _Builder(pieces, span, cursor).until(()))


def assemble(pieces: list[Any], span: Span, cursor: Cursor) -> Node:
    """Pieces → a literal text, or a template with its directives nested."""
    if all(type(piece) is str for piece in pieces):
        return Literal(span, "".join(pieces))
    builder = _Builder(pieces, span, cursor)
    whole = builder.until(())
    return Template(span, whole)


def _pieces(cursor: Cursor, closing: str, quoted: bool, expression: Expression) -> list[Any]:
    pieces: list[Any] = []
    trim_next = False
    tokens = cursor.tokens
    while True:
        token = tokens[cursor.at]
        kind = token[0]
        if kind == "txt":
            cursor.at += 1
            text = unescape(token[1], token) if quoted else _plain(token[1])
            pieces.append(text.lstrip() if trim_next else text)
            trim_next = False
            continue
        if kind == closing:
            return pieces
        if kind not in ("${", "%{"):
            raise SyntaxFault(f"a text is not closed before {told(token)}", token)
        cursor.at += 1
        if token[1] and pieces and type(pieces[-1]) is str:
            pieces[-1] = pieces[-1].rstrip()
        if kind == "${":
            pieces.append(expression(cursor))
        else:
            pieces.append(_directive(cursor, expression))
        end = tokens[cursor.at]
        if end[0] != "}t":
            raise SyntaxFault(f"'}}' must close '{kind}', not {told(end)}", end)
        cursor.at += 1
        trim_next = bool(end[1])


def _plain(raw: str) -> str:
    if "{" in raw:
        return _DOLLARS.sub(lambda found: found[0][1:], raw)
    return raw


def _directive(cursor: Cursor, expression: Expression) -> _Mark:
    token = cursor.expect("id", "'%{' must be followed by if, else, endif, for or endfor")
    mark = _Mark(token[1], token)
    match token[1]:
        case "if":
            mark.node = expression(cursor)
        case "for":
            mark.value = cursor.expect("id", "'for' needs a name")[1]
            if cursor.tokens[cursor.at][0] == ",":
                cursor.at += 1
                mark.key = mark.value
                mark.value = cursor.expect("id", "'for' needs a second name")[1]
            word = cursor.expect("id", "'for' needs 'in'")
            if word[1] != "in":
                raise SyntaxFault("'for' needs 'in'", word)
            mark.node = expression(cursor)
        case "else" | "endif" | "endfor":
            pass
        case _:
            raise SyntaxFault(f"{told(token)} is no directive of a template", token)
    return mark


class _Builder:
    """Nests the pieces between ``if``/``for`` and their ends."""

    def __init__(self, pieces: list[Any], span: Span, cursor: Cursor) -> None:
        self.pieces = pieces
        self.at = 0
        self.span = span
        self.cursor = cursor

    def until(self, ends: tuple[str, ...]) -> tuple[Any, ...]:
        out: list[Any] = []
        while self.at < len(self.pieces):
            piece = self.pieces[self.at]
            if type(piece) is str:
                self._text(out)
            elif type(piece) is not _Mark:
                out.append(piece)
                self.at += 1
            elif piece.word in ("if", "for"):
                out.append(self._nested(piece))
            elif piece.word in ends:
                return tuple(out)
            else:
                raise SyntaxFault(f"'{piece.word}' has nothing to end", piece.token)
        if ends:
            raise SyntaxFault(f"'%{{ {ends[-1]} }}' is missing", self._opener)
        return tuple(out)

    def _text(self, out: list[Any]) -> None:
        """Neighbouring texts as one. An empty one counts only beside a lone expression, which
        it makes a template."""
        start = self.at
        while self.at < len(self.pieces) and type(self.pieces[self.at]) is str:
            self.at += 1
        text = "".join(self.pieces[start : self.at])
        if text or (len(self.pieces) - (self.at - start) == 1 and not out) or len(out) == 1:
            out.append(text)

    def _nested(self, mark: _Mark) -> Node:
        self.cursor.deeper()
        self.at += 1
        span = (mark.token[2], mark.token[3], mark.token[2], mark.token[4])
        self._opener = mark.token
        node: Node
        if mark.word == "for":
            body = Template(span, self.until(("endfor",)))
            node = TemplateFor(span, mark.key, mark.value, mark.node, body)
        else:
            then = Template(span, self.until(("else", "endif")))
            otherwise = None
            if self.pieces[self.at].word == "else":
                self.at += 1
                self._opener = mark.token
                otherwise = Template(span, self.until(("endif",)))
            node = TemplateIf(span, mark.node, then, otherwise)
        self.at += 1
        self.cursor.depth -= 1
        return node


def _dedent(pieces: list[Any]) -> None:
    """Take the common indentation of ``<<-`` away, in place."""
    least: int | None = None
    lines: list[int] = []
    begins = True
    for index, piece in enumerate(pieces):
        is_text = type(piece) is str
        if begins:
            begins = False
            width = 0
            if is_text:
                bare = piece.lstrip()
                if not bare and piece.endswith("\n"):
                    width = -1  # an empty line does not count
                else:
                    width = len(piece) - len(bare)
                    lines.append(index)
            if width >= 0:
                least = width if least is None else min(least, width)
        if is_text and piece.endswith("\n"):
            begins = True
    for index in lines:
        pieces[index] = pieces[index][least:]
