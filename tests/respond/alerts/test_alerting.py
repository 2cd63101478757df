"""``SecurityAlertManager``: single events, actions and switches, each told once."""

from __future__ import annotations

import pytest

from haechi.model.event import Event
from haechi.model.incident import IncidentState
from haechi.model.response import ActionState
from haechi.model.threat import ThreatLevel
from haechi.store.state.state import State
from tests.respond.alerts.made import START_NS, Clock, Desk, opened, route, webhook
from tests.store.state.test_actions import new

EVENT = Event(
    id="e-1",
    ts_ns=START_NS,
    source="haechi",
    type="execve",
    cluster="prod",
    namespace="shop",
    rule="Terminal shell in container",
    priority="warning",
    message="bash --password=hunter2hunter2",
    fields={"haechi.tags": ["mitre_execution", "T1059"]},
)


def test_an_event_is_told_once_by_its_level(state: State, clock: Clock) -> None:
    desk = Desk(state, clock, [webhook()], [route(level="high", tags=["T1059"])])
    assert desk.manager.send_alert(EVENT, ThreatLevel.MEDIUM) == 0
    assert desk.manager.send_alert(EVENT, ThreatLevel.HIGH) == 1
    assert desk.manager.send_alert(EVENT, ThreatLevel.CRITICAL) == 0
    assert desk.run() == ["sent"]
    (sent,) = desk.recorders["hook"].sent
    assert sent.subject == "[HIGH] New incident: Terminal shell in container"
    assert "hunter2hunter2" not in str(sent)


def test_an_action_is_told_with_its_incident(state: State, clock: Clock) -> None:
    desk = Desk(state, clock, [webhook()], [route()])
    opened(state, "i-1")
    desk.take()
    desk.run()
    state.actions.propose(new(state=ActionState.WAITING, level=4))
    assert desk.take() == 1
    assert desk.take() == 0
    desk.run()
    (item,) = desk.recorders["hook"].sent[-1].items
    assert item.heading == "Approval wanted: isolate web"
    assert (item.news.topic, item.news.action) == ("incident:i-1", "a-1")
    assert item.link == "https://haechi.example/incidents/i-1"


def test_an_action_alone_and_a_stop_are_told_as_notes(state: State, clock: Clock) -> None:
    desk = Desk(state, clock, [webhook()], [route(events=["approval", "halted"])])
    state.actions.propose(new(state=ActionState.WAITING, incident="", level=4))
    state.actions.set_halt("*", stopped=True, by="user:ana", why="maintenance")
    desk.take()
    desk.run()
    desk.run()
    whats = sorted(what for message in desk.recorders["hook"].whats for what in message)
    assert whats == ["approval", "halted"]
    state.actions.set_halt("*", stopped=False, by="user:ana", why="done")
    assert desk.take() == 0


def test_an_action_of_a_clock_that_went_back_is_told(state: State, clock: Clock) -> None:
    desk = Desk(state, clock, [webhook()], [route()])
    state.actions.propose(new(1, state=ActionState.WAITING, incident=""))
    assert desk.take() == 1
    clock.forward(-300)
    state.actions.propose(new(2, state=ActionState.WAITING, incident=""))
    assert desk.take() == 1
    assert desk.take() == 0


@pytest.mark.parametrize("to", [IncidentState.RESOLVED, IncidentState.FALSE_POSITIVE])
def test_both_ends_are_told_as_the_end(state: State, clock: Clock, to: IncidentState) -> None:
    desk = Desk(state, clock, [webhook()], [route()])
    opened(state)
    desk.take()
    desk.run()
    state.incidents.set_state("inc-1", to, "user:ana", "was a drill")
    desk.take()
    desk.run()
    last = desk.recorders["hook"].sent[-1].items[0].news
    assert (last.what, last.status, last.state, last.note) == (
        "resolved",
        "resolved",
        to.value,
        "was a drill",
    )


def test_each_state_is_told_once_and_a_contained_one_that_goes_on_urgently(
    state: State, clock: Clock
) -> None:
    desk = Desk(state, clock, [webhook()], [route(group_interval=600)])
    opened(state)
    desk.take()
    desk.run()
    for to in (IncidentState.CONTAINED, IncidentState.NOT_CONTAINED):
        state.incidents.set_state("inc-1", to, "respond")
    desk.take()
    assert desk.run() == ["sent"]
    assert desk.recorders["hook"].whats == [["opened"], ["contained", "not_contained"]]
