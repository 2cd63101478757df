"""What a waiver covers: every named condition has to hold, lines and literal paths included."""

from __future__ import annotations

import datetime as dt

import pytest
from hypothesis import given
from hypothesis import strategies as st

from haechi.gate.matching import WaiverIndex, is_expired, match
from haechi.model.finding import Finding
from haechi.model.waiver import Waiver, WaiverOrigin
from tests.gate.builders import KEY, TODAY, beside, finding, waiver

CART = finding()
OTHER_KEY = "k8s:-/apps/Deployment/shop/other"


@pytest.mark.parametrize(
    ("given_waiver", "covered"),
    [
        (waiver(path="deploy/*.yaml"), True),
        (waiver(path="deploy"), False),
        (waiver("k8s-other", path="deploy/**"), False),
        (waiver("*", path="deploy/**"), True),
        (waiver(fingerprint=CART.fingerprint), True),
        (waiver(fingerprint="0" * 32), False),
        (waiver(resource="Deployment shop/*"), True),
        (waiver(resource="Deployment */cart"), True),
        (waiver(resource="Deployment other/*"), False),
        (waiver(resource=KEY), True),
        (waiver(resource="k8s:-/apps/*/shop/cart"), True),
        (waiver(resource="k8s:-/apps/Deployment/shop/c"), False),
        (waiver(path="deploy/**", resource="Pod *"), False),
        (waiver(path="other/**", resource=KEY), False),
        (waiver(path="deploy/**", resource=KEY, fingerprint=CART.fingerprint), True),
        (waiver(), True),
        (beside(), True),
        (beside(path="deploy/*.yaml"), False),
        (beside(path="deploy/**"), True),
        (beside(path="deplo/**"), False),
        (beside(path=None, origin=WaiverOrigin.PEER), True),
        (beside(resource=KEY), True),
        (beside(resource="k8s:-/apps/*/shop/cart"), False),
        (beside(path="deploy/other.yaml", resource=KEY), False),
        (beside(first_line=10, last_line=10), True),
        (beside(first_line=8, last_line=12), True),
        (beside(first_line=11, last_line=11), False),
        (beside(first_line=9, last_line=9), False),
        (beside(first_line=10), True),
        (beside(first_line=11), False),
    ],
)
def test_waiver_covers_the_finding_when_all_it_names_fits(
    given_waiver: Waiver, covered: bool
) -> None:
    assert match(given_waiver, CART) is covered


@pytest.mark.parametrize(
    ("first", "last", "covered"),
    [
        (20, None, True),
        (23, None, True),
        (25, None, True),
        (26, None, False),
        (19, None, False),
        (18, 20, True),
        (21, 22, False),
        (20, 25, True),
    ],
)
def test_instruction_over_several_lines(first: int, last: int | None, covered: bool) -> None:
    run = finding(path="Dockerfile", line=20, end_line=25)
    assert match(beside(path="Dockerfile", first_line=first, last_line=last), run) is covered


def test_finding_inside_an_instruction_is_covered_by_the_instructions_waiver() -> None:
    inner = finding(path="Dockerfile", line=23)
    assert match(beside(path="Dockerfile", first_line=20, last_line=25), inner)


def test_the_same_object_in_two_clusters_is_one() -> None:
    there = finding(resource="k8s:prod/apps/Deployment/shop/cart")
    assert match(waiver(resource=KEY), there)


@pytest.mark.parametrize(("days", "expired"), [(-1, True), (0, False), (1, False)])
def test_a_waiver_holds_through_its_last_day(days: int, expired: bool) -> None:
    assert is_expired(waiver(expires=TODAY + dt.timedelta(days)), TODAY) is expired
    assert not is_expired(beside(), TODAY)


_WAIVERS = st.builds(
    lambda rule, make, path: make(rule, path=path),
    st.sampled_from(["k8s-privileged", "k8s-other", "*"]),
    st.sampled_from([waiver, beside]),
    st.sampled_from(["deploy/cart.yaml", "deploy/**", "x", "a/*"]),
)
_FINDINGS = st.builds(
    lambda rule, path: finding(rule=rule, path=path),
    st.sampled_from(["k8s-privileged", "k8s-other", "k8s-third"]),
    st.sampled_from(["deploy/cart.yaml", "x", "a/b"]),
)


@given(st.lists(_WAIVERS, max_size=8), _FINDINGS)
def test_the_index_finds_exactly_what_matches(waivers: list[Waiver], given_: Finding) -> None:
    index = WaiverIndex(waivers)
    found = [index.matchers[at].waiver for at in index.of(given_)]
    ordered = sorted(waivers, key=lambda each: each.origin is not WaiverOrigin.FILE)
    assert found == [each for each in ordered if match(each, given_)]


def test_waivers_are_asked_in_the_order_file_inline_peer() -> None:
    waivers = [beside(origin=WaiverOrigin.PEER), beside(), waiver()]
    index = WaiverIndex(waivers)
    origins = [index.matchers[at].waiver.origin for at in index.of(CART)]
    assert origins == [WaiverOrigin.FILE, WaiverOrigin.INLINE, WaiverOrigin.PEER]


def test_a_key_that_only_looks_alike_is_not_covered() -> None:
    assert not match(waiver(resource=KEY), finding(resource=OTHER_KEY, label="Deployment shop/o"))
