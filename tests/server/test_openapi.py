"""The description of the API: complete, valid by OpenAPI 3.1, and as it is committed."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import msgspec
import pytest
import schemathesis

from haechi.engines.typed import misfits
from haechi.model.event import Event
from haechi.server.api import all_operations
from haechi.server.openapi import document, encoded
from haechi.server.table import full_path
from tests.server.things import THINGS

COMMITTED = Path(__file__).parents[2] / "docs" / "api" / "openapi.json"


@pytest.fixture(scope="module")
def described() -> dict[str, Any]:
    """The server's own description, as it is served."""
    return dict(msgspec.json.decode(encoded()))


def test_every_operation_is_described(described: dict[str, Any]) -> None:
    for one in all_operations():
        made = described["paths"][full_path(one.path)][one.method.lower()]
        assert made["operationId"] == one.id
        assert made["summary"]
        assert bool(made["security"]) == (one.role is not None)
        assert ("requestBody" in made) == (one.body is not None)
        named = {item["name"] for item in made.get("parameters", ()) if item["in"] == "path"}
        assert named == set(re.findall(r"{(\w+)}", one.path))
        if one.rows is not None:
            [success] = [made["responses"][code] for code in made["responses"] if code < "300"]
            assert {"text/csv", "application/x-ndjson"} <= set(success["content"])


def test_every_reference_leads_somewhere(described: dict[str, Any]) -> None:
    text = msgspec.json.encode(described).decode()
    for reference in set(re.findall(r'"\$ref":"#/([^"]+)"', text)):
        place: Any = described
        for part in reference.split("/"):
            place = place[part]


def test_examples_are_taken(described: dict[str, Any]) -> None:
    found = 0
    for one in all_operations():
        made = described["paths"][full_path(one.path)][one.method.lower()]
        for media in made.get("requestBody", {}).get("content", {}).values():
            if "example" not in media:
                continue
            found += 1
            if one.body is bytes:
                msgspec.json.decode(media["example"], type=Event)
            else:
                msgspec.convert(media["example"], one.body)
                assert not list(misfits(media["example"], one.body))
    assert found >= 4


def test_bodies_that_people_write_are_closed_and_documents_are_open() -> None:
    schemas = document(THINGS)["components"]["schemas"]
    assert schemas["Thing"]["additionalProperties"] is False
    schemas = msgspec.json.decode(encoded())["components"]["schemas"]
    assert schemas["WaiverRequest"]["additionalProperties"] is False
    assert "additionalProperties" not in schemas["Push"]


def test_the_description_is_valid(described: dict[str, Any]) -> None:
    loaded = schemathesis.openapi.from_dict(described)
    loaded.validate()
    assert loaded.statistic.operations.total == len(all_operations())


def test_the_committed_description_is_this_one(described: dict[str, Any]) -> None:
    do = "python -m haechi.server.openapi > docs/api/openapi.json"
    assert msgspec.json.decode(COMMITTED.read_bytes()) == described, do
