"""A script of a step as simple commands, with the expressions of the workflow kept whole.

``${{ a || b }}`` holds operators and quotes that are no shell's; each expression stands as one
letter of a private range while the shell splitter is at work and is put back afterwards.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

import msgspec
from msgspec.structs import replace

from haechi.checks.workflows.expressions import expressions
from haechi.engines.dockerfile.shell import Command, split

_LONGEST = 200_000
_MOST = 6_000
_FIRST = 0xE000
_STAND_IN = re.compile("[\ue000-\uf8ff]")
_GROUP_END = re.compile(r"^[ \t]*(?:\}|\)|done|fi|esac)[ \t]*(?:\d?>|\||&>)", re.MULTILINE)
_GROUP_AFTER_OR = re.compile(r"\|\|\s*[{(]")
_VARIABLE = re.compile(r"\$(?:\{([A-Za-z_][A-Za-z0-9_]*)(:?\+)?|([A-Za-z_][A-Za-z0-9_]*))")
_HEREDOC = re.compile(r"<<-?[ \t]*(?:'(\w+)'|\"(\w+)\"|\\?(\w+))")


class Script(msgspec.Struct, frozen=True, kw_only=True):
    """A script's text and its commands at the outermost level, in order."""

    text: str
    commands: tuple[Command, ...]

    @property
    def groups_redirected(self) -> bool:
        """True when the output of ``{ … }`` or of a loop goes elsewhere as a whole."""
        return bool(_GROUP_END.search(self.text))

    @property
    def groups_after_or(self) -> bool:
        """True when ``||`` is followed by a group, whose end the commands do not tell."""
        return bool(_GROUP_AFTER_OR.search(self.text))

    def pipeline(self, index: int) -> Sequence[Command]:
        """The command at ``index`` and those that read it through pipes."""
        end = index + 1
        while end < len(self.commands) and self.commands[end].piped:
            end += 1
        return self.commands[index:end]

    def shown_documents(self) -> Iterator[str]:
        """Bodies of here-documents that ``cat`` writes to the log."""
        lines = self.text.split("\n")
        closing: dict[str, list[int]] = {}
        for number, line in enumerate(lines):
            closing.setdefault(line.strip(), []).append(number)
        for number, line in enumerate(lines):
            opened = _HEREDOC.search(line)
            if opened is None or ">" in line or "|" in line or not line.lstrip().startswith("cat"):
                continue
            ends = closing.get(opened[1] or opened[2] or opened[3], ())
            end = next((at for at in ends if at > number), None)
            if end is not None:
                yield "\n".join(lines[number + 1 : end])


def parse_script(text: str) -> Script:
    """The commands of a script. Never raises; what is past the limits is not looked at."""
    text = text[:_LONGEST]
    plain = _STAND_IN.sub("?", text) if _STAND_IN.search(text) else text
    kept: list[str] = []
    out: list[str] = []
    at = 0
    for start, end in expressions(plain):
        if len(kept) >= _MOST:
            break
        out += (plain[at:start], chr(_FIRST + len(kept)))
        kept.append(plain[start:end])
        at = end
    out.append(plain[at:])
    commands = split("".join(out))
    if kept:
        commands = tuple(_restored(command, kept) for command in commands)
    return Script(text=text, commands=commands)


def _restored(command: Command, kept: Sequence[str]) -> Command:
    def back(word: str) -> str:
        return _STAND_IN.sub(lambda match: kept[ord(match[0]) - _FIRST], word)

    return replace(
        command,
        words=tuple(map(back, command.words)),
        argv=tuple(map(back, command.argv)),
        assignments=tuple((name, back(value)) for name, value in command.assignments),
        redirects=tuple((kind, back(target)) for kind, target in command.redirects),
        inner=tuple(_restored(inner, kept) for inner in command.inner),
    )


def variables_in(word: str) -> Iterator[str]:
    """Variables whose value a word holds; their length or mere presence is not it."""
    for match in _VARIABLE.finditer(word):
        if match[2] is None:
            yield match[1] or match[3]


def reads_variable(word: str, name: str) -> bool:
    """True when a word holds the value of ``$name``."""
    return name in word and name in variables_in(word)
