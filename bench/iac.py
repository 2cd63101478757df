"""haechi and Checkov on the same Kubernetes files and Dockerfiles: CPU seconds, peak memory.

The default corpus is every example of every rule, written out as files: it is in each clone.
``--corpus DIR`` (repeatable) measures other folders instead, such as public repositories.
"""

from __future__ import annotations

import argparse
import json
import os
import tempfile
from pathlib import Path

from bench.measure import HAECHI, Cost, measure, median, peer
from haechi.rules.catalogue import load_catalogue

CHECKOV = "checkov==3.3.30"


def main(argv: list[str]) -> None:
    """Print one row a tool and corpus, and the ratio."""
    parser = argparse.ArgumentParser(prog="./dev bench iac", description=__doc__)
    parser.add_argument("--corpus", action="append", type=Path, default=[])
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--no-peer", action="store_true", help="haechi alone")
    options = parser.parse_args(argv)
    with tempfile.TemporaryDirectory(prefix="haechi-bench-") as name:
        corpora = options.corpus or [write_examples(Path(name) / "examples")]
        print(f"load average {os.getloadavg()[0]:.1f}; median of {options.runs} runs")
        print(f"{'corpus':<22} {'tool':<10} {'CPU s':>7} {'wall s':>7} {'MiB':>6}  result")
        for corpus in corpora:
            compare(corpus.resolve(), options.runs, not options.no_peer, Path(name))


def compare(corpus: Path, runs: int, with_peer: bool, scratch: Path) -> None:
    """Measure both tools on one folder."""
    report = scratch / "report.json"
    ours = [*HAECHI, "scan", str(corpus), "--only", "iac", "--format", "json", "-o", str(report)]
    first = measure(ours)  # compiles the rule cache, as a second run on any machine finds it
    if first.code not in (0, 1, 3):
        raise SystemExit(f"haechi failed on {corpus} with exit code {first.code}")
    cost = median(ours, runs=runs)
    found = json.loads(report.read_text())
    looked = ", ".join(f"{n} {what}" for what, n in found["coverage"]["looked"].items())
    _row(corpus, "haechi", cost, f"{len(found['findings'])} findings; {looked}")
    if not with_peer:
        return
    theirs = [
        str(peer("checkov", CHECKOV) / "checkov"),
        *("--skip-download", "--quiet", "--compact", "-o", "json"),
        *("--framework", "kubernetes", "dockerfile", "-d", str(corpus)),
    ]
    out = scratch / "checkov.json"
    measure(theirs, output=out)
    cost_of_peer = median(theirs, runs=runs)
    _row(corpus, "checkov", cost_of_peer, _checkov_result(out))
    print(f"{'':<22} ratio      {cost_of_peer.cpu / cost.cpu:7.1f}x less CPU")


def _row(corpus: Path, tool: str, cost: Cost, result: str) -> None:
    figures = f"{cost.cpu:7.2f} {cost.wall:7.2f} {cost.memory:6.0f}"
    print(f"{corpus.name[:22]:<22} {tool:<10} {figures}  {result}", flush=True)


def _checkov_result(out: Path) -> str:
    data = json.loads(out.read_text() or "[]")
    parts = data if isinstance(data, list) else [data]
    total: dict[str, int] = {}
    for part in parts:
        for key in ("failed", "passed", "parsing_errors"):
            total[key] = total.get(key, 0) + int(part.get("summary", {}).get(key, 0))
    return ", ".join(f"{number} {key}" for key, number in total.items())


def write_examples(target: Path) -> Path:
    """Every example of every rule as a file of its own."""
    for rule in load_catalogue().rules:
        for kind, examples in (("bad", rule.bad), ("good", rule.good)):
            for number, text in enumerate(examples):
                folder = target / rule.id / f"{kind}-{number}"
                folder.mkdir(parents=True)
                docker = rule.applies_to.kinds == ["dockerfile"]
                (folder / ("Dockerfile" if docker else "example.yaml")).write_text(text)
    return target
