"""A rig for each test, a provider for those that ask for one."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from haechi.server.auth.config import AuthSettings
from tests.server.auth.provider import Provider
from tests.server.auth.rig import START, Rig

MakeRig = Callable[..., Rig]


@pytest.fixture
def make_rig(tmp_path: Path) -> Iterator[MakeRig]:
    made: list[Rig] = []

    def make(auth: AuthSettings | None = None, **listen: Any) -> Rig:
        made.append(Rig(tmp_path, auth or AuthSettings(), **listen))
        return made[-1]

    yield make
    for rig in made:
        rig.close()


@pytest.fixture
def rig(make_rig: MakeRig) -> Rig:
    return make_rig()


@pytest.fixture
def provider() -> Iterator[Provider]:
    made = Provider(START.timestamp)
    yield made
    made.close()
