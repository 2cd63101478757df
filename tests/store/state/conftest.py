"""A state on SQLite for each test, closed after it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from haechi.store.state.state import State
from tests.store.state.made import Clock, open_state


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def state(tmp_path: Path, clock: Clock) -> Iterator[State]:
    opened = open_state(tmp_path, clock)
    yield opened
    opened.close()
