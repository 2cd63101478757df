"""What is required to accept findings, and how far the acceptance may reach."""

from __future__ import annotations

import datetime as dt
from typing import Any

import pytest

from haechi.errors import Forbidden, UsageError
from haechi.model.access import EVERYWHERE, Reach
from haechi.server.shapes import WaiverRequest
from haechi.server.work.waiving import candidates, new_waiver
from haechi.store.records import StoredWaiver
from tests.server.work.stored import NOW, PRINT, TODAY, waiver

SHOP, BILLING = Reach(cluster="prod", namespace="shop"), Reach(cluster="prod", namespace="billing")


def asked(within: tuple[Reach, ...] = (EVERYWHERE,), **more: Any) -> StoredWaiver:
    values: dict[str, Any] = {
        "reason": "the console needs it until May",
        "owner": "@kim",
        "expires": TODAY + dt.timedelta(days=30),
        "rule": "k8s-privileged",
        "path": "deploy/**",
    }
    request = WaiverRequest(**{**values, **more})
    return new_waiver(request, within=within, by="user:ana", now=NOW)


@pytest.mark.parametrize(
    ("wrong", "fault"),
    [
        ({"reason": "because"}, "fewer than 10"),
        ({"reason": "   a        b   "}, "fewer than 10"),
        ({"reason": "x" * 2001}, "more than 2,000"),
        ({"owner": " "}, "empty"),
        ({"expires": TODAY - dt.timedelta(days=1)}, "has passed"),
        ({"expires": TODAY + dt.timedelta(days=366)}, "more than 365 days"),
        ({"path": ""}, "does not say what it covers"),
        ({"path": "**"}, "covers everything"),
        ({"path": "/deploy"}, "begins with '/'"),
        ({"path": "", "resource": "*"}, "covers everything"),
        ({"path": "", "resource": "Pod a/b", "rule": "*"}, "needs a path"),
        ({"rule": "no rule"}, "neither a rule id"),
        ({"fingerprints": ["abc"]}, "32 hexadecimal"),
        ({"fingerprints": [f"{PRINT}1"] * 5001}, "more than 5,000"),
    ],
)
def test_wrong_requests_say_what_is_wrong(wrong: dict[str, Any], fault: str) -> None:
    with pytest.raises(UsageError, match=fault) as raised:
        asked(**wrong)
    assert raised.value.do
    assert raised.value.where.startswith("body")


@pytest.mark.parametrize("days", [0, 365])
def test_first_and_last_day_are_allowed(days: int) -> None:
    made = asked(expires=TODAY + dt.timedelta(days=days))
    assert (made.created, made.created_by, made.owner) == (NOW, "user:ana", "@kim")


@pytest.mark.parametrize(
    ("within", "reach", "made"),
    [
        ((EVERYWHERE,), EVERYWHERE, EVERYWHERE),
        ((EVERYWHERE,), SHOP, SHOP),
        ((SHOP,), EVERYWHERE, SHOP),
        ((SHOP, BILLING), SHOP, SHOP),
        ((Reach(cluster="prod"),), Reach(namespace="shop"), SHOP),
    ],
)
def test_reach_is_narrowed_to_the_approvers(
    within: tuple[Reach, ...], reach: Reach, made: Reach
) -> None:
    assert asked(within, reach=reach).reach == made


def test_reach_out_of_ones_own_is_forbidden() -> None:
    with pytest.raises(Forbidden):
        asked((SHOP,), reach=BILLING)


def test_reach_of_several_parts_has_to_be_named() -> None:
    with pytest.raises(UsageError, match="several parts") as raised:
        asked((SHOP, BILLING))
    assert "namespace billing" in raised.value.do


@pytest.mark.parametrize(
    ("glob", "start"),
    [
        ("deploy/**", "deploy"),
        ("deploy/a*.yaml", "deploy/a"),
        ("**/x", ""),
        ("./a/b.yaml", "a/b.yaml"),
    ],
)
def test_candidates_lose_nothing_that_the_glob_matches(glob: str, start: str) -> None:
    assert candidates(waiver(path=glob)).path == start
