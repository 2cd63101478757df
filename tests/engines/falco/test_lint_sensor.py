"""The list of what the sensor fills is what the sensor's source says."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from haechi.engines.falco.lint_sensor import FILLED, is_filled
from tests.engines.falco.test_lint import faults, rule

SENSOR = Path(__file__).parents[3] / "src/haechi/world/sensor"
FIELD = re.compile(r"\"((?:evt|fd|proc|user|group|container|k8s|thread|fs)\.[a-z0-9_.]+)\"")


def written() -> set[str]:
    names: set[str] = set()
    for path in SENSOR.rglob("*.py"):
        names.update(FIELD.findall(path.read_text(encoding="utf-8")))
    return {name for name in names if not name.startswith("evt.arg.")} - {"k8s.io"}


GUIDE = Path(__file__).parents[3] / "docs/guide/sensor.md"
ROW = re.compile(r"^\| (.+?) \| (.+) \|$", re.MULTILINE)
NAME = re.compile(r"`([a-z0-9]+\.[a-z0-9_.]+)`")


def told() -> dict[str, set[str]]:
    """The guide's table of fields: always, sometimes, never."""
    text = GUIDE.read_text(encoding="utf-8").partition("## Which fields there are")[2]
    found: dict[str, set[str]] = {"always": set(), "sometimes": set(), "never": set()}
    for first, second in ROW.findall(text.partition("\n## ")[0]):
        if first in ("always", "never"):
            found[first] |= set(NAME.findall(second))
        else:
            found["sometimes"] |= set(NAME.findall(first))
    return found


def test_the_guide_says_of_each_field_what_the_check_says() -> None:
    fields = told()
    assert len(fields["always"]) > 30
    assert len(fields["sometimes"]) > 30
    assert not [name for name in fields["always"] | fields["sometimes"] if not is_filled(name)]
    assert fields["never"]
    assert not [name for name in fields["never"] if is_filled(name)]
    assert not fields["always"] & fields["sometimes"]


def test_the_table_is_in_step_with_the_sensor() -> None:
    assert written() == FILLED


@pytest.mark.parametrize("name", ["fd.directory", "evt.is_open_read", "proc.aname", "evt.arg.x"])
def test_what_follows_from_others_is_filled(name: str) -> None:
    assert is_filled(name)


def test_a_field_that_the_sensor_leaves_out_is_named() -> None:
    text = rule("evt.type=connect and fd.cip.name=b.example and fd.sip.name=a.example")
    found = [f for f in faults(text, info=True) if f.code == "unfilled"]
    assert [f.message for f in found] == [
        "haechi's own sensor does not fill fd.cip.name, fd.sip.name"
    ]
