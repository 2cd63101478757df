"""Hostile input: bounded memory, one clear line each, and everything else judged all the same."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

from tests.scan.hostile import write_hostile_tree

MEBIBYTES = 500
_MEASURED = """
import resource, subprocess, sys
done = subprocess.run(sys.argv[1:], stdout=subprocess.DEVNULL)
print(done.returncode, resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss)
"""
"""A small process in between: Linux counts what a process was before exec, too, so a child of the
test runner would be charged with the runner's memory."""


def test_a_hostile_tree_is_survived_and_said(tmp_path: Path) -> None:
    root = tmp_path / "tree"
    expected = write_hostile_tree(root, files=5_000)
    out = tmp_path / "report.json"
    command = [sys.executable, "-m", "haechi", "scan", str(root), "--fail-on", "critical"]
    environment = {**os.environ, "PYTHONPATH": "src", "XDG_CACHE_HOME": str(tmp_path / "cache")}
    done = subprocess.run(
        [sys.executable, "-c", _MEASURED, *command, "--format", "json", "-o", str(out)],
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.stderr == ""
    code, peak = map(int, done.stdout.split()[-2:])
    report = json.loads(out.read_text())
    gaps = {gap["path"]: gap["kind"] for gap in report["coverage"]["gaps"]}
    assert {path: gaps.get(path) for path in expected} == expected
    assert peak / 1024 < MEBIBYTES
    found = {(f["rule"], f["location"]["path"]) for f in report["findings"]}
    assert ("k8s-privileged", "good.yaml") in found
    assert code == 1  # good.yaml has a critical finding, and 1 wins over 3
