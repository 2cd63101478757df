"""What one source of packages says is nothing about those of another: pushes of folders, SBOMs
that were sent, and databases that do not know what an older one knew."""

from __future__ import annotations

import datetime as dt
import json
from pathlib import Path
from typing import Any

import pytest

from haechi.model.access import Role
from haechi.model.bill import Bill, BilledGap
from haechi.model.location import Location
from haechi.model.package import Package, PackageFile
from haechi.server.shapes import FindingPatch
from haechi.server.shapes_dependencies import ProposalDismissal
from haechi.server.work.bills_merged import Rest
from haechi.store.dependency_records import ProposalState
from haechi.store.records import Life
from haechi.world.advisories.importing import import_all
from tests.cli.packages import LOCK, lock
from tests.server.advised import (
    NEW,
    OLD,
    imported,
    open_rules,
    record,
    scanned,
    server_knows,
    written,
)
from tests.server.api.rig import Rig, principal

CVE1, CVE2 = "CVE-2026-0001", "CVE-2026-0002"
SHOP: Any = {"repository": "https://github.com/acme/shop", "name": "vendor"}
NEWER = "2026-11-18T00:00:00Z"


def document(*packages: str, version: str = "1.0.0") -> bytes:
    """An SBOM of somebody else's."""
    components = [
        {"type": "library", "name": one, "version": version, "purl": f"pkg:npm/{one}@{version}"}
        for one in packages
    ]
    head = {"bomFormat": "CycloneDX", "specVersion": "1.6", "version": 1}
    return json.dumps({**head, "components": components}).encode()


def proposed(api: Rig, *states: ProposalState) -> dict[str, ProposalState]:
    """Packages with a proposal, by file and name."""
    page = api.call("proposals.list", state=list(states or ProposalState), limit=50)
    return {f"{one.path} {one.package}": one.state for one in page.items}


def folder_push(
    api: Rig, patch: pytest.MonkeyPatch, root: Path, folder: str, database: Path
) -> dict[str, int]:
    """A push of one folder of a repository."""
    return api.push(scanned(api, patch, root / folder, database))


