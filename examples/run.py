"""What ``./dev run`` does: make the sample shop as a repository, scan it, say what came out.

The scan runs as the installed command would, in a process of its own, so what is printed here
is what a pipeline sees. The shop has planted faults, so the gate is expected to block; this
program succeeds when the job ran, whatever the gate said.
"""

from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path

from examples.history import HistoryError, materialise

ROOT = Path(__file__).resolve().parents[1]
BUILD = ROOT / "build"
REPORTS = {"html": "report.html", "json": "report.json", "sarif": "report.sarif"}
_RAN = frozenset({0, 1, 3})  # clean, blocked by the gate, or with gaps; 2 is wrong use
_VERDICTS = {
    0: "the gate passes",
    1: "the gate blocks, as it should: the shop's faults were planted",
    3: "nothing blocks, but part of the shop was not evaluated",
}


def main() -> int:
    """Exit code 0 when the job ran, 2 when it could not."""
    started = time.perf_counter()
    shop = BUILD / "shop"
    try:
        materialise(shop)
    except HistoryError as error:
        print(f"run: {error}", file=sys.stderr)
        return 2
    made = time.perf_counter()
    code = scan(shop)
    ended = time.perf_counter()
    # An interpreter that dies of an exception ends with 1, too; only a report proves a run.
    if code not in _RAN or not all((BUILD / name).is_file() for name in REPORTS.values()):
        print(f"run: haechi failed with exit code {code}", file=sys.stderr)
        return 2
    print(f"\nhaechi's exit code is {code}: {_VERDICTS[code]}.")
    for name in REPORTS.values():
        print(f"  {(BUILD / name).relative_to(ROOT)}")
    print(f"Scanned in {ended - made:.2f} s, everything in {ended - started:.2f} s.")
    return 0


def scan(shop: Path) -> int:
    """``haechi scan`` on the shop with a report in each format; returns its exit code."""
    command = [sys.executable, "-m", "haechi", "scan", str(shop.relative_to(ROOT)), "--summary"]
    for form, name in REPORTS.items():
        report = BUILD / name
        # A report of an earlier run must not pass for one of this run.
        report.unlink(missing_ok=True)
        command += ["--format", form, "-o", str(report.relative_to(ROOT))]
    print("$ haechi " + " ".join(command[3:]), flush=True)
    path = os.pathsep.join(filter(None, (str(ROOT / "src"), os.environ.get("PYTHONPATH"))))
    return subprocess.run(
        command, cwd=ROOT, env=os.environ | {"PYTHONPATH": path}, check=False
    ).returncode


if __name__ == "__main__":
    sys.exit(main())
