"""Hits per 10 MB of clean public trees, by family and rule, with the place of each; no values.

Trees are Django's source distribution and a snapshot of istio/istio (from ``--mirrors``), or the
folders that are given. What the hits are stands in ``docs/ledger-secrets.md``.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import tempfile
from collections import Counter
from pathlib import Path

from bench.measure import HAECHI
from bench.secrets import HOME, MIRRORS, django, size_of
from haechi.rules.catalogue import load_catalogue

ISTIO = "https://github.com/istio/istio"


def main(argv: list[str]) -> None:
    """Print the figures of each tree."""
    parser = argparse.ArgumentParser(prog="./dev bench clean", description=__doc__)
    parser.add_argument("folders", nargs="*", type=Path)
    parser.add_argument("--places", action="store_true", help="each hit's file and line")
    options = parser.parse_args(argv)
    generic = {r.id for r in load_catalogue().rules if r.pattern is not None and r.pattern.generic}
    for folder in options.folders or [django(), istio()]:
        _tree(folder.resolve(), generic, places=options.places)


def istio() -> Path:
    """The newest snapshot's files, without history."""
    home = HOME / "istio"
    mirror = MIRRORS / "istio+istio/repo"
    if not home.is_dir():
        if not mirror.is_dir():
            raise SystemExit(f"no tree; get one: git clone --depth 1 {ISTIO} {home}")
        home.mkdir(parents=True)
        packed = subprocess.Popen(
            ["git", "-C", str(mirror), "archive", "HEAD"], stdout=subprocess.PIPE
        )
        subprocess.run(["tar", "-x", "-C", str(home)], stdin=packed.stdout, check=True)
    return home


def _tree(folder: Path, generic: set[str], *, places: bool) -> None:
    with tempfile.TemporaryDirectory(prefix="haechi-bench-") as name:
        report = Path(name) / "report.json"
        scan = ["scan", str(folder), "--only", "secrets", "--no-history"]
        done = subprocess.run(
            [*HAECHI, *scan, "--format", "json", "-o", str(report)],
            capture_output=True,
            check=False,
        )
        if done.returncode not in (0, 1, 3):
            raise SystemExit(f"haechi failed on {folder} with exit code {done.returncode}")
        findings = json.loads(report.read_text())["findings"]
    size = size_of(folder) / 1e6
    rules = Counter(finding["rule"] for finding in findings)
    loose = sum(count for rule, count in rules.items() if rule in generic)
    print(
        f"{folder.name}: {size:.1f} MB, {len(findings)} hits ({len(findings) / size * 10:.1f} per"
        f" 10 MB): {len(findings) - loose} specific, {loose} generic"
    )
    for rule, count in rules.most_common():
        print(f"  {count:>4} {rule}")
        for finding in findings if places else ():
            if finding["rule"] == rule:
                print(f"       {finding['location']['path']}:{finding['location']['line']}")
