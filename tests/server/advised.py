"""Repositories with lock files, and advisories for them and for the server."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from haechi.cli.pipeline import Options, run
from haechi.model.push import Push
from haechi.world.advisories.importing import import_all
from tests.cli.packages import LOCK, lock
from tests.server.api.rig import Rig, pushed

OLD, NEW = "2026-10-01T00:00:00Z", "2026-11-10T00:00:00Z"


def record(
    number: int,
    package: str,
    fixed: str = "2.0.0",
    *,
    modified: str = OLD,
    withdrawn: bool = False,
    ecosystem: str = "npm",
) -> dict[str, object]:
    """An advisory: everything below ``fixed`` is affected."""
    found: dict[str, object] = {
        "id": f"GHSA-aaaa-bbbb-000{number}",
        "modified": modified,
        "published": OLD,
        "aliases": [f"CVE-2026-000{number}"],
        "summary": f"Fault {number} of {package} does what it should not",
        "severity": [{"type": "CVSS_V3", "score": "CVSS:3.1/AV:N/AC:L/PR:N/UI:N/S:U/C:H/I:H/A:H"}],
        "affected": [
            {
                "package": {"ecosystem": ecosystem, "name": package},
                "ranges": [{"type": "SEMVER", "events": [{"introduced": "0"}, {"fixed": fixed}]}],
            }
        ],
    }
    if withdrawn:
        found["withdrawn"] = modified
    return found


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
