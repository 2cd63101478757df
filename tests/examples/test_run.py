"""``./dev run`` tells a job that ran, whatever the gate said, from one that did not."""

from __future__ import annotations

import subprocess
from pathlib import Path
from typing import Any

import pytest

from examples import run


@pytest.mark.parametrize(
    ("code", "keeps", "expected"),
    [
        (0, True, 0),
        (1, True, 0),
        (3, True, 0),
        (2, True, 2),
        # An unhandled exception ends Python with 1, as a blocking gate does.
        (1, False, 2),
        (-9, False, 2),
    ],
)
def test_exit_code(
    code: int, keeps: bool, expected: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def ran(command: list[str], **_: Any) -> subprocess.CompletedProcess[str]:
        assert command[2:4] == ["haechi", "up"]
        assert (tmp_path / command[4] / "haechi.yaml").is_file()
        if keeps:
            (tmp_path / ".haechi").mkdir()
            (tmp_path / ".haechi/state.db").touch()
        return subprocess.CompletedProcess(command, code)

    monkeypatch.setattr(run, "ROOT", tmp_path)
    monkeypatch.setattr(run, "BUILD", tmp_path / "build")
    monkeypatch.setattr(run, "STORE", tmp_path / ".haechi")
    command, environment = run.up(tmp_path / "build/shop", ["--once"])
    assert command[-1] == "--once"
    assert str(tmp_path / "src") in environment["PYTHONPATH"]
    # Making the shop takes git; only the last step is replaced.
    real = subprocess.run
    monkeypatch.setattr(
        "examples.run.subprocess.run",
        lambda words, **more: ran(words, **more) if "up" in words[:4] else real(words, **more),
    )
    assert run.main(["--once"]) == expected


def test_folder_in_use_is_an_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "build" / "shop").mkdir(parents=True)
    (tmp_path / "build" / "shop" / "mine.txt").write_text("mine")
    monkeypatch.setattr(run, "BUILD", tmp_path / "build")
    assert run.main(["--once"]) == 2
