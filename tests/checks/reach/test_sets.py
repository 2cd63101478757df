"""Sets of ports and addresses against sets of plain numbers; selectors against their meaning."""

from __future__ import annotations

from itertools import product

import pytest
from hypothesis import given
from hypothesis import strategies as st

from haechi.checks.reach.addresses import ALL, NOWHERE, Addresses, addresses, of_text
from haechi.checks.reach.ports import ANY_PORT, NO_PORT, Ports, ports
from haechi.checks.reach.selectors import (
    Labels,
    Requirement,
    Selector,
    Unreadable,
    selector_of,
    selector_of_map,
)

SPAN = st.tuples(st.sampled_from(("TCP", "UDP")), st.integers(1, 12), st.integers(1, 12)).map(
    lambda one: (one[0], min(one[1:]), max(one[1:]))
)
SPANS = st.lists(SPAN, max_size=4)
RANGE = st.tuples(st.sampled_from((4, 6)), st.integers(0, 15), st.integers(0, 15)).map(
    lambda one: (one[0], min(one[1:]), max(one[1:]))
)
RANGES = st.lists(RANGE, max_size=4)


def numbers(found: Ports) -> set[tuple[str, int]]:
    return {(proto, one) for proto, first, last in found.spans for one in range(first, last + 1)}


def hosts(found: Addresses) -> set[tuple[int, int]]:
    return {(kind, one) for kind, first, last in found.ranges for one in range(first, last + 1)}


@given(one=SPANS, other=SPANS)
def test_ports_are_sets_of_numbers(one: list[tuple[str, int, int]], other: list) -> None:  # type: ignore[type-arg]
    a, b = ports(one, ()), ports(other, ())
    assert numbers(a & b) == numbers(a) & numbers(b)
    assert numbers(a | b) == numbers(a) | numbers(b)
    assert numbers(a - b) == numbers(a) - numbers(b)


@given(one=RANGES, other=RANGES)
def test_addresses_are_sets_of_numbers(one: list[tuple[int, int, int]], other: list) -> None:  # type: ignore[type-arg]
    a, b = addresses(one), addresses(other)
    assert hosts(a & b) == hosts(a) & hosts(b)
    assert hosts(a | b) == hosts(a) | hosts(b)
    assert hosts(a - b) == hosts(a) - hosts(b)
    assert a.covers(b) == (hosts(a) >= hosts(b))


def test_a_name_is_taken_away_by_itself_or_all_of_its_protocol_only() -> None:
    http = ports((), [("TCP", "http")])
    assert http - ports([("TCP", 1, 65_534)], ()) == http
    assert http - ports([("UDP", 1, 65_535)], ()) == http
    assert not http - ports([("TCP", 1, 65_535)], ())
    assert not http - http


def test_a_name_becomes_the_numbers_that_a_pod_gives_it() -> None:
    http = ports((), [("TCP", "http")])
    assert http.resolved({("TCP", "http"): (80, 81)}) == ports([("TCP", 80, 81)], ())
    assert http.resolved({("UDP", "http"): (80,)}) == NO_PORT
    assert http.surely({("TCP", "http"): (80, 82)}) == NO_PORT


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("10.0.0.0/8", "10.0.0.0/8"),
        ("10.1.2.3/8", "10.0.0.0/8"),
        ("2001:db8::1", "2001:db8::1/128"),
    ],
)
def test_addresses_are_told_as_blocks(text: str, words: str) -> None:
    assert str(of_text(text)) == words


def test_all_addresses_and_ports_are_told_as_any() -> None:
    assert (str(ALL), str(ANY_PORT), str(NOWHERE)) == ("any address", "any", "")
    assert of_text("example.org") is None


KEYS, VALUES = ("a", "b"), ("x", "y")
ALL_LABELS = [
    {key: value for key, value in zip(KEYS, chosen, strict=True) if value}
    for chosen in product(("", *VALUES, "z"), repeat=2)
]
REQUIREMENT = st.one_of(
    st.builds(
        Requirement,
        st.sampled_from(KEYS),
        st.sampled_from(("In", "NotIn")),
        st.sets(st.sampled_from(VALUES), min_size=1).map(lambda found: tuple(sorted(found))),
    ),
    st.builds(Requirement, st.sampled_from(KEYS), st.sampled_from(("Exists", "DoesNotExist"))),
)
SELECTOR = st.lists(REQUIREMENT, max_size=3).map(lambda found: Selector(tuple(sorted(set(found)))))


def chosen(selector: Selector) -> list[dict[str, str]]:
    return [one for one in ALL_LABELS if selector.matches(Labels(values=one))]


@given(one=SELECTOR, other=SELECTOR)
def test_covering_and_joining_selectors_never_claim_too_much(
    one: Selector, other: Selector
) -> None:
    both = one.and_also(other)
    meant = [labels for labels in chosen(one) if labels in chosen(other)]
    assert chosen(both) == meant if both is not None else not meant
    if one.covers(other):
        assert all(labels in chosen(one) for labels in chosen(other))


@given(selector=SELECTOR, labels=st.sampled_from(ALL_LABELS))
def test_unknown_labels_make_no_answer_that_more_labels_would_change(
    selector: Selector, labels: dict[str, str]
) -> None:
    answer = selector.matches(Labels(values=labels, complete=False))
    grown = [more for more in ALL_LABELS if labels.items() <= more.items()]
    if answer is not None:
        assert {selector.matches(Labels(values=more)) for more in grown} == {answer}


@pytest.mark.parametrize(
    "value",
    [
        None,
        [],
        {"matchLabels": []},
        {"matchLabels": {"a": 1}},
        {"matchExpressions": {}},
        {"matchExpressions": [{"key": "a", "operator": "Gt", "values": ["1"]}]},
        {"matchExpressions": [{"key": "a", "operator": "In"}]},
        {"matchExpressions": [{"key": "a", "operator": "Exists", "values": ["x"]}]},
        {"matchExpressions": [{"operator": "Exists"}]},
    ],
    ids=str,
)
def test_a_selector_that_the_api_server_would_refuse_is_unreadable(value: object) -> None:
    with pytest.raises(Unreadable):
        selector_of(value)


def test_an_empty_map_of_a_service_selects_nothing() -> None:
    assert selector_of_map({}) is None
    assert selector_of_map({"app": 1}) is None
