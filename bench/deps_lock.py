"""Lock files of 10,000 packages, end to end by the command: the section ``deps lock``.

Every format is measured twice over: with names that no advisory knows, and with an eighth of its
names drawn from the real database (where it has that ecosystem), so that findings are made.
"""

from __future__ import annotations

import json
import os
import random
import re
import sqlite3
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from unittest.mock import patch

from bench import deps_files, deps_more_files
from bench.measure import HAECHI, Cost, measure

PACKAGES = 10_000
BAR = 2.0
_SHARE = 8
_ECOSYSTEM = {
    "uv.lock": "PyPI", "poetry.lock": "PyPI", "requirements.txt": "PyPI", "Pipfile.lock": "PyPI",
    "go.mod": "Go",
}  # fmt: skip
_NAME = re.compile(rb"(?:github\.com/owner/)?\bpackage-(\d+)\b")


def bench_lock(data: Path) -> None:
    """A row for each format: CPU seconds, wall, peak memory, packages, findings."""
    from haechi.world.advisories.importing import import_all

    if not data.is_dir():
        print(f"lock: no advisory data at {data}")
        return
    makers = {**deps_files.FORMATS, **deps_more_files.FORMATS}
    print(f"lock: {PACKAGES:,} packages; load average {os.getloadavg()[0]:.1f}; bar: < {BAR:g} s")
    print(f"  {'format':<20} {'names':<8} {'CPU s':>6} {'wall s':>7} {'MiB':>5} {'KB':>6}  result")
    with tempfile.TemporaryDirectory(prefix="haechi-bench-") as name:
        root = Path(name)
        database = root / "advisories.db"
        import_all([str(data)], database)
        names = _names(database)
        with patch.dict(os.environ, {"HAECHI_DB": str(database)}):
            for format, make in makers.items():
                lock = make(PACKAGES)
                _row(root, format, "unknown", lock)
                known = names.get(_ECOSYSTEM.get(format, ""))
                if known:
                    _row(root, format, "known", _with_known(lock, known))


def _names(database: Path) -> Mapping[str, Sequence[bytes]]:
    with sqlite3.connect(f"file:{database}?mode=ro&immutable=1", uri=True) as connection:
        rows = connection.execute("SELECT ecosystem, name FROM packages ORDER BY 1, 2").fetchall()
    connection.close()
    found: dict[str, list[bytes]] = {}
    for ecosystem, name in rows:
        if re.fullmatch(r"[\w./-]+", name) and not name.startswith("package-"):
            found.setdefault(ecosystem, []).append(name.encode())
    return found


def _with_known(lock: bytes, names: Sequence[bytes]) -> bytes:
    """Every eighth name is one that the database knows."""
    drawn = random.Random(8).sample(names, min(len(names), PACKAGES // _SHARE))  # noqa: S311

    def name(match: re.Match[bytes]) -> bytes:
        number = int(match[1])
        place = number // _SHARE
        return drawn[place] if number % _SHARE == 0 and place < len(drawn) else match[0]

    return _NAME.sub(name, lock)


def _row(root: Path, format: str, names: str, lock: bytes) -> None:
    folder = root / f"{format} {names}"
    folder.mkdir()
    (folder / format.split(" ")[0]).write_bytes(lock)
    report = root / "report.json"
    command = [*HAECHI, "scan", str(folder), "--only", "deps", "--format", "json"]
    cost = _cost([*command, "-o", str(report)])
    told = json.loads(report.read_bytes())
    packages = told["coverage"]["looked"]["packages"]
    result = f"{packages:,} packages, {len(told['findings']):,} findings, exit {cost.code}"
    over = "" if cost.cpu < BAR else "  OVER"
    print(
        f"  {format:<20} {names:<8} {cost.cpu:6.2f} {cost.wall:7.2f} {cost.memory:5.0f}"
        f" {len(lock) >> 10:6,}  {result}{over}",
        flush=True,
    )


def _cost(command: Sequence[str]) -> Cost:
    """The median of three runs after one that does not count."""
    first = measure(command)
    if first.code not in (0, 1, 3):
        raise SystemExit(f"haechi failed with exit code {first.code}: {' '.join(command)}")
    return sorted((measure(command) for _ in range(3)), key=lambda one: one.cpu)[1]
