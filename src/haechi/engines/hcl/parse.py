"""Text of ``*.tf`` → ``tree.File``. Wrong text becomes faults, and what is around it is read on.

After a fault the rest of the item is passed over: until its brackets are closed again, or until
a line begins no further right than the item did, which is where the next one is in any text
that a person indented. When a text or ``${`` was left open the lines behind it were read as text
or code wrongly, so they are read anew.
"""

from __future__ import annotations

from haechi.engines.hcl.cursor import Cursor, SyntaxFault, told
from haechi.engines.hcl.expressions import expression
from haechi.engines.hcl.lexer import Lexer, Token
from haechi.engines.hcl.templates import template, whole_template
from haechi.engines.hcl.tree import (
    Assignment,
    Bad,
    Block,
    Body,
    Comment,
    Fault,
    File,
    Literal,
    Node,
    Span,
    Template,
)
from haechi.errors import LimitExceeded

MAX_BYTES = 8 * 1024 * 1024
MAX_FAULTS = 100


class _TooManyFaults(Exception):
    """Whatever this text is, it is not HCL: the rest is not read."""


def parse(data: bytes, *, name: str = "") -> File:
    """The tree of a file. Raises LimitExceeded (size, depth, number of words), never for text
    that is wrong."""
    faults: list[Fault] = []
    return _Parser(decode(data, faults, name), faults, name).file()


def parse_expression(text: str, *, name: str = "") -> tuple[Node, tuple[Fault, ...]]:
    """An expression alone (``-var``, the values of JSON syntax's keys)."""
    lexer = Lexer(text, name)
    lexer.stack.append("(")  # line breaks mean nothing
    cursor = Cursor(lexer.run(), name)
    try:
        node = expression(cursor)
        end = cursor.tokens[cursor.at]
        if end[0] != "end":
            raise SyntaxFault(f"{told(end)} stands behind the expression", end)
    except SyntaxFault as fault:
        token = fault.token
        return Bad((1, 1, 1, 1), text), (Fault(fault.message, token[2], token[3]),)
    return node, ()


def parse_template(text: str, *, name: str = "") -> tuple[Template, tuple[Fault, ...]]:
    """A template file. Raises LimitExceeded."""
    if len(text) > MAX_BYTES:
        raise LimitExceeded(f"larger than {MAX_BYTES // 1024 // 1024} MiB", where=name)
    cursor = Cursor(Lexer(text, name).template_run(), name)
    try:
        node = whole_template(cursor, expression)
        end = cursor.tokens[cursor.at]
        if end[0] != "end":
            raise SyntaxFault(f"{told(end)} closes nothing", end)
    except SyntaxFault as fault:
        token = fault.token
        return Template((1, 1, 1, 1), ()), (Fault(fault.message, token[2], token[3]),)
    return node, ()


def decode(data: bytes, faults: list[Fault], name: str) -> str:
    """UTF-8 with or without a mark; what is none is replaced, with a fault."""
    if len(data) > MAX_BYTES:
        raise LimitExceeded(f"larger than {MAX_BYTES // 1024 // 1024} MiB", where=name)
    try:
        text = data.decode("utf-8")
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        faults.append(Fault("this is not UTF-8", line, 1))
        text = data.decode("utf-8", "replace")
    return text.removeprefix("\ufeff")


