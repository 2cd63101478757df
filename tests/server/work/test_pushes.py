"""A report that repeats the server's own waivers must not keep them alive."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from haechi.errors import UsageError
from haechi.server.work.pushes import check_push, without_echoes
from tests.server.work.stored import TODAY, push


def told(origin: str) -> dict[str, Any]:
    place = {"path": "waivers/w-1", "line": 1}
    finding = {
        "state": "waived",
        "waiver": "waivers/w-1:1",
        "severity": "high",
        "due": "2027-01-01",
    }
    return {
        "findings": [finding, {"state": "open", "waiver": None, "severity": "low", "due": None}],
        "waivers": [{"origin": origin, "location": place}],
    }


def test_what_only_the_store_waived_is_open_again_with_a_date_of_its_own() -> None:
    found = without_echoes(push(**told("store")), TODAY).report
    assert found["waivers"] == []
    assert found["findings"][0] == {
        "state": "open",
        "waiver": None,
        "severity": "high",
        "due": "2026-12-22",
    }
    assert found["findings"][1] == told("store")["findings"][1]


def test_what_a_file_waives_stays_waived() -> None:
    sent = push(**told("file"))
    assert without_echoes(sent, TODAY) is sent


@pytest.mark.parametrize(
    "broken",
    [
        {"waivers": 5},
        {"waivers": [5, {"origin": "store", "location": 5}]},
        {"waivers": [{"origin": "store"}], "findings": [5, {"state": "waived", "waiver": [1]}]},
    ],
)
def test_hostile_reports_pass_through_to_the_store_that_refuses_them(
    broken: dict[str, Any],
) -> None:
    without_echoes(push(**broken), TODAY)


@pytest.mark.parametrize(
    ("wrong", "where"),
    [
        ({"schema": "haechi.push/9"}, "schema"),
        ({"report": {}}, "report.schema"),
        ({"report": {"schema": "haechi.scan/1"}}, "report.scope"),
        ({"report": {**push().report, "findings": {}}}, "report.findings"),
    ],
)
def test_other_documents_are_refused_with_their_place(wrong: dict[str, Any], where: str) -> None:
    with pytest.raises(UsageError) as raised:
        check_push(msgspec.structs.replace(push(), **wrong))
    assert raised.value.where == where
    check_push(push())
