"""``*.tf.json`` → the same tree as native syntax.

JSON does not say what is a block; Terraform knows by its schema. The blocks of the language
itself are told apart here (``resource``, ``lifecycle``, ``dynamic`` …); what a provider's resource
nests stays an attribute holding an object, or a list of objects, which is what blocks become
anyway. Texts are templates; those that stand for a reference (``depends_on``) are read as one.
https://developer.hashicorp.com/terraform/language/syntax/json
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Any

from haechi.engines.hcl.cursor import Cursor, SyntaxFault, told
from haechi.engines.hcl.expressions import expression, number
from haechi.engines.hcl.lexer import MAX_ITEM, Lexer, Token
from haechi.engines.hcl.parse import decode
from haechi.engines.hcl.templates import whole_template
from haechi.engines.hcl.tree import (
    Assignment,
    Bad,
    Block,
    Body,
    Fault,
    File,
    Literal,
    Node,
    Object,
    Span,
    Template,
    Tuple,
)
from haechi.errors import LimitExceeded

_TOKEN = re.compile(
    r"""[ \t]*+(?:
      "((?:[^"\\\r\n]++|\\[^\r\n])*+)"   # 1 text
    | ([{}\[\]:,])                       # 2
    | (\r?\n(?:[ \t]*+\r?\n)*+)        # 3
    | (-?[0-9]++(?:\.[0-9]++)?+(?:[eE][+-]?+[0-9]++)?+)  # 4
    | (true|false|null)(?![\w])          # 5
    | (\Z)                               # 6
    )""",
    re.VERBOSE,
)
_WORDS = {"true": True, "false": False, "null": None}

_Blocks = dict[str, tuple[int, str]]
"""Name → number of labels, and what it is (a key of _INSIDE)."""

_INSIDE: dict[str, _Blocks] = {
    "file": {
        "resource": (2, "resource"),
        "data": (2, "resource"),
        "ephemeral": (2, "resource"),
        "module": (1, ""),
        "provider": (1, ""),
        "variable": (1, "variable"),
        "output": (1, "output"),
        "check": (1, "check"),
        "locals": (0, ""),
        "terraform": (0, "terraform"),
        "moved": (0, ""),
        "import": (0, ""),
        "removed": (0, "resource"),
    },
    "resource": {
        "lifecycle": (0, "lifecycle"),
        "connection": (0, ""),
        "provisioner": (1, "provisioner"),
        "dynamic": (1, "dynamic"),
    },
    "provisioner": {"connection": (0, "")},
    "dynamic": {"content": (0, "content")},
    "content": {"dynamic": (1, "dynamic")},
    "lifecycle": {"precondition": (0, ""), "postcondition": (0, "")},
    "variable": {"validation": (0, "")},
    "output": {"precondition": (0, "")},
    "check": {"data": (2, "resource"), "assert": (0, "")},
    "terraform": {
        "backend": (1, ""),
        "cloud": (0, "cloud"),
        "provider_meta": (1, ""),
        "required_providers": (0, ""),
    },
    "cloud": {"workspaces": (0, "")},
    "": {},
}
_REFERENCES = frozenset(
    {"depends_on", "provider", "providers", "ignore_changes", "replace_triggered_by"}
)


def parse_json(data: bytes, *, name: str = "") -> File:
    """The tree of a file. Raises LimitExceeded, never for text that is wrong."""
    faults: list[Fault] = []
    text = decode(data, faults, name)
    reader = _Reader(Cursor(_tokens(text, name), name), faults)
    node = reader.value()
    end = reader.cursor.tokens[reader.cursor.at]
    if end[0] != "end" and not reader.broken:
        reader.fail(f"{told(end)} stands behind the end", end)
    return File(_Bodies(faults, name).body([node], "file", node.span), (), tuple(faults))


def _tokens(text: str, name: str) -> list[Token]:
    tokens: list[Token] = []
    position = bol = 0
    line = 1
    while True:
        found = _TOKEN.match(text, position)
        if found is None:
            start = position
            while text[start] in " \t":
                start += 1
            shown = text[start : start + 20].split("\n")[0]
            what = f"{shown!r} means nothing in JSON"
            tokens.append(("bad", what, line, position - bol + 1, position - bol + 2))
            break
        group = found.lastindex
        start, position = found.start(group or 0), found.end()
        column, end = start - bol + 1, position - bol + 1
        if group == 1:
            tokens.append(("str", found[1], line, column - 1, end))
        elif group == 2:
            tokens.append((found[2], found[2], line, column, end))
        elif group == 3:
            line += text.count("\n", start, position)
            bol = position
        elif group == 4:
            tokens.append(("num", found[4], line, column, end))
        elif group == 5:
            tokens.append(("id", found[5], line, column, end))
        else:
            break
        if len(tokens) > MAX_ITEM:
            raise LimitExceeded(f"more than {MAX_ITEM:,} words in one file", where=name)
    tokens.append(("end", "", line, max(position - bol + 1, 1), 0))
    return tokens


class _Reader:
    """Values with their places. After a fault, what was read so far is kept."""

    def __init__(self, cursor: Cursor, faults: list[Fault]) -> None:
        self.cursor = cursor
        self.faults = faults
        self.broken = False

    def value(self) -> Node:
        cursor = self.cursor
        token = cursor.tokens[cursor.at]
        kind = token[0]
        span = (token[2], token[3], token[2], token[4] or token[3])
        cursor.at += 1
        if kind == "{":
            return self._object(token)
        if kind == "[":
            return self._list(token)
        if kind == "str":
            return self._text(token, span)
        if kind == "num":
            negative = token[1].startswith("-")
            try:
                value = number(token[1].lstrip("-"), token)
            except SyntaxFault as fault:
                self.fail(fault.message, token)
                return Bad(span, token[1])
            return Literal(span, -value if negative else value)
        if kind == "id":
            return Literal(span, _WORDS[token[1]])
        cursor.at -= 1
        self.fail(f"a value is missing before {told(token)}", token)
        return Bad(span, "")

    def _text(self, token: Token, span: Span) -> Node:
        raw = token[1]
        text = raw
        if "\\" in raw:
            try:
                text = json.loads(f'"{raw}"')
            except ValueError:
                self._tell("a wrong escape", token)
                return Bad(span, raw)
            text = text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
        if "${" not in text and "%{" not in text:
            return Literal(span, text)
        return self._template(text, token, span, exact="\\" not in raw)

    def _template(self, text: str, token: Token, span: Span, *, exact: bool) -> Node:
        lexer = Lexer(text, self.cursor.name)
        lexer.line, lexer.bol = token[2], -token[3]
        tokens = lexer.template_run()
        if not exact:  # behind an escape columns are not those of the file
            tokens = [(t[0], t[1], span[0], span[1], span[3]) for t in tokens]
        inside = Cursor(tokens, self.cursor.name)
        inside.depth = self.cursor.depth
        try:
            node = whole_template(inside, expression)
            end = inside.tokens[inside.at]
            if end[0] != "end":
                raise SyntaxFault(f"{told(end)} closes nothing", end)
        except SyntaxFault as fault:
            self._tell(fault.message, fault.token)
            return Bad(span, text)
        if all(type(part) is str for part in node.parts):
            return Literal(span, "".join(node.parts))
        return Template(span, node.parts)

    def _object(self, token: Token) -> Node:
        cursor = self.cursor
        cursor.deeper()
        items: list[tuple[Node, Node]] = []
        for key in self._until("}"):
            if key[0] != "str":
                self.fail(f"a key in quotes is missing before {told(key)}", key)
                break
            cursor.at += 1
            name = self._text(key, (key[2], key[3], key[2], key[4]))
            colon = cursor.tokens[cursor.at]
            if colon[0] != ":":
                self.fail(f"':' must follow a key, not {told(colon)}", colon)
                break
            cursor.at += 1
            items.append((name, self.value()))
        cursor.depth -= 1
        return Object(self._span(token), tuple(items))

    def _list(self, token: Token) -> Node:
        self.cursor.deeper()
        items: list[Node] = []
        for _ in self._until("]"):
            items.append(self.value())  # noqa: PERF401 (a frame less)
        self.cursor.depth -= 1
        return Tuple(self._span(token), tuple(items))

    def _until(self, closing: str) -> Iterator[Token]:
        """The first token of every member; consumes commas and the end."""
        cursor = self.cursor
        first = cursor.tokens[cursor.at]
        if first[0] == closing:
            cursor.at += 1
            return
        while True:
            yield cursor.tokens[cursor.at]
            if self.broken:
                return
            token = cursor.tokens[cursor.at]
            if token[0] == closing:
                cursor.at += 1
                return
            if token[0] != ",":
                self.fail(f"',' or '{closing}' must follow, not {told(token)}", token)
                return
            cursor.at += 1

    def _span(self, token: Token) -> Span:
        end = self.cursor.tokens[self.cursor.at - 1]
        return (token[2], token[3], end[2], end[4] or end[3])

    def _tell(self, message: str, token: Token) -> None:
        if len(self.faults) < 100:
            self.faults.append(Fault(message, token[2], max(token[3], 1)))

    def fail(self, message: str, token: Token) -> None:
        if not self.broken:
            self._tell(token[1] if token[0] == "bad" else message, token)
        self.broken = True


class _Bodies:
    """Objects → bodies with attributes and blocks."""

    def __init__(self, faults: list[Fault], name: str) -> None:
        self.faults = faults
        self.name = name

    def body(self, nodes: list[Node], kind: str, span: Span) -> Body:
        """``nodes`` are objects of which each says a part of the body."""
        attributes: dict[str, Assignment] = {}
        blocks: list[Block] = []
        for key_node, value in self._pairs(nodes):
            key = _plain(key_node)
            inside = _INSIDE[kind].get(key)
            if key == "//":
                continue
            if inside is not None:
                labels, what = inside
                self._blocks(key, (), labels, what, key_node, value, blocks)
            elif key in attributes:
                self._tell(f"{key!r} is set twice", key_node)
            else:
                attributes[key] = self._attribute(key, kind, key_node, value)
        return Body(attributes, tuple(blocks), span)

    def _pairs(self, nodes: list[Node]) -> Iterator[tuple[Node, Node]]:
        for node in nodes:
            if isinstance(node, Object):
                yield from node.items
            elif isinstance(node, Tuple):
                yield from self._pairs(list(node.items))
            elif not isinstance(node, Bad) and not (
                isinstance(node, Literal) and node.value is None
            ):
                self._tell("an object is needed here", node)

    def _blocks(
        self,
        type_: str,
        labels: tuple[str, ...],
        missing: int,
        kind: str,
        head: Node,
        value: Node,
        blocks: list[Block],
    ) -> None:
        if missing:
            for key, inner in self._pairs([value]):
                label = (*labels, _plain(key))
                if label[-1] != "//":
                    self._blocks(type_, label, missing - 1, kind, key, inner, blocks)
            return
        for one in value.items if isinstance(value, Tuple) else (value,):
            if isinstance(one, Literal) and one.value is None:
                continue
            start = head.span
            end = one.span
            span = (start[0], start[1], end[2], end[3])
            body = self.body([one], kind, end)
            blocks.append(Block(type_, labels, body, span, start))

    def _attribute(self, key: str, kind: str, key_node: Node, value: Node) -> Assignment:
        start, end = key_node.span, value.span
        if key in _REFERENCES and kind in ("resource", "lifecycle", "output", ""):
            value = self._reference(value)
        span = (start[0], start[1], end[2], end[3])
        return Assignment(key, value, span, start)

    def _reference(self, node: Node) -> Node:
        """``"aws_kms_key.k"`` as the expression that it writes."""
        if isinstance(node, Literal) and isinstance(node.value, str):
            lexer = Lexer(node.value, self.name)
            tokens = [(t[0], t[1], *node.span[:2], node.span[3]) for t in lexer.run()]
            cursor = Cursor(tokens, self.name)
            try:
                found = expression(cursor)
            except SyntaxFault:
                return node
            return found if cursor.tokens[cursor.at][0] == "end" else node
        if isinstance(node, Tuple):
            return Tuple(node.span, tuple(self._reference(item) for item in node.items))
        if isinstance(node, Object):
            items = tuple((key, self._reference(value)) for key, value in node.items)
            return Object(node.span, items)
        return node

    def _tell(self, message: str, node: Node) -> None:
        if len(self.faults) < 100:
            self.faults.append(Fault(message, node.span[0], node.span[1]))


def _plain(node: Node) -> str:
    """A key that names a block, label or attribute; nothing is evaluated in it."""
    if isinstance(node, Literal):
        return str(node.value)
    parts: tuple[Any, ...] = node.parts if isinstance(node, Template) else ()
    return "".join(part if isinstance(part, str) else "${…}" for part in parts)
