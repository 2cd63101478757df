"""The benchmark of traces, on a small set of the same shape."""

from __future__ import annotations

import gzip
import json
import random
from pathlib import Path
from typing import Any

import pytest

from bench import anomaly

USUAL = [3, 4, 5, 6, 33, 5, 197, 6]


def line(number: int, split: str, label: str, calls: list[int]) -> dict[str, Any]:
    return {"id": f"t{number}", "split": split, "label": label, "calls": calls}


def made(folder: Path, *, extra: list[Any] | None = None) -> Path:
    draw = random.Random(4)  # noqa: S311
    rows = [
        line(n, "train" if n < 40 else "eval", "normal", USUAL * draw.randint(5, 12))
        for n in range(80)
    ]
    rows += [line(n, "eval", "Made_Up", [*USUAL, 11, 102, 63] * 8) for n in range(80, 90)]
    rows += [line(n, "eval", "Shuffled", draw.sample(USUAL * 8, 64)) for n in range(90, 100)]
    folder.mkdir(exist_ok=True)
    with gzip.open(folder / "traces.jsonl.gz", "wt") as stream:
        for row in [*rows, *(extra or [])]:
            stream.write((row if isinstance(row, str) else json.dumps(row)) + "\n")
    return folder


def test_all_figures_are_printed(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    anomaly.main([str(made(tmp_path / "set"))])
    said = capsys.readouterr().out
    assert "auc 1.000 (target 0.83: reached)" in said
    assert "Made_Up" in said
    assert "Shuffled" in said
    assert "STIDE" in said
    assert "95 % intervals" in said


FAULTS = {
    "not JSON": "{broken",
    "a split that is none": line(1, "test", "normal", [1]),
    "an attack to learn from": line(1, "train", "Adduser", [1]),
}


@pytest.mark.parametrize("what", FAULTS)
def test_a_wrong_line_is_named(tmp_path: Path, what: str) -> None:
    with pytest.raises(SystemExit, match=r"traces\.jsonl\.gz:101"):
        anomaly.read(made(tmp_path / "set", extra=[FAULTS[what]]))


def test_traces_without_calls_are_left_out_and_plain_files_read_too(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = made(tmp_path / "set", extra=[line(1, "eval", "normal", [])])
    more = json.dumps(line(101, "train", "normal", USUAL))
    (folder / "more.jsonl").write_text(more + "\n")
    train, judged = anomaly.read(folder)
    assert (len(train), len(judged)) == (41, 60)
    assert "1 traces without calls are left out" in capsys.readouterr().out


def test_a_set_that_is_not_there_is_said(tmp_path: Path) -> None:
    with pytest.raises(SystemExit, match=r"no \*\.jsonl"):
        anomaly.main([str(tmp_path)])


def test_figures_are_those_of_their_definitions() -> None:
    normal = [float(n) for n in range(100)]
    assert anomaly.figures(normal, [99.5, 98.5, 50.0, 50.0]) == (
        (100 + 99 + 50.5 + 50.5) / 400, 0.5, 0.5,
    )  # fmt: skip
    assert anomaly.figures(normal, [1000.0]) == (1.0, 1.0, 1.0)
    low, high = anomaly.interval(normal, [float(n) for n in range(50, 150)], 50)[0]
    assert low < anomaly.figures(normal, [float(n) for n in range(50, 150)]).auc < high
