"""Why an event is rare, in words: what was done, by whom, and how often it was seen before."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from haechi.runtime.profile.features import (
    CALL,
    FILE,
    LINEAGE,
    ORDER,
    PEER,
    PORT,
    PROGRAM,
    Doing,
    Workload,
)
from haechi.runtime.profile.profile import Part, Profile

TOLD = 2.0
"""Nats that something has to add before it is named as a reason."""
_DONE = {
    PROGRAM: "exec of {}",
    LINEAGE: "start {}",
    FILE: "{}",
    PEER: "connection to {}",
    PORT: "listening on port {}",
    CALL: "call of {}",
}
_WHAT = {
    PROGRAM: "execs",
    LINEAGE: "execs",
    FILE: "uses of files",
    PEER: "connections",
    PORT: "listens",
    CALL: "such calls",
}


def named(workload: Workload) -> str:
    """The workload, in a few characters."""
    if workload.resource:
        return workload.resource.rsplit("/", 1)[-1]
    if workload.image:
        return workload.image.rsplit("/", 1)[-1]
    program, _, script = workload.command.partition(" ")
    return f"{program.rsplit('/', 1)[-1]} {script}".strip() or "a container"


def explained(profile: Profile, doing: Doing, parts: Sequence[Part]) -> list[str]:
    """One sentence for each part that counts, the rarest first."""
    return list(_sentences(profile, parts))


def _sentences(profile: Profile, parts: Sequence[Part]) -> Iterator[str]:
    who = named(profile.workload)
    for family, value, rarity in parts:
        if family == ORDER:
            if rarity >= TOLD:
                yield f"the order of the last events is unusual for {who}"
            continue
        one = profile.families[family]
        if rarity < TOLD and value in one.cells:
            continue
        what = _DONE[family].format(value)
        cell = one.cells.get(value)
        count = int(cell[1]) if cell is not None else 0
        if cell is None:
            yield f"first {what} by {who} in {one.count:,} {_WHAT[family]}"
        elif count:
            yield f"{what} by {who}: {count:,} of {one.count:,} {_WHAT[family]}"
        else:
            yield f"first {what} by {who} itself; others of its image do so"
