"""Vulnerable packages in reports: what is said of their use."""

from __future__ import annotations

from typing import Any

import pytest

from haechi.report.packages import Group
from haechi.report.terminal import full
from tests.gate.builders import finding
from tests.report.fixture import shop

AT = {"reach_at": "api/client.py:9"}


def group(*told: dict[str, Any]) -> Group:
    found = tuple(
        finding(str(number), domain="deps", resource="pkg:pypi/demo@1.0", evidence=one)
        for number, one in enumerate(told)
    )
    return Group(findings=found, label="demo 1.0", upgrade="2.0", fixed=len(found))


@pytest.mark.parametrize(
    ("told", "expected"),
    [
        ([{}], ""),
        ([{"reach": "unknown", "reach_why": "the look was cut short"}], ""),
        ([{"reach": "imported", **AT}], "used: imported in api/client.py:9"),
        (
            [{"reach": "imported", "reach_through": "web", **AT}],
            "used: web, which is imported in api/client.py:9, brings it in",
        ),
        (
            [{"reach": "imported", **AT}, {"reach": "called", "reach_symbol": "demo.Run", **AT}],
            "used: demo.Run is called in api/client.py:9",
        ),
        (
            [{}, {"reach": "not_found", "reach_why": "no source file here imports it"}],
            "no path found: no source file here imports it",
        ),
    ],
    ids=["nothing", "unknown", "imported", "through another", "the strongest", "no path"],
)
def test_use_is_said_as_far_as_it_is_known(told: list[dict[str, Any]], expected: str) -> None:
    assert group(*told).used == expected


def test_use_stands_below_the_package() -> None:
    from msgspec.structs import replace

    one = finding(
        "1", rule="CVE-2026-1", domain="deps", resource="pkg:pypi/demo@1.0", label="demo 1.0",
        evidence={"reach": "imported", "package": "demo", **AT},
    )  # fmt: skip
    base = shop()
    text = full(replace(base, scan=replace(base.scan, findings=(one,))))
    assert "    used: imported in api/client.py:9" in text.split("\n")
