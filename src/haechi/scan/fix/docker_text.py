"""Change a Dockerfile by its instructions: replace one's text, insert a line, take one away.

Every other line keeps its bytes. As with YAML, the same changes are applied to the list of
instructions as the parser sees them, and the new text must read back as exactly that list.
"""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from haechi.engines.dockerfile import Dockerfile, Instruction
from haechi.scan.fix.changes import Refused


class Rewrite(msgspec.Struct, frozen=True):
    """Give the instruction another text; lines are parted by a line feed."""

    index: int
    text: str


class Insert(msgspec.Struct, frozen=True):
    """A new instruction before the one with this index."""

    index: int
    text: str


class Remove(msgspec.Struct, frozen=True):
    """Take an instruction and the comments directly above it away."""

    index: int


DockerChange = Rewrite | Insert | Remove


def edit_dockerfile(text: str, dockerfile: Dockerfile, changes: Sequence[DockerChange]) -> str:
    """The new text. Raises Refused where line ends are mixed."""
    lines = text.split("\n")
    carriage = _carriage(lines)
    for change in sorted(changes, key=lambda c: c.index, reverse=True):
        instruction = dockerfile.instructions[change.index]
        first, last = instruction.line - 1, instruction.end_line
        match change:
            case Rewrite():
                new = change.text.split("\n")
                # The file's last line has no line break, so no carriage return either.
                lines[first:last] = _with(new, carriage, ends_file=last == len(lines))
            case Insert():
                top = _above(instruction)
                lines[top:top] = _with(change.text.split("\n"), carriage, ends_file=False)
            case Remove():
                del lines[_above(instruction) : last]
    return "\n".join(lines)


def changed_raws(dockerfile: Dockerfile, changes: Sequence[DockerChange]) -> list[str]:
    """The text of every instruction as it must read after the changes."""
    raws = [instruction.raw for instruction in dockerfile.instructions]
    for change in sorted(changes, key=lambda c: c.index, reverse=True):
        match change:
            case Rewrite(index, text):
                raws[index] = text
            case Insert(index, text):
                raws[index:index] = text.split("\n")
            case Remove(index):
                del raws[index]
    return raws


def _above(instruction: Instruction) -> int:
    """Number (from 0) of the line where the comments directly above begin."""
    return (instruction.comments[0].line if instruction.comments else instruction.line) - 1


def _carriage(lines: list[str]) -> str:
    ends = {line.endswith("\r") for line in lines[:-1]}
    if len(ends) > 1:
        raise Refused("the file mixes line ends of Unix and Windows")
    return "\r" if ends == {True} else ""


def _with(lines: list[str], carriage: str, *, ends_file: bool) -> list[str]:
    out = [line + carriage for line in lines]
    if ends_file:
        out[-1] = lines[-1]
    return out
