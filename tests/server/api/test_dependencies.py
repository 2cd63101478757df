"""Pushed packages: kept, downloaded, judged again after an import, with proposals."""

from __future__ import annotations

import datetime as dt
from pathlib import Path
from typing import Any

import msgspec
import pytest

from haechi.errors import Conflict, Forbidden, InputError, NotFound
from haechi.model.access import Role
from haechi.scan.deps.sbom import read_sbom
from haechi.server.shapes import WaiverRequest
from haechi.server.shapes_dependencies import ProposalDismissal, SbomFormat
from haechi.store.dependency_records import ProposalState
from haechi.store.records import Life
from tests.server.advised import (
    NEW,
    imported,
    open_rules,
    record,
    repository,
    scanned,
    server_knows,
    written,
)
from tests.server.api.rig import SOURCE, Rig, principal

CVE1, CVE2 = "CVE-2026-0001", "CVE-2026-0002"


def test_an_import_opens_what_a_scan_by_it_would_find(
    api: Rig, shop: Path, client: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    api.push(scanned(api, monkeypatch, shop, client))
    assert open_rules(api) == []
    server_knows(api, tmp_path, record(1, "left"), record(2, "right", "1.5.0"))
    opened = api.findings(Life.OPEN)
    assert [one.rule for one in opened] == [CVE1, CVE2]
    detail = api.call("findings.show", params={"id": opened[0].id})
    assert [(step.what, step.note) for step in detail.history] == [
        ("seen", "opened by advisory import")
    ]
    assert opened[0].due is not None
    assert opened[0].aliases == ["GHSA-aaaa-bbbb-0001"]
    newer = api.world.store.folder.advisories_db
    changes = api.push(scanned(api, monkeypatch, shop, newer))
    assert changes == {"new": 0, "fixed": 0, "reopened": 0, "unchanged": 2, "out_of_scope": 0}
    words = ("fingerprint", "title", "message", "path", "line", "resource", "severity", "fix")
    for before, after in zip(opened, api.findings(Life.OPEN), strict=True):
        for word in words:
            assert getattr(before, word) == getattr(after, word), word


def test_old_data_of_a_client_neither_hides_nor_brings_back(
    api: Rig, shop: Path, client: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    old = tmp_path / "old.db"
    imported(old, written(tmp_path / "old", record(2, "right")))
    api.push(scanned(api, monkeypatch, shop, old))
    assert open_rules(api) == [CVE2]
    gone = record(2, "right", modified=NEW, withdrawn=True)
    server_knows(api, tmp_path, record(1, "left"), gone)
    assert open_rules(api) == [CVE1]
    (fixed,) = api.findings(Life.FIXED)
    history = api.call("findings.show", params={"id": fixed.id}).history
    assert history[-1].note == "the advisory was withdrawn or no longer names this version"
    for database in (old, client, None):
        changes = api.push(scanned(api, monkeypatch, shop, database))
        assert (changes["new"], changes["fixed"], changes["reopened"]) == (0, 0, 0), database
        assert open_rules(api) == [CVE1]


def test_a_client_that_is_ahead_is_believed(
    api: Rig, shop: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    server_knows(api, tmp_path, record(1, "left"), day="2026-10-05T00:00:00Z")
    ahead = tmp_path / "ahead.db"
    imported(ahead, written(tmp_path / "ahead", record(2, "right"), day=NEW))
    api.push(scanned(api, monkeypatch, shop, ahead))
    assert open_rules(api) == [CVE2]
    server_knows(api, tmp_path, record(1, "left"), day="2026-10-06T00:00:00Z")
    assert open_rules(api) == [CVE2]


def test_an_advisory_of_the_servers_own_holds_whatever_clients_know(
    api: Rig, shop: Path, client: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    api.push(scanned(api, monkeypatch, shop, client))
    server_knows(api, tmp_path, record(1, "left", modified="2025-01-01T00:00:00Z"), whole=False)
    assert open_rules(api) == [CVE1]
    assert api.push(scanned(api, monkeypatch, shop, client))["fixed"] == 0
    assert open_rules(api) == [CVE1]


def test_what_a_client_upgrades_is_fixed_whatever_its_data(
    api: Rig, shop: Path, client: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    api.push(scanned(api, monkeypatch, shop, client))
    server_knows(api, tmp_path, record(1, "left"), record(2, "right"))
    (first, second) = sorted(
        api.call("proposals.list", limit=10).items, key=lambda one: one.package
    )
    assert (first.package, first.target, first.state) == ("left", "2.0.0", ProposalState.OPEN)
    shown = api.call("proposals.show", params={"id": first.id})
    assert shown.title == "Upgrade left to 2.0.0 in package-lock.json"
    assert CVE1 in shown.body
    assert "haechi patch" in shown.body
    repository(shop, ("left", "2.0.0"), ("right", "1.0.0"))
    assert api.push(scanned(api, monkeypatch, shop, client))["fixed"] == 1
    assert open_rules(api) == [CVE2]
    states = {
        one.package: one.state
        for one in api.call("proposals.list", state=list(ProposalState), limit=10).items
    }
    assert states == {"left": ProposalState.TAKEN, "right": ProposalState.OPEN}
    assert second.package == "right"


def test_a_dismissed_proposal_comes_back_when_there_is_more_to_clear(
    api: Rig, shop: Path, client: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    api.push(scanned(api, monkeypatch, shop, client))
    server_knows(api, tmp_path, record(1, "left"))
    (one,) = api.call("proposals.list").items
    no = ProposalDismissal(reason="we replace it")
    done = api.call("proposals.dismiss", no, params={"id": one.id})
    assert (done.state, done.reason, done.by) == (ProposalState.DISMISSED, no.reason, "user:ana")
    with pytest.raises(Conflict):
        api.call("proposals.dismiss", no, params={"id": one.id})
    api.push(scanned(api, monkeypatch, shop, client))
    assert api.call("proposals.list").items == []
    server_knows(api, tmp_path, record(1, "left"), record(3, "left", "3.0.0"))
    (again,) = api.call("proposals.list").items
    assert (again.id, again.target, len(again.fixes)) == (one.id, "3.0.0", 2)


@pytest.mark.parametrize("named", [CVE1, "GHSA-aaaa-bbbb-0001"])
def test_a_waiver_by_any_id_holds_at_once(
    api: Rig,
    shop: Path,
    client: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    named: str,
) -> None:
    api.push(scanned(api, monkeypatch, shop, client))
    until = api.clock().date() + dt.timedelta(days=30)
    waiver = {"rule": named, "reason": "not reachable here", "owner": "team-a"}
    waiver["path"] = "package-lock.json"
    api.call("waivers.create", msgspec.convert({**waiver, "expires": until}, WaiverRequest))
    server_knows(api, tmp_path, record(1, "left"), record(2, "right"))
    assert open_rules(api) == [CVE2]
    assert [one.rule for one in api.findings(Life.WAIVED)] == [CVE1]


@pytest.mark.parametrize("form", list(SbomFormat))
def test_a_pushed_sbom_can_be_downloaded(
    api: Rig, shop: Path, client: Path, monkeypatch: pytest.MonkeyPatch, form: SbomFormat
) -> None:
    api.push(scanned(api, monkeypatch, shop, client))
    (one,) = api.call("sboms.list").items
    assert (one.source, one.packages, one.current, one.kind) == (SOURCE, 2, True, "push")
    raw = api.call("sboms.show", params={"id": one.id}, format=form)
    back = read_sbom(bytes(raw), "back.json")
    assert {(p.name, p.version) for p in back.packages} == {("left", "1.0.0"), ("right", "1.0.0")}


def test_equal_packages_are_kept_once_and_old_sboms_stay_for_download(
    api: Rig, shop: Path, client: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for _ in range(3):
        api.push(scanned(api, monkeypatch, shop, client))
    assert len(api.call("sboms.list", all=True).items) == 3
    assert len(api.call("sboms.list").items) == 1
    assert api.world.store.state.bills.counts() == (1, 1, 2)
    assert [one.name for one in api.call("packages.list", name="le").items] == ["left"]


def test_other_branches_and_partial_scans_keep_the_repositorys_packages(
    api: Rig, shop: Path, client: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    repository(shop / "web", ("front", "1.0.0"))
    api.push(scanned(api, monkeypatch, shop, client))
    api.push(scanned(api, monkeypatch, shop, client, ref="feature", default=False))
    (one,) = api.call("sboms.list").items
    assert (one.ref, one.packages, one.files) == ("main", 3, 2)


def test_somebody_elses_sbom_is_judged_and_outlives_scans(
    api: Rig, shop: Path, client: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    server_knows(api, tmp_path, record(1, "left"))
    document = _cyclonedx("left", "1.0.0")
    asked: Any = {"repository": "https://github.com/acme/shop", "name": "vendor"}
    answer = api.call("sboms.send", document, **asked)
    assert (answer.sbom.kind, answer.sbom.packages, answer.changes["new"]) == ("upload", 1, 1)
    (found,) = api.findings(Life.OPEN)
    assert (found.rule, found.path) == (CVE1, "sbom:vendor")
    repository(shop, ("right", "1.0.0"))
    assert api.push(scanned(api, monkeypatch, shop, client, ref=""))["fixed"] == 0
    assert open_rules(api) == [CVE1]
    server_knows(api, tmp_path, record(1, "left"), record(2, "left", "9.0.0"))
    assert open_rules(api) == [CVE1, CVE2]
    answer = api.call("sboms.send", _cyclonedx("left", "9.0.0"), **asked)
    assert answer.changes["fixed"] == 2
    assert open_rules(api) == []


@pytest.mark.parametrize("body", [b"", b"[]", b'{"bomFormat": 1}', b"\x00\xff", b'{"a":' * 3000])
def test_what_is_no_sbom_is_refused(api: Rig, body: bytes) -> None:
    with pytest.raises(InputError):
        api.call("sboms.send", body, repository="https://github.com/acme/shop")
    assert api.call("sboms.list", all=True).items == []


def test_places_are_kept_apart(
    api: Rig, shop: Path, client: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    api.push(scanned(api, monkeypatch, shop, client, cluster="east"))
    server_knows(api, tmp_path, record(1, "left"))
    (sbom,) = api.call("sboms.list").items
    (proposal,) = api.call("proposals.list").items
    narrow = principal((Role.OPERATOR, "shop"))
    assert api.call("sboms.list", who=narrow).items == []
    assert api.call("proposals.list", who=narrow).items == []
    assert api.call("packages.list", who=narrow, name="left").items == []
    assert api.call("advisories.show", who=narrow, params={"id": CVE1}).where == []
    assert api.call("advisories.show", params={"id": CVE1}).where == [SOURCE]
    for operation, id_ in (("sboms.show", sbom.id), ("proposals.show", proposal.id)):
        with pytest.raises(NotFound):
            api.call(operation, who=narrow, params={"id": id_})
    with pytest.raises(Forbidden):
        api.call("sboms.send", _cyclonedx("a", "1"), who=narrow, repository="https://x.example/y")


def test_status_tells_what_is_known_and_how_old_it_is(api: Rig, tmp_path: Path) -> None:
    assert api.call("advisories.status").state == "none"
    server_knows(api, tmp_path, record(1, "left"), day="2026-09-01T00:00:00Z")
    told = api.call("advisories.status")
    (npm,) = told.ecosystems
    assert (told.state, npm.ecosystem, npm.covered, npm.stale) == ("stale", "npm", True, True)
    detail = api.call("advisories.show", params={"id": "GHSA-aaaa-bbbb-0001"})
    assert (detail.vulnerability, detail.affected[0].ranges) == (CVE1, ["<2.0.0"])
    with pytest.raises(NotFound):
        api.call("advisories.show", params={"id": "CVE-1999-0001"})


def test_single_records_cover_no_ecosystem_and_that_is_the_state(api: Rig, tmp_path: Path) -> None:
    server_knows(api, tmp_path, record(1, "left"), whole=False)
    told = api.call("advisories.status")
    assert (told.state, [one.covered for one in told.ecosystems]) == ("single", [False])


def _cyclonedx(name: str, version: str) -> bytes:
    component = {"type": "library", "name": name, "version": version}
    component["purl"] = f"pkg:npm/{name}@{version}"
    head = {"bomFormat": "CycloneDX", "specVersion": "1.6", "version": 1}
    return msgspec.json.encode({**head, "components": [component]})
