"""A rig for each test, on a store of its own."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.server.api.rig import Rig, rig


@pytest.fixture
def api(tmp_path: Path) -> Iterator[Rig]:
    """The handlers over an empty store."""
    with rig(tmp_path / "store") as made:
        yield made
