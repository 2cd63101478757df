"""What is accepted proposes nothing, however and whenever it came to be accepted; what is accepted
no more is proposed again."""

from __future__ import annotations

import datetime as dt
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from haechi.errors import StoreError
from haechi.model.access import Reach
from haechi.server.shapes import WaiverRequest
from haechi.server.work.matching import StoreWaivers
from haechi.store.dependency_records import Proposal, ProposalState
from haechi.store.records import Life
from tests.cli.packages import LOCK
from tests.server.advised import NEW, imported, repository, scanned, written
from tests.server.api.rig import SOURCE, START, Rig, rig
from tests.server.work.test_proposals import flaw, moves, planned

FLAWS = (
    # the highest of the lowest fixes would be 3.0.0; 2.5.0 clears both, 2.1.0 the second
    flaw(3, "alike", ("0", "1.4.0"), ("2.0.0", "2.5.0")),
    flaw(4, "alike", ("2.0.0", "2.1.0"), ("3.0.0", "3.0.1")),
    flaw(6, "alone", ("0", "1.0.1")),
)
BOTH, SMALLER = ("alike", "2.0.0", "2.5.0"), ("alike", "2.0.0", "2.1.0")
ALONE = ("alone", "1.0.0", "1.0.1")
Again = Callable[[Rig, Path, Path, pytest.MonkeyPatch], None]


