"""A small project with a lock file and an advisory of its own."""

from __future__ import annotations

import json
from pathlib import Path

LOCK = "package-lock.json"
BAD, ALSO_BAD = "EXAMPLE-2026-0001", "EXAMPLE-2026-0002"


def advisory(id_: str, package: str, fixed: str) -> dict[str, object]:
    return {
        "id": id_,
        "modified": "2026-01-01T00:00:00Z",
        "published": "2026-01-01T00:00:00Z",
        "aliases": [id_.replace("EXAMPLE", "CVE")],
        "summary": "It does what it should not",
        "severity": [{"type": "CVSS_V3", "score": "CVSS:3.1/AV:N/AC:L/PR:N/UI:N/S:U/C:H/I:H/A:H"}],
        "affected": [
            {
                "package": {"ecosystem": "npm", "name": package},
                "ranges": [{"type": "SEMVER", "events": [{"introduced": "0"}, {"fixed": fixed}]}],
            }
        ],
    }


def lock(*packages: tuple[str, str]) -> str:
    """package-lock.json of version 3; each package is asked for by the project."""
    entries: dict[str, object] = {
        "": {"name": "shop", "version": "1.4.0", "dependencies": dict(packages)}
    }
    for name, version in packages:
        entries[f"node_modules/{name}"] = {"version": version, "license": "MIT"}
    head = {"name": "shop", "version": "1.4.0", "lockfileVersion": 3, "requires": True}
    return json.dumps({**head, "packages": entries}, indent=2)


def project(where: Path, **more: str) -> None:
    """Lay the project out; ``more`` are further lines of haechi.yaml under ``deps``."""
    (where / "advisories").mkdir()
    for id_, package in ((BAD, "left"), (ALSO_BAD, "right")):
        text = json.dumps(advisory(id_, package, "2.0.0"))
        (where / "advisories" / f"{id_}.json").write_text(text)
    (where / LOCK).write_text(lock(("left", "1.0.0"), ("right", "1.0.0")))
    configure(where, **more)


def configure(where: Path, **more: str) -> None:
    lines = ["deps:", "  advisories: [advisories]"]
    lines += [f"  {key}: {value}" for key, value in more.items()]
    (where / "haechi.yaml").write_text("\n".join(lines) + "\n")
