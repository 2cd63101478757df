"""What is needed by what: which packages are reached from which, over the edges of a lock file."""

from __future__ import annotations

from collections.abc import Iterable, Sequence


def reached(starts: Iterable[int], edges: Sequence[Iterable[int]]) -> set[int]:
    """Every position that the starts lead to, themselves included; cycles are no matter."""
    seen = set(starts)
    waiting = list(seen)
    while waiting:
        for other in edges[waiting.pop()]:
            if other not in seen:
                seen.add(other)
                waiting.append(other)
    return seen
