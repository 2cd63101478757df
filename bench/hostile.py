"""Terraform and lists of packages that are made to harm: seconds, memory, what is told.

Each case is scanned by a process that may take 2 GB of addresses; it has to end with a gap and exit
code 3, with what stands beside it judged. ``--size N`` makes the inputs N times as large as those
of the tests; ``--case NAME`` (repeatable) takes some.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import NamedTuple

from tests.scan.hostile_deps_terraform import CASES, FOUND, Case, lay_out

_CHILD = """
import os, resource, sys, time
resource.setrlimit(resource.RLIMIT_AS, (2 << 30, 2 << 30))
pid = os.fork()
if not pid:
    os.execv(sys.argv[1], sys.argv[1:])
_, status, usage = os.wait4(pid, 0)
print(os.waitstatus_to_exitcode(status), usage.ru_utime + usage.ru_stime, usage.ru_maxrss / 1024)
"""


class Outcome(NamedTuple):
    """``faults``: what is not as it has to be."""

    code: int
    cpu: float
    memory: float
    faults: list[str]
    gaps: list[str]


def run(case: Case, root: Path, *, size: int = 1, seconds: float = 60) -> Outcome:
    """Scan one case, in a process of limited memory."""
    lay_out(root / "tree", case, size)
    report = root / "report.json"
    scan = [sys.executable, "-m", "haechi", "scan", str(root / "tree"), "--only", "iac,deps"]
    scan += ["--fail-on", "critical", "--format", "json", "-o", str(report)]
    environment = {**os.environ, "XDG_DATA_HOME": str(root)}
    environment.pop("HAECHI_DB", None)
    try:
        done = subprocess.run(
            [sys.executable, "-c", _CHILD, *scan],
            env=environment, capture_output=True, text=True, check=False, timeout=seconds,
        )  # fmt: skip
    except subprocess.TimeoutExpired:
        return Outcome(-1, seconds, 0, [f"does not end in {seconds:g} s"], [])
    code, cpu, memory = done.stdout.split()[-3:]
    if not report.exists():
        lines = done.stderr.strip().splitlines() or ["no report"]
        return Outcome(int(code), float(cpu), float(memory), [lines[-1]], [])
    told = json.loads(report.read_bytes())
    gaps = [gap for gap in told["coverage"]["gaps"] if not gap["accepted"]]
    faults = []
    missing = FOUND - {one["rule"] for one in told["findings"]}
    if missing:
        faults.append(f"the neighbour's {', '.join(sorted(missing))} was not found")
    hit = [gap for gap in gaps if gap["kind"] in case.kinds]
    if case.kinds and not hit:
        faults.append("no gap tells of it")
    if int(code) != (3 if case.kinds else 0):
        faults.append(f"exit code {code}")
    if done.stderr:
        faults.append(f"standard error: {done.stderr[:200]}")
    shown = [f"{gap['kind']} {gap['path']}: {gap['reason']}"[:150] for gap in gaps]
    return Outcome(int(code), float(cpu), float(memory), faults, shown)


def main(argv: list[str]) -> None:
    """A row for each case; exits with 1 when one is not survived."""
    parser = argparse.ArgumentParser(prog="./dev bench hostile", description=__doc__)
    parser.add_argument("--size", type=int, default=1)
    parser.add_argument("--case", action="append", choices=sorted(CASES), default=[])
    parser.add_argument("--gaps", action="store_true", help="print what was told")
    options = parser.parse_args(argv)
    failed = 0
    print(f"{'case':<38}{'exit':>5}{'CPU s':>8}{'MiB':>6}  faults")
    for name in options.case or CASES:
        with tempfile.TemporaryDirectory(prefix="haechi-bench-") as folder:
            out = run(CASES[name], Path(folder), size=options.size)
        failed += bool(out.faults)
        print(f"{name:<38}{out.code:>5}{out.cpu:>8.2f}{out.memory:>6.0f}  {'; '.join(out.faults)}")
        for gap in out.gaps[:4] if options.gaps or out.faults else ():
            print(f"      {gap}")
    print(f"{failed} of {len(options.case or CASES)} cases are not survived as they have to be")
    sys.exit(bool(failed))
