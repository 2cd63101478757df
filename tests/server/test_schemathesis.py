"""Every operation under schemathesis: no 5xx, and no answer that the description does not allow.

Few examples here; `schemathesis run URL/api/v1/openapi.json` does more of the same.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
import schemathesis
from hypothesis import HealthCheck, given, settings
from hypothesis.errors import Unsatisfiable
from schemathesis.checks import CHECKS
from schemathesis.generation import GenerationMode

from haechi.client.http import Client
from haechi.model.access import Grant, Role
from haechi.server.api import all_operations
from haechi.server.auth.config import AuthSettings, Limits
from haechi.store.state.access_tokens import NewToken
from tests.server.serving import Running, local_settings, real_world, serving

ASKED = (
    "not_a_server_error",
    "status_code_conformance",
    "content_type_conformance",
    "response_headers_conformance",
    "response_schema_conformance",
)
EXAMPLES = 4
EVERY = list(HealthCheck)
LEFT_OUT = frozenset({"stream.follow", "meta.openapi"})
"""The first never ends; the second is where schemathesis has all this from."""


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Running, str]]:
    """The real server with a finding or two, its limits of pace out of the way."""
    from bench.server_api import pushes

    free = AuthSettings(limits=Limits(per_second=10_000, anonymous_per_second=10_000))
    with real_world(tmp_path_factory.mktemp("api"), local_settings(auth=free)) as world:
        wanted = NewToken(name="fuzz", grants=(Grant(role=Role.ADMIN),))
        _, token = world.store.state.access.tokens.make(wanted, by="test")
        with serving(world) as running:
            with Client(running.url, token) as client:
                client.push(next(pushes(40)))
            yield running, token


@pytest.fixture(scope="module")
def described(server: tuple[Running, str]) -> dict[str, Any]:
    """Its operations by id, as it describes them itself."""
    running, token = server
    schema = schemathesis.openapi.from_url(
        f"{running.url}/api/v1/openapi.json", headers={"Authorization": f"Bearer {token}"}
    )
    every: list[Any] = list(schema.get_all_operations())
    found = [one.ok() for one in every]
    return {one.definition.raw["operationId"]: one for one in found}


@pytest.mark.parametrize("name", [one.id for one in all_operations() if one.id not in LEFT_OUT])
@pytest.mark.parametrize("mode", [GenerationMode.POSITIVE, GenerationMode.NEGATIVE])
def test_no_fault_and_no_word_against_the_description(
    name: str, mode: GenerationMode, described: dict[str, Any], server: tuple[Running, str]
) -> None:
    _, token = server
    checks: list[Any] = [CHECKS.get_one(check) for check in ASKED]

    @settings(max_examples=EXAMPLES, deadline=None, database=None, suppress_health_check=EVERY)
    @given(case=described[name].as_strategy(generation_mode=mode))
    def asked(case: schemathesis.Case[Any]) -> None:
        headers = {"Authorization": f"Bearer {token}"}
        case.call_and_validate(headers=headers, checks=checks, timeout=30)

    try:
        asked()
    except Unsatisfiable:
        assert mode is GenerationMode.NEGATIVE  # nothing that it takes can be wrong
