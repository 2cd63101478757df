"""A server that knows what the shop and a second repository are made of, with advisories of its
own: a package that is exploited, one that comes in by another, one for development alone."""

from __future__ import annotations

import datetime as dt
import io
import json
import os
import time
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import msgspec
import pytest
from examples.history import materialise

from haechi.model.access import Grant, Role
from haechi.server.auth import ensure_admin
from haechi.world.advisories.importing import import_all
from tests.e2e.site import Site
from tests.server.serving import real_world, serving

FRONT = "https://github.com/acme/front"
HIGH = "CVSS:3.1/AV:N/AC:L/PR:H/UI:N/S:U/C:H/I:H/A:H"
WORST = "CVSS:3.1/AV:N/AC:L/PR:N/UI:N/S:U/C:H/I:H/A:H"
LIVE = "GHSA-wwww-xxxx-0001"
"""Ids of this kind belong to nobody: the advisory is made up, about a real package."""


def record(
    id_: str, cve: str, package: str, fixed: str, summary: str, *, vector: str = HIGH
) -> dict[str, Any]:
    """An advisory about a package of npm, or of another ecosystem (``PyPI:psycopg``)."""
    ecosystem, _, name = package.rpartition(":")
    events = [{"introduced": "0"}, *([{"fixed": fixed}] if fixed else [])]
    now = dt.datetime.now(dt.UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    return {
        "id": id_,
        "modified": now,
        "published": "2022-03-18T00:00:00Z",
        "aliases": [cve] if cve else [],
        "summary": summary,
        "severity": [{"type": "CVSS_V3", "score": vector}],
        "affected": [
            {
                "package": {"ecosystem": ecosystem or "npm", "name": name},
                "ranges": [{"type": "SEMVER" if not ecosystem else "ECOSYSTEM", "events": events}],
            }
        ],
    }


RECORDS = (
    ("GHSA-35jh-r3h4-6jhm", "CVE-2021-23337", "lodash", "4.17.21", "Commands in templates run"),
    ("GHSA-29mw-wpgm-hmr9", "CVE-2020-28500", "lodash", "4.17.21", "Trimming takes forever"),
    ("GHSA-hrpp-h998-j3pp", "CVE-2022-24999", "qs", "6.5.3", "A query stops the process"),
    ("GHSA-2j2x-2gpw-g8fm", "CVE-2021-32803", "flat", "5.0.1", "Keys write to the prototype"),
    ("GHSA-vvvv-wwww-0002", "", "left-out", "", "A package that nobody repairs"),
)


def export() -> bytes:
    """All that is known of npm, as OSV's export has it."""
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        for id_, cve, package, fixed, summary in RECORDS:
            vector = WORST if package == "qs" else HIGH
            one = record(id_, cve, package, fixed, summary, vector=vector)
            archive.writestr(f"{id_}.json", json.dumps(one))
    return out.getvalue()


def exploited() -> bytes:
    """A catalogue of what is known to be exploited."""
    one = {"cveID": "CVE-2021-23337", "dateAdded": "2026-10-02"}
    return json.dumps({"catalogVersion": "2026.11.20", "vulnerabilities": [one]}).encode()


def front(where: Path) -> Path:
    """A repository whose lock file tells how each package comes in; it uses one of them."""
    entries: dict[str, Any] = {
        "": {
            "name": "front",
            "version": "2.0.0",
            "dependencies": {"express": "4.16.4", "lodash": "4.17.20", "left-out": "1.0.0"},
            "devDependencies": {"mocha": "8.1.1"},
        },
        "node_modules/express": {
            "version": "4.16.4",
            "license": "MIT",
            "dependencies": {"body-parser": "1.18.3"},
        },
        "node_modules/body-parser": {
            "version": "1.18.3",
            "license": "MIT",
            "dependencies": {"qs": "6.5.2"},
        },
        "node_modules/qs": {"version": "6.5.2", "license": "BSD-3-Clause"},
        "node_modules/lodash": {"version": "4.17.20", "license": "MIT"},
        "node_modules/left-out": {"version": "1.0.0", "license": "MIT"},
        "node_modules/mocha": {
            "version": "8.1.1",
            "dev": True,
            "license": "MIT",
            "dependencies": {"flat": "5.0.0"},
        },
        "node_modules/flat": {"version": "5.0.0", "dev": True, "license": "BSD-3-Clause"},
    }
    head = {"name": "front", "version": "2.0.0", "lockfileVersion": 3, "requires": True}
    (where / "src").mkdir(parents=True)
    (where / "package-lock.json").write_text(json.dumps({**head, "packages": entries}, indent=2))
    (where / "package.json").write_text(json.dumps({**head, **entries[""]}, indent=2))
    (where / "src" / "index.js").write_text('const { template } = require("lodash");\n')
    return where


def imported(site: Site, name: str, body: bytes, covers: str = "") -> None:
    """Send advisories and wait until the server has judged by them."""
    query = f"name={name}" + (f"&covers={covers}" if covers else "")
    asked = site.ask("POST", f"/advisories/import?{query}", body, "application/octet-stream")
    for _ in range(300):
        state = site.ask("GET", f"/advisories/imports/{asked['id']}")["state"]
        status = site.ask("GET", "/advisories/status")
        last = status["reevaluation"]
        if state == "done" and not status["pending"] and last and last["finished"]:
            return
        assert state != "refused", site.ask("GET", f"/advisories/imports/{asked['id']}")
        time.sleep(0.1)
    raise AssertionError(f"{name} was not imported: {state}")


@contextmanager
def working_site(folder: Path) -> Iterator[Site]:
    """A server that does its work beside answering, never pushed to."""
    with real_world(folder / "store") as world, serving(world, jobs=None) as running:
        token = ensure_admin(world.store.state)
        assert token
        site = Site(running=running, shop=folder / "shop", token=token, viewer="")
        body = msgspec.json.encode({"name": "looker", "grants": [Grant(role=Role.VIEWER)]})
        site.viewer = site.ask("POST", "/tokens", body)["secret"]
        yield site


@contextmanager
def packages_site(folder: Path) -> Iterator[Site]:
    """Both repositories pushed, npm known."""
    with working_site(folder) as site, pytest.MonkeyPatch.context() as patch:
        (folder / "npm").mkdir()
        (folder / "npm" / "all.zip").write_bytes(export())
        database = folder / "advisories.db"
        catalogue = folder / "known_exploited_vulnerabilities.json"
        catalogue.write_bytes(exploited())
        assert import_all([str(folder / "npm" / "all.zip"), str(catalogue)], database).complete
        patch.setenv("HAECHI_DB", os.fspath(database))
        materialise(site.shop)
        site.push()
        shop, site.shop = site.shop, front(folder / "front")
        site.push()
        site.shop = shop
        imported(site, catalogue.name, exploited())
        imported(site, "npm/all.zip", export())
        yield site
