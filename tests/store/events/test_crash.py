"""A process that appends and seals is killed in the middle, again and again on one folder."""

from __future__ import annotations

import random
from pathlib import Path

from bench.events_store import trial


def test_nothing_acknowledged_is_lost_by_a_kill(tmp_path: Path) -> None:
    randomly = random.Random(11)  # noqa: S311
    first = sealed = 0
    for _ in range(3):  # more: ./dev bench events_store --kills 50
        found = trial(tmp_path, first, randomly.uniform(0.05, 0.4))
        assert (found.lost, found.twice, found.unreadable) == (0, 0, [])
        assert found.stored >= found.acknowledged > first
        first, sealed = found.stored, found.sealed
    assert sealed > 0
