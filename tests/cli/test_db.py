"""``haechi db``: what people see, and the exit codes."""

from __future__ import annotations

import json
import re
import subprocess
from pathlib import Path

import pytest

from tests.cli.command import Haechi, command, environment
from tests.world.advisories.records import archive, record


@pytest.fixture
def database(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.delenv("HAECHI_DB", raising=False)
    monkeypatch.delenv("OSV_SCANNER_LOCAL_DB_CACHE_DIRECTORY", raising=False)
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "share"))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    return tmp_path / "share/haechi/advisories.db"


def test_import_and_status(haechi: Haechi, tmp_path: Path, database: Path) -> None:
    archive(tmp_path / "osv/PyPI/all.zip", [record("A-1"), record("A-2", withdrawn="2024-01-01")])
    done = haechi("db", "import", tmp_path / "osv")
    assert (done.code, done.err) == (0, "")
    assert "osv/PyPI: 2 advisories" in done.out
    assert "covers PyPI" in done.out
    assert database.is_file()
    told = haechi("db", "status", "--max-age", 100_000)
    assert told.code == 0
    assert [line.split()[:4] for line in told.out.splitlines() if line.startswith("PyPI")] == [
        ["PyPI", "1", "1", "0"]
    ]
    assert "warning" not in told.out


def test_stale_data_is_warned_about_with_its_days(
    haechi: Haechi, tmp_path: Path, database: Path
) -> None:
    path = archive(tmp_path / "PyPI/all.zip", [record(modified="2020-01-01T00:00:00Z")])
    haechi("db", "import", path)
    told = haechi("db", "status")
    assert told.code == 0
    assert re.search(r"warning: PyPI is \d,\d\d\d days old", told.out)
    assert "nothing is known of npm, Go, crates.io" in told.out
    document = json.loads(haechi("db", "status", "--format", "json").out)
    assert document["ecosystems"][0]["stale"] is True
    assert document["ecosystems"][0]["age_days"] > 2000
    assert document["imports"][0]["sha256"]


def test_older_data_over_newer_is_told(haechi: Haechi, tmp_path: Path, database: Path) -> None:
    path = archive(tmp_path / "PyPI/all.zip", [record(modified="2026-11-01T00:00:00Z")])
    haechi("db", "import", path)
    archive(path, [record(modified="2026-10-01T00:00:00Z")])
    told = haechi("db", "import", path)
    assert "older than what it replaces: up to 2026-10-01, before 2026-11-01" in told.out


def test_no_database_says_how_to_make_one(haechi: Haechi, tmp_path: Path, database: Path) -> None:
    (tmp_path / "cache/osv-scanner").mkdir(parents=True)
    told = haechi("db", "status")
    assert told.code == 3
    assert "haechi db import PyPI npm Go" in told.out
    assert str(tmp_path / "cache/osv-scanner") in told.out
    assert json.loads(haechi("db", "status", "--format", "json").out)["exists"] is False
    assert haechi("db", "status", "--db", tmp_path / "none.db").code == 2


def test_an_import_that_left_something_out_says_so(
    haechi: Haechi, tmp_path: Path, database: Path
) -> None:
    raw = {f"bad{number}.json": b"{" for number in range(9)}
    path = archive(tmp_path / "PyPI/all.zip", [record()], raw)
    done = haechi("db", "import", path)
    assert done.code == 3
    assert "incomplete: 9 entries could not be taken" in done.out
    assert "bad0.json" in done.out
    assert "… and 4 more" in done.out
    assert "warning: the import of PyPI was incomplete" in haechi("db", "status").out
    path.write_bytes(path.read_bytes()[:-300])
    cut = haechi("db", "import", path)
    assert cut.code == 3
    assert "refused" in cut.out
    assert "is known still" in cut.out


def test_wrong_use(haechi: Haechi, tmp_path: Path, database: Path) -> None:
    assert haechi("db", "import").code == 2
    nothing = haechi("db", "import", "no-such-thing")
    assert nothing.code == 2
    assert "no ecosystem of OSV" in nothing.out
    assert haechi("db", "import", "http://example.org/PyPI/all.zip").code == 2
    assert not database.exists()
    database.parent.mkdir(parents=True, exist_ok=True)
    database.write_bytes(b"something else")
    broken = haechi("db", "status")
    assert broken.code == 2
    assert "no database" in broken.err


def test_names_of_entries_cannot_speak_to_the_terminal(
    haechi: Haechi, tmp_path: Path, database: Path
) -> None:
    path = archive(tmp_path / "PyPI/all.zip", [record()], {"\x1b[31m::error::x.json": b"{"})
    done = haechi("db", "import", path)
    assert done.code == 3
    assert "\x1b" not in done.out


def test_what_was_imported_can_be_taken_out(haechi: Haechi, tmp_path: Path, database: Path) -> None:
    (tmp_path / "own.json").write_text(json.dumps(record("OWN-1")))
    assert haechi("db", "import", tmp_path / "own.json").code == 0
    assert "single advisories only: not covered" in haechi("db", "status").out
    assert haechi("db", "remove", "files").out == "files: 1 advisory taken out\n"
    assert haechi("db", "remove", "files").code == 2


def test_help_names_it_and_loads_nothing(tmp_path: Path) -> None:
    code = (
        "import sys; sys.argv = ['haechi', 'db', '--help']\n"
        "from haechi.cli.main import main\n"
        "try: main()\n"
        "except SystemExit: pass\n"
        "bad = {'httpx', 'sqlite3', 'cvss', 'yaml', 'haechi.world'} & set(sys.modules)\n"
        "assert not bad, bad\n"
    )
    done = subprocess.run(
        [command()[0], "-c", code], env=environment(), capture_output=True, text=True, check=True
    )
    assert "haechi db import PyPI npm Go" in done.stdout
