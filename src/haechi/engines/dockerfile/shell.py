"""RUN scripts to simple commands, good enough for rules: words, assignments, pipes, nesting.

It is a splitter, not a shell: nothing is evaluated, variables stay in the words as written, and
control flow is flattened (both branches of an ``if`` are listed). Command substitutions and the
scripts of ``sh -c`` hang below the command that holds them. Linear in the text, never raises.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

import msgspec

from haechi.engines.dockerfile.wrappers import Wrapped, unwrap

_MAX_DEPTH = 10
_MAX_COMMANDS = 4_000
_RESPLIT = 4

_TOKEN = re.compile(
    r"""(?P<space>(?:[ \t\r\f\v]|\\\n)+)
    |(?P<comment>\#[^\n]*)
    |(?P<redirect>\d*(?:<<<|<<-?|<>|<&|>&|>>|>\||>(?!\()|<(?!\())|&>>?)
    |(?P<operator>&&|\|\||;;&?|;&|\|&|[;&|()\n])""",
    re.VERBOSE,
)
_PLAIN = re.compile(r"[^\s;&|()<>\"'`\\$]+")
_IN_DOUBLE = re.compile(r"[^\"`\\$]+")
_ASSIGNMENT = re.compile(r"([A-Za-z_][A-Za-z0-9_]*)\+?=")
_RESERVED = frozenset({"if", "then", "elif", "else", "fi", "do", "done", "while", "until", "esac"})
_RESERVED |= {"!", "{", "}"}
_JOINING = frozenset({"&&", "||", "|", "|&"})
SHELLS = frozenset({"sh", "bash", "dash", "ash", "zsh", "ksh"})
_SCRIPT_OPTION = re.compile(r"-[A-Za-z]*c\Z")


class Command(msgspec.Struct, frozen=True, kw_only=True):
    """A simple command. ``operator`` is what stands before it (``|`` = reads the previous one).

    ``words`` are as typed without quotes; ``argv`` is what really runs once ``sudo``, ``env``,
    ``exec`` and their like (``wrappers``) are taken away; ``inner`` are nested commands.
    """

    words: tuple[str, ...]
    argv: tuple[str, ...]
    wrappers: tuple[str, ...] = ()
    assignments: tuple[tuple[str, str], ...] = ()
    redirects: tuple[tuple[str, str], ...] = ()
    operator: str = ""
    inner: tuple[Command, ...] = ()

    @property
    def name(self) -> str:
        """The program's name without its folder; empty for a bare assignment."""
        return self.argv[0].rpartition("/")[2] if self.argv else ""

    @property
    def args(self) -> tuple[str, ...]:
        """The program's arguments."""
        return self.argv[1:]

    @property
    def piped(self) -> bool:
        """True when it reads the output of the command before it."""
        return self.operator in ("|", "|&")

    def has(self, *options: str) -> bool:
        """True when one of the options is given; ``-y`` also matches within ``-qy``, and
        ``--opt`` matches ``--opt=value``."""
        for arg in self.args:
            for option in options:
                if arg == option or (option.startswith("--") and arg.startswith(option + "=")):
                    return True
                bundle = len(option) == 2 and arg.startswith("-") and not arg.startswith("--")
                if bundle and option[1] in arg:
                    return True
        return False

    @property
    def operands(self) -> tuple[str, ...]:
        """Arguments that are no options (an option's separate value counts as one)."""
        return tuple(arg for arg in self.args if not arg.startswith("-"))


def split(script: str) -> tuple[Command, ...]:
    """The simple commands of a script, in order."""
    return tuple(_Splitter(script, 0, _Budget(_RESPLIT * len(script))).run()[0])


def command_of(words: Iterable[str]) -> Command:
    """A command from ready words, as the exec form gives them."""
    draft = _Draft(words=list(words))
    budget = _Budget(_RESPLIT * sum(len(word) for word in draft.words))
    return _finish(draft, 0, budget)


def walk(commands: Iterable[Command]) -> Iterator[Command]:
    """All commands with the nested ones, outer before inner."""
    for command in commands:
        yield command
        yield from walk(command.inner)


@dataclass(slots=True)
class _Budget:
    """Characters that may still be split a second time: scripts of ``sh -c`` within scripts of
    ``sh -c`` would otherwise cost twice as much with every level."""

    left: int

    def allows(self, script: str, depth: int) -> bool:
        self.left -= len(script)
        return bool(script) and depth < _MAX_DEPTH and self.left >= 0


@dataclass(slots=True)
class _Draft:
    words: list[str] = field(default_factory=list)
    assignments: list[tuple[str, str]] = field(default_factory=list)
    redirects: list[tuple[str, str]] = field(default_factory=list)
    inner: list[Command] = field(default_factory=list)
    operator: str = ""

    @property
    def empty(self) -> bool:
        return not (self.words or self.assignments or self.redirects or self.inner)


def _finish(draft: _Draft, depth: int, budget: _Budget) -> Command:
    wrapped: Wrapped = unwrap(tuple(draft.words))
    argv = wrapped.argv
    script = _script_of(argv)
    if budget.allows(script, depth):
        draft.inner.extend(_Splitter(script, depth + 1, budget).run()[0])
    return Command(
        words=tuple(draft.words),
        argv=argv,
        wrappers=wrapped.wrappers,
        assignments=(*draft.assignments, *wrapped.assignments),
        redirects=tuple(draft.redirects),
        operator=draft.operator,
        inner=tuple(draft.inner),
    )


def _script_of(argv: tuple[str, ...]) -> str:
    """The script that ``sh -c`` or ``eval`` is given."""
    if len(argv) < 2:
        return ""
    name = argv[0].rpartition("/")[2]
    if name == "eval":
        return " ".join(argv[1:])
    if name in SHELLS:
        for index, arg in enumerate(argv[1:-1], start=1):
            if _SCRIPT_OPTION.match(arg):
                return argv[index + 1]
    return ""


class _Splitter:
    """Recursive descent over one script; every character is looked at once per nesting."""

    def __init__(
        self, text: str, depth: int, budget: _Budget, at: int = 0, *, nested: bool = False
    ) -> None:
        self.text = text
        self.depth = depth
        self.budget = budget
        self.at = at
        self.nested = nested  # inside $( … ): an unmatched ")" ends it
        self.commands: list[Command] = []
        self.draft = _Draft()
        self.heredocs: list[tuple[str, bool]] = []
        self.open = 0

    def run(self) -> tuple[list[Command], int]:
        while self.at < len(self.text) and len(self.commands) < _MAX_COMMANDS:
            token = _TOKEN.match(self.text, self.at)
            if token is None:
                self._take_word()
                continue
            self.at = token.end()
            if token.lastgroup == "redirect":
                self._take_redirect(token.group())
            elif token.lastgroup == "operator" and self._take_operator(token.group()):
                break
        self._flush("")
        return self.commands, self.at

    def _flush(self, operator: str) -> None:
        if not self.draft.empty:
            self.commands.append(_finish(self.draft, self.depth, self.budget))
            self.draft = _Draft(operator=operator)
        elif operator != "\n" or self.draft.operator not in _JOINING:
            self.draft.operator = operator

    def _take_operator(self, operator: str) -> bool:
        """End the current command; True when the nested script ends here."""
        if operator == "(":
            if not self.draft.empty:
                self._flush("(")
            self.open += 1
            return False
        self._flush(operator)
        if operator == ")":
            if self.nested and self.open == 0:
                return True
            self.open = max(0, self.open - 1)
        elif operator == "\n":
            self._skip_heredocs()
        return False

    def _skip_heredocs(self) -> None:
        for name, strip_tabs in self.heredocs:
            while self.at < len(self.text):
                end = self.text.find("\n", self.at)
                end = len(self.text) if end < 0 else end
                line = self.text[self.at : end]
                self.at = end + 1
                if (line.lstrip("\t") if strip_tabs else line) == name:
                    break
        self.heredocs.clear()

    def _take_redirect(self, operator: str) -> None:
        while self.at < len(self.text) and self.text[self.at] in " \t":
            self.at += 1
        target, _ = self._word()
        bare = operator.lstrip("0123456789")
        if bare in ("<<", "<<-") and target:
            self.heredocs.append((target, bare == "<<-"))
        self.draft.redirects.append((bare, target))

    def _take_word(self) -> None:
        start = self.at
        word, quoted = self._word()
        if self.at == start:  # a lone character that starts nothing
            self.at += 1
            return
        draft = self.draft
        if draft.words:
            draft.words.append(word)
            return
        assignment = _ASSIGNMENT.match(self.text, start)
        if assignment and assignment.end() <= self.at:
            draft.assignments.append((assignment.group(1), word[assignment.end() - start :]))
        elif quoted or word not in _RESERVED:
            draft.words.append(word)

    def _word(self) -> tuple[str, bool]:
        """The word at the cursor without its quotes, and whether it had any."""
        text, out, quoted = self.text, [], False
        while self.at < len(text):
            char = text[self.at]
            plain = _PLAIN.match(text, self.at)
            if plain:
                out.append(plain.group())
                self.at = plain.end()
            elif char == "'":
                end = text.find("'", self.at + 1)
                end = len(text) if end < 0 else end
                out.append(text[self.at + 1 : end])
                self.at, quoted = end + 1, True
            elif char == '"':
                quoted = True
                self.at += 1
                self._double(out)
            elif char == "\\":
                if text[self.at + 1 : self.at + 2] != "\n":
                    out.append(text[self.at + 1 : self.at + 2])
                self.at += 2
            elif char == "$" or char == "`":
                out.append(self._expansion())
            elif char in "<>" and text.startswith("(", self.at + 1):
                out.append(self._substitution(2))
            else:
                break
        return "".join(out), quoted

    def _double(self, out: list[str]) -> None:
        """The rest of a double-quoted part."""
        text = self.text
        while self.at < len(text):
            char = text[self.at]
            plain = _IN_DOUBLE.match(text, self.at)
            if plain:
                out.append(plain.group())
                self.at = plain.end()
            elif char == '"':
                self.at += 1
                return
            elif char == "\\":
                follower = text[self.at + 1 : self.at + 2]
                out.append(follower if follower in ('"', "$", "`", "\\") else char + follower)
                self.at += 2
            else:
                out.append(self._expansion())

    def _expansion(self) -> str:
        """``$(…)``, ``${…}``, ``$((…))``, backticks or a plain ``$NAME``, kept as written."""
        text, start = self.text, self.at
        if text[start] == "`":
            return self._backticks()
        if text.startswith("$((", start):
            end = text.find("))", start)
            self.at = len(text) if end < 0 else end + 2
        elif text.startswith("$(", start):
            return self._substitution(2)
        elif text.startswith("${", start):
            self.at = _closing_brace(text, start + 2)
        else:
            self.at += 1
        return text[start : self.at]

    def _substitution(self, opening: int) -> str:
        start = self.at
        if self.depth >= _MAX_DEPTH:
            self.at += opening
            return self.text[start : self.at]
        nested = _Splitter(self.text, self.depth + 1, self.budget, start + opening, nested=True)
        commands, self.at = nested.run()
        self.draft.inner.extend(commands)
        return self.text[start : self.at]

    def _backticks(self) -> str:
        start = self.at
        end = self.text.find("`", start + 1)
        end = len(self.text) if end < 0 else end
        body = self.text[start + 1 : end]
        if self.budget.allows(body, self.depth):
            nested = _Splitter(body, self.depth + 1, self.budget)
            self.draft.inner.extend(nested.run()[0])
        self.at = end + 1
        return self.text[start : self.at]


def _closing_brace(text: str, at: int) -> int:
    """Just behind the brace that closes ``${``; the end of the text when nothing does."""
    open_ = 1
    for match in re.compile(r"[{}]").finditer(text, at):
        open_ += 1 if match.group() == "{" else -1
        if open_ == 0:
            return match.end()
    return len(text)
