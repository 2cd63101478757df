"""Text of HCL → tokens, a run of whole lines at a time.

One regular expression reads a token; a stack says inside what it stands, because HCL is lexed
by mode: line breaks count in bodies and objects but not inside ``(``, ``[`` and ``${``, a quote
opens a template that may hold expressions that hold templates. The grammar of tree-sitter was
measured and left aside: parsing alone took longer than this lexer and parser together, and it
drops the white space of templates (docs/spikes/hcl.md).

No pattern can backtrack: the loops are possessive, so a line of 10 MB costs 10 MB.
"""

from __future__ import annotations

import re

from haechi.errors import LimitExceeded

Token = tuple[str, str, int, int, int]
"""Kind, text, line, column, end column. Punctuation is its own kind; the others:

``id``, ``num``, ``nl``, ``str`` (a quoted text without anything to be evaluated, raw), ``oq`` and
``cq`` (quotes of a template), ``oh`` (opens a heredoc; text is its marker, with ``-`` in front
where indentation goes) and ``ch``, ``txt`` (raw text of a template), ``${`` and ``%{`` (text is
``~`` where they trim) up to ``}t``, ``bad`` (text says why), ``end`` (of this run of lines).
"""

MAX_TOKENS = 1_000_000
"""Of one file, what is read twice after a fault counted twice; comments count, too."""
MAX_ITEM = 400_000
"""Of one argument or block at the top, which is in memory at once. 1.5 MB of text."""
_RUN = 20_000
"""After so many tokens a run of lines ends at the next line outside of all brackets."""

_TOKEN = re.compile(
    r"""[ \t]*+(?:
      ([^\W\d][\w-]*+)                                     # 1 identifier
    | (\r?\n(?:[ \t]*+\r?\n)*+)                            # 2 line breaks
    | "([^"\\\r\n$%]*+)"                                   # 3 plain text
    | (==|=>|!=|<=|>=|&&|\|\||\.\.\.|::|[=.,()\[\]:?!>+\-*%{]|<(?!<)|/(?![/*]))  # 4
    | ([0-9]++(?:\.[0-9]++)?+(?:[eE][+-]?+[0-9]++)?+)      # 5 number
    | (~?\})                                               # 6
    | (?:\#|//)([^\r\n]*+)                                 # 7 comment to the end of the line
    | (")                                                  # 8 a template
    | (/\*)                                                # 9
    | (<<-?+[^\W\d][\w-]*+[ \t]*+\r?\n)                         # 10 heredoc
    | (\Z)                                                 # 11
    )""",
    re.VERBOSE,
)
_FOR = re.compile(r"(?:\s|\#[^\n]*+\n|//[^\n]*+\n)*+for\s++[\w-]++\s*+(?:,|in\b)")
_QUOTED = re.compile(r'(?:[^"\\\r\n$%]++|\\[^\r\n]|\$\$\{|%%\{|[$%](?!\{))*+')
_WHOLE = re.compile(r"\$\$\{|%%\{|\$\{|%\{|\n")
_OPENS_PAIR = {")": "(", "]": "["}
_CONTROL = re.compile(r"[^\s\"'`(){}\[\]]{1,20}+|[^\S\n]++|.")


