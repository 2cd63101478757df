"""What a Dockerfile says: instructions with their places, grouped into stages.

Values stay as written (quotes and ``$VARIABLES`` included), because rules must tell what the
author typed from what the builder makes of it; ``words.expand`` does the latter.
"""

from __future__ import annotations

import msgspec


class Fault(msgspec.Struct, frozen=True):
    """Something BuildKit would refuse. Reading goes on after it."""

    line: int
    message: str


class Comment(msgspec.Struct, frozen=True):
    """A comment line without its ``#``."""

    line: int
    text: str


class Flag(msgspec.Struct, frozen=True):
    """``--name=value`` before an instruction's arguments; ``value`` is None without ``=``."""

    name: str
    value: str | None = None


class Pair(msgspec.Struct, frozen=True):
    """One item of ENV, LABEL or ARG, quotes kept; ``value`` is None for an ARG without default."""

    name: str
    value: str | None = None


class Heredoc(msgspec.Struct, frozen=True):
    """An inline document. ``expand`` is False when its delimiter is quoted."""

    name: str
    content: str
    expand: bool
    strip_tabs: bool


class Instruction(msgspec.Struct, frozen=True, kw_only=True):
    """One instruction, from its keyword to the end of its last continuation or heredoc.

    ``name`` is the keyword in capitals; ``keyword`` as typed. ``value`` is everything after the
    keyword and its flags, on one line. ``args`` holds the JSON elements in exec form, else the
    words (quotes kept). ``comments`` stand directly above. ``trigger`` is what ONBUILD carries.
    """

    index: int
    name: str
    keyword: str
    line: int
    end_line: int
    column: int
    end_column: int
    raw: str
    value: str
    comments: tuple[Comment, ...] = ()
    flags: tuple[Flag, ...] = ()
    args: tuple[str, ...] = ()
    exec_form: bool = False
    pairs: tuple[Pair, ...] = ()
    legacy_pairs: bool = False
    heredocs: tuple[Heredoc, ...] = ()
    trigger: Instruction | None = None

    def flag(self, name: str) -> str | None:
        """The value of the last flag of that name; empty when it has none, None when absent."""
        for flag in reversed(self.flags):
            if flag.name == name:
                return flag.value or ""
        return None

    def all_flags(self, name: str) -> tuple[str, ...]:
        """Values of a flag that may repeat, such as ``--mount``."""
        return tuple(flag.value or "" for flag in self.flags if flag.name == name)


class Stage(msgspec.Struct, frozen=True, kw_only=True):
    """From one FROM to the next. ``name`` is lower case; ``instructions`` begin with the FROM.

    ``base`` is the reference as written, ``image`` after substitution; ``unresolved`` names
    arguments without a known value. ``parent`` is the index of the stage it builds on.
    """

    index: int
    name: str
    base: str
    image: str
    unresolved: tuple[str, ...]
    parent: int | None
    platform: str | None
    instructions: tuple[Instruction, ...]

    @property
    def source(self) -> Instruction:
        """The FROM instruction."""
        return self.instructions[0]


class Dockerfile(msgspec.Struct, frozen=True, kw_only=True):
    """A whole file. ``global_args`` are the ARGs before the first FROM, substituted."""

    instructions: tuple[Instruction, ...] = ()
    stages: tuple[Stage, ...] = ()
    global_args: tuple[Pair, ...] = ()
    comments: tuple[Comment, ...] = ()
    faults: tuple[Fault, ...] = ()
    directives: tuple[Pair, ...] = ()
    escape: str = "\\"

    @property
    def final(self) -> Stage | None:
        """The stage that a build without ``--target`` yields."""
        return self.stages[-1] if self.stages else None

    @property
    def preamble(self) -> tuple[Instruction, ...]:
        """What stands before the first FROM."""
        first = self.stages[0].source.index if self.stages else len(self.instructions)
        return self.instructions[:first]
