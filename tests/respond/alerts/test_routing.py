"""Routes: what each part of a match holds for, in order, with the reason of a no."""

from __future__ import annotations

from typing import Any

import pytest

from haechi.model.alert import News
from haechi.respond.alerts.routing import group, lacks, rows, steps
from haechi.respond.alerts.settings import Route
from tests.respond.alerts.made import github, route, slack, webhook
from tests.world.receivers.made import news

MATCHES: list[tuple[dict[str, Any], dict[str, Any], str]] = [
    ({}, {}, ""),
    ({"level": "high"}, {}, ""),
    ({"level": "critical"}, {}, "its level is high, below critical"),
    ({"clusters": ["prod", "x"]}, {}, ""),
    ({"clusters": ["pro"]}, {}, "its cluster is prod"),
    ({"namespaces": ["sh*"]}, {}, ""),
    ({"namespaces": ["kube-*", "pay"]}, {}, "its namespace is shop"),
    ({"owners": ["@payments"]}, {"owner": "@payments"}, ""),
    ({"owners": ["@payments"]}, {}, "its owner is none"),
    ({"owners": [""]}, {}, ""),
    ({"rules": ["*shell*"]}, {}, ""),
    ({"rules": ["*miner*"]}, {}, "its rule is Terminal shell in container"),
    ({"tags": ["T1059"]}, {}, ""),
    ({"tags": ["mitre_exec*"]}, {}, ""),
    ({"tags": ["T1003"]}, {}, "its tag is mitre_execution, T1059"),
    ({"events": ["opened", "raised"]}, {}, ""),
    ({"events": ["resolved"]}, {}, "what happened is opened"),
    (
        {"level": "high", "namespaces": ["shop"], "rules": ["x"]},
        {},
        "its rule is Terminal shell in",
    ),
]


@pytest.mark.parametrize(("match", "about", "because"), MATCHES, ids=str)
def test_a_match_holds_when_all_that_is_set_holds(
    match: dict[str, Any], about: dict[str, Any], because: str
) -> None:
    said = lacks(news(**about), route(**match))
    assert said.startswith(because)
    assert bool(said) == bool(because)


def test_the_first_route_that_takes_it_ends_the_list_unless_it_goes_on() -> None:
    first = route("first", "a", level="critical")
    second = route("second", "b", continue_=True)
    third = route("third", "c", namespaces=["shop"])
    fourth = route("fourth", "d")
    listed = [first, second, third, fourth]
    assert [one.takes for one in steps(news(), listed)] == [False, True, True, False]
    assert [one.reached for one in steps(news(), listed)] == [True, True, True, False]
    assert [one.takes for one in steps(news(level="critical"), listed)] == [True] + [False] * 3


def told(one: News, routes: list[Route], before: set[str]) -> list[tuple[str, str]]:
    receivers = {made.name: made for made in (webhook(), slack(), github())}
    return [(row.receiver, row.route) for row in rows("id", one, routes, receivers, before)]


def test_a_receiver_of_two_routes_is_told_once() -> None:
    both = [route("one", "hook", continue_=True), route("two", "hook", "chat")]
    assert told(news(), both, set()) == [("hook", "one"), ("chat", "two")]


def test_who_heard_of_it_hears_of_its_end_although_no_route_takes_it_now() -> None:
    only = [route("worst", "hook", level="critical"), route("rest", "chat", namespaces=["x"])]
    assert told(news(what="resolved"), only, {"hook", "chat"}) == [
        ("chat", "rest"),
        ("hook", "worst"),
    ]
    assert told(news(what="resolved"), only, set()) == []


def test_a_route_that_wants_some_events_only_is_not_told_others_later() -> None:
    some = [route("some", "hook", events=["opened"])]
    assert told(news(what="resolved"), some, {"hook"}) == []


def test_a_receiver_that_is_not_configured_any_more_is_passed_over() -> None:
    assert told(news(), [route("one", "hook")], {"gone"}) == [("hook", "one")]


def test_behaviour_alone_is_told_to_nobody() -> None:
    (step,) = steps(news(rules=()), [route()])
    assert not step.takes
    assert "behaviour alone" in step.because


def test_without_a_route_nobody_is_told() -> None:
    assert told(news(), [], set()) == []


def test_groups_are_of_the_named_parts_and_tickets_of_one_topic() -> None:
    by_place = route(group_by=["cluster", "namespace"])
    one, other = news(), news(topic="incident:inc-2", incident="inc-2")
    assert group(one, by_place, webhook()) == group(other, by_place, webhook())
    assert group(one, by_place, github()) == one.topic
    assert group(one, route(), webhook()) != group(other, route(), webhook())
