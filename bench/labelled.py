"""Precision and recall of the secret detectors on a labelled set that was not written here.

The set is laid out by ``python -m bench.creddata MIRRORS`` (Samsung CredData and as many of its
repositories as there are mirrors). Repositories are split: one part is for building and fitting
(``bench/fit_secrets.py``), the figures are those of the other.

Counted are lines, as in the set's own published figures: a line with a true label is to be
reported; a report on any other line is false, whether the set labels that line false, doubtful
(X) or not at all. Peers run over the same files in environments of their own.
"""

from __future__ import annotations

import argparse
import csv
import json
import subprocess
import sys
import time
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path

import msgspec

from bench.creddata import HOME
from bench.measure import peer
from haechi.checks.secrets.context import GenericContext
from haechi.checks.secrets.detect import Detector, sources_of
from haechi.engines.patterns.hyperscan import compile_matcher
from haechi.rules.catalogue import load_catalogue

GENERIC = {
    "Key", "Password", "Secret", "Token", "Auth", "API", "Credential", "Salt", "Nonce",
    "SQL Password", "CMD Password", "Dropbox App secret", "Basic Authorization",
    "Bearer Authorization", "CMD Token", "CMD Secret", "OTP / 2FA Secret",
}  # fmt: skip
IDENTIFIERS = {
    "UUID", "AWS S3 Bucket", "Firebase Domain", "AWS Client ID", "Tencent WeChat API App ID",
    "Other", "Google Multi", "Salt", "Nonce", "API",
}  # fmt: skip
Place = tuple[str, int]
"""A file of the set (``REPO/PATH``) and a line."""


class Row(msgspec.Struct, frozen=True):
    """One label."""

    part: str
    repo: str
    path: str
    first: int
    last: int
    truth: str
    start: int
    end: int
    category: str

    @property
    def kinds(self) -> set[str]:
        return set(self.category.split(":"))


class Figures(msgspec.Struct, frozen=True):
    """True lines found and missed; other lines reported, and those of them that bear a label."""

    found: int
    missed: int
    other: int
    labelled: int

    def text(self) -> str:
        strict = rates(self.found, self.missed, self.other)
        mild = rates(self.found, self.missed, self.labelled)
        return (
            f"P {strict[0]:.3f}  R {strict[1]:.3f}  F1 {strict[2]:.3f}"
            f"   F1 on labelled lines {mild[2]:.3f}"
        )


def rates(found: int, missed: int, other: int) -> tuple[float, float, float]:
    """Precision, recall and F1."""
    precision = found / (found + other) if found else 0.0
    recall = found / (found + missed) if found else 0.0
    both = precision + recall
    return precision, recall, 2 * precision * recall / both if both else 0.0


def rows(home: Path, part: str) -> list[Row]:
    """The labels of a part; explains how to make the set when it is not there."""
    path = home / "labels.csv"
    if not path.is_file():
        sys.exit(
            f"there is no labelled set at {home}: mirror Samsung/CredData and repositories that it"
            " labels (bare git directories OWNER+NAME/repo in one folder), then run"
            " python -m bench.creddata FOLDER"
        )
    with path.open(newline="", encoding="utf-8") as stream:
        found = [msgspec.convert(row, Row, strict=False) for row in csv.DictReader(stream)]
    return [row for row in found if row.part == part]


def rows_by_file(home: Path, part: str) -> dict[tuple[str, str], list[Row]]:
    """Labels by repository and path."""
    found: defaultdict[tuple[str, str], list[Row]] = defaultdict(list)
    for row in rows(home, part):
        found[row.repo, row.path].append(row)
    return dict(found)


def file_spans(data: bytes, labels: Iterable[Row]) -> list[tuple[int, int, Row]]:
    """The labels' values as byte offsets; whole lines where the set gives none."""
    starts = [0]
    for line in data.split(b"\n"):
        starts.append(starts[-1] + len(line) + 1)
    found = []
    for row in labels:
        first, last = starts[row.first - 1], starts[row.last - 1]
        begin = first + _bytes(data, first, row.start) if row.start >= 0 else first
        end = last + _bytes(data, last, row.end) if row.end > 0 else starts[row.last] - 1
        found.append((begin, max(end, begin + 1), row))
    return found


def _bytes(data: bytes, line: int, characters: int) -> int:
    text = data[line : line + 4 * characters].decode("utf-8", "replace")
    return len(text[:characters].encode())


def compare(reported: set[Place], labels: Sequence[Row], wanted: Callable[[Row], bool]) -> Figures:
    """Lines of ``wanted`` true labels that are reported, and reports elsewhere.

    Reports on true lines of other categories count neither way.
    """
    true: dict[tuple[str, int, int], bool] = {}
    on_true: set[Place] = set()
    on_label: set[Place] = set()
    for row in labels:
        file = f"{row.repo}/{row.path}"
        lines = {(file, n) for n in range(row.first, row.last + 1)}
        on_label |= lines
        if row.truth == "T":
            on_true |= lines
            if wanted(row):
                true[file, row.first, row.last] = bool(lines & reported)
    other = reported - on_true
    return Figures(
        found=sum(true.values()),
        missed=len(true) - sum(true.values()),
        other=len(other),
        labelled=len(other & on_label),
    )


