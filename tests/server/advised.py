"""Repositories with lock files, and advisories for them and for the server."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from haechi.cli.pipeline import Options, run
from haechi.model.push import Push
from haechi.store.records import Life
from haechi.world.advisories.importing import import_all
from tests.cli.packages import LOCK, lock
from tests.server.api.rig import Rig, pushed

OLD, NEW = "2026-10-01T00:00:00Z", "2026-11-10T00:00:00Z"
HIGH = "CVSS:3.1/AV:N/AC:L/PR:N/UI:N/S:U/C:H/I:H/A:H"
MEDIUM = "CVSS:3.1/AV:N/AC:L/PR:N/UI:N/S:U/C:L/I:N/A:N"


def record(
    number: int,
    package: str,
    fixed: str = "2.0.0",
    *,
    modified: str = OLD,
    withdrawn: bool = False,
    ecosystem: str = "npm",
    vector: str = HIGH,
    **more: object,
) -> dict[str, object]:
    """An advisory: everything below ``fixed`` is affected. ``more`` replaces what it says."""
    found: dict[str, object] = {
        "id": f"GHSA-aaaa-bbbb-000{number}",
        "modified": modified,
        "published": OLD,
        "aliases": [f"CVE-2026-000{number}"],
        "summary": f"Fault {number} of {package} does what it should not",
        "severity": [{"type": "CVSS_V3", "score": vector}],
        "affected": [
            {
                "package": {"ecosystem": ecosystem, "name": package},
                "ranges": [{"type": "SEMVER", "events": [{"introduced": "0"}, {"fixed": fixed}]}],
            }
        ],
    }
    if withdrawn:
        found["withdrawn"] = modified
    return {**found, **more}


def written(folder: Path, *records: dict[str, object], day: str = OLD) -> Path:
    """A folder of records; one of them (about a package that nobody has) is of this day."""
    folder.mkdir(parents=True, exist_ok=True)
    for one in (*records, record(9, "nobody-has-it", modified=day)):
        (folder / f"{one['id']}.json").write_text(json.dumps(one))
    return folder


def imported(database: Path, folder: Path, *, whole: bool = True) -> None:
    """Into a database, as all that is known of npm."""
    done = import_all([str(folder)], database, covers=["npm"] if whole else [])
    assert done.complete, done


def repository(where: Path, *packages: tuple[str, str]) -> Path:
    """A repository with a lock file."""
    where.mkdir(parents=True, exist_ok=True)
    (where / ".git").mkdir(exist_ok=True)
    (where / LOCK).write_text(lock(*packages))
    return where


def scanned(
    api: Rig, monkeypatch: pytest.MonkeyPatch, root: Path, database: Path | None, **origin: Any
) -> Push:
    """The push of a scan by this database."""
    if database is None:
        monkeypatch.delenv("HAECHI_DB", raising=False)
        monkeypatch.setenv("XDG_DATA_HOME", str(root / "nothing-here"))
    else:
        monkeypatch.setenv("HAECHI_DB", str(database))
    outcome = run(Options(path=root, only=("deps",), history=False), today=api.clock().date())
    return pushed(outcome, **origin)


def server_knows(
    api: Rig, tmp_path: Path, *records: Any, day: str = NEW, whole: bool = True
) -> None:
    """The server imports an export with these records, and judges again."""
    folder = tmp_path / f"server{len(list(tmp_path.iterdir()))}"
    database = api.world.store.folder.advisories_db
    if whole:
        folder = tmp_path / "export"
        for old in folder.glob("*.json") if folder.exists() else ():
            old.unlink()
    imported(database, written(folder, *records, day=day), whole=whole)
    api.world.advising.reevaluate(api.world)


def open_rules(api: Rig) -> list[str]:
    """What is open about packages, the worst first."""
    return [one.rule for one in api.findings(Life.OPEN, Life.REOPENED, domain=["deps"])]


def exploited(*cves: str, ransomware: str = "Unknown") -> bytes:
    """CISA's catalogue."""
    found = [
        {"cveID": cve, "dateAdded": "2026-11-01", "knownRansomwareCampaignUse": ransomware}
        for cve in cves
    ]
    more = {"cveID": "CVE-2000-0001", "dateAdded": "2026-11-01"}
    head = {"catalogVersion": "2026.11.20", "dateReleased": "2026-11-20T00:00:00Z"}
    return json.dumps({**head, "vulnerabilities": [*found, more]}).encode()


def chances(**scores: float) -> bytes:
    """EPSS scores by the last digit of a CVE of ours: ``_1=0.5``."""
    rows = [f"CVE-2026-000{name[1:]},{score},0.9" for name, score in scores.items()]
    head = "#model_version:v2026.11.01,score_date:2026-11-20T00:00:00+0000"
    return "\n".join((head, "cve,epss,percentile", *rows, "")).encode()


def risk_known(database: Path, folder: Path, content: bytes) -> None:
    """EPSS or KEV into a database."""
    path = folder / ("kev.json" if content.startswith(b"{") else "epss.csv")
    path.write_bytes(content)
    done = import_all([str(path)], database)
    assert done.complete, done
