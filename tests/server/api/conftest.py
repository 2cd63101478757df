"""A rig for each test, on a store of its own."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.server.advised import imported, repository, written
from tests.server.api.rig import Rig, rig


@pytest.fixture
def api(tmp_path: Path) -> Iterator[Rig]:
    """The handlers over an empty store."""
    with rig(tmp_path / "store") as made:
        yield made


@pytest.fixture
def shop(tmp_path: Path) -> Path:
    """A repository with two packages."""
    return repository(tmp_path / "shop", ("left", "1.0.0"), ("right", "1.0.0"))


@pytest.fixture
def client(tmp_path: Path) -> Path:
    """A client's database: it knows npm, and nothing against what the shop has."""
    database = tmp_path / "client.db"
    imported(database, written(tmp_path / "client"))
    return database
