"""Instructions to stages: names, inheritance, and ARG substitution in FROM.

Only ARGs before the first FROM (and BuildKit's platform arguments) are visible in FROM lines.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

from haechi.engines.dockerfile.syntax import Fault, Instruction, Pair, Stage
from haechi.engines.dockerfile.words import expand

PLATFORM_ARGS = frozenset(
    f"{side}{part}"
    for side in ("TARGET", "BUILD")
    for part in ("PLATFORM", "OS", "OSVERSION", "ARCH", "VARIANT")
) | {"TARGETSTAGE"}
"""Arguments that BuildKit defines by itself, in FROM lines and, after ARG, in stages."""

_STAGE_NAME = re.compile(r"[a-z][a-z0-9._-]*\Z")


def group_stages(
    instructions: Sequence[Instruction], escape: str
) -> tuple[tuple[Stage, ...], tuple[Pair, ...], list[Fault]]:
    """Stages, the global ARGs with their values, and the faults of FROM lines."""
    starts = [item.index for item in instructions if item.name == "FROM"]
    first = starts[0] if starts else len(instructions)
    global_args = _global_args(instructions[:first], escape)
    known = {pair.name: pair.value for pair in global_args}
    stages: list[Stage] = []
    names: dict[str, int] = {}
    faults: list[Fault] = []
    ends = [*starts[1:], len(instructions)] if starts else []
    for start, end in zip(starts, ends, strict=True):
        stage = _stage(instructions[start:end], len(stages), names, known, escape)
        if stage.name and not _STAGE_NAME.match(stage.name):
            faults.append(Fault(stage.source.line, f"invalid stage name {stage.name[:40]}"))
        if stage.name:
            names[stage.name] = stage.index
        stages.append(stage)
    if instructions and not stages:
        faults.append(Fault(1, "no FROM: the file builds nothing"))
    return tuple(stages), global_args, faults


def _global_args(preamble: Sequence[Instruction], escape: str) -> tuple[Pair, ...]:
    known: dict[str, str | None] = {}
    for instruction in preamble:
        for pair in instruction.pairs if instruction.name == "ARG" else ():
            value: str | None = None
            if pair.value is not None:
                expanded = expand(pair.value, known, escape)
                value = None if expanded.unresolved else expanded.text
            known[pair.name] = value
    return tuple(Pair(name, value) for name, value in known.items())


def _stage(
    instructions: Sequence[Instruction],
    index: int,
    names: Mapping[str, int],
    known: Mapping[str, str | None],
    escape: str,
) -> Stage:
    source = instructions[0]
    args = source.args
    base = args[0] if args else ""
    name = args[2].lower() if len(args) >= 3 and args[1].upper() == "AS" else ""
    # An argument that is declared nowhere is empty for BuildKit; a reference with a hole in
    # it names no image, so it counts as unresolved here.
    image = expand(base, known, escape)
    platform = source.flag("platform")
    return Stage(
        index=index,
        name=name,
        base=base,
        image=image.text,
        unresolved=image.unresolved,
        parent=None if image.unresolved else names.get(image.text.lower()),
        platform=platform,
        instructions=tuple(instructions),
    )
