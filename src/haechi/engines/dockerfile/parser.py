"""Text to ``Dockerfile``: what each instruction's arguments mean, then stages.

Syntax faults are values, because one bad line must not hide the findings of the others. Only a
file beyond the limits raises (``LimitExceeded``), which callers report as a coverage gap.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from dataclasses import dataclass, field
from types import MappingProxyType

from msgspec.structs import replace

from haechi.engines.dockerfile.lines import LogicalLine, reader_of
from haechi.engines.dockerfile.stages import group_stages
from haechi.engines.dockerfile.syntax import Dockerfile, Fault, Flag, Instruction, Pair
from haechi.engines.dockerfile.words import expand, first_word, split_words
from haechi.errors import LimitExceeded

MAX_CHARACTERS = 500_000
MAX_INSTRUCTIONS = 2_000
_MAX_FAULTS = 100
_MAX_ONBUILD = 3
_MAX_FLAGS = 64

_KEYWORD = re.compile(r"\s*(\S+)\s*")
_FLAG = re.compile(r"--([A-Za-z][A-Za-z0-9-]*)(?:=(.*))?\Z", re.DOTALL)
_HEREDOC = re.compile(r"\d*<<(-?)([^<\s]+)\Z")
_HEREDOC_KEYWORDS = ("RUN", "COPY", "ADD", "ONBUILD")


def parse(text: str) -> Dockerfile:
    """Read a Dockerfile. Raises ``LimitExceeded`` on one that is too large to be real."""
    if len(text) > MAX_CHARACTERS:
        raise LimitExceeded(
            f"Dockerfile has {len(text)} characters, more than {MAX_CHARACTERS}",
            do="exclude the file in haechi.yaml if it is not a Dockerfile",
        )
    reader = reader_of(text, _openings)
    reader.read_directives()
    draft = _Draft(escape=reader.escape)
    while (line := reader.next()) is not None:
        if len(draft.instructions) >= MAX_INSTRUCTIONS:
            raise LimitExceeded(f"Dockerfile has more than {MAX_INSTRUCTIONS} instructions")
        draft.add(line)
    if not draft.instructions:
        draft.fault(1, "file holds no instruction")
    instructions = tuple(draft.instructions)
    stages, global_args, stage_faults = group_stages(instructions, reader.escape)
    faults = sorted((*reader.faults, *draft.faults, *stage_faults), key=lambda fault: fault.line)
    return Dockerfile(
        instructions=instructions,
        stages=stages,
        global_args=global_args,
        comments=tuple(sorted(reader.comments, key=lambda comment: comment.line)),
        faults=tuple(faults[:_MAX_FAULTS]),
        directives=tuple(reader.directives),
        escape=reader.escape,
    )


def _openings(text: str) -> list[tuple[str, bool, bool]]:
    """The heredocs that an instruction's line opens."""
    keyword = text.split(None, 1)[0].upper() if text.strip() else ""
    if keyword not in _HEREDOC_KEYWORDS:
        return []
    rest = text.split(None, 1)[1] if len(text.split(None, 1)) > 1 else ""
    if _json_strings(rest) is not None:
        return []
    found = []
    for word in split_words(rest):
        match = _HEREDOC.match(word)
        if match:
            written = match.group(2)
            name = expand(written, MappingProxyType({})).text
            quoted = any(mark in written for mark in "'\"")
            if name:
                found.append((name, not quoted, match.group(1) == "-"))
    return found


def _json_strings(text: str) -> tuple[str, ...] | Fault | None:
    """The elements of a JSON array of strings; None when BuildKit would take the shell form."""
    if not text.lstrip().startswith("["):
        return None
    try:
        value = json.loads(text)
    except (ValueError, RecursionError):
        return None
    if not isinstance(value, list):
        return None
    if not all(isinstance(item, str) for item in value):
        return Fault(0, "the exec form must hold strings only")
    return tuple(value)


