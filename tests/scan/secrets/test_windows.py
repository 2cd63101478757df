"""Contents in windows: the same findings, wherever the cuts fall."""

from __future__ import annotations

import random

import pytest

from haechi.scan.secrets import windows
from haechi.scan.secrets.windows import find_in_blocks
from tests.checks.secrets.credentials import ACME, detector, value


def content(seed: int) -> bytes:
    draw = random.Random(seed)  # noqa: S311 - repeatable
    parts = []
    for number in range(40):
        parts.append("".join(draw.choices("ab \n=", k=draw.randint(0, 900))))
        parts.append(f" {value(ACME, str(number))} ")
    return "".join(parts).encode()


@pytest.mark.parametrize("seed", range(6))
@pytest.mark.parametrize("size", [1, 7, 1000, 1 << 20])
def test_places_are_those_of_the_whole(
    seed: int, size: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(windows, "WINDOW", 2000)
    monkeypatch.setattr(windows, "OVERLAP", 300)
    data = content(seed)
    if size == 1:
        data = data[:6000]
    blocks = (data[at : at + size] for at in range(0, len(data), size))
    finder = detector(ACME)
    found = [
        (c.start, c.end, c.line, c.column, c.end_line, c.end_column, c.secret)
        for c in find_in_blocks(finder, blocks)
    ]
    assert found == [
        (c.start, c.end, c.line, c.column, c.end_line, c.end_column, c.secret)
        for c in finder.find(data)
    ]
    assert found


def test_nothing_is_nothing() -> None:
    assert list(find_in_blocks(detector(), iter(()))) == []
