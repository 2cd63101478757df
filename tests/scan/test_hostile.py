"""Hostile input: bounded memory, one clear line each, and everything else judged all the same."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

from tests.scan.hostile import write_hostile_tree

MEBIBYTES = 500


def test_a_hostile_tree_is_survived_and_said(tmp_path: Path) -> None:
    root = tmp_path / "tree"
    expected = write_hostile_tree(root, files=5_000)
    out = tmp_path / "report.json"
    command = [sys.executable, "-m", "haechi", "scan", str(root), "--fail-on", "critical"]
    environment = {**os.environ, "PYTHONPATH": "src", "XDG_CACHE_HOME": str(tmp_path / "cache")}
    process = subprocess.Popen(
        [*command, "--format", "json", "-o", str(out)],
        env=environment,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
    )
    assert process.stderr is not None
    errors = process.stderr.read()
    process.stderr.close()
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    assert errors == b""
    report = json.loads(out.read_text())
    gaps = {gap["path"]: gap["kind"] for gap in report["coverage"]["gaps"]}
    assert {path: gaps.get(path) for path in expected} == expected
    assert usage.ru_maxrss / 1024 < MEBIBYTES
    found = {(f["rule"], f["location"]["path"]) for f in report["findings"]}
    assert ("k8s-privileged", "good.yaml") in found
    assert process.returncode == 1  # good.yaml has a critical finding, and 1 wins over 3
