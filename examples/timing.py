"""A line for each step of the attack: how long until it was told of."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from haechi.runtime.pack import builtin

Delay = Callable[[str, int], float | None]
"""Milliseconds from a moment until a rule, by its name, was told of; None: it was not."""


def told(steps: Sequence[dict[str, Any]], delay_of: Delay, *, most_ms: float, missing: str) -> int:
    """Print them; how many were missing or late. ``missing`` is said of what was not told."""
    names = {rule.id: rule.name for rule in builtin().rules}
    failed = 0
    for step in steps:
        if step["fault"]:
            failed += 1
            print(f"FAILED {step['step']:<18} {step['fault']}")
            continue
        for expected in step["expects"]:
            delay = delay_of(names[expected], step["started_ns"])
            late = delay is None or delay > most_ms
            failed += late
            words = missing if delay is None else f"{delay:.0f} ms"
            if delay is not None and delay < 0:
                words = "stood in it already: an earlier step does this, too"
            print(f"{'LATE ' if late else ''}{step['step']:<18} {expected:<36} {words}")
    return failed
