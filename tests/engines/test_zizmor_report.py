"""zizmor's report read: places, expressions, comments; and any bytes at all."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from haechi.engines.zizmor import read_report
from haechi.errors import InputError


def location(kind: str = "Primary", **more: Any) -> dict[str, Any]:
    return {
        "symbolic": {
            "key": {"Local": {"verbatim_path": more.get("file", "./0/workflow.yml")}},
            "annotation": "says",
            "route": {"route": more.get("route", [{"Key": "jobs"}, {"Index": 2}])},
            "feature_kind": more.get("feature_kind", "Normal"),
            "kind": kind,
        },
        "concrete": {
            "location": {"start_point": {"row": 4, "column": 1}},
            "feature": more.get("feature", " x "),
            "comments": more.get("comments", []),
        },
    }


def report(*locations: dict[str, Any], ignored: bool = False) -> bytes:
    finding = {
        "ident": "artipacked",
        "desc": "d",
        "determinations": {"severity": "High", "confidence": "Low", "persona": "Regular"},
        "locations": locations,
        "ignored": ignored,
    }
    return json.dumps([finding]).encode()


def test_the_primary_place_counts() -> None:
    (result,) = read_report(report(location("Hidden", route=[]), location()))["0/workflow.yml"]
    assert (result.path, result.line, result.text) == (("jobs", 2), 5, "x")
    assert (result.severity, result.confidence, result.persona) == ("high", "low", "regular")
    assert result.ignored is None


def test_the_expression_is_what_was_marked_in_the_script() -> None:
    kind = {"Subfeature": {"after": 3, "fragment": {"Raw": " inputs.name "}}}
    (result,) = read_report(report(location(feature_kind=kind)))["0/workflow.yml"]
    assert result.expression == "inputs.name"


@pytest.mark.parametrize("kind", [{"Subfeature": 3}, {"Subfeature": {"fragment": {}}}, {}, "Other"])
def test_other_marks_are_no_expression(kind: Any) -> None:
    (result,) = read_report(report(location(feature_kind=kind)))["0/workflow.yml"]
    assert result.expression == ""


def test_the_comment_that_ignores_is_kept() -> None:
    comments = ["# other", "# zizmor: ignore[artipacked] because"]
    data = report(location("Hidden", comments=comments), location(), ignored=True)
    (result,) = read_report(data)["0/workflow.yml"]
    assert result.ignored == "# zizmor: ignore[artipacked] because"


def test_what_has_no_place_is_passed_over() -> None:
    assert read_report(report(location("Related"))) == {}
    assert read_report(b"[]") == {}


@pytest.mark.parametrize("data", [b"", b"{}", b'[{"ident": 1}]', b"[" * 100_000, b"\xff"])
def test_another_form_is_told(data: bytes) -> None:
    with pytest.raises(InputError, match="another form"):
        read_report(data)


@given(st.binary(max_size=300))
def test_any_bytes_are_read_or_refused(data: bytes) -> None:
    try:
        read_report(data)
    except InputError as error:
        assert "another form" in error.what
