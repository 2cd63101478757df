"""Find the comments of a YAML file or a Dockerfile and the lines that each one stands for.

A ``#`` inside a string or a block scalar is data: a script or a document kept in a ConfigMap
must not be able to switch a rule off. PyYAML drops comments, so YAML's are found here by a
small scanner that follows quotes, flow brackets and block scalars (YAML 1.2, sections 6.6, 7.3
and 8.1) and nothing else; it takes any text and raises nothing.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

import msgspec

from haechi.engines import dockerfile
from haechi.errors import InputError

_HEADER = re.compile(r"[|>](?:[+-]?([1-9])?|([1-9])[+-])[ \t]*(?:(?<=[ \t])#.*)?\Z")
_MARKER = re.compile(r"(?:---|\.\.\.)(?=[ \t]|\Z)")
_PROPERTY = re.compile(r"[!&][^\s,\[\]{}]*")
_TRAILING = re.compile(r"[ \t]#")


class Remark(msgspec.Struct, frozen=True, kw_only=True):
    """A comment. ``alone`` on its line it speaks for ``first`` to ``last``, the next code.

    ``block_last`` is where the block or document that begins there ends. ``inside`` means that
    it interrupts a Dockerfile instruction. Lines are None when no code follows.
    """

    line: int
    column: int
    text: str
    alone: bool = True
    inside: bool = False
    first: int | None = None
    last: int | None = None
    block_last: int | None = None


def dockerfile_remarks(text: str) -> Iterator[Remark]:
    """Comments of a Dockerfile; each speaks for one whole instruction.

    Docker knows no comment behind code, but the shell of a RUN does, and people write there.
    """
    try:
        parsed = dockerfile.parse(text)
    except InputError:
        return  # the scan reports the file as a gap
    spans = [(each.line, each.end_line) for each in parsed.instructions]
    at = 0
    for comment in parsed.comments:
        while at < len(spans) and spans[at][1] < comment.line:
            at += 1
        first, last = spans[at] if at < len(spans) else (None, None)
        inside = first is not None and first < comment.line
        yield Remark(
            line=comment.line, column=1, text=comment.text, inside=inside, first=first, last=last
        )
    full_lines = {comment.line for comment in parsed.comments}
    lines = text.removeprefix("\ufeff").split("\n")
    for first, last in spans:
        for number in range(first, last + 1):
            line = lines[number - 1]
            match = _TRAILING.search(line)
            if match is not None and number not in full_lines:
                yield Remark(
                    line=number,
                    column=match.end(),
                    text=line[match.end() :].strip(),
                    alone=False,
                    first=first,
                    last=last,
                )


def yaml_remarks(text: str) -> Iterator[Remark]:
    """Comments of a YAML stream; one behind code speaks for its own line."""
    lines = [line.rstrip("\r") for line in text.removeprefix("\ufeff").split("\n")]
    comments = dict(_Scanner(lines).comments())
    code = [_is_code(line, comments.get(number)) for number, line in enumerate(lines)]
    following = _following(code)
    ends = _block_ends(lines, code)
    for number, column in comments.items():
        line = lines[number]
        said = line[column + 1 :].strip()
        if line[:column].strip():
            place = number + 1
            yield Remark(
                line=place, column=column + 1, text=said, alone=False, first=place, last=place
            )
            continue
        target = following[number]
        if target is None:
            yield Remark(line=number + 1, column=column + 1, text=said)
            continue
        yield Remark(
            line=number + 1,
            column=column + 1,
            text=said,
            first=target + 1,
            last=target + 1,
            block_last=ends[target] + 1,
        )


def _is_code(line: str, comment: int | None) -> bool:
    before = line if comment is None else line[:comment]
    return bool(before.strip()) and not _MARKER.match(before.rstrip())


def _following(code: list[bool]) -> list[int | None]:
    """For each line the next line with code after it."""
    out: list[int | None] = [None] * len(code)
    later: int | None = None
    for number in range(len(code) - 1, -1, -1):
        out[number] = later
        if code[number]:
            later = number
    return out


def _block_ends(lines: list[str], code: list[bool]) -> list[int]:
    """For each line of code the last line of what begins there: the lines indented deeper, or
    the whole document when it is the document's first line."""
    ends = list(range(len(lines)))
    opened: list[int] = []  # lines whose block is not closed yet, ever deeper
    last = -1
    for number, line in enumerate([*lines, "---"]):
        closing = _MARKER.match(line) is not None
        if not closing and not code[number]:
            continue
        while opened and (closing or _indent(lines[opened[-1]]) >= _indent(line)):
            if not closing and len(opened) == 1:
                break  # the document's first line
            ends[opened.pop()] = last
        if not closing:
            opened.append(number)
            last = number
    return ends


