"""Run a command and measure it: CPU seconds, wall seconds, peak memory. Not a benchmark."""

from __future__ import annotations

import os
import statistics
import subprocess
import sys
import time
import venv
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True)
class Cost:
    """What a command cost: seconds and MiB. ``code`` is its exit code."""

    cpu: float
    wall: float
    memory: float
    code: int


def measure(command: Sequence[str], *, cwd: Path | None = None, output: Path | None = None) -> Cost:
    """Run once; the figures include the command's own waited-for children."""
    # Installed programs run from compiled files; a machine that forbids writing them would
    # measure the compiler instead.
    environment = {k: v for k, v in os.environ.items() if k != "PYTHONDONTWRITEBYTECODE"}
    start = time.monotonic()
    with (output or Path(os.devnull)).open("wb") as out:
        process = subprocess.Popen(
            command, cwd=cwd, stdout=out, stderr=subprocess.DEVNULL, env=environment
        )
        _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    return Cost(
        cpu=usage.ru_utime + usage.ru_stime,
        wall=time.monotonic() - start,
        memory=usage.ru_maxrss / 1024,
        code=process.returncode,
    )


def median(command: Sequence[str], *, runs: int, cwd: Path | None = None) -> Cost:
    """The median of several runs, figure by figure."""
    costs = [measure(command, cwd=cwd) for _ in range(runs)]
    return Cost(
        cpu=statistics.median(cost.cpu for cost in costs),
        wall=statistics.median(cost.wall for cost in costs),
        memory=statistics.median(cost.memory for cost in costs),
        code=costs[-1].code,
    )


def peer(name: str, requirement: str) -> Path:
    """The folder of programs of a peer, installed in its own environment; made when absent."""
    root = Path(os.environ.get("HAECHI_BENCH_PEERS", Path.home() / ".cache/haechi-bench"))
    home = root / name
    stamp = home / ".requirement"
    if not (stamp.exists() and stamp.read_text() == requirement):
        print(f"installing {requirement} into {home} …", file=sys.stderr)
        venv.create(home, with_pip=True, clear=True)
        pip = [str(home / "bin/python"), "-m", "pip", "install", "-q", requirement]
        subprocess.run(pip, check=True)
        stamp.write_text(requirement)
    return home / "bin"


HAECHI = (sys.executable, "-m", "haechi")
