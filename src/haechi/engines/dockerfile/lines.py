"""Physical lines to logical ones: directives, comments, continuations, heredoc bodies.

Follows BuildKit's reader: comment lines and blank lines inside a continuation vanish, a doubled
escape at the end of a line does not continue it, directives count only at the very top.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, field

import msgspec

from haechi.engines.dockerfile.syntax import Comment, Fault, Heredoc, Pair

_DIRECTIVE = re.compile(r"#\s*([A-Za-z][A-Za-z0-9]*)\s*=\s*(.+?)\s*\Z")
_DIRECTIVES = frozenset({"escape", "syntax", "check"})
_SPACES = " \t"


class LogicalLine(msgspec.Struct, frozen=True):
    """An instruction's text on one line, with its place and the documents that follow it."""

    line: int
    column: int
    end_line: int
    end_column: int
    text: str
    raw: str
    comments: tuple[Comment, ...]
    heredocs: tuple[Heredoc, ...] = ()


@dataclass(slots=True)
class Reader:
    """Reads a file's lines once, front to back.

    ``openings`` is asked for the heredocs that a logical line opens (name, expand, strip tabs).
    """

    lines: list[str]
    openings: Callable[[str], list[tuple[str, bool, bool]]]
    escape: str = "\\"
    at: int = 0
    comments: list[Comment] = field(default_factory=list)
    faults: list[Fault] = field(default_factory=list)
    directives: list[Pair] = field(default_factory=list)

    def read_directives(self) -> None:
        """Take ``# escape=`` and its like from the top; anything else ends them."""
        while self.at < len(self.lines):
            match = _DIRECTIVE.match(self.lines[self.at].lstrip())
            name = match.group(1).lower() if match else ""
            if match is None or name not in _DIRECTIVES:
                return
            self.at += 1
            if any(name == seen.name for seen in self.directives):
                self.faults.append(Fault(self.at, f"directive {name} is given twice"))
                continue
            value = match.group(2)
            self.directives.append(Pair(name, value))
            if name == "escape" and value not in ("\\", "`"):
                self.faults.append(Fault(self.at, "escape must be a backslash or a backtick"))
            elif name == "escape":
                self.escape = value

    def next(self) -> LogicalLine | None:
        """The next logical line, or None at the end."""
        above: list[Comment] = []
        while self.at < len(self.lines):
            text = self.lines[self.at].strip()
            if text.startswith("#"):
                above.append(Comment(self.at + 1, text[1:].strip()))
                self.comments.append(above[-1])
            elif text and self._strip_escape(text) != ("", True):
                return self._logical(tuple(above))
            else:
                above.clear()
            self.at += 1
        return None

    def _strip_escape(self, text: str) -> tuple[str, bool]:
        """The text without its continuation mark, and whether it had one."""
        bare = text.rstrip(_SPACES)
        if bare.endswith(self.escape) and bare[-2:-1] != self.escape:
            return bare[:-1], True
        return text, False

    def _logical(self, above: tuple[Comment, ...]) -> LogicalLine:
        start = self.at
        first = self.lines[start]
        piece, continued = self._strip_escape(first.lstrip())
        pieces = [piece]
        last = start
        self.at += 1
        while continued and self.at < len(self.lines):
            text = self.lines[self.at]
            stripped = text.strip()
            if stripped.startswith("#"):
                self.comments.append(Comment(self.at + 1, stripped[1:].strip()))
            elif stripped:
                piece, continued = self._strip_escape(text)
                pieces.append(piece)
                last = self.at
            self.at += 1
        joined = "".join(pieces)
        heredocs = self._heredocs(joined, start + 1)
        last = max(last, self.at - 1) if heredocs else last
        return LogicalLine(
            line=start + 1,
            column=len(first) - len(first.lstrip()) + 1,
            end_line=last + 1,
            end_column=len(self.lines[last]) + 1,
            text=joined,
            raw="\n".join(self.lines[start : last + 1]),
            comments=above,
            heredocs=heredocs,
        )

    def _heredocs(self, text: str, line: int) -> tuple[Heredoc, ...]:
        found = []
        for name, expands, strip_tabs in self.openings(text) if "<<" in text else ():
            body: list[str] = []
            closed = False
            while self.at < len(self.lines) and not closed:
                current = self.lines[self.at]
                current = current.lstrip("\t") if strip_tabs else current
                closed = current == name
                if not closed:
                    body.append(current)
                self.at += 1
            if not closed:
                self.faults.append(Fault(line, f"heredoc {name} is not closed"))
            content = "".join(f"{item}\n" for item in body)
            found.append(Heredoc(name, content, expands, strip_tabs))
        return tuple(found)


def reader_of(text: str, openings: Callable[[str], list[tuple[str, bool, bool]]]) -> Reader:
    """A reader over a file's text; a byte order mark and carriage returns are taken away."""
    lines = [line.rstrip("\r") for line in text.removeprefix("\ufeff").split("\n")]
    return Reader(lines, openings)
