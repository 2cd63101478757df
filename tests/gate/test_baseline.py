"""Baselines from reports: strict about what they are, honest about what was waived."""

from __future__ import annotations

import datetime as dt
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from haechi.errors import ConfigError
from haechi.gate.baseline import baseline_from_json, baseline_from_scan
from haechi.model.finding import FindingState
from haechi.model.scan import SCHEMA
from tests.gate.builders import finding, scan


def _report(*findings: dict[str, object], schema: str = SCHEMA) -> str:
    return json.dumps({"schema": schema, "findings": list(findings), "later": {"key": 1}})


def test_reads_fingerprints_and_due_dates() -> None:
    found = baseline_from_json(
        _report(
            {"fingerprint": "a", "state": "open", "due": "2026-12-24", "rule": "x"},
            {"fingerprint": "b", "state": "new", "due": None},
            {"fingerprint": "c", "state": "known"},
        ),
        "old.json",
    )
    assert dict(found.findings) == {"a": dt.date(2026, 12, 24), "b": None, "c": None}
    assert "a" in found
    assert "z" not in found
    assert found.due("a") == dt.date(2026, 12, 24)
    assert found.source == "old.json"


def test_findings_waived_back_then_are_not_known() -> None:
    found = baseline_from_json(_report({"fingerprint": "a", "state": "waived"}), "old.json")
    assert "a" not in found
    assert found.waived == {"a"}


def test_a_scan_gives_the_same_baseline() -> None:
    found = baseline_from_scan(
        scan(finding("1"), finding("2", state=FindingState.WAIVED)), "git:main"
    )
    assert set(found.findings) == {finding("1").fingerprint}
    assert found.source == "git:main"


@pytest.mark.parametrize(
    ("text", "part"),
    [
        ("", "is not JSON"),
        ("{", "is not JSON"),
        ("{" * 3, "is not JSON"),
        ("[" * 100_000, "is not a haechi report"),
        ("[]", "is not a haechi report"),
        ("{}", "is not a haechi report"),
        ('{"findings": []}', "is not a haechi report"),
        (_report(schema="haechi.scan/2"), "haechi.scan/2"),
        (_report(schema="sarif"), "this haechi reads"),
        ('{"schema": "haechi.scan/1"}', "is not a haechi report"),
        (_report({"fingerprint": 3, "state": "open"}), "is not a haechi report"),
        (_report({"fingerprint": "a"}), "is not a haechi report"),
        (_report({"fingerprint": "a", "state": "odd"}), "is not a haechi report"),
        (_report({"fingerprint": "a", "state": "open", "due": "soon"}), "is not a haechi report"),
    ],
)
def test_anything_else_is_a_configuration_error(text: str, part: str) -> None:
    with pytest.raises(ConfigError) as caught:
        baseline_from_json(text, "old.json")
    assert part in caught.value.what
    assert caught.value.where == "old.json"
    assert caught.value.exit_code == 2


@given(st.text(max_size=60))
def test_any_text_is_a_baseline_or_a_configuration_error(text: str) -> None:
    with pytest.raises(ConfigError):
        baseline_from_json(text, "x")


@pytest.mark.parametrize(
    ("before", "now", "known"),
    [
        (("GHSA-a",), ("CVE-2024-1", "GHSA-a"), True),
        (("CVE-2024-1", "GHSA-a"), ("GHSA-a",), True),
        (("CVE-2024-1", "CVE-2024-2"), ("CVE-2024-2",), True),
        (("CVE-2024-1", "GO-9"), ("CVE-2024-2", "GO-9"), False),
        (("CVE-2024-1", "GO-9"), ("GHSA-b", "GO-9"), True),
        (("CVE-2024-1",), ("CVE-2024-2",), False),
    ],
)
def test_a_vulnerability_is_known_by_any_name_but_not_by_that_of_another_cve(
    before: tuple[str, ...], now: tuple[str, ...], known: bool
) -> None:
    """One record of Go may be about two CVEs and is a name of both."""
    earlier, later = (
        finding(
            names[0],
            rule=names[0],
            aliases=names[1:],
            domain="deps",
            resource="pkg:golang/example.org/a@v1.0.0",
            path="go.mod",
        )
        for names in (before, now)
    )
    assert baseline_from_scan(scan(earlier), source="main").holds(later) is known
