"""Terraform and lists of packages that are made to harm: told, bounded, and no harm to others.

All at once, in one process of limited memory: what one case takes must not be missing to another
one. ``./dev bench hostile`` runs them one by one, and larger.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from tests.scan.hostile_deps_terraform import DEPENDENCIES, FOUND, TERRAFORM, Case, lay_out

MEBIBYTES = 600
_SLOW = {"bill-of-600000", "lock-of-a-million", "circle-of-packages"}
"""Seconds each: for the bench."""
_MORE = re.compile(r"\(and in (\d+) more places\)")
_MEASURED = """
import resource, subprocess, sys
resource.setrlimit(resource.RLIMIT_AS, (2 << 30, 2 << 30))
done = subprocess.run(sys.argv[1:], stdout=subprocess.DEVNULL)
print(done.returncode, resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss)
"""


@pytest.mark.parametrize("cases", [TERRAFORM, DEPENDENCIES], ids=["terraform", "dependencies"])
def test_input_made_to_harm_is_told_and_its_neighbours_are_judged(
    cases: Mapping[str, Case], tmp_path: Path
) -> None:
    root = tmp_path / "tree"
    kept = {name: case for name, case in cases.items() if name not in _SLOW}
    for name, case in kept.items():
        lay_out(tmp_path / name, case)
        (tmp_path / name / "bad").rename(_below(root, f"bad/{name}"))
    first = next(iter(kept))
    for part in ("good", "own", "haechi.yaml"):
        shutil.move(tmp_path / first / part, root / part)
    bills = ", sboms: [bad/deep-bill/bom.cdx.json]" if "deep-bill" in kept else ""
    config = (root / "haechi.yaml").read_text()
    (root / "haechi.yaml").write_text(config.replace("[own]", "[own]" + bills, 1))
    told, code, peak = _scan(root, tmp_path)
    gaps = [(gap["kind"], gap["path"]) for gap in told["coverage"]["gaps"]]
    untold = {
        name
        for name, case in kept.items()
        if case.kinds and not any(k in case.kinds and p.startswith(f"bad/{name}/") for k, p in gaps)
    }
    assert len(untold) <= _told_with_others(told)
    assert {
        one["rule"] for one in told["findings"] if one["location"]["path"].startswith("good/")
    } >= FOUND
    assert code == 3
    assert peak < MEBIBYTES


def _told_with_others(told: Mapping[str, Any]) -> int:
    """What is the same in several places is told at the first one."""
    more = (_MORE.search(gap["reason"]) for gap in told["coverage"]["gaps"])
    return sum(int(found[1]) for found in more if found is not None)


def _below(root: Path, path: str) -> Path:
    target = root / path
    target.parent.mkdir(parents=True, exist_ok=True)
    return target


def _scan(root: Path, scratch: Path) -> tuple[dict[str, Any], int, float]:
    report = scratch / "report.json"
    command = [sys.executable, "-m", "haechi", "scan", str(root), "--only", "iac,deps"]
    command += ["--fail-on", "critical", "--format", "json", "-o", str(report)]
    environment = {**os.environ, "PYTHONPATH": "src", "XDG_DATA_HOME": str(scratch)}
    environment.pop("HAECHI_DB", None)
    done = subprocess.run(
        [sys.executable, "-c", _MEASURED, *command],
        env=environment, capture_output=True, text=True, check=False, timeout=120,
    )  # fmt: skip
    assert done.stderr == ""
    code, kibibytes = done.stdout.split()[-2:]
    return json.loads(report.read_bytes()), int(code), int(kibibytes) / 1024