@dataclass(slots=True)
class _Draft:
    """Collects instructions and faults while reading."""

    escape: str
    instructions: list[Instruction] = field(default_factory=list)
    faults: list[Fault] = field(default_factory=list)

    def fault(self, line: int, message: str) -> None:
        if len(self.faults) < _MAX_FAULTS:
            self.faults.append(Fault(line, message))

    def add(self, line: LogicalLine) -> None:
        self.instructions.append(self._instruction(line, line.text, 0))

    def _instruction(self, line: LogicalLine, text: str, depth: int) -> Instruction:
        match = _KEYWORD.match(text)
        keyword = match.group(1) if match else ""
        flags, value = self._flags(text[match.end() :] if match else "")
        plain = Instruction(
            index=len(self.instructions),
            name=keyword.upper(),
            keyword=keyword,
            line=line.line,
            end_line=line.end_line,
            column=line.column,
            end_column=line.end_column,
            raw=line.raw,
            value=value,
            comments=line.comments,
            flags=flags,
            heredocs=line.heredocs,
        )
        if plain.name == "ONBUILD":
            return self._onbuild(plain, line, depth)
        read = _READERS.get(plain.name)
        if read is None:
            self.fault(line.line, f"unknown instruction {keyword[:40]}")
            return plain
        if not value and plain.name not in ("CMD", "ENTRYPOINT"):
            self.fault(line.line, f"{plain.name} needs at least one argument")
            return plain
        return read(self, plain)

    def _flags(self, rest: str) -> tuple[tuple[Flag, ...], str]:
        """Split leading ``--name=value`` words off; a bare ``--`` ends them."""
        if not rest.startswith("--"):
            return (), rest.strip()
        flags: list[Flag] = []
        while rest.startswith("--") and len(flags) < _MAX_FLAGS:
            word = first_word(rest, self.escape)
            match = _FLAG.match(word)
            if match is None:
                rest = rest[2:].lstrip() if word == "--" else rest
                break
            flags.append(Flag(match.group(1), match.group(2)))
            rest = rest[len(word) :].lstrip()
        return tuple(flags), rest.strip()

    def _onbuild(self, plain: Instruction, line: LogicalLine, depth: int) -> Instruction:
        if not plain.value:
            self.fault(line.line, "ONBUILD needs an instruction")
            return plain
        if depth >= _MAX_ONBUILD:
            return plain
        written = line.text[line.text.upper().find("ONBUILD") + len("ONBUILD") :]
        inner = replace(line, text=written)
        return replace(plain, trigger=self._instruction(inner, written, depth + 1))

    def maybe_exec(self, plain: Instruction) -> Instruction:
        return self._with_args(plain, plain.value, (plain.value,))

    def maybe_list(self, plain: Instruction) -> Instruction:
        return self._with_args(plain, plain.value, tuple(plain.value.split()))

    def healthcheck(self, plain: Instruction) -> Instruction:
        kind, command = [*plain.value.split(None, 1), ""][:2]
        kind = kind.upper()
        if kind == "NONE":
            return replace(plain, args=("NONE",))
        if kind != "CMD" or not command:
            self.fault(plain.line, "HEALTHCHECK must be NONE or CMD with a command")
            return plain
        return self._with_args(plain, command, (command,))

    def _with_args(self, plain: Instruction, text: str, fallback: tuple[str, ...]) -> Instruction:
        strings = _json_strings(text)
        if isinstance(strings, Fault):
            self.fault(plain.line, strings.message)
            strings = None
        if strings is None:
            return replace(plain, args=fallback)
        return replace(plain, args=strings, exec_form=True)

    def shell(self, plain: Instruction) -> Instruction:
        done = self.maybe_exec(plain)
        if not done.exec_form or not done.args:
            self.fault(plain.line, "SHELL must be a JSON array of strings")
        return done

    def words(self, plain: Instruction) -> Instruction:
        return replace(plain, args=tuple(plain.value.split()))

    def text(self, plain: Instruction) -> Instruction:
        return replace(plain, args=(plain.value,))

    def source(self, plain: Instruction) -> Instruction:
        words = tuple(plain.value.split())
        if len(words) != 1 and not (len(words) == 3 and words[1].upper() == "AS"):
            self.fault(plain.line, "FROM takes an image and optionally AS with a name")
        return replace(plain, args=words)

    def arg(self, plain: Instruction) -> Instruction:
        pairs = tuple(_pair(word) for word in split_words(plain.value, self.escape))
        return replace(plain, pairs=pairs)

    def pairs(self, plain: Instruction) -> Instruction:
        words = split_words(plain.value, self.escape)
        if words and "=" not in words[0]:
            name, _, value = plain.value.partition(plain.value[len(words[0]) :][:1] or " ")
            if not value:
                self.fault(plain.line, f"{plain.name} needs a name and a value")
            pair = Pair(name, value.strip())
            return replace(plain, pairs=(pair,), legacy_pairs=True)
        for word in words:
            if "=" not in word:
                self.fault(plain.line, f"{plain.name} has a word without =: {word[:40]}")
        return replace(plain, pairs=tuple(_pair(word) for word in words if "=" in word))


def _pair(word: str) -> Pair:
    if word[0] in "'\"" and word[-1] == word[0] and len(word) > 1:
        word = word[1:-1]  # the whole assignment is quoted
    name, equals, value = word.partition("=")
    return Pair(name, value if equals else None)


_READERS: dict[str, Callable[[_Draft, Instruction], Instruction]] = {
    "ADD": _Draft.maybe_list,
    "ARG": _Draft.arg,
    "CMD": _Draft.maybe_exec,
    "COPY": _Draft.maybe_list,
    "ENTRYPOINT": _Draft.maybe_exec,
    "ENV": _Draft.pairs,
    "EXPOSE": _Draft.words,
    "FROM": _Draft.source,
    "HEALTHCHECK": _Draft.healthcheck,
    "LABEL": _Draft.pairs,
    "MAINTAINER": _Draft.text,
    "RUN": _Draft.maybe_exec,
    "SHELL": _Draft.shell,
    "STOPSIGNAL": _Draft.text,
    "USER": _Draft.text,
    "VOLUME": _Draft.maybe_list,
    "WORKDIR": _Draft.text,
}
