"""The table of formats."""

from __future__ import annotations

import subprocess
import sys

import pytest
from hypothesis import HealthCheck, given, settings

from haechi.errors import UsageError
from haechi.report import FORMATS, write
from haechi.report.material import Material
from tests.report.fixture import SECRET, shop
from tests.report.strategies import materials


@pytest.mark.parametrize("format_", FORMATS)
def test_every_format_says_what_was_found(format_: str) -> None:
    assert "k8s-privileged" in write(shop(), format_)


def test_unknown_format_is_a_usage_error_that_names_the_known_ones() -> None:
    with pytest.raises(UsageError) as caught:
        write(shop(), "xlsx")
    assert "sarif" in caught.value.do


@given(materials())
@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.too_slow])
def test_hostile_material_never_raises_and_can_be_stored(material: Material) -> None:
    for format_ in FORMATS:
        text = write(material, format_)
        text.encode("utf-8")
        assert text.endswith("\n")


@pytest.mark.parametrize("format_", FORMATS)
def test_secret_value_is_in_no_report(format_: str) -> None:
    assert SECRET not in write(shop(), format_)


@pytest.mark.parametrize(
    ("module", "foreign"),
    [
        ("haechi.report", ("msgspec",)),
        ("haechi.report.terminal_summary", ("xml", "gzip", "json", "urllib", "html", "yaml")),
        ("haechi.report.terminal", ("xml", "gzip", "json", "urllib", "html", "yaml")),
        ("haechi.report.sarif", ("xml", "html", "yaml")),
        ("haechi.report.html", ("xml", "gzip", "html.parser", "yaml", "jinja2")),
    ],
)
def test_format_imports_only_what_it_needs(module: str, foreign: tuple[str, ...]) -> None:
    # msgspec itself loads some of the standard library, which is not the format's doing.
    script = (
        "import sys\n"
        f"{'' if 'msgspec' in foreign else 'import msgspec, datetime, re'}\n"
        "before = set(sys.modules)\n"
        f"import {module}\n"
        "print(*(set(sys.modules) - before))"
    )
    out = subprocess.run(
        [sys.executable, "-c", script],
        capture_output=True,
        text=True,
        check=True,
        env={"PYTHONPATH": ":".join(sys.path)},
    )
    loaded = set(out.stdout.split())
    assert module in loaded
    assert loaded.isdisjoint(foreign)
