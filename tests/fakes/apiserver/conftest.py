"""Servers and clients for the tests of the fake API server itself."""

from __future__ import annotations

import ssl
from collections.abc import Iterator

import httpx
import pytest

from tests.fakes.apiserver import ApiServer

# plain HTTP needs no trust store; loading one costs more than a test
NO_TLS = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)


@pytest.fixture
def server() -> Iterator[ApiServer]:
    """Without controllers: what is written stays as it was written."""
    with ApiServer(controllers=False, bookmark_every=600) as running:
        yield running
    assert running.bugs == []


@pytest.fixture
def cluster() -> Iterator[ApiServer]:
    """With controllers."""
    with ApiServer(bookmark_every=600) as running:
        yield running
    assert running.bugs == []


@pytest.fixture
def http(server: ApiServer) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=server.url, timeout=10, verify=NO_TLS) as client:
        yield client


@pytest.fixture
def cluster_http(cluster: ApiServer) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=cluster.url, timeout=10, verify=NO_TLS) as client:
        yield client