def test_a_push_does_not_end_proposals_of_an_sbom_that_was_sent(
    api: Rig, shop: Path, client: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    api.push(scanned(api, monkeypatch, shop, client))
    server_knows(api, tmp_path, record(1, "vended"))
    api.call("sboms.send", document("vended"), **SHOP)
    assert proposed(api) == {"sbom:vendor vended": ProposalState.OPEN}
    api.push(scanned(api, monkeypatch, shop, client))
    assert proposed(api) == {"sbom:vendor vended": ProposalState.OPEN}


def test_while_the_database_is_damaged_a_push_ends_no_proposal(
    api: Rig, shop: Path, client: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    api.push(scanned(api, monkeypatch, shop, client))
    server_knows(api, tmp_path, record(1, "left"), record(2, "right"))
    (first, _) = api.call("proposals.list").items
    api.call(
        "proposals.dismiss", ProposalDismissal(reason="we replace it"), params={"id": first.id}
    )
    before = proposed(api)
    assert sorted(before.values()) == [ProposalState.DISMISSED, ProposalState.OPEN]
    database = api.world.store.folder.advisories_db
    good = database.read_bytes()
    database.unlink()
    database.write_bytes(good[:5000] + b"no longer" + good[5009:])
    api.push(scanned(api, monkeypatch, shop, client))
    assert proposed(api) == before


def test_a_new_database_closes_nothing_of_ecosystems_that_it_does_not_know(
    api: Rig, shop: Path, client: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    api.push(scanned(api, monkeypatch, shop, client))
    server_knows(api, tmp_path, record(1, "left"))
    api.call("sboms.send", document("left"), **SHOP)
    assert open_rules(api) == [CVE1, CVE1]
    database = api.world.store.folder.advisories_db
    database.unlink()
    other = record(2, "django", ecosystem="PyPI")
    pypi = tmp_path / "pypi"
    pypi.mkdir()
    (pypi / "one.json").write_text(json.dumps(other))
    assert import_all([str(pypi)], database, covers=["PyPI"]).complete
    api.world.advising.reevaluate(api.world)
    assert open_rules(api) == [CVE1, CVE1]
    assert set(proposed(api).values()) == {ProposalState.OPEN}
    answer = api.call("sboms.send", document("left"), **SHOP)
    assert (answer.changes.get("fixed", 0), open_rules(api)) == (0, [CVE1, CVE1])
    answer = api.call("sboms.send", document("right"), **SHOP)
    assert (answer.changes["fixed"], open_rules(api)) == (1, [CVE1])


def test_what_cannot_be_decided_of_an_sbom_sent_again_is_not_closed(
    api: Rig, tmp_path: Path
) -> None:
    server_knows(api, tmp_path, record(1, "left"))
    api.call("sboms.send", document("left"), **SHOP)
    answer = api.call("sboms.send", document("left", version="no version"), **SHOP)
    assert (answer.changes.get("fixed", 0), open_rules(api)) == (0, [CVE1])
    answer = api.call("sboms.send", document("left", version="2.0.0"), **SHOP)
    assert (answer.changes["fixed"], open_rules(api)) == (1, [])


@pytest.fixture
def monorepo(tmp_path: Path) -> Path:
    root = tmp_path / "mono"
    (root / ".git").mkdir(parents=True)
    (root / "CODEOWNERS").write_text("/a/ @team-a\n/b/ @team-b\n")
    for name, package in (("a", "left"), ("b", "right")):
        (root / name).mkdir()
        (root / name / LOCK).write_text(lock((package, "1.0.0")))
    return root


def test_a_push_of_a_folder_does_not_say_that_the_others_were_judged(
    api: Rig, monorepo: Path, client: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    server_knows(api, tmp_path)
    folder_push(api, monkeypatch, monorepo, ".", client)
    folder = written(tmp_path / "export", record(1, "left"), record(2, "right"), day=NEW)
    imported(api.world.store.folder.advisories_db, folder)
    folder_push(api, monkeypatch, monorepo, "a", client)
    assert open_rules(api) == [CVE1]
    api.world.advising.reevaluate(api.world)
    assert open_rules(api) == [CVE1, CVE2]


def test_facts_of_the_rest_stay_with_its_files() -> None:
    def there(path: str, *ecosystems: str) -> PackageFile:
        packages = tuple(
            Package(ecosystem=one, name="x", version="1", location=Location(path=path, line=1))
            for one in ecosystems
        )
        return PackageFile(path=path, format="f", ecosystem=ecosystems[0], packages=packages)

    day, later = dt.date(2026, 10, 1), dt.date(2026, 11, 1)
    files = [there("a/lock", "npm"), there("b/lock", "npm", "PyPI", "Go")]
    before = Bill(
        data={"npm": day, "PyPI": day},
        own=("OWN-1",),
        owners={"a/lock": "@old", "b/lock": "@b"},
        missing=(BilledGap(path="a/x", reason="gone"), BilledGap(path="b/x:3", reason="broken")),
    )
    pushed = Bill(data={"npm": later, "Go": later}, owners={"a/lock": "@a"}, own=("OWN-2",))
    rest = Rest(before, files, "a")
    mine = [there("a/lock", "npm", "Go")]
    assert [file.path for file in rest.with_pushed([*mine, there("c/lock", "npm")])] == [
        "b/lock",
        "a/lock",
    ]
    facts = rest.facts(pushed, mine)
    assert facts.data == {"npm": day, "PyPI": day}
    assert facts.owners == {"a/lock": "@a", "b/lock": "@b"}
    assert [one.path for one in facts.missing] == ["b/x:3"]
    assert set(facts.own) == {"OWN-1", "OWN-2"}
    assert Rest(before, files[:1], "a").facts(pushed, mine) == pushed


def test_a_newer_run_of_one_folder_says_nothing_of_the_others(
    api: Rig, monorepo: Path, client: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder_push(api, monkeypatch, monorepo, ".", client)
    ahead = tmp_path / "ahead.db"
    imported(ahead, written(tmp_path / "ahead", day=NEWER))
    folder_push(api, monkeypatch, monorepo, "a", ahead)
    server_knows(api, tmp_path, record(2, "right", modified=OLD), day=NEW)
    assert open_rules(api) == [CVE2]


@pytest.mark.parametrize("by", ["import", "push"])
def test_what_a_person_set_goes_over_when_an_alias_comes_later(
    api: Rig, shop: Path, client: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, by: str
) -> None:
    api.push(scanned(api, monkeypatch, shop, client))
    alone = record(1, "left", id="GHSA-cccc-dddd-0003", aliases=[])
    server_knows(api, tmp_path, alone, record(2, "right"))
    (found,) = (one for one in api.findings(Life.OPEN) if one.rule.startswith("GHSA"))
    due = dt.date(2027, 1, 31)
    api.call("findings.tend", FindingPatch(owner="ana", due=due), params={"id": found.id})
    joined = {**alone, "aliases": [CVE1], "modified": NEWER}
    if by == "import":
        server_knows(api, tmp_path, joined, record(2, "right"), day=NEWER)
    else:
        newer = tmp_path / "newer.db"
        imported(newer, written(tmp_path / "newer", joined, record(2, "right"), day=NEWER))
        api.push(scanned(api, monkeypatch, shop, newer))
    first, second = api.findings(Life.OPEN)
    assert (first.rule, first.owner, first.due) == (CVE1, "ana", due)
    assert (second.rule, second.owner) == (CVE2, None)
    history = api.call("findings.show", params={"id": first.id}).history
    assert [(one.what, one.after) for one in history if one.what != "seen"] == [
        ("owner", "ana"),
        ("due", "2027-01-31"),
    ]
    assert [one.rule for one in api.findings(Life.FIXED)] == ["GHSA-cccc-dddd-0003"]


def test_status_names_ecosystems_of_stored_sboms_that_nothing_is_known_of(
    api: Rig, shop: Path, client: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def unknown(**more: Any) -> list[tuple[str, int]]:
        told = api.call("advisories.status", **more).unknown
        return [(one.ecosystem, one.sboms) for one in told]

    assert unknown() == []
    api.push(scanned(api, monkeypatch, shop, client, cluster="east"))
    (shop / "requirements.txt").write_text("requests==2.0.0\n")
    api.push(scanned(api, monkeypatch, shop, client, cluster="east"))
    api.push(scanned(api, monkeypatch, shop, client, cluster="west"))
    assert unknown() == [("PyPI", 2), ("npm", 2)]
    server_knows(api, tmp_path, record(1, "left"), whole=False)
    assert unknown() == [("PyPI", 2), ("npm", 2)]
    server_knows(api, tmp_path, record(1, "left"))
    assert unknown() == [("PyPI", 2)]
    assert unknown(who=principal((Role.VIEWER, "shop"))) == []
