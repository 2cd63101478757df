"""``./dev run`` tells a job that ran, whatever the gate said, from one that did not."""

from __future__ import annotations

from pathlib import Path

import pytest

from examples import run


@pytest.mark.parametrize(
    ("code", "writes", "expected"),
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
    code: int, writes: bool, expected: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    build = tmp_path / "build"

    def scan(shop: Path) -> int:
        assert (shop / "haechi.yaml").is_file()
        if writes:
            for name in run.REPORTS.values():
                (build / name).write_text("report")
        return code

    monkeypatch.setattr(run, "ROOT", tmp_path)
    monkeypatch.setattr(run, "BUILD", build)
    monkeypatch.setattr(run, "scan", scan)
    assert run.main() == expected


def test_folder_in_use_is_an_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "build" / "shop").mkdir(parents=True)
    (tmp_path / "build" / "shop" / "mine.txt").write_text("mine")
    monkeypatch.setattr(run, "BUILD", tmp_path / "build")
    assert run.main() == 2


def test_report_of_an_earlier_run_does_not_survive(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    build = tmp_path / "build"
    build.mkdir()
    (build / "report.html").write_text("old")
    monkeypatch.setattr(run, "ROOT", tmp_path)
    monkeypatch.setattr(run, "BUILD", build)
    # There is nothing to import below this root but what is installed, and no shop to scan.
    assert run.scan(build / "shop") != 0
    assert not (build / "report.html").exists()
