"""The reports of the shop, byte for byte. HAECHI_UPDATE_GOLDEN=1 writes them anew."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from haechi.report import FORMATS, html, terminal, write
from tests.report.fixture import clean, empty, shop

GOLDEN = Path(__file__).parent / "golden"
REPORTS: dict[str, Callable[[], str]] = {
    "shop.json": lambda: write(shop(), "json"),
    "shop.sarif": lambda: write(shop(), "sarif"),
    "shop.junit.xml": lambda: write(shop(), "junit"),
    "shop.en.html": lambda: write(shop(), "html"),
    "shop.ko.html": lambda: html.render(shop(), lang="ko"),
    "shop.md": lambda: write(shop(), "markdown"),
    "shop.txt": lambda: write(shop(), "terminal"),
    "shop.verbose-60.txt": lambda: terminal.full(shop(), width=60, verbose=True, ascii=True),
    "shop.colour.txt": lambda: terminal.full(shop(), width=90, colour=True),
    "shop.summary.txt": lambda: terminal.summary(shop()),
    "shop.summary-60.txt": lambda: terminal.summary(shop(), width=60, ascii=True),
    "shop.summary-colour.txt": lambda: terminal.summary(shop(), colour=True),
    "clean.summary.txt": lambda: terminal.summary(clean()),
    "clean.md": lambda: write(clean(), "markdown"),
    "clean.junit.xml": lambda: write(clean(), "junit"),
    "empty.summary.txt": lambda: terminal.summary(empty()),
    "empty.en.html": lambda: write(empty(), "html"),
    "empty.sarif": lambda: write(empty(), "sarif"),
}


@pytest.mark.parametrize("name", REPORTS)
def test_report_is_as_agreed(name: str) -> None:
    text = REPORTS[name]()
    path = GOLDEN / name
    if os.environ.get("HAECHI_UPDATE_GOLDEN"):
        path.write_bytes(text.encode())
    assert text.encode() == path.read_bytes(), f"{name} differs; HAECHI_UPDATE_GOLDEN=1 rewrites"


def test_no_golden_is_left_over() -> None:
    assert {path.name for path in GOLDEN.iterdir()} == set(REPORTS)


@pytest.mark.parametrize("format_", FORMATS)
def test_same_material_gives_same_text(format_: str) -> None:
    assert write(shop(), format_) == write(shop(), format_)