class _Parser:
    def __init__(self, text: str, faults: list[Fault], name: str) -> None:
        self.text = text
        self.faults = faults
        self.lexer = Lexer(text, name)
        self.run_start = (0, 1)
        self.cursor = Cursor(self.lexer.run(), name)

    def file(self) -> File:
        attributes: dict[str, Assignment] = {}
        blocks: list[Block] = []
        try:
            while not self._items(attributes, blocks, 0):
                token = self.cursor.tokens[self.cursor.at]
                self._fault("this '}' closes nothing", token)
                self.cursor.at += 1
        except _TooManyFaults:
            token = self.cursor.tokens[self.cursor.at]
            self.faults.append(Fault("too many faults: the rest is not read", token[2], token[3]))
        end = (self.lexer.line, self.lexer.position - self.lexer.bol + 1)
        body = Body(attributes, tuple(blocks), (1, 1, *end))
        comments = tuple(Comment(*comment) for comment in self.lexer.comments)
        return File(body, comments, tuple(self.faults))

    def _items(self, attributes: dict[str, Assignment], blocks: list[Block], outside: int) -> bool:
        """Items up to ``}``, which is not consumed, or the end of the file (True).

        ``outside`` is the column of the block around them; a fault inside may show by its
        indentation that the block was left open.
        """
        cursor = self.cursor
        while True:
            token = cursor.tokens[cursor.at]
            kind = token[0]
            if kind == "nl":
                cursor.at += 1
            elif kind == "}":
                return False
            elif kind == "end":
                if not self._next_run():
                    return True
            else:
                start, depth = cursor.at, cursor.depth
                try:
                    self._item(token, attributes, blocks)
                except SyntaxFault as fault:
                    cursor.depth = depth
                    self._fault(fault.message, fault.token)
                    self._recover(start, token, fault.token)
                    following = cursor.tokens[cursor.at]
                    outdented = following[0] == "id" and following[3] <= outside
                    if outdented and outside < token[3]:
                        return False

    def _next_run(self) -> bool:
        self.run_start = (self.lexer.position, self.lexer.line)
        tokens = self.lexer.run()
        self.cursor.tokens = tokens
        self.cursor.at = 0
        return len(tokens) > 1

    def _item(self, token: Token, attributes: dict[str, Assignment], blocks: list[Block]) -> None:
        cursor = self.cursor
        if token[0] != "id":
            raise SyntaxFault(f"an argument or a block must begin here, not {told(token)}", token)
        cursor.at += 1
        following = cursor.tokens[cursor.at]
        kind = following[0]
        if kind == "=":
            cursor.at += 1
            self._assignment(token, attributes)
        elif kind == "{" or kind == "str" or kind == "id" or kind == "oq":
            blocks.append(self._block(token))
        else:
            raise SyntaxFault(
                f"'=' or a block must follow {told(token)}, not {told(following)}", following
            )

    def _assignment(self, token: Token, attributes: dict[str, Assignment]) -> None:
        cursor = self.cursor
        name = token[1]
        name_span = (token[2], token[3], token[2], token[4])
        if name in attributes:
            self._fault(f"{name!r} is set twice in this block", token)
        try:
            value = expression(cursor)
            following = cursor.tokens[cursor.at]
            if following[0] not in ("nl", "end", "}"):
                raise SyntaxFault(f"a line break must follow, not {told(following)}", following)
        except SyntaxFault as fault:
            at = fault.token
            span = (token[2], token[3], at[2], max(at[3], 1))
            attributes.setdefault(name, Assignment(name, Bad(span, ""), span, name_span))
            raise
        end = value.span
        span = (token[2], token[3], end[2], end[3])
        attributes.setdefault(name, Assignment(name, value, span, name_span))

    def _block(self, token: Token) -> Block:
        cursor = self.cursor
        labels: list[str] = []
        while True:
            label = cursor.tokens[cursor.at]
            kind = label[0]
            if kind == "str" or kind == "id":
                labels.append(label[1])
                cursor.at += 1
            elif kind == "oq":
                labels.append(self._label(label))
            else:
                break
        opening = cursor.expect("{", f"'{{' must open the block {token[1]!r}")
        cursor.deeper()
        head: Span = (token[2], token[3], opening[2], opening[4])
        attributes: dict[str, Assignment] = {}
        blocks: list[Block] = []
        ended = self._items(attributes, blocks, token[3])
        end = cursor.tokens[cursor.at]
        if end[0] == "}":
            cursor.at += 1
            self._behind_block(end)
        elif ended:
            self._fault(f"the block {token[1]!r} is not closed", token)
        cursor.depth -= 1
        span = (token[2], token[3], end[2], end[4] or end[3])
        inside = (opening[2], opening[4], end[2], end[3])
        body = Body(attributes, tuple(blocks), inside)
        return Block(token[1], tuple(labels), body, span, head)

    def _label(self, token: Token) -> str:
        node = template(self.cursor, expression)
        if not isinstance(node, Literal):
            raise SyntaxFault("a label is plain text: nothing is evaluated in it", token)
        return str(node.value)

    def _behind_block(self, end: Token) -> None:
        following = self.cursor.tokens[self.cursor.at]
        if following[0] not in ("nl", "end", "}"):
            self._fault(f"a line break must follow '}}', not {told(following)}", following)

    def _fault(self, message: str, token: Token) -> None:
        self.faults.append(Fault(message, token[2], max(token[3], 1)))
        if len(self.faults) > MAX_FAULTS:
            raise _TooManyFaults

    def _recover(self, start: int, first: Token, wrong: Token) -> None:
        """Stand at the next item behind the one that begins with token number ``start``."""
        cursor = self.cursor
        tokens = cursor.tokens
        at, opened = start, 0
        template_start: Token | None = None
        inside = 0
        while tokens[at] is not wrong and tokens[at][0] != "end":
            kind = tokens[at][0]
            if kind in ("oq", "oh"):
                template_start = template_start or tokens[at]
                inside += 1
            elif kind in ("cq", "ch"):
                inside -= 1
                template_start = template_start if inside else None
            elif kind in ("(", "[", "{"):
                opened += 1
            elif kind in (")", "]", "}"):
                opened -= 1
            at += 1
        cursor.at = at
        if template_start is not None:
            self._read_anew(template_start)
        self._pass_over(first, opened)

    def _pass_over(self, first: Token, opened: int) -> None:
        """Go to the end of the item, or to a line that begins no further right than it."""
        cursor = self.cursor
        line = first[2]
        if cursor.at:
            line = max(line, cursor.tokens[cursor.at - 1][2])
        while True:
            token = cursor.tokens[cursor.at]
            kind = token[0]
            if kind == "end":
                if not self._next_run():
                    return
                continue
            if kind == "nl":
                if opened <= 0:
                    return
            elif token[2] > line:
                line = token[2]
                closes = kind in (")", "]", "}") and opened > 0 and token[3] == first[3]
                if token[3] <= first[3] and not closes:
                    self._go_to_line(line)
                    return
            if kind in ("(", "[", "{"):
                opened += 1
            elif kind in (")", "]", "}"):
                opened -= 1
                if opened < 0 and kind == "}":
                    return
            cursor.at += 1

    def _go_to_line(self, line: int) -> None:
        self.lexer.restart(self._line_start(line), line)
        self._next_run()

    def _line_start(self, line: int) -> int:
        """Where a line of the present run begins. Only faults ask, of which there are few."""
        position, at = self.run_start
        while at < line:
            position = self.text.find("\n", position) + 1
            at += 1
        return position

    def _read_anew(self, template: Token) -> None:
        """Behind the line on which the template begins; behind the end of a heredoc."""
        marker = template[1].lstrip("-") if template[0] == "oh" else None
        start, line = self._line_start(template[2]), template[2]
        while True:
            end = self.text.find("\n", start)
            if end < 0:
                self.lexer.restart(start, line)
                self.lexer.position = len(self.text)
                break
            whole = self.text[start:end].strip() if marker is not None else None
            start, line = end + 1, line + 1
            if whole == marker:
                self.lexer.restart(start, line)
                break
        self._next_run()