@pytest.fixture
def api(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    """A server with one repository in it."""
    with rig(tmp_path / "store") as made:
        shop = repository(tmp_path / "shop", ("alike", "2.0.0"), ("alone", "1.0.0"))
        imported(database(made), written(tmp_path / "all", *FLAWS, day=NEW))
        _pushed(made, shop, tmp_path, monkeypatch)
        assert moves(proposals(made)) == {BOTH, ALONE}
        yield made


def database(api: Rig) -> Path:
    return api.world.store.folder.advisories_db


def proposals(api: Rig, *states: ProposalState) -> list[Proposal]:
    found: list[Proposal] = api.call("proposals.list", state=list(states), limit=100).items
    return found


def waived(api: Rig, *rules: str, **more: Any) -> list[str]:
    """Accept these in the store; the ids of the waivers."""
    asked: dict[str, Any] = {"path": LOCK, "source": SOURCE, **more}
    made = [
        api.call(
            "waivers.create",
            WaiverRequest(
                rule=rule,
                reason="the function is never called",
                owner="shop team",
                expires=START.date() + dt.timedelta(days=5),
                reach=Reach(),
                **asked,
            ),
        ).id
        for rule in rules
    ]
    followed(api)
    return made


def followed(api: Rig) -> None:
    """What the server does beside, when it is woken."""
    api.world.advising.follow_waivers(api.world)


def _pushed(api: Rig, shop: Path, tmp_path: Path, patch: pytest.MonkeyPatch) -> None:
    api.push(scanned(api, patch, shop, database(api)))


def _imported(api: Rig, shop: Path, tmp_path: Path, patch: pytest.MonkeyPatch) -> None:
    """Of both packages more becomes known that changes nothing for these versions."""
    more = [flaw(7, name, ("8.0.0", "8.0.1")) for name in ("alike", "alone")]
    more[1] |= {"id": "GHSA-aaaa-bbbb-0008", "aliases": ["CVE-2026-0008"]}
    imported(database(api), written(tmp_path / "all", *FLAWS, *more, day=NEW))
    api.world.advising.reevaluate(api.world)


def _nothing(api: Rig, shop: Path, tmp_path: Path, patch: pytest.MonkeyPatch) -> None:
    """Nothing but the waiver."""


AGAIN = pytest.mark.parametrize(
    "again", [_nothing, _pushed, _imported], ids=["at-once", "after-a-push", "after-an-import"]
)


@AGAIN
def test_what_is_waived_whole_is_not_proposed_until_the_waiver_is_revoked(
    api: Rig, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, again: Again
) -> None:
    before = {one.package: one for one in proposals(api)}
    one, other = waived(api, "CVE-2026-0003", "CVE-2026-0004")
    again(api, tmp_path / "shop", tmp_path, monkeypatch)
    assert moves(proposals(api)) == {ALONE}
    (ended,) = proposals(api, ProposalState.OBSOLETE)
    assert ended.package == "alike"
    api.call("waivers.revoke", params={"id": one})
    api.call("waivers.revoke", params={"id": other})
    followed(api)
    again(api, tmp_path / "shop", tmp_path, monkeypatch)
    now = {one.package: one for one in proposals(api)}
    assert (now["alike"].upgrades, now["alike"].fixes) == (
        before["alike"].upgrades,
        before["alike"].fixes,
    )


@AGAIN
def test_what_is_waived_in_part_asks_for_no_larger_upgrade(
    api: Rig, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, again: Again
) -> None:
    (waiver,) = waived(api, "CVE-2026-0003")
    again(api, tmp_path / "shop", tmp_path, monkeypatch)
    found = {one.package: one for one in proposals(api)}
    assert moves(list(found.values())) == {SMALLER, ALONE}
    assert [fix.id for fix in found["alike"].fixes] == ["CVE-2026-0004"]
    api.call("waivers.revoke", params={"id": waiver})
    followed(api)
    assert moves(proposals(api)) == {BOTH, ALONE}


def test_fix_deps_goes_no_further_either(
    api: Rig, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "shop" / "haechi.waivers.yaml").write_text(
        "waivers:\n- {rule: CVE-2026-0003, path: package-lock.json, reason: not reached here,"
        " expires: 2027-01-31, owner: team}\n"
    )
    monkeypatch.setenv("HAECHI_DB", str(database(api)))
    assert planned(tmp_path / "shop") == {SMALLER, ALONE}


def test_a_waiver_by_another_id_and_without_a_path_counts(api: Rig) -> None:
    waived(api, "GHSA-aaaa-bbbb-0006", path="", resource="pkg:npm/alone@*")
    assert moves(proposals(api)) == {BOTH}


def test_a_proposal_comes_back_when_its_waiver_has_ended(api: Rig) -> None:
    waived(api, "CVE-2026-0006")
    assert moves(proposals(api)) == {BOTH}
    api.clock.pass_(dt.timedelta(days=6))
    today = api.clock().date()
    assert api.world.store.state.waivers.expire(today=today, waived=StoreWaivers(today)) == 1
    followed(api)
    assert moves(proposals(api)) == {BOTH, ALONE}


def test_a_server_that_was_stopped_before_it_followed_does_so_at_its_start(
    api: Rig, tmp_path: Path
) -> None:
    api.world.advising.follow_waivers = lambda world: 0  # type: ignore[method-assign]
    waived(api, "CVE-2026-0006")
    assert moves(proposals(api)) == {BOTH, ALONE}
    api.world.store.close()
    with rig(tmp_path / "store") as begun:
        begun.clock.pass_(dt.timedelta(days=1))
        begun.world.advising.round(begun.world)
        assert not begun.world.advising.fault
        assert moves(proposals(begun)) == {BOTH}


def test_what_was_dismissed_stays_dismissed_when_a_waiver_comes_and_goes(
    api: Rig, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (alike,) = [one for one in proposals(api) if one.package == "alike"]
    body = api.operations["proposals.dismiss"].body(reason="replaced next month")
    api.call("proposals.dismiss", body, params={"id": alike.id})
    for rules in (["CVE-2026-0003"], ["CVE-2026-0003", "CVE-2026-0004"]):
        made = waived(api, *rules)
        for waiver in made:
            api.call("waivers.revoke", params={"id": waiver})
        followed(api)
        _pushed(api, tmp_path / "shop", tmp_path, monkeypatch)
        assert moves(proposals(api)) == {ALONE}
        assert [one.id for one in proposals(api, ProposalState.DISMISSED)] == [alike.id]


def test_vex_in_the_repository_ends_a_proposal_and_an_import_does_not_bring_it_back(
    api: Rig, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shop = tmp_path / "shop"
    statement = {
        "vulnerability": {"name": "CVE-2026-0006"},
        "products": [{"@id": "pkg:npm/alone@1.0.0"}],
        "status": "not_affected",
        "justification": "vulnerable_code_not_in_execute_path",
    }
    document = {
        "@context": "https://openvex.dev/ns/v0.2.0",
        "@id": "https://example.org/vex/1",
        "author": "shop team",
        "timestamp": "2026-11-01T00:00:00Z",
        "version": 1,
        "statements": [statement],
    }
    (shop / "shop.openvex.json").write_text(json.dumps(document))
    (shop / "haechi.yaml").write_text("deps: {vex: [shop.openvex.json]}\n")
    _pushed(api, shop, tmp_path, monkeypatch)
    assert [one.rule for one in api.findings(Life.WAIVED)] == ["CVE-2026-0006"]
    assert moves(proposals(api)) == {BOTH}
    _imported(api, shop, tmp_path, monkeypatch)
    assert moves(proposals(api)) == {BOTH}


def test_proposals_follow_waivers_while_the_advisories_cannot_be_read(
    api: Rig, monkeypatch: pytest.MonkeyPatch
) -> None:
    def damaged(world: object) -> Any:
        raise StoreError("the database of advisories is damaged")

    monkeypatch.setattr(api.world.advising, "judge", damaged)
    waived(api, "CVE-2026-0006")
    assert moves(proposals(api)) == {BOTH}


def test_only_what_changed_is_looked_at(api: Rig, tmp_path: Path) -> None:
    shown = api.world.store.state.proposals.unsettled
    assert not shown(START - dt.timedelta(days=7))
    waived(api, "CVE-2026-0006")
    assert not shown(START - dt.timedelta(days=7))
