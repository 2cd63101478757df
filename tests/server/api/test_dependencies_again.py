"""What is known of a finding when its package is judged again: nobody's knowledge is lost."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import msgspec
import pytest

from haechi.store.records import Life, StoredFinding
from tests.server.advised import (
    MEDIUM,
    NEW,
    OLD,
    chances,
    exploited,
    imported,
    open_rules,
    record,
    repository,
    risk_known,
    scanned,
    server_knows,
    written,
)
from tests.server.api.rig import Rig

CVE1, CVE2 = "CVE-2026-0001", "CVE-2026-0002"
NEWER = "2026-11-18T00:00:00Z"


@pytest.fixture
def shop(tmp_path: Path) -> Path:
    """It imports what it needs."""
    root = repository(tmp_path / "shop", ("left", "1.0.0"), ("right", "1.0.0"))
    (root / "index.js").write_text('const left = require("left")\nleft.pad()\n')
    return root


@pytest.fixture
def client(tmp_path: Path) -> Path:
    """A client's database, older than the server's."""
    database = tmp_path / "client.db"
    imported(database, written(tmp_path / "client", record(1, "left", vector=MEDIUM)))
    return database


def only(api: Rig, *states: Life) -> StoredFinding:
    (found,) = api.findings(*states or (Life.OPEN, Life.REOPENED), domain=["deps"])
    return found


def evidence(api: Rig, one: StoredFinding) -> dict[str, Any]:
    told: dict[str, Any] = api.call("findings.show", params={"id": one.id}).evidence
    return told


def steps(api: Rig, one: StoredFinding) -> list[str]:
    return [step.what for step in api.call("findings.show", params={"id": one.id}).history]


def judge_again(api: Rig, tmp_path: Path, content: bytes) -> list[Any]:
    """EPSS or KEV come to the server; notices that went out."""
    heard: list[Any] = []
    stop = api.world.store.subscribe(heard.append)
    risk_known(api.world.store.folder.advisories_db, tmp_path, content)
    api.world.advising.reevaluate(api.world)
    stop()
    return [one for one in heard if one.topic == "finding"]


def test_what_becomes_known_to_be_exploited_is_worse_at_once(
    api: Rig, shop: Path, client: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    api.push(scanned(api, monkeypatch, shop, client))
    server_knows(api, tmp_path, record(1, "left", vector=MEDIUM), day=OLD)
    before = only(api)
    assert (before.severity, "exploited" in before.tags) == ("medium", False)
    assert judge_again(api, tmp_path, exploited(CVE1))
    after = only(api)
    assert (after.severity, "exploited" in after.tags) == ("high", True)
    assert "known to be exploited since 2026-11-01" in after.message
    assert evidence(api, after)["exploited_since"] == "2026-11-01"
    assert before.due and after.due and after.due < before.due
    assert steps(api, after) == ["seen", "severity"]
    assert judge_again(api, tmp_path, exploited(CVE1)) == []
    changes = api.push(scanned(api, monkeypatch, shop, client))
    assert (changes["new"], changes["fixed"], changes["unchanged"]) == (0, 0, 1)
    again = only(api)
    assert (again.severity, again.message, again.due) == ("high", after.message, after.due)


def test_what_is_taken_from_the_catalogue_is_no_longer_called_exploited(
    api: Rig, shop: Path, client: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    api.push(scanned(api, monkeypatch, shop, client))
    server_knows(api, tmp_path, record(2, "right", vector=MEDIUM), record(1, "left"))
    judge_again(api, tmp_path, exploited(CVE2))
    (found,) = (one for one in api.findings(Life.OPEN) if one.rule == CVE2)
    assert "exploited" in found.tags
    assert judge_again(api, tmp_path, exploited())
    (found,) = (one for one in api.findings(Life.OPEN) if one.rule == CVE2)
    assert (found.severity, "exploited" in found.tags) == ("medium", False)
    assert "exploited_since" not in evidence(api, found)


def test_epss_follows_as_far_as_people_see_it(
    api: Rig, shop: Path, client: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    api.push(scanned(api, monkeypatch, shop, client))
    server_knows(api, tmp_path, record(1, "left", vector=MEDIUM), day=OLD)
    for chance, told, moves in ((0.12, 0.12, True), (0.12004, 0.12, False), (0.7, 0.7, True)):
        assert bool(judge_again(api, tmp_path, chances(_1=chance))) is moves
        assert evidence(api, only(api))["epss"] == told
    assert steps(api, only(api)) == ["seen"]


@pytest.mark.parametrize("day", [OLD, NEW], ids=["as-new", "newer"])
def test_a_server_without_the_catalogue_believes_who_has_it(
    api: Rig, shop: Path, client: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, day: str
) -> None:
    risk_known(client, tmp_path, exploited(CVE1))
    server_knows(api, tmp_path, record(1, "left", vector=MEDIUM), day=day)
    api.push(scanned(api, monkeypatch, shop, client))
    for text in ("1.5.0", "1.6.0"):
        found = only(api)
        assert (found.severity, "exploited" in found.tags) == ("high", True)
        assert found.message.count("known to be exploited since 2026-11-01") == 1
        server_knows(api, tmp_path, record(1, "left", text, vector=MEDIUM), day=NEWER)


def test_what_a_run_saw_of_the_code_stays_when_the_server_knows_better(
    api: Rig, shop: Path, client: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    api.push(scanned(api, monkeypatch, shop, client))
    before = only(api)
    assert before.message.endswith("imported in index.js:1")
    assert "reached" in before.tags
    for fixed in ("2.5.0", "2.6.0"):
        server_knows(api, tmp_path, record(1, "left", fixed, modified=NEW))
        after = only(api)
        assert f"fixed in {fixed}" in after.message
        assert after.message.endswith("imported in index.js:1")
        assert after.message.count("imported in") == 1
        assert "reached" in after.tags
        assert evidence(api, after)["reach_at"] == "index.js:1"
        api.push(scanned(api, monkeypatch, shop, client))
        pushed = only(api)
        assert (pushed.message, pushed.tags) == (after.message, after.tags)


def test_what_the_repository_accepts_stays_accepted_when_judged_again(
    api: Rig, shop: Path, client: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    waiver = {"rule": CVE1, "path": "package-lock.json", "reason": "a test", "owner": "team-a"}
    text = json.dumps({"waivers": [{**waiver, "expires": "2026-12-20"}]})
    (shop / "haechi.waivers.yaml").write_text(text)
    api.push(scanned(api, monkeypatch, shop, client))
    before = only(api, Life.WAIVED)
    server_knows(api, tmp_path, record(1, "left", "2.5.0", modified=NEW), record(2, "right"))
    after = only(api, Life.WAIVED)
    assert "fixed in 2.5.0" in after.message
    assert (after.waiver, after.due, after.id) == (before.waiver, before.due, before.id)
    assert open_rules(api) == [CVE2]
    assert [one.package for one in api.call("proposals.list").items] == ["right"]
    merged = record(1, "left", modified=NEWER, aliases=["CVE-2026-0001", "EXAMPLE-1"])
    server_knows(api, tmp_path, merged, day=NEWER)
    assert only(api, Life.WAIVED).id == before.id


def test_versions_that_are_no_longer_affected_are_not_told_on(
    api: Rig, shop: Path, client: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    lock = json.loads((shop / "package-lock.json").read_text())
    lock["packages"]["node_modules/right/node_modules/left"] = {"version": "0.5.0"}
    (shop / "package-lock.json").write_text(json.dumps(lock))
    api.push(scanned(api, monkeypatch, shop, client))
    assert len(evidence(api, only(api))["versions"]) == 2
    narrow = record(1, "left", modified=NEW)
    narrow["affected"][0]["ranges"][0]["events"][0]["introduced"] = "0.9.0"  # type: ignore[index]
    server_knows(api, tmp_path, narrow)
    told = evidence(api, only(api))
    assert (told["version"], "versions" in told) == ("1.0.0", False)


def _ghsa_only(number: int, **more: Any) -> dict[str, object]:
    return record(number, "left", id=f"GHSA-cccc-dddd-000{number}", aliases=[], **more)


@pytest.mark.parametrize("again", [False, True], ids=["import", "push"])
def test_an_alias_that_comes_later_makes_two_findings_one(
    api: Rig,
    shop: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    again: bool,
) -> None:
    old = tmp_path / "old.db"
    imported(old, written(tmp_path / "old", record(1, "left"), _ghsa_only(3)))
    api.push(scanned(api, monkeypatch, shop, old))
    assert sorted(open_rules(api)) == [CVE1, "GHSA-cccc-dddd-0003"]
    joined = {**_ghsa_only(3, modified=NEW), "aliases": [CVE1]}
    server_knows(api, tmp_path, record(1, "left"), joined)
    for _ in range(1 + again):
        found = only(api)
        assert (found.rule, "GHSA-cccc-dddd-0003" in found.aliases) == (CVE1, True)
        assert "imported in index.js:1" in found.message
        if again:
            api.push(scanned(api, monkeypatch, shop, old))
    assert [one.rule for one in api.findings(Life.FIXED)] == ["GHSA-cccc-dddd-0003"]


def test_what_was_one_and_becomes_two_is_told_twice_by_a_push(
    api: Rig, shop: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    old = tmp_path / "old.db"
    bundle = record(1, "left", id="GHSA-cccc-dddd-0003", aliases=[])
    imported(old, written(tmp_path / "old", bundle))
    apart = {**bundle, "aliases": [CVE1, CVE2], "modified": NEW}
    server_knows(api, tmp_path, apart)
    api.push(scanned(api, monkeypatch, shop, old))
    assert sorted(open_rules(api)) == [CVE1, CVE2]
    api.push(scanned(api, monkeypatch, shop, api.world.store.folder.advisories_db))
    assert sorted(open_rules(api)) == [CVE1, CVE2]
    for one in api.findings(Life.OPEN):
        assert one.title.startswith("Fault 1")


def test_another_fixed_version_changes_the_proposal(
    api: Rig, shop: Path, client: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    api.push(scanned(api, monkeypatch, shop, client))
    for fixed in ("2.5.0", "1.5.0"):
        server_knows(api, tmp_path, record(1, "left", fixed, modified=NEW))
        (one,) = api.call("proposals.list").items
        assert (one.target, only(api).fix) == (fixed, f"upgrade to {fixed}")
    server_knows(api, tmp_path, record(1, "left", "0.5.0", modified=NEW))
    assert open_rules(api) == []
    assert api.call("proposals.list").items == []


def test_equal_packages_of_many_places_are_judged_for_each(
    api: Rig, shop: Path, client: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    places = [("a", "-"), ("b", "-"), ("a", "east")]
    for name, cluster in places:
        where = {"repository": f"https://git.example/{name}", "cluster": cluster}
        api.push(scanned(api, monkeypatch, shop, client, **where))
    assert api.world.store.state.bills.counts()[:2] == (3, 1)
    server_knows(api, tmp_path, record(2, "right"), record(1, "left", "1.0.0", modified=NEW))
    found = [(one.source, one.cluster, one.rule) for one in api.findings(Life.OPEN)]
    assert sorted(found) == sorted(
        (f"repo:https://git.example/{name}", cluster, CVE2) for name, cluster in places
    )


def test_a_push_in_the_middle_wins_over_what_was_judged_before_it(
    api: Rig, shop: Path, client: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from haechi.server.work import advisories_reevaluated as work

    api.push(scanned(api, monkeypatch, shop, client))
    upgraded = repository(tmp_path / "later", ("left", "1.0.0"), ("right", "2.0.0"))
    later = scanned(api, monkeypatch, upgraded, client)
    real: Any = vars(work)["known_of"]

    def known_of(*args: Any) -> Any:
        found = real(*args)
        monkeypatch.setattr(work, "known_of", real)
        api.push(later)
        return found

    monkeypatch.setattr(work, "known_of", known_of)
    server_knows(api, tmp_path, record(1, "left"), record(2, "right"))
    assert open_rules(api) == [CVE1]
    assert api.world.advising.reevaluate(api.world) == {}


@pytest.mark.parametrize("source", ["git", "npm"])
def test_a_newer_server_closes_only_what_it_can_judge(
    api: Rig,
    shop: Path,
    client: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    source: str,
) -> None:
    push = scanned(api, monkeypatch, shop, client)
    server_knows(api, tmp_path, record(1, "left", "0.5.0", modified=NEW))
    if source == "git":
        push = _from_git(push)
    api.push(push)
    expected = [CVE1] if source == "git" else []
    assert open_rules(api) == expected
    server_knows(api, tmp_path, record(1, "left", "0.6.0", modified=NEWER), day=NEWER)
    assert open_rules(api) == expected


def _from_git(push: Any) -> Any:
    """The same packages, of which nobody can say by name what they are."""
    bill = push.packages
    replace = msgspec.structs.replace
    files = tuple(
        replace(file, packages=tuple(replace(one, source="git") for one in file.packages))
        for file in bill.files
    )
    return replace(push, packages=replace(bill, files=files))


def test_what_the_server_cannot_decide_it_does_not_close(
    api: Rig, shop: Path, client: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    api.push(scanned(api, monkeypatch, shop, client))
    unsure = record(1, "left", "no version at all", modified=NEW)
    for day in (NEW, NEWER):
        server_knows(api, tmp_path, unsure, day=day)
        assert open_rules(api) == [CVE1]
        api.push(scanned(api, monkeypatch, shop, client))
        assert open_rules(api) == [CVE1]
        unsure = {**unsure, "modified": NEWER, "summary": "Nobody knows"}


def test_packages_of_a_distribution_are_found_by_their_source(api: Rig, tmp_path: Path) -> None:
    def debian(number: int) -> dict[str, object]:
        found = record(number, "openssl", "3.0.9-1", ecosystem="Debian:12")
        found["affected"][0]["ranges"][0]["type"] = "ECOSYSTEM"  # type: ignore[index]
        return found

    purl = "pkg:deb/debian/libssl3@3.0.8-1?arch=amd64&distro=debian-12&upstream=openssl"
    component = {"type": "library", "name": "libssl3", "version": "3.0.8-1", "purl": purl}
    head = {"bomFormat": "CycloneDX", "specVersion": "1.6", "version": 1}
    document = json.dumps({**head, "components": [component]}).encode()
    server_knows(api, tmp_path, debian(1), whole=False)
    api.call("sboms.send", document, repository="https://github.com/acme/shop", name="image")
    assert open_rules(api) == [CVE1]
    server_knows(api, tmp_path, debian(1), debian(2), whole=False)
    assert sorted(open_rules(api)) == [CVE1, CVE2]
    for name in ("libssl3", "openssl"):
        assert len(api.call("packages.list", name=name).items) == 1
    gone = {**debian(1), "withdrawn": NEW, "modified": NEW}
    server_knows(api, tmp_path, gone, debian(2), whole=False)
    assert open_rules(api) == [CVE2]


def test_a_damaged_database_holds_up_no_push_and_closes_nothing(
    api: Rig, shop: Path, client: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    push = scanned(api, monkeypatch, shop, client)
    server_knows(api, tmp_path, record(1, "left"), record(2, "right"))
    api.push(push)
    whole, database = open_rules(api), api.world.store.folder.advisories_db
    good = database.read_bytes()
    _replaced(database, good[:5000] + b"no longer" + good[5009:])
    changes = api.push(push)
    assert (changes["fixed"], open_rules(api)) == (0, whole)
    document = json.dumps({**_HEAD, "components": [_npm("left")]}).encode()
    sent = api.call("sboms.send", document, repository="https://github.com/acme/x", name="y")
    assert sent.changes == {}
    assert api.call("advisories.status").state == "failed"
    api.world.advising.round(api.world)
    assert "damaged" in api.world.advising.fault
    _replaced(database, good)
    api.world.advising.round(api.world)
    assert (api.world.advising.fault, open_rules(api)) == ("", [*whole[:1], CVE1, *whole[1:]])


_HEAD = {"bomFormat": "CycloneDX", "specVersion": "1.6", "version": 1}


def _npm(name: str) -> dict[str, str]:
    return {"type": "library", "name": name, "version": "1.0.0", "purl": f"pkg:npm/{name}@1.0.0"}


def _replaced(path: Path, content: bytes) -> None:
    path.unlink()
    path.write_bytes(content)


@pytest.mark.parametrize("places", [2, 1_000], ids=["in-parts", "at-once"])
def test_one_with_many_findings_is_written_in_pieces(
    api: Rig, client: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, places: int
) -> None:
    from haechi.server.work import advisories_reevaluated, advisories_writing, bills_judged
    from haechi.store.state import rejudged

    for bound in ("FIRST", "LEAST", "MOST"):
        monkeypatch.setattr(advisories_writing, bound, 4)
    monkeypatch.setattr(advisories_reevaluated, "PACKAGES", 5)
    monkeypatch.setattr(advisories_reevaluated, "PLACES", places)
    root = repository(tmp_path / "many", *((f"p{number}", "1.0.0") for number in range(9)))
    for name in ("a", "b"):
        where = {"repository": f"https://git.example/{name}"}
        api.push(scanned(api, monkeypatch, root, client, **where))
    sizes: list[int] = []
    steps: list[str] = []
    real, said = rejudged.rejudge, bills_judged.Judge.said

    def judging(*args: Any) -> Any:
        steps.append("judged")
        return said(*args)

    def counting(database: Any, judged: Any, *args: Any, **more: Any) -> Any:
        sizes.append(sum(len(one.seen) for one in judged))
        steps.append("written")
        return real(database, judged, *args, **more)

    monkeypatch.setattr(bills_judged.Judge, "said", judging)
    monkeypatch.setattr(advisories_writing, "rejudge", counting)
    server_knows(api, tmp_path, *(record(number, f"p{number}") for number in range(9)))
    assert len(open_rules(api)) == 18
    assert (max(sizes), sum(sizes)) == (min(places, 4), 18)
    assert steps.count("judged") == 2 * -(-9 // places)
    assert steps.index("written") == 1
    last = api.world.store.state.advisories.last()
    assert last is not None
    assert (last.sboms, last.affected, last.opened) == (2, 2, 18)
    assert len(api.call("proposals.list").items) == 18
    assert api.world.advising.reevaluate(api.world) == {}