class Lexer:
    """Reads runs of lines from ``position`` on. ``comments`` grow as they are met."""

    __slots__ = (
        "_heredocs",
        "bol",
        "comments",
        "count",
        "line",
        "name",
        "position",
        "stack",
        "text",
        "tokens",
    )

    def __init__(self, text: str, name: str = "") -> None:
        self.text = text
        self.name = name
        self.position = 0
        self.line = 1
        self.bol = 0
        self.count = 0
        self.comments: list[tuple[str, int, int]] = []
        self.stack: list[str] = []
        self.tokens: list[Token] = []
        self._heredocs: list[re.Pattern[str]] = []

    def restart(self, position: int, line: int) -> None:
        """Go on at the beginning of a line, outside of everything."""
        self.position = self.bol = position
        self.line = line
        self.stack = []
        self._heredocs = []
        while self.comments and self.comments[-1][1] >= line:
            self.comments.pop()

    def run(self) -> list[Token]:
        """The tokens of the next lines, closed by ``end``; only that at the end of the text."""
        self.tokens = []
        self._lines()
        self.count += len(self.tokens)
        if self.count + len(self.comments) > MAX_TOKENS:
            raise LimitExceeded(f"more than {MAX_TOKENS:,} words of HCL", where=self.name)
        if len(self.tokens) > MAX_ITEM:
            raise LimitExceeded(f"more than {MAX_ITEM:,} words in one block", where=self.name)
        self.tokens.append(("end", "", self.line, self.position - self.bol + 1, 0))
        return self.tokens

    def _lines(self) -> None:
        text, stack, tokens, comments = self.text, self.stack, self.tokens, self.comments
        push = tokens.append
        match = _TOKEN.match
        position, line, bol = self.position, self.line, self.bol
        ignore = bool(stack) and stack[-1] != "{"
        while True:
            if len(tokens) > MAX_ITEM or len(comments) > MAX_TOKENS:
                break
            found = match(text, position)
            if found is None:
                self.position = self._bad(position, line, bol)
                position = self.position
                continue
            group = found.lastindex
            position = found.end()
            if group == 1:
                start = found.start(1)
                push(("id", found[1], line, start - bol + 1, position - bol + 1))
            elif group == 2:
                start = found.start(2)
                if not ignore:
                    push(("nl", "", line, start - bol + 1, start - bol + 1))
                line += text.count("\n", start, position)
                bol = position
                if not stack and len(tokens) > _RUN:
                    break
            elif group == 4:
                kind = found[4]
                start = position - len(kind)
                push((kind, kind, line, start - bol + 1, position - bol + 1))
                if kind in "([{)]":
                    self._bracket(kind, position)
                    ignore = bool(stack) and stack[-1] != "{"
            elif group == 3:
                start = found.start(3) - 1
                push(("str", found[3], line, start - bol + 1, position - bol + 1))
            elif group == 5:
                start = found.start(5)
                push(("num", found[5], line, start - bol + 1, position - bol + 1))
            elif group == 7:
                comments.append((found[7], line, line))
            elif group == 11:
                break
            else:
                start = found.start(group)  # type: ignore[arg-type]
                self.position, self.line, self.bol = position, line, bol
                if group == 6:
                    self._close(start, found[6])
                elif group == 8:
                    self._quote(start)
                elif group == 9:
                    self._block_comment(start)
                else:
                    self._heredoc(start, found[10])
                position, line, bol = self.position, self.line, self.bol
                ignore = bool(stack) and stack[-1] != "{"
        self.position, self.line, self.bol = position, line, bol

    def _bracket(self, kind: str, position: int) -> None:
        stack = self.stack
        if kind in "([":
            stack.append(kind)
        elif kind == "{":
            # inside "{ for … }" line breaks mean nothing, as inside "["
            stack.append("f" if _FOR.match(self.text, position) else "{")
        elif stack and stack[-1] == _OPENS_PAIR[kind]:
            stack.pop()

    def _add(self, kind: str, text: str, start: int, end: int) -> None:
        self.tokens.append((kind, text, self.line, start - self.bol + 1, end - self.bol + 1))

    def _bad(self, position: int, line: int, bol: int) -> int:
        text = self.text
        while text[position] in " \t":
            position += 1
        found = _CONTROL.match(text, position)
        end = found.end() if found else position + 1
        shown = text[position:end]
        self.line, self.bol = line, bol
        self._add("bad", f"{shown!r} means nothing in HCL", position, end)
        return end

    def _close(self, start: int, mark: str) -> None:
        """``}`` or ``~}``: of a body, an object, or an expression inside a template."""
        stack = self.stack
        while stack and stack[-1] in "([":
            stack.pop()  # a bracket that nobody closed; the parser tells
        if stack and stack[-1] == "$":
            stack.pop()
            self._add("}t", mark[:-1], start, self.position)
            self._template()
        else:
            if stack and stack[-1] in "{f":
                stack.pop()
            if len(mark) == 2:
                self._add("bad", "'~' means nothing here", start, start + 1)
            self._add("}", "}", self.position - 1, self.position)

    def _quote(self, start: int) -> None:
        self._add("oq", '"', start, start + 1)
        self.stack.append("q")
        self._template()

    def _block_comment(self, start: int) -> None:
        end = self.text.find("*/", self.position)
        if end < 0:
            self._add("bad", "this comment is not closed by */", start, start + 2)
            end = len(self.text) - 2
        inside = self.text[start + 2 : max(end, start + 2)]
        first = self.line
        self.position = max(end + 2, start + 2)
        self._count_lines(start, self.position)
        self.comments.append((inside, first, self.line))

    def _count_lines(self, start: int, end: int) -> None:
        breaks = self.text.count("\n", start, end)
        if breaks:
            self.line += breaks
            self.bol = self.text.rfind("\n", start, end) + 1

    def _heredoc(self, start: int, opening: str) -> None:
        indented = opening.startswith("<<-")
        marker = opening[3 if indented else 2 :].strip()
        kept = ("-" if indented else "") + marker
        self._add("oh", kept, start, start + len(opening.rstrip()))
        self.line += 1
        self.bol = self.position
        closing = rf"^[ \t]*+{re.escape(marker)}[ \t]*+(?=\r?$)"
        self._heredocs.append(re.compile(rf"\$\$\{{|%%\{{|\$\{{|%\{{|\n|{closing}", re.MULTILINE))
        self.stack.append("h")
        self._template()

    def _template(self) -> None:
        """Text of the template that is open, up to an expression in it or its end."""
        if self.stack[-1] == "q":
            self._quoted_text()
        else:
            self._heredoc_text()

    def template_run(self) -> list[Token]:
        """The tokens of a text that is a template as a whole, without quotes; it ends as a
        heredoc does."""
        self.tokens = []
        self._heredocs.append(_WHOLE)
        self.stack.append("h")
        self._template()
        self._lines()
        if len(self.tokens) > MAX_ITEM:
            raise LimitExceeded(f"more than {MAX_ITEM:,} words in a template", where=self.name)
        self.tokens.append(("end", "", self.line, self.position - self.bol + 1, 0))
        return self.tokens

    def _quoted_text(self) -> None:
        text, start = self.text, self.position
        found = _QUOTED.match(text, start)
        end = found.end() if found else start
        if end > start:
            self._add("txt", text[start:end], start, end)
        self.position = end
        mark = text[end : end + 1]
        if mark == '"':
            self._add("cq", '"', end, end + 1)
            self.position = end + 1
            self.stack.pop()
        elif mark in ("$", "%"):
            self._open(end)
        else:
            self._add("bad", "this text is not closed on its line", end, end)
            self.stack.pop()

    def _open(self, start: int) -> None:
        trims = self.text.startswith("~", start + 2)
        end = start + (3 if trims else 2)
        self._add(self.text[start] + "{", "~" if trims else "", start, end)
        self.position = end
        self.stack.append("$")

    def _heredoc_text(self) -> None:
        """Text line by line, because ``~`` and indentation look at one line of it only."""
        text, events = self.text, self._heredocs[-1]
        start = at = self.position
        while True:
            found = events.search(text, at)
            if found is None:
                self._unclosed_heredoc(start, whole=events is _WHOLE)
                return
            mark, at = found[0], found.end()
            if mark == "\n":
                self._add("txt", text[start:at], start, at)
                self.line += 1
                self.bol = start = at
                if len(self.tokens) > MAX_ITEM:
                    self.position = at
                    self.stack.clear()
                    return
            elif mark in ("${", "%{"):
                if at - 2 > start:
                    self._add("txt", text[start : at - 2], start, at - 2)
                self._open(at - 2)
                return
            elif mark not in ("$${", "%%{"):
                self._end_heredoc(found.start(), at)
                return

    def _end_heredoc(self, start: int, end: int) -> None:
        self._add("ch", "", start, end)
        self.position = end
        self.stack.pop()
        self._heredocs.pop()

    def _unclosed_heredoc(self, start: int, *, whole: bool) -> None:
        end = len(self.text)
        if end > start:
            self._add("txt", self.text[start:end], start, end)
        if not whole:
            self._add("bad", "this heredoc is not closed", end, end)
            self.position = end
            self.stack.pop()
            self._heredocs.pop()
        else:
            self._end_heredoc(end, end)