def _indent(line: str) -> int:
    return len(line) - len(line.lstrip(" "))


class _Scanner:
    """Walks over the lines and keeps what spans them: quotes, brackets, block scalars."""

    def __init__(self, lines: list[str]) -> None:
        self._lines = lines
        self._quote = ""
        self._depth = 0
        self._parent: int | None = None  # indentation of the node that holds a block scalar
        self._content: int | None = None  # indentation of its text, once known

    def comments(self) -> Iterator[tuple[int, int]]:
        """(line, column) of each comment, both from 0."""
        for number, line in enumerate(self._lines):
            if self._parent is not None and self._in_block(line):
                continue
            self._parent = None
            if _MARKER.match(line):
                self._quote, self._depth = "", 0
            column = self._line(line)
            if column is not None:
                yield number, column

    def _in_block(self, line: str) -> bool:
        if not line.strip(" \t"):
            return True
        if _MARKER.match(line):
            return False
        indent = _indent(line)
        if self._content is None:
            if indent <= (self._parent or 0) and self._parent != -1:
                return False
            self._content = indent
        return indent >= self._content

    def _line(self, line: str) -> int | None:
        """Column of the line's comment, if it has one; updates what goes on to the next line."""
        at = 0
        fresh = not self._quote  # a scalar may begin here
        marker = _MARKER.match(line)
        # Indentation of the innermost node that begins on this line: a key or a dash.
        node = -1 if marker else max(_indent(line) - 1, 0) if line.startswith(" ") else -1
        start = _indent(line)
        if marker:
            at = start = marker.end()
        while at < len(line):
            char = line[at]
            if self._quote:
                at = self._quoted(line, at)
                fresh = False
                continue
            if char in " \t":
                at += 1
                continue
            spaced = at == 0 or line[at - 1] in " \t"
            if char == "#" and spaced:
                return at
            ends = line[at + 1 : at + 2] in ("", " ", "\t")
            if fresh and char in "\"'":
                self._quote, start = char, at
            elif fresh and char in "!&":
                at = _PROPERTY.match(line, at).end()  # type: ignore[union-attr]
                continue
            elif fresh and char in "|>" and not self._depth:
                match = _HEADER.match(line, at)
                if match:
                    self._open_block(node, match[1] or match[2])
                    comment = line.find("#", at)
                    return comment if comment > 0 else None
                fresh = False
            elif fresh and char in "-?" and ends:
                node = at if not self._depth else node
            elif char == ":" and (ends or self._after_quote(line, at)):
                node = start if not self._depth else node
                fresh = True
            elif (fresh or self._depth) and char in "[{":
                self._depth += 1
                fresh = True
            elif self._depth and char in "]}":
                self._depth -= 1
                fresh = False
            elif self._depth and char == ",":
                fresh = True
            else:
                if fresh:
                    start = at
                fresh = False
            at += 1
        return None

    def _after_quote(self, line: str, at: int) -> bool:
        """In flow collections a quoted key needs no space behind its colon."""
        return bool(self._depth) and at > 0 and line[at - 1] in "\"'"

    def _quoted(self, line: str, at: int) -> int:
        """Position behind the part of a quoted scalar that begins at ``at``."""
        char = line[at]
        if self._quote == '"' and char == "\\":
            return at + 2
        if char == self._quote:
            if char == "'" and line[at + 1 : at + 2] == "'":
                return at + 2
            self._quote = ""
        return at + 1

    def _open_block(self, node: int, explicit: str | None) -> None:
        self._parent = node
        self._content = max(node, 0) + int(explicit) if explicit else None
