"""A state on SQLite for each test, closed after it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from haechi.store.state.state import State
from tests.respond.alerts.made import Clock


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def state(tmp_path: Path, clock: Clock) -> Iterator[State]:
    made = State(tmp_path / "state.db", backups=tmp_path / "backup", clock=clock)
    yield made
    made.close()
