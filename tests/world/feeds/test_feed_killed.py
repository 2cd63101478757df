"""Nothing is lost when the process that reads a log is killed between a batch and its place."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

CHILD = Path(__file__).with_name("feed_child.py")
LINES = 5_000
"""Of each round; a batch has 2,000."""
DEADLINE_S = 30


def _start(folder: Path, dies_after: int) -> subprocess.Popen[bytes]:
    places = [str(folder / name) for name in ("x.log", "out", "state")]
    source = str(Path(__file__).parents[3] / "src")
    return subprocess.Popen(
        [sys.executable, str(CHILD), *places, str(dies_after)],
        env={**os.environ, "PYTHONPATH": source},
    )


def _read(folder: Path) -> list[bytes]:
    out = folder / "out"
    return out.read_bytes().splitlines() if out.exists() else []


def _write(folder: Path, round: int) -> list[bytes]:
    lines = [b"%d-%d %s" % (round, number, b"x" * 60) for number in range(LINES)]
    with (folder / "x.log").open("ab") as file:
        file.write(b"".join(line + b"\n" for line in lines))
    return lines


@pytest.mark.parametrize("rotated", [False, True], ids=["one-file", "rotated-while-dead"])
def test_killed_between_batch_and_place_loses_nothing(tmp_path: Path, rotated: bool) -> None:
    wanted: list[bytes] = []
    for round, dies_after in enumerate((2, 3)):
        wanted += _write(tmp_path, round)
        child = _start(tmp_path, dies_after)
        assert child.wait(DEADLINE_S) == -signal.SIGKILL
        if rotated:
            (tmp_path / "x.log").rename(tmp_path / f"x.log.{2 - round}")
    wanted += _write(tmp_path, 2)
    last = _start(tmp_path, 0)
    end = time.monotonic() + DEADLINE_S
    try:
        while wanted[-1] not in _read(tmp_path):
            assert last.poll() is None, "the child ended by itself"
            assert time.monotonic() < end, "the child has read nothing for too long"
            time.sleep(0.02)
    finally:
        last.kill()
        last.wait()
    found = _read(tmp_path)
    assert list(dict.fromkeys(found)) == wanted
    assert len(found) > len(wanted)  # what was durable and not kept came twice
