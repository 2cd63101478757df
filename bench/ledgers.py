"""The ledgers that were judged by hand, asked anew: does today's program still answer so?

``./dev bench ledgers deps`` asks a database of advisories (``--database``, else $HAECHI_DB) every
row of docs/spikes/deps-ledger.md; ``./dev bench ledgers terraform`` scans the repositories of
docs/ledger-terraform.md at their commits, out of bare mirrors (``OWNER+NAME/repo`` below
``$HAECHI_BENCH_MIRRORS``, else /work/.mirror): what was judged false has to be gone, the rest
has to be told at the same place. Both read the tables of the documents themselves.
"""

from __future__ import annotations

import argparse
import io
import json
import os
import re
import subprocess
import tarfile
import tempfile
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from bench.measure import HAECHI
from bench.terraform import MIRRORS

DOCS = Path(__file__).resolve().parents[1] / "docs"


def main(argv: list[str]) -> None:
    """Print the rows whose answer is another one, and the sums."""
    parser = argparse.ArgumentParser(prog="./dev bench ledgers", description=__doc__)
    parser.add_argument("ledger", choices=("deps", "terraform"))
    database = os.environ.get("HAECHI_DB")
    parser.add_argument("--database", type=Path, default=Path(database) if database else None)
    options = parser.parse_args(argv)
    if options.ledger == "terraform":
        _terraform()
    elif options.database is None:
        parser.error("name the database: --database FILE, or HAECHI_DB")
    else:
        _dependencies(options.database)


def _rows(path: Path, columns: int) -> Iterator[list[str]]:
    """Rows of tables with so many columns, without heads and rules."""
    for line in path.read_text(encoding="utf-8").splitlines():
        cells = [one.strip() for one in line.strip().strip("|").split("|")]
        if line.startswith("|") and len(cells) == columns and not set(cells[0]) <= set("-# "):
            yield cells


def _dependencies(database: Path) -> None:
    """Every row: the record, a package, a version, the answer that was judged."""
    from haechi.world.advisories.reading import Advisories

    sums: Counter[str] = Counter()
    records = set()
    with Advisories.open(database) as advisories:
        for record, package, version, wanted, text, agrees in _rows(
            DOCS / "spikes/deps-ledger.md", 6
        ):
            if record == "id":
                continue
            records.add(record)
            ecosystem = "Go" if record.startswith("GO-") else "PyPI"
            said = _said(advisories.vulnerabilities(ecosystem, package, version), record)
            sums["same" if said == wanted else "other"] += 1
            sums["agree" if agrees == "yes" else "disagree"] += 1
            if said != wanted:
                print(f"{record} {package} {version}: {said}, judged was {wanted} ({text})")
    print(
        f"{len(records)} records, {sum(sums.values()) // 2} answers: {sums['same']} as judged,"
        f" {sums['other']} others; {sums['agree']} agree with the advisory's words"
    )


def _said(matched: object, record: str) -> str:
    """The answer about one record, among those about the version."""
    from haechi.world.advisories.shapes import Matched

    assert isinstance(matched, Matched)
    if any(record in one.ids for one in matched.undecided):
        return "nobody can tell"
    known = (one for found in matched.vulnerabilities for one in found.ids)
    return "affected" if record in known else "not affected"


class _Place(NamedTuple):
    rule: str
    path: str
    line: int


def _terraform() -> None:
    """Every row: a repository, a place, a rule, the verdict."""
    document = DOCS / "ledger-terraform.md"
    wanted = [row for row in _rows(document, 7) if row[0].isdigit()]
    commits = dict(re.findall(r"([\w.-]+/[\w.-]+)\s+([0-9a-f]{8,10})\b", document.read_text()))
    found: dict[str, set[_Place] | None] = {}
    kept: Counter[str] = Counter()
    all_: Counter[str] = Counter()
    for number, _, repository, place, rule, verdict, why in wanted:
        if repository not in found:
            found[repository] = _scanned(repository, commits[repository])
        told = found[repository]
        if told is None:
            continue
        path, _, line = place.rpartition(":")
        here = _Place(rule, path, int(line)) in told
        kept[verdict] += here
        all_[verdict] += 1
        if here == (verdict == "false"):
            now = "told" if here else "gone"
            print(f"{number} {repository} {place} {rule}: {now} ({verdict}: {why})")
    for verdict, count in all_.items():
        print(f"{verdict}: {kept[verdict]} of {count} are told")


def _scanned(repository: str, commit: str) -> set[_Place] | None:
    git = MIRRORS / repository.replace("/", "+") / "repo"
    if not git.is_dir():
        print(f"{repository}: no mirror at {git}")
        return None
    command = ["git", "-C", str(git), "archive", commit, "--", ".", ":(exclude)*.zip"]
    packed = subprocess.run(command, capture_output=True, check=True).stdout
    with tempfile.TemporaryDirectory(prefix="haechi-bench-") as name:
        folder, report = Path(name, "files"), Path(name, "report.json")
        with tarfile.open(fileobj=io.BytesIO(packed)) as told:
            told.extractall(folder, filter="data")
        scan = ["scan", str(folder), "--only", "iac", "--format", "json", "-o", str(report)]
        done = subprocess.run([*HAECHI, *scan], capture_output=True, check=False)
        if done.returncode not in (0, 1, 3):
            raise SystemExit(f"{repository}: {done.stderr.decode(errors='replace')[-2000:]}")
        findings = json.loads(report.read_bytes())["findings"]
    places = ((one["rule"], one["location"]) for one in findings)
    return {_Place(rule, place["path"], place["line"]) for rule, place in places}
