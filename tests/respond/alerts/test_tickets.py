"""Ours and theirs in step: closed there, deleted there, back here; what lasts is told again."""

from __future__ import annotations

from haechi.model.incident import IncidentState
from haechi.store.state.state import State
from haechi.world.receivers.settings import ReceiverSettings
from tests.respond.alerts.made import Clock, Desk, github, moved, opened, route, slack


def tracking(state: State, clock: Clock) -> Desk:
    """An incident with its ticket."""
    desk = Desk(state, clock, [github()], [route("all", "issues")])
    desk.recorders["issues"].keeps = True
    opened(state)
    step(desk)
    return desk


def step(desk: Desk) -> list[str]:
    desk.take()
    return desk.run("issues")


def checked(desk: Desk, clock: Clock) -> None:
    clock.forward(301)
    desk.reconcile("issues")


def test_there_is_one_ticket_for_an_incident(state: State, clock: Clock) -> None:
    desk = tracking(state, clock)
    moved(state, "inc-1", IncidentState.ACKNOWLEDGED)
    step(desk)
    moved(state, "inc-1", IncidentState.RESOLVED)
    step(desk)
    moved(state, "inc-1", IncidentState.OPEN)
    step(desk)
    there = desk.recorders["issues"]
    assert there.whats == [["opened"], ["acknowledged"], ["resolved"], ["reopened"]]
    assert list(there.there) == ["T-1"]
    assert there.known[1]["incident:inc-1"].remote == "T-1"
    one = state.alerts.ticket("issues", "incident:inc-1")
    assert one is not None
    assert (one.state, one.made, one.url) == ("open", 1, "https://t.example/T-1")


def test_an_incident_that_comes_back_as_a_new_one_takes_the_old_ticket(
    state: State, clock: Clock
) -> None:
    desk = tracking(state, clock)
    moved(state, "inc-1", IncidentState.RESOLVED)
    step(desk)
    opened(state, "inc-2", cause="inc-1")
    step(desk)
    there = desk.recorders["issues"]
    assert there.known[-1]["incident:inc-2"].remote == "T-1"
    assert list(there.there) == ["T-1"]


def test_a_ticket_that_a_person_closed_is_noted_once_and_left(state: State, clock: Clock) -> None:
    desk = tracking(state, clock)
    there = desk.recorders["issues"]
    there.there["T-1"] = False
    checked(desk, clock)
    checked(desk, clock)
    assert desk.noted == [("inc-1", "issues", "https://t.example/T-1")]
    assert step(desk) == []
    one = state.alerts.ticket("issues", "incident:inc-1")
    assert one is not None
    assert one.state == "theirs"


def test_a_ticket_that_was_deleted_is_made_anew_once(state: State, clock: Clock) -> None:
    desk = tracking(state, clock)
    there = desk.recorders["issues"]
    there.there["T-1"] = None
    checked(desk, clock)
    assert step(desk) == ["sent"]
    assert there.whats[-1] == ["remade"]
    assert list(there.there) == ["T-1", "T-2"]
    there.there["T-2"] = None
    checked(desk, clock)
    checked(desk, clock)
    assert step(desk) == []
    one = state.alerts.ticket("issues", "incident:inc-1")
    assert one is not None
    assert one.state == "gone"


def test_a_ticket_deleted_after_the_end_is_not_made_anew(state: State, clock: Clock) -> None:
    desk = tracking(state, clock)
    state.incidents.set_state("inc-1", IncidentState.RESOLVED, "user:ana")
    desk.recorders["issues"].there["T-1"] = None
    checked(desk, clock)  # before the end was told
    assert len(desk.recorders["issues"].there) == 1


def test_what_is_open_is_told_again_after_the_interval(state: State, clock: Clock) -> None:
    desk = Desk(state, clock, [slack()], [route("all", "chat", repeat_interval=3600)])
    opened(state)
    desk.take()
    desk.run("chat")
    clock.forward(3599)
    desk.reconcile("chat")
    assert desk.run("chat") == []
    clock.forward(61)
    desk.reconcile("chat")
    desk.reconcile("chat")
    assert desk.run("chat") == ["sent"]
    clock.forward(61)
    desk.reconcile("chat")
    assert desk.run("chat") == []
    assert desk.recorders["chat"].whats == [["opened"], ["repeat"]]
    clock.forward(3600)
    moved(state, "inc-1", IncidentState.ACKNOWLEDGED)
    desk.take()
    desk.run("chat")
    clock.forward(3700)
    desk.reconcile("chat")
    assert desk.run("chat") == []  # somebody looks at it


def test_an_alertmanager_hears_of_what_lasts_before_it_calls_it_over(
    state: State, clock: Clock
) -> None:
    prom = ReceiverSettings(name="prom", kind="alertmanager", url="https://am.example", resend=30)
    desk = Desk(state, clock, [prom], [route("all", "prom")])
    there = desk.recorders["prom"]
    there.keeps = True
    for number in range(3):
        opened(state, f"inc-{number}")
    desk.take()
    assert desk.run("prom") == ["sent"]
    assert len(there.sent[0].items) == 3
    moved(state, "inc-0", IncidentState.RESOLVED)
    desk.take()
    desk.run("prom")
    desk.reconcile("prom")
    clock.forward(29)
    desk.reconcile("prom")
    assert len(there.sent) == 3
    clock.forward(1)
    desk.reconcile("prom")
    again = there.sent[-1]
    assert {one.news.incident for one in again.items} == {"inc-1", "inc-2"}
    assert again.at_ns == int(clock.now.timestamp()) * 10**9
