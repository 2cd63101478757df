"""A waiver of the store covers what the same waiver would cover in the gate of a pipeline."""

from __future__ import annotations

import datetime as dt
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from haechi.errors import UsageError
from haechi.gate.matching import match
from haechi.model.access import Reach
from haechi.model.location import Location
from haechi.model.waiver import Waiver, WaiverOrigin
from haechi.server.work.matching import StoreMatcher, StoreWaivers, as_finding
from tests.server.work.stored import PRINT, TODAY, stored, waiver


@pytest.mark.parametrize(
    ("conditions", "covered"),
    [
        ({"path": "deploy/**"}, True),
        ({"path": "deploy/*.yaml"}, True),
        ({"path": "other/**"}, False),
        ({"path": "deploy/**", "rule": "*"}, True),
        ({"path": "deploy/**", "rule": "k8s-host-network"}, False),
        ({"resource": "Deployment shop/*"}, True),
        ({"resource": "k8s:*/apps/Deployment/shop/cart"}, True),
        ({"resource": "Deployment other/*"}, False),
        ({"fingerprints": [f"{PRINT}9", f"{PRINT}1"]}, True),
        ({"fingerprints": [f"{PRINT}9"]}, False),
        ({"fingerprints": [f"{PRINT}1"], "path": "other/**"}, False),
        ({"path": "deploy/**", "source": "repo:https://github.com/acme/shop"}, True),
        ({"path": "deploy/**", "source": "repo:https://github.com/acme/other"}, False),
        ({"path": "deploy/**", "reach": Reach(namespace="shop")}, True),
        ({"path": "deploy/**", "reach": Reach(namespace="billing")}, False),
        ({"path": "deploy/**", "reach": Reach(cluster="prod")}, False),
    ],
)
def test_every_condition_of_a_waiver_has_to_hold(conditions: dict[str, Any], covered: bool) -> None:
    assert StoreMatcher(waiver(**conditions))(stored()) is covered


def test_file_is_called_as_in_its_repository() -> None:
    docker = stored(resource="file:https%3A%2F%2Fgithub.com%2Facme%2Fshop/a/Dockerfile")
    assert StoreMatcher(waiver(resource="file:-/a/Dockerfile"))(docker)


_GLOBS = st.sampled_from(["deploy/**", "**", "deploy/cart.yaml", "*.yaml", "d*/c*", "x/**"])
_LABELS = st.sampled_from(["Deployment shop/cart", "Deployment *", "Pod *", "k8s:-/**"])


@given(st.sampled_from(["*", "k8s-privileged", "other"]), st.none() | _GLOBS, st.none() | _LABELS)
def test_store_and_gate_agree(rule: str, path: str | None, resource: str | None) -> None:
    finding = stored()
    gate = Waiver(
        rule=rule,
        origin=WaiverOrigin.STORE,
        location=Location(path="waivers/w-1"),
        path=path,
        resource=resource,
    )
    mine = waiver(rule=rule, path=path or "", resource=resource or "")
    assert StoreMatcher(mine)(finding) is match(gate, as_finding(finding))


def test_of_several_waivers_the_one_that_ends_last_counts() -> None:
    day = dt.timedelta(days=1)
    soon = waiver(id="soon", path="deploy/**", expires=TODAY)
    late = waiver(id="late", path="deploy/**", expires=TODAY + 9 * day)
    ended = waiver(id="ended", path="deploy/**", expires=TODAY - day)
    revoked = waiver(id="revoked", path="deploy/**", expires=TODAY + 99 * day, revoked=late.created)
    other = waiver(id="other", path="x/**", expires=TODAY + 99 * day)
    chosen = StoreWaivers(TODAY)
    assert chosen(stored(), [soon, late, ended, revoked, other]) is late
    assert chosen(stored(), [ended, revoked, other]) is None
    assert chosen(stored(), [soon]) is soon, "a waiver holds through its last day"


def test_glob_that_is_none_is_an_error() -> None:
    with pytest.raises(UsageError, match="begins with '/'"):
        StoreMatcher(waiver(path="/deploy"))
