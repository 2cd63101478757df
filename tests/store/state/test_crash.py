"""``kill -9`` while it writes: what was acknowledged is there, and the log has it once."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from haechi.store.records import FindingFilter, Life
from haechi.store.store import Store
from tests.store.state.made import ALL, TODAY

WRITER = """
import itertools, sys
from pathlib import Path
from haechi.store.store import Store
from tests.store.state.made import found, push, receive

store = Store.open(Path(sys.argv[1]))
round_ = sys.argv[2]
for n in itertools.count():
    items = [found(f"{round_}-{n}-{i}") for i in range(5)]
    run = receive(store.state, push(items, folder=f"{round_}-{n}"))
    print(run.id, flush=True)
"""
ROUNDS = 3


@pytest.mark.parametrize("after", [7])
def test_nothing_acknowledged_is_lost(tmp_path: Path, after: int) -> None:
    told: list[str] = []
    root = Path(__file__).parents[3]
    paths = os.pathsep.join(str(path) for path in (root, root / "src"))
    for number in range(ROUNDS):
        child = subprocess.Popen(
            [sys.executable, "-c", WRITER, str(tmp_path / "store"), str(number)],
            stdout=subprocess.PIPE,
            text=True,
            env={**os.environ, "PYTHONPATH": paths},
        )
        assert child.stdout is not None
        with child.stdout as lines:
            told += [lines.readline().strip() for _ in range(after)]
            child.send_signal(signal.SIGKILL)
            told += [line.strip() for line in lines if line.endswith("\n")]
        child.wait()
    assert len(told) >= ROUNDS * after
    assert all(told)
    store = Store.open(tmp_path / "store")
    runs = {run.id for run in store.state.scans.page(within=ALL, limit=500).items}
    assert set(told) <= runs
    every = FindingFilter(state=list(Life))
    findings = list(store.state.findings.each(every, within=ALL, today=TODAY))
    assert len(findings) == 5 * len(runs)
    logged = [row.object for row in store.audit.rows(limit=10_000, action="scan.push")]
    assert sorted(logged) == sorted(runs)
    store.close()