def haechi(folder: Path, *, specific: bool, tests: bool) -> set[Place]:
    """Lines that our detectors report; ``tests`` counts words in test data, as the set does."""
    rules = [
        rule
        for rule in load_catalogue().rules
        if rule.pattern is not None and (specific or rule.pattern.generic)
    ]
    detector = Detector(rules, compile_matcher(sources_of(rules)), GenericContext(tests=tests))
    found: set[Place] = set()
    for path in sorted(p for p in folder.rglob("*") if p.is_file()):
        name = path.relative_to(folder).as_posix()
        inner = name.split("/", 1)[1]
        for candidate in detector.find(path.read_bytes()):
            if detector.keeps(candidate, inner):
                found.add((name, candidate.line))
    return found


def detect_secrets(folder: Path) -> set[Place]:
    """Lines that detect-secrets reports."""
    program = peer("detect-secrets", "detect-secrets==1.5.0") / "detect-secrets"
    done = subprocess.run(
        [str(program), "scan", "--all-files", "."], cwd=folder, capture_output=True, check=True
    )
    results = json.loads(done.stdout)["results"]
    return {(name, hit["line_number"]) for name, hits in results.items() for hit in hits}


def credsweeper(folder: Path) -> set[Place]:
    """Lines that CredSweeper reports, with its model."""
    program = peer("credsweeper", "credsweeper==1.19.5") / "credsweeper"
    out = folder.parent / f".credsweeper-{folder.name}.json"
    subprocess.run(
        [str(program), "--path", str(folder), "--save-json", str(out), "--jobs", "2"],
        check=True,
        capture_output=True,
    )
    found: set[Place] = set()
    for entry in json.loads(out.read_text()):
        for line in entry["line_data_list"]:
            path = Path(line["path"]).relative_to(folder).as_posix()
            found.add((path, line["line_num"]))
    out.unlink()
    return found


def kingfisher(folder: Path) -> set[Place]:
    """Lines that Kingfisher reports."""
    program = peer("kingfisher", "kingfisher-bin==2.14.0") / "kingfisher"
    command = [str(program), "scan", str(folder), "--format", "jsonl", "--no-validate", "--quiet"]
    done = subprocess.run([*command, "--confidence", "low"], capture_output=True, check=False)
    found: set[Place] = set()
    for text in done.stdout.decode("utf-8", "replace").splitlines():
        if not text.startswith("{"):
            continue
        hit = json.loads(text)
        finding = hit.get("finding", hit)
        if "path" in finding:
            name = Path(finding["path"]).relative_to(folder).as_posix()
            found.add((name, int(finding["line"])))
    return found


PEERS: dict[str, Callable[[Path], set[Place]]] = {
    "detect-secrets 1.5.0": detect_secrets,
    "kingfisher 2.14.0": kingfisher,
    "CredSweeper 1.19.5 *": credsweeper,
}
_NOTE = (
    "* made together with the set: its model learnt from it, its reports were the lines to label"
)


def _table(
    title: str, reports: dict[str, set[Place]], labels: Sequence[Row], wanted: Callable[[Row], bool]
) -> None:
    print(f"\n{title}")
    for name, reported in reports.items():
        print(f"  {name:<28} {compare(reported, labels, wanted).text()}")


def main(argv: list[str]) -> None:
    """Print the figures."""
    parser = argparse.ArgumentParser(prog="bench labelled")
    parser.add_argument("--home", type=Path, default=HOME)
    parser.add_argument("--part", choices=["test", "train"], default="test")
    drawn = "true values drawn anew, as the set's makers do, or as they are"
    parser.add_argument("--values", choices=["data", "raw"], default="data", help=drawn)
    parser.add_argument("--no-peers", action="store_true")
    arguments = parser.parse_args(argv)
    labels = rows(arguments.home, arguments.part)
    folder = arguments.home / arguments.values / arguments.part
    truths = Counter(row.truth for row in labels)
    repos = len({row.repo for row in labels})
    print(f"part {arguments.part}, {arguments.values}: {repos} repositories, {dict(truths)} labels")
    reports: dict[str, set[Place]] = {}
    start = time.process_time()
    reports["haechi, generic family"] = haechi(folder, specific=False, tests=True)
    reports["haechi, all detectors"] = haechi(folder, specific=True, tests=True)
    reports["  without words in test data"] = haechi(folder, specific=True, tests=False)
    print(f"our own three runs: {time.process_time() - start:.1f} CPU seconds")
    if not arguments.no_peers:
        for name, run in PEERS.items():
            reports[name] = run(folder)
    _table("(a) generic categories", reports, labels, lambda row: row.kinds <= GENERIC)
    _table("(b) all but identifiers", reports, labels, lambda row: not row.kinds <= IDENTIFIERS)
    _table("(c) all labels", reports, labels, lambda row: True)
    if not arguments.no_peers:
        print(f"\n{_NOTE}")


if __name__ == "__main__":
    main(sys.argv[1:])
