"""Proposals name the versions that ``haechi fix deps`` would go to, however they come about."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec
import pytest
from click.testing import CliRunner
from msgspec.structs import replace

from haechi.cli.fix_deps import concerned, fixed
from haechi.cli.patch import command as patch
from haechi.cli.pipeline import Options, run
from haechi.model.config import Config, GateSection
from haechi.model.severity import Severity
from haechi.scan.deps.bills import bill_of
from haechi.scan.deps.look import Dependencies
from haechi.store.dependency_records import Proposal, ProposalState
from haechi.world.advisories.importing import import_all
from tests.cli.fixable import committed, git, project
from tests.cli.packages import LOCK
from tests.server.advised import NEW, imported, record, scanned, written
from tests.server.api.rig import START, Rig, pushed, rig
from tests.server.serving import by_word, real_world, serving

MILD = "CVSS:3.1/AV:L/AC:H/PR:H/UI:R/S:U/C:N/I:N/A:L"
Moves = set[tuple[str, str, str]]


def flaw(number: int, package: str, *branches: tuple[str, str], mild: bool = False) -> Any:
    """Affected from each first version up to the second ("": without end)."""
    found: dict[str, Any] = record(number, package)
    events: list[dict[str, str]] = []
    for introduced, end in branches:
        events += [{"introduced": introduced}, *([{"fixed": end}] if end else [])]
    found["affected"][0]["ranges"][0]["events"] = events
    if mild:
        found["severity"] = [{"type": "CVSS_V3", "score": MILD}]
    return found


FLAWS = (
    # two branches; the first fix of the older one is vulnerable again
    flaw(1, "two", ("0", "1.0.5"), ("2.0.0", "2.0.3")),
    flaw(2, "two", ("1.0.5", "1.1.0")),
    # the highest of the lowest fixes would be 3.0.0; 2.5.0 clears both
    flaw(3, "alike", ("0", "1.4.0"), ("2.0.0", "2.5.0")),
    flaw(4, "alike", ("2.0.0", "2.1.0"), ("3.0.0", "3.0.1")),
    flaw(5, "mild", ("0", "1.0.1"), mild=True),
    flaw(6, "mixed", ("0", "1.0.1")),
    flaw(7, "mixed", ("0", "2.0.0"), mild=True),
    flaw(8, "endless", ("0", "")),
)
EXPECTED: Moves = {
    ("two", "1.0.0", "1.1.0"),
    ("two", "2.0.0", "2.0.3"),
    ("alike", "2.0.0", "2.5.0"),
    ("mixed", "1.0.0", "1.0.1"),
}
MILDER: Moves = {("mild", "1.0.0", "1.0.1")}


@pytest.fixture
def api(tmp_path: Path) -> Any:
    with rig(tmp_path / "store") as made:
        yield made


@pytest.fixture
def shop(tmp_path: Path) -> Path:
    """A repository whose lock file has two versions of one package."""
    root = tmp_path / "shop"
    (root / ".git").mkdir(parents=True)
    versions = {"alike": "2.0.0", "mild": "1.0.0", "mixed": "1.0.0", "endless": "1.0.0"}
    entries: dict[str, Any] = {
        f"node_modules/{name}": {"version": v} for name, v in versions.items()
    }
    entries["node_modules/two"] = {"version": "1.0.0"}
    entries["node_modules/up"] = {"version": "1.0.0", "dependencies": {"two": "^2.0.0"}}
    entries["node_modules/up/node_modules/two"] = {"version": "2.0.0"}
    asked = {**versions, "two": "1.0.0", "up": "1.0.0"}
    packages = {"": {"name": "shop", "dependencies": asked}, **entries}
    (root / LOCK).write_text(
        json.dumps({"name": "shop", "lockfileVersion": 3, "packages": packages})
    )
    return root


def moves(proposals: list[Proposal]) -> Moves:
    return {(one.package, each.version, each.target) for one in proposals for each in one.upgrades}


def planned(root: Path, least: Severity = Severity.HIGH) -> Moves:
    """What ``haechi fix deps`` plans with the database that ``HAECHI_DB`` names."""
    outcome = run(Options(path=root, only=("deps",), history=False), today=START.date())
    result = fixed(outcome, concerned(outcome, least, frozenset()), least)
    return {(one.spelled, one.version, one.to) for plan in result.plans for one in plan.upgrades}


def _looked(root: Path) -> Dependencies:
    outcome = run(Options(path=root, only=("deps",), history=False), today=START.date())
    assert outcome.looked.dependencies is not None
    return outcome.looked.dependencies


def _by_push(api: Rig, shop: Path, tmp_path: Path, patch: pytest.MonkeyPatch) -> None:
    imported(api.world.store.folder.advisories_db, written(tmp_path / "all", *FLAWS, day=NEW))
    api.push(scanned(api, patch, shop, api.world.store.folder.advisories_db))


def _by_import(api: Rig, shop: Path, tmp_path: Path, patch: pytest.MonkeyPatch) -> None:
    none = tmp_path / "client.db"
    imported(none, written(tmp_path / "client"))
    api.push(scanned(api, patch, shop, none))
    imported(api.world.store.folder.advisories_db, written(tmp_path / "all", *FLAWS, day=NEW))
    api.world.advising.reevaluate(api.world)


def _by_another_import(api: Rig, shop: Path, tmp_path: Path, patch: pytest.MonkeyPatch) -> None:
    """Half of it is known by the push; the import tells the other half of the same packages."""
    imported(api.world.store.folder.advisories_db, written(tmp_path / "half", *FLAWS[::2]))
    api.push(scanned(api, patch, shop, api.world.store.folder.advisories_db))
    imported(api.world.store.folder.advisories_db, written(tmp_path / "all", *FLAWS, day=NEW))
    api.world.advising.reevaluate(api.world)


def _by_the_client_alone(api: Rig, shop: Path, tmp_path: Path, patch: pytest.MonkeyPatch) -> None:
    """The server has no advisories: what the findings tell is all there is."""
    database = tmp_path / "client.db"
    imported(database, written(tmp_path / "all", *FLAWS, day=NEW))
    api.push(scanned(api, patch, shop, database))


@pytest.mark.parametrize(
    "come", [_by_push, _by_import, _by_another_import, _by_the_client_alone],
    ids=["push", "import", "second-import", "no-advisories"],
)  # fmt: skip
def test_the_server_and_fix_deps_choose_the_same_versions(
    api: Rig,
    shop: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    come: Callable[[Rig, Path, Path, pytest.MonkeyPatch], None],
) -> None:
    come(api, shop, tmp_path, monkeypatch)
    database = api.world.store.folder.advisories_db
    monkeypatch.setenv("HAECHI_DB", str(database if database.exists() else tmp_path / "client.db"))
    found = api.call("proposals.list", limit=100).items
    assert planned(shop) == EXPECTED
    if come is not _by_the_client_alone:
        assert moves(found) == EXPECTED | MILDER
    else:
        # that 1.0.5 of "two" is vulnerable by another record cannot be known from findings
        assert moves(found) >= (EXPECTED - {("two", "1.0.0", "1.1.0")}) | MILDER


def test_what_is_not_cleared_is_named(
    api: Rig, shop: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    _by_push(api, shop, tmp_path, monkeypatch)
    by_name = {one.package: one for one in api.call("proposals.list", limit=100).items}
    assert "endless" not in by_name
    mixed = {fix.id: fix.cleared for fix in by_name["mixed"].fixes}
    assert mixed == {"CVE-2026-0006": True, "CVE-2026-0007": False}
    two = api.call("proposals.show", params={"id": by_name["two"].id})
    assert two.title == "Upgrade two to 1.1.0, 2.0.3 in package-lock.json"
    assert "from `1.0.0` to `1.1.0`, from `2.0.0` to `2.0.3`" in two.body
    assert (two.target, two.versions) == ("2.0.3", ["1.0.0", "2.0.0"])
    assert "Not cleared by this: [CVE-2026-0007](" in (
        api.call("proposals.show", params={"id": by_name["mixed"].id}).body
    )


def test_a_proposal_is_taken_when_none_of_its_versions_is_left(
    api: Rig, shop: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    _by_push(api, shop, tmp_path, monkeypatch)
    text = (shop / LOCK).read_text()
    half = text.replace(
        '"node_modules/two": {"version": "1.0.0"', '"node_modules/two": {"version": "1.1.0"'
    )
    whole = half.replace(
        'up/node_modules/two": {"version": "2.0.0"', 'up/node_modules/two": {"version": "2.0.3"'
    )
    assert text != half != whole
    for content, state in ((half, ProposalState.OPEN), (whole, ProposalState.TAKEN)):
        (shop / LOCK).write_text(content)
        api.push(scanned(api, monkeypatch, shop, api.world.store.folder.advisories_db))
        every = api.call("proposals.list", state=list(ProposalState), limit=100).items
        (two,) = [one for one in every if one.package == "two"]
        assert two.state is state
        assert [each.version for each in two.upgrades][-1] == "2.0.0"


def test_the_repositorys_gate_says_what_has_to_be_cleared(
    api: Rig, shop: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (shop / "haechi.yaml").write_text("gate: {fail_on: info}\n")
    database = api.world.store.folder.advisories_db
    imported(database, written(tmp_path / "all", *FLAWS, day=NEW))
    push = scanned(api, monkeypatch, shop, database)
    assert push.packages is not None
    assert push.packages.fail_on is Severity.HIGH
    bill = bill_of(_looked(shop), Config(gate=GateSection(fail_on=Severity.INFO)))
    api.push(replace(push, packages=bill))
    assert ("mixed", "1.0.0", "2.0.0") in moves(api.call("proposals.list", limit=100).items)
    assert ("mixed", "1.0.0", "2.0.0") in planned(shop, Severity.INFO)


def test_what_is_waived_in_the_repository_moves_nothing(
    api: Rig, shop: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (shop / "haechi.waivers.yaml").write_text(
        "waivers:\n- {rule: CVE-2026-0001, path: package-lock.json, reason: not reached here,"
        " expires: 2027-01-31, owner: team}\n"
    )
    _by_push(api, shop, tmp_path, monkeypatch)
    expected = {one for one in EXPECTED if one[0] != "two"}
    assert planned(shop) == expected
    assert moves(api.call("proposals.list", limit=100).items) == expected | MILDER


def test_an_advisory_of_the_repositorys_own_counts(
    api: Rig, shop: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    written(shop / "own", flaw(8, "alike", ("2.0.0", "2.6.0")))
    (shop / "haechi.yaml").write_text("deps: {advisories: [own]}\n")
    imported(api.world.store.folder.advisories_db, written(tmp_path / "all", *FLAWS[:-1], day=NEW))
    api.push(scanned(api, monkeypatch, shop, api.world.store.folder.advisories_db))
    found = moves(api.call("proposals.list", limit=100).items)
    assert ("alike", "2.0.0", "2.6.0") in found
    assert ("alike", "2.0.0", "2.6.0") in planned(shop)


def test_a_branch_is_made_of_what_a_real_server_proposes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    files = {"requirements.txt": "low==1.0.0  # why\nfine==1.0.0\n"}
    shop = project(tmp_path / "shop", files, record(1, "low", "1.0.5", ecosystem="PyPI"))
    committed(shop)
    git(shop, "remote", "add", "origin", "git@github.com:acme/shop.git")
    database = tmp_path / "known.db"
    assert import_all([str(shop / "advisories")], database, covers=["PyPI"]).complete
    monkeypatch.setenv("HAECHI_DB", str(database))
    monkeypatch.setenv("HAECHI_TOKEN", "admin")
    monkeypatch.chdir(shop)
    before = (git(shop, "status", "--porcelain"), git(shop, "rev-parse", "HEAD"))
    with (
        real_world(tmp_path / "store") as world,
        serving(world, authenticate=by_word(), jobs=None) as server,
        server.client() as client,
    ):
        outcome = run(Options(path=shop, only=("deps",), history=False))
        content = msgspec.json.encode(pushed(outcome))
        headers = {"content-type": "application/json"}
        assert client.post("/api/v1/scans", content=content, headers=headers).status_code == 201
        (proposal,) = client.get("/api/v1/proposals").json()["items"]
        made = CliRunner().invoke(patch, ["--from-server", server.url, "--branch", "proposed"])
    assert made.exit_code == 0, made.output
    assert proposal["upgrades"] == [{"version": "1.0.0", "target": "1.0.5", "major": False}]
    assert git(shop, "show", "proposed:requirements.txt") == "low==1.0.5  # why\nfine==1.0.0"
    assert git(shop, "log", "--format=%s", "main..proposed") == "Raise low to 1.0.5"
    assert "gone when scanned again" in made.stdout
    assert (git(shop, "status", "--porcelain"), git(shop, "rev-parse", "HEAD")) == before
