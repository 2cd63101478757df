"""Servers and clients for the tests of the fake API server itself."""

from __future__ import annotations

from collections.abc import Iterator

import httpx
import pytest

from tests.fakes.apiserver import ApiServer


@pytest.fixture
def server() -> Iterator[ApiServer]:
    """Without controllers: what is written stays as it was written."""
    with ApiServer(controllers=False, bookmark_every=600) as running:
        yield running


@pytest.fixture
def cluster() -> Iterator[ApiServer]:
    """With controllers."""
    with ApiServer(bookmark_every=600) as running:
        yield running


@pytest.fixture
def http(server: ApiServer) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=server.url, timeout=10) as client:
        yield client
