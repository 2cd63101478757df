"""Sending by a clock that stands still: groups, order, back-off, dead letters, storms."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from haechi.model.access import EVERYWHERE
from haechi.model.incident import IncidentState
from haechi.model.threat import ThreatLevel
from haechi.respond.alerts.delivery import LONGEST_WAIT, backoff
from haechi.store.state.alerts import AlertFilter
from haechi.store.state.state import State
from haechi.world.receivers.sending import NotSent
from tests.respond.alerts.made import (
    Clock,
    Desk,
    github,
    moved,
    opened,
    raised,
    route,
    slack,
    webhook,
)

ALL = (EVERYWHERE,)


def states(state: State) -> list[tuple[str, str]]:
    """(what, state) of all deliveries, oldest first."""
    page = state.alerts.page(AlertFilter(), within=ALL, limit=1_000)
    return [(one.what, one.state) for one in reversed(page.items)]


def test_an_incident_is_told_from_its_beginning_to_its_end(state: State, clock: Clock) -> None:
    desk = Desk(state, clock, [webhook()], [route()])
    opened(state)
    assert desk.take() == 1
    assert desk.take() == 0
    assert desk.run() == ["sent"]
    raised(state, "inc-1", ThreatLevel.CRITICAL)
    moved(state, "inc-1", IncidentState.ACKNOWLEDGED, "looking")
    moved(state, "inc-1", IncidentState.RESOLVED)
    desk.take()
    assert desk.run() == ["sent"]
    (first, second) = desk.recorders["hook"].sent
    assert first.subject == "[HIGH] New incident: Shell in web"
    assert first.items[0].link == "https://haechi.example/incidents/inc-1"
    assert "hunter2hunter2" not in str(first)
    assert [one.news.what for one in second.items] == ["raised", "acknowledged", "resolved"]
    assert second.latest["incident:inc-1"].news.status == "resolved"
    assert [one.state for one in state.alerts.open_tickets("hook")] == []


def test_the_first_of_a_group_waits_for_others_and_the_next_for_the_interval(
    state: State, clock: Clock
) -> None:
    by_place = route(group_by=["namespace"], group_wait=10, group_interval=60)
    desk = Desk(state, clock, [webhook()], [by_place])
    opened(state, "a")
    desk.take()
    clock.forward(8)
    opened(state, "b")
    desk.take()
    assert desk.run() == []
    clock.forward(2)
    assert desk.run() == ["sent"]
    opened(state, "c")
    desk.take()
    clock.forward(59)
    assert desk.run() == []
    clock.forward(1)
    assert desk.run() == ["sent"]
    assert [len(one.items) for one in desk.recorders["hook"].sent] == [2, 1]


def test_what_got_worse_does_not_wait_for_the_interval(state: State, clock: Clock) -> None:
    desk = Desk(state, clock, [webhook()], [route(group_wait=1, group_interval=600)])
    opened(state)
    desk.take()
    clock.forward(1)
    desk.run()
    raised(state, "inc-1", ThreatLevel.CRITICAL)
    desk.take()
    clock.forward(1)
    assert desk.run() == ["sent"]


def test_a_message_keeps_its_id_and_content_until_it_is_through(state: State, clock: Clock) -> None:
    desk = Desk(state, clock, [webhook()], [route()])
    hook = desk.recorders["hook"]
    hook.script = [NotSent("HTTP 503"), NotSent("HTTP 503")]
    opened(state)
    desk.take()
    assert desk.turn().outcome == "later"
    raised(state, "inc-1", ThreatLevel.CRITICAL)  # joins the next message, not this one
    desk.take()
    clock.forward(5)
    assert desk.turn().outcome == "later"
    clock.forward(9)
    assert desk.turn().outcome == "nothing"
    clock.forward(1)
    assert desk.run() == ["sent", "sent"]
    assert hook.tried[0] == hook.tried[1] == hook.tried[2]
    assert hook.whats == [["opened"], ["raised"]]
    assert hook.sent[0].id != hook.sent[1].id


def test_a_receiver_that_asks_for_time_gets_it(state: State, clock: Clock) -> None:
    desk = Desk(state, clock, [webhook()], [route()])
    desk.recorders["hook"].script = [NotSent("HTTP 429", retry_after=120)]
    opened(state)
    opened(state, "inc-2")
    desk.take()
    assert desk.run() == ["later"]
    clock.forward(119)
    assert desk.run() == []
    clock.forward(1)
    assert desk.run() == ["sent", "sent"]


def test_a_no_for_good_is_a_dead_letter_at_once_and_does_not_hold_up_the_next(
    state: State, clock: Clock
) -> None:
    desk = Desk(state, clock, [webhook()], [route()])
    desk.recorders["hook"].script = [NotSent("HTTP 400: no", permanent=True)]
    opened(state)
    opened(state, "inc-2")
    desk.take()
    assert desk.run() == ["dead", "sent"]
    (dead,) = state.alerts.page(AlertFilter(state=["dead"]), within=ALL).items
    assert (dead.error, dead.attempts) == ("HTTP 400: no", 1)
    again = state.alerts.retry(dead.id, within=ALL, by="user:ana")
    assert (again.state, again.attempts) == ("waiting", 0)
    assert desk.run() == ["sent"]
    assert states(state) == [("opened", "sent"), ("opened", "sent")]


def test_what_fails_for_too_long_is_given_up(state: State, clock: Clock) -> None:
    desk = Desk(state, clock, [webhook()], [route()])
    desk.recorders["hook"].script = [NotSent("HTTP 500")] * 1_000
    opened(state)
    desk.take()
    tries = 0
    while desk.turn().outcome != "dead":
        clock.forward(60)
        tries += 1
        assert tries < 2_000
    (dead,) = state.alerts.page(AlertFilter(state=["dead"]), within=ALL).items
    assert dead.error == "given up after 24 h: HTTP 500"
    assert dead.attempts > 50


def test_one_receiver_that_fails_holds_up_no_other(state: State, clock: Clock) -> None:
    desk = Desk(state, clock, [webhook(), slack()], [route("all", "hook", "chat")])
    desk.recorders["hook"].script = [NotSent("no answer")] * 10
    opened(state)
    desk.take()
    assert desk.run("hook") == ["later"]
    assert desk.run("chat") == ["sent"]


def test_a_flood_becomes_a_summary_for_people(state: State, clock: Clock) -> None:
    desk = Desk(state, clock, [slack(rate=2)], [route("all", "chat")])
    for number in range(60):
        opened(state, f"inc-{number}")
    desk.take()
    assert desk.run("chat") == ["sent", "sent"]
    clock.forward(59)
    assert desk.run("chat") == []
    clock.forward(1)
    assert desk.run("chat") == ["sent"]
    summary = desk.recorders["chat"].sent[-1]
    assert (len(summary.items), summary.more) == (20, 38)
    assert summary.more_says == "and 38 more in 1 min; the page has all of them"
    assert summary.subject == "[HIGH] 58 incidents: New incident: Shell in web"
    assert {kind for _, kind in states(state)} == {"sent"}


def test_a_flood_of_tickets_only_comes_slower_the_worst_first(state: State, clock: Clock) -> None:
    desk = Desk(state, clock, [github(rate=2)], [route("all", "issues")])
    desk.recorders["issues"].keeps = True
    for number in range(5):
        opened(state, f"inc-{number}", level=ThreatLevel.MEDIUM)
    opened(state, "worst", level=ThreatLevel.CRITICAL)
    desk.take()
    assert desk.run("issues") == ["sent", "sent"]
    clock.forward(60)
    assert desk.run("issues") == ["sent", "sent"]
    sent = desk.recorders["issues"].sent
    assert sent[0].items[0].news.incident == "worst"
    assert all(len(one.latest) == 1 for one in sent)


def test_what_is_over_before_it_could_be_told_is_not_told(state: State, clock: Clock) -> None:
    desk = Desk(state, clock, [webhook()], [route(group_wait=30)])
    opened(state)
    desk.take()
    moved(state, "inc-1", IncidentState.FALSE_POSITIVE)
    desk.take()
    clock.forward(30)
    assert desk.run() == ["skipped"]
    assert desk.recorders["hook"].tried == []
    assert states(state) == [("opened", "skipped"), ("resolved", "skipped")]


def test_news_of_last_month_are_not_told_to_a_new_receiver(state: State, clock: Clock) -> None:
    opened(state)
    clock.forward(25 * 3600)
    desk = Desk(state, clock, [webhook()], [route()])
    opened(state, "inc-2")
    assert desk.take() == 1
    desk.run()
    assert [one.items[0].news.incident for one in desk.recorders["hook"].sent] == ["inc-2"]


def test_a_topic_stays_in_its_group_when_its_owner_changes(state: State, clock: Clock) -> None:
    desk = Desk(state, clock, [webhook()], [route(group_by=["owner"])])
    hook = desk.recorders["hook"]
    opened(state)
    desk.take()
    hook.script = [NotSent("HTTP 503")]
    desk.run()
    state.incidents.assign("inc-1", "@shop", "user:ana")
    moved(state, "inc-1", IncidentState.RESOLVED)
    desk.take()
    clock.forward(5)
    desk.run()
    assert hook.whats == [["opened"], ["resolved"]]


def test_rows_of_a_receiver_that_is_gone_become_dead_letters(state: State, clock: Clock) -> None:
    desk = Desk(state, clock, [webhook()], [route()])
    opened(state)
    desk.take()
    assert state.alerts.orphans(["other"], clock()) == 1
    assert states(state) == [("opened", "dead")]


def test_what_is_long_over_is_forgotten(state: State, clock: Clock) -> None:
    desk = Desk(state, clock, [webhook()], [route()])
    opened(state)
    desk.take()
    desk.run()
    assert state.alerts.forget(clock.now) == 0
    clock.forward(3600)
    assert state.alerts.forget(clock.now) == 1


@given(failures=st.integers(1, 10_000), jitter=st.floats(0, 1, exclude_max=True))
def test_waits_grow_to_a_bound(failures: int, jitter: float) -> None:
    wait = backoff(failures, jitter)
    assert 2.5 <= wait <= LONGEST_WAIT
    assert backoff(failures + 1, jitter) >= wait


@pytest.mark.parametrize(("failures", "seconds"), [(1, 5), (2, 10), (3, 20), (9, 900)])
def test_waits_double(failures: int, seconds: float) -> None:
    assert backoff(failures, 0.0) == seconds
