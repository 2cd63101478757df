"""The engine on the fake API server: plan → checks → approval → apply → verify → TTL → undo."""

from __future__ import annotations

import datetime as dt
from pathlib import Path
from typing import Any

import msgspec
import pytest

from haechi.errors import Conflict, UsageError
from haechi.model.event import Event
from haechi.model.incident import IncidentState
from haechi.model.response import ActionKind, ActionState, Stage, StepState
from haechi.model.threat import ThreatLevel
from haechi.respond.by_name import want_of
from haechi.respond.engine import AutoResponseEngine
from haechi.respond.evidence import opened
from haechi.respond.ground import Site
from haechi.store.state.action_records import ActionFilter, StoredAction
from tests.respond.cluster import (
    ATTACKER,
    CLUSTER,
    POLICY,
    WEB,
    Direct,
    Rig,
    incident_of,
    reopened,
    rig,
    world_of,
)

A, K = ActionState, ActionKind
BY = "user:ana"


def stage(word: str, more: str = "") -> bytes:
    return POLICY.replace(b"enforce", word.encode()) + more.encode()


def actions(made: Rig) -> list[StoredAction]:
    """But for those of which there can be no plan: nothing here can block an address."""
    found = made.state.actions.page(ActionFilter()).items
    return [one for one in found if one.state is not A.REFUSED]


def attacked(made: Rig, **values: Any) -> Any:
    return made.put(incident_of(made.container(made.pods()[0]), **values))


def quarantined(made: Rig) -> list[str]:
    listed = made.server.list("networkpolicies.networking.k8s.io", "shop")
    names = [str(one["metadata"]["name"]) for one in listed]
    return [name for name in names if name.startswith("haechi-")]


@pytest.mark.parametrize(
    ("word", "state"),
    [
        ("observe", A.OBSERVED),
        ("recommend", A.RECOMMENDED),
        ("approve", A.WAITING),
        ("enforce", A.APPLIED),
    ],
)
def test_a_stage_goes_as_far_as_it_says(tmp_path: Path, word: str, state: ActionState) -> None:
    with rig(tmp_path, text=stage(word)) as made:
        made.engine.respond_to(attacked(made))
        made.engine.tick()
        (one,) = actions(made)
        assert (one.kind, one.state, one.automatic) == (K.ISOLATE, state, word == "enforce")
        assert bool(quarantined(made)) is (word == "enforce")


def test_enforced_contained_and_undone_when_its_time_is_over(tmp_path: Path) -> None:
    with rig(tmp_path) as made:
        pod = made.pods()[0]["metadata"]["name"]
        made.engine.respond_to(attacked(made))
        made.engine.tick()
        (one,) = actions(made)
        assert (one.state, one.outcome, one.approver) == (A.APPLIED, "contained", "policy:stage")
        assert one.want.pods == (pod,) and made.contained == [(one.id, True)]
        labels = made.server.get("pods", pod, "shop")["metadata"]["labels"]  # type: ignore[index]
        assert "app" not in labels and "tier" not in labels
        made.clock.forward(minutes=29)
        made.engine.tick()
        assert actions(made)[0].state is A.APPLIED
        made.clock.forward(minutes=1, seconds=1)
        made.engine.tick()
        (one,) = actions(made)
        assert (one.state, quarantined(made)) == (A.UNDONE, [])
        assert made.contained[-1] == (one.id, None) and one.due is None


@pytest.mark.parametrize("hours", [1, 400])
def test_a_clock_that_is_set_back_keeps_nothing_standing(tmp_path: Path, hours: int) -> None:
    with rig(tmp_path) as made:
        made.engine.respond_to(attacked(made))
        made.engine.tick()
        made.clock.forward(minutes=20)
        made.engine.tick()
        made.clock.forward(hours=-hours)
        made.engine.tick()
        (one,) = actions(made)
        assert one.state is A.APPLIED and one.expires == made.clock() + dt.timedelta(minutes=30)
        made.clock.forward(minutes=31)
        made.engine.tick()
        assert actions(made)[0].state is A.UNDONE
        assert quarantined(made) == []
        made.clock.forward(hours=hours)
        made.engine.tick()
        assert len(actions(made)) == 1


def test_what_nobody_decides_keeps_nothing_from_being_undone(tmp_path: Path) -> None:
    with rig(tmp_path) as made:
        made.engine.respond_to(attacked(made))
        made.engine.tick()
        (one,) = actions(made)
        waiting = [made.engine.by_hand(want_of(K.VERBOSE, WEB), by=BY) for _ in range(20)]
        made.clock.forward(minutes=31)
        due = made.state.actions.due(made.clock(), limit=3)
        assert due[0] == one.id and len(due) == 3 and set(due[1:]) <= {w.id for w in waiting}


def test_a_cause_is_answered_once_in_its_window(tmp_path: Path) -> None:
    with rig(tmp_path, text=stage("recommend")) as made:
        found = attacked(made)
        for _ in range(3):
            made.engine.respond_to(found)
        (one,) = actions(made)
        made.engine.dismiss(one.id, BY, note="known")
        made.clock.forward(hours=5)
        assert made.engine.respond_to(found) == []  # a person has said no
        other = made.put(attacked(made, id="i-2"))
        assert [one.state for one in made.engine.respond_to(other)][:1] == [A.RECOMMENDED]


def test_after_it_ended_a_new_window_is_answered_anew(tmp_path: Path) -> None:
    with rig(tmp_path) as made:
        found = attacked(made)
        made.engine.respond_to(found)
        made.engine.tick()
        made.clock.forward(minutes=31)
        made.engine.tick()
        assert made.engine.respond_to(found) == []
        made.clock.forward(minutes=40)
        pod = made.pods()[0]
        again = made.put(incident_of(made.container(pod)))
        assert [one.state for one in made.engine.respond_to(again)] == [A.APPROVED]


def test_a_closed_incident_is_not_answered_and_ends_what_waits(tmp_path: Path) -> None:
    with rig(tmp_path, text=stage("recommend")) as made:
        found = attacked(made)
        closed = reopened(found, IncidentState.RESOLVED)
        assert made.engine.respond_to(closed) == []
        made.engine.respond_to(found)
        made.put(closed)
        made.clock.forward(minutes=11)
        made.engine.tick()
        (one,) = actions(made)
        assert (one.state, one.actor) == (A.DISMISSED, "clock") and "resolved" in one.why


def test_a_false_positive_ends_what_stands(tmp_path: Path) -> None:
    with rig(tmp_path) as made:
        found = attacked(made)
        made.engine.respond_to(found)
        made.engine.tick()
        made.put(reopened(found, IncidentState.FALSE_POSITIVE))
        made.clock.forward(minutes=2)
        made.engine.tick()
        assert actions(made)[0].state is A.UNDONE and quarantined(made) == []


def test_who_approves_approves_what_they_saw(tmp_path: Path) -> None:
    with rig(tmp_path, text=stage("recommend")) as made:
        made.engine.respond_to(attacked(made))
        (one,) = actions(made)
        pod = made.server.get("pods", one.want.pods[0], "shop")
        assert pod is not None
        pod["metadata"]["labels"]["tier"] = "changed"
        made.server.put(pod)
        with pytest.raises(Conflict, match="another plan"):
            made.engine.approve(one.id, BY)
        approved = made.engine.approve(one.id, BY, accept=())
        assert approved.state is A.APPROVED and approved.approver == BY
        made.engine.tick()
        assert actions(made)[0].outcome == "contained"


def test_a_plan_that_was_made_anew_for_somebody_else_is_not_approved_unseen(
    tmp_path: Path,
) -> None:
    with rig(tmp_path, text=stage("recommend")) as made:
        made.engine.respond_to(attacked(made))
        (shown,) = actions(made)
        made.clock.forward(seconds=1)
        made.server.remove("networkpolicies.networking.k8s.io", "front-open", "shop")
        with pytest.raises(Conflict, match="another plan"):
            made.engine.approve(shown.id, "user:ben", seen=shown.changed)
        with pytest.raises(Conflict, match="changed since it was looked at"):
            made.engine.approve(shown.id, BY, seen=shown.changed)
        (now,) = actions(made)
        assert now.state is A.RECOMMENDED
        assert made.engine.approve(shown.id, BY, seen=now.changed).state is A.APPROVED


def test_a_world_that_changes_after_the_approval_asks_again(tmp_path: Path) -> None:
    with rig(tmp_path, text=stage("recommend")) as made:
        made.engine.respond_to(attacked(made))
        (one,) = actions(made)
        made.engine.approve(one.id, BY)
        made.server.remove("networkpolicies.networking.k8s.io", "front-open", "shop")
        before = len(made.server.log.writes())
        made.engine.tick()
        (one,) = actions(made)
        assert one.state is A.RECOMMENDED and "changed since" in one.why
        assert (one.approver, quarantined(made)) == ("", [])
        assert len(made.server.log.writes()) == before


def test_an_approval_lapses(tmp_path: Path) -> None:
    with rig(tmp_path, text=stage("recommend")) as made:
        made.engine.respond_to(attacked(made))
        (one,) = actions(made)
        made.engine.approve(one.id, BY)
        made.clock.forward(minutes=16)
        made.engine.tick()
        (one,) = actions(made)
        assert one.state is A.RECOMMENDED and "older than" in one.why


def test_labels_that_are_put_back_are_told(tmp_path: Path) -> None:
    with rig(tmp_path) as made:
        made.engine.respond_to(attacked(made))
        made.engine.tick()
        (one,) = actions(made)
        pod = made.server.get("pods", one.want.pods[0], "shop")
        assert pod is not None
        pod["metadata"]["labels"]["tier"] = "front"
        made.server.put(pod)
        made.clock.forward(minutes=2)
        made.engine.tick()
        (one,) = actions(made)
        assert (one.outcome, one.plan.contained) == ("not_contained", False)
        assert one.plan.residual and "changed by somebody else" in one.why
        assert made.contained[-1] == (one.id, False)


def test_an_undo_leaves_what_others_have_changed(tmp_path: Path) -> None:
    with rig(tmp_path) as made:
        made.engine.respond_to(attacked(made))
        made.engine.tick()
        (one,) = actions(made)
        pod = made.server.get("pods", one.want.pods[0], "shop")
        assert pod is not None
        pod["metadata"]["labels"]["app"] = "theirs"
        made.server.put(pod)
        made.engine.undo(one.id, BY)
        made.engine.tick()
        (one,) = actions(made)
        labels = made.server.get("pods", one.want.pods[0], "shop")["metadata"]["labels"]  # type: ignore[index]
        assert (one.state, labels["app"], labels["tier"]) == (A.UNDONE, "theirs", "front")
        assert "left so" in one.why and not any("quarantine" in name for name in labels)


def test_an_object_of_ours_that_others_changed_needs_a_person(tmp_path: Path) -> None:
    with rig(tmp_path) as made:
        made.engine.respond_to(attacked(made))
        made.engine.tick()
        (one,) = actions(made)
        (name,) = quarantined(made)
        body = made.server.get("networkpolicies.networking.k8s.io", name, "shop")
        assert body is not None
        body["spec"]["podSelector"] = {"matchLabels": {"theirs": "now"}}
        made.server.put(body)
        made.engine.undo(one.id, BY)
        made.engine.tick()
        (one,) = actions(made)
        assert one.state is A.STUCK and f"kubectl delete networkpolicy {name}" in one.why
        assert one.steps[2].state is StepState.UNDONE  # the others are taken back all the same
        made.server.remove("networkpolicies.networking.k8s.io", name, "shop")
        made.clock.forward(minutes=11)
        made.engine.tick()
        assert actions(made)[0].state is A.UNDONE


def test_a_stuck_one_is_tried_for_ever_and_not_often(tmp_path: Path) -> None:
    with rig(tmp_path) as made:
        made.engine.respond_to(attacked(made))
        made.engine.tick()
        made.server.faults.add(kind="status", code=403, times=0, verb="delete")
        made.engine.undo(actions(made)[0].id, BY)
        for _ in range(12):
            made.engine.tick()
            due = made.state.actions.next_due()
            assert due is not None and (due - made.clock()).total_seconds() <= 600
            made.clock.at = due
        assert actions(made)[0].state is A.STUCK
        made.server.faults.clear()
        made.engine.tick()
        assert (actions(made)[0].state, quarantined(made)) == (A.UNDONE, [])


def test_waiting_for_a_step_that_may_still_come_to_pass_calls_nobody(tmp_path: Path) -> None:
    with rig(tmp_path) as made:
        before = world_of(made.server)
        made.server.faults.add(
            kind="status", code=500, times=0, verb="patch", resource="pods", dry=False
        )
        made.engine.respond_to(attacked(made))
        made.engine.tick()
        (one,) = actions(made)
        assert one.state is A.APPLYING and one.steps[-1].state is StepState.APPLYING
        made.engine.undo(one.id, BY)
        states, began = set(), made.clock()
        while (due := made.state.actions.next_due()) is not None:
            made.clock.at = max(made.clock.at, due)
            made.engine.tick()
            states.add(actions(made)[0].state)
        assert states == {A.UNDOING, A.FAILED}
        assert (made.clock() - began).total_seconds() >= 75
        assert world_of(made.server) == before


def test_an_action_that_cannot_be_completed_is_taken_back(tmp_path: Path) -> None:
    with rig(tmp_path) as made:
        before = world_of(made.server)
        made.server.faults.add(
            kind="status", code=403, times=0, verb="patch", resource="pods", dry=False
        )
        made.engine.respond_to(attacked(made))
        made.engine.tick()
        (one,) = actions(made)
        assert one.state is A.FAILED and "kube.patch" in one.why
        assert [step.state.value for step in one.steps] == ["applied", "undone", "failed"]
        assert world_of(made.server) == before


def test_stop_withdraws_what_automation_approved_and_people_go_on(tmp_path: Path) -> None:
    with rig(tmp_path) as made:
        made.engine.respond_to(attacked(made))
        made.engine.stop(CLUSTER, BY, why="drill")
        made.engine.tick()
        (one,) = actions(made)
        assert one.state is A.RECOMMENDED and "drill" in one.why and quarantined(made) == []
        made.engine.approve(one.id, BY)
        made.engine.tick()
        assert actions(made)[0].state is A.APPLIED
        made.clock.forward(minutes=31)
        made.engine.tick()
        assert actions(made)[0].state is A.UNDONE  # time goes on while automation stands still


def test_a_file_stops_as_well(tmp_path: Path) -> None:
    with rig(tmp_path) as made:
        (made.folder / "HALT").touch()
        made.engine.respond_to(attacked(made))
        made.engine.tick()
        assert [one.state for one in actions(made)] == [A.WAITING]


def test_stopped_between_two_steps_the_rest_is_not_begun(tmp_path: Path) -> None:
    halted: list[AutoResponseEngine] = []

    def at(point: str) -> None:
        if point == "1:applied" and halted:
            halted.pop().stop("*", BY, why="now")

    with rig(tmp_path, at=at) as made:
        before = world_of(made.server)
        halted.append(made.engine)
        made.engine.respond_to(attacked(made))
        made.engine.tick()
        (one,) = actions(made)
        assert one.state is A.FAILED and "now" in one.why
        assert world_of(made.server) == before


def test_failures_stop_automation_until_somebody_lets_it_go(tmp_path: Path) -> None:
    text = POLICY.replace(b"failures: 1000", b"failures: 1")
    with rig(tmp_path, text=text) as made:
        made.server.faults.add(kind="status", code=403, times=1, verb="patch", dry=False)
        made.engine.respond_to(attacked(made))
        made.engine.tick()
        assert actions(made)[0].state is A.FAILED
        made.clock.forward(seconds=1)
        made.engine.respond_to(attacked(made, id="i-2"))
        assert actions(made)[0].state is A.WAITING and "breaker" in actions(made)[0].why
        made.clock.forward(seconds=1)
        made.engine.go(CLUSTER, BY)
        made.engine.respond_to(attacked(made, id="i-3"))
        assert actions(made)[0].state is A.APPROVED


def test_a_dump_is_recommended_on_and_never_changed(tmp_path: Path) -> None:
    with rig(tmp_path) as made:
        site = Site(name=CLUSTER, reader=Direct(made.client, "dump"), why="a folder of manifests")
        made.engine.ground.__dict__["sites"] = lambda name: site
        made.engine.respond_to(attacked(made))
        (one,) = actions(made)
        assert one.state is A.WAITING and "a folder of manifests" in one.why
        with pytest.raises(Conflict, match="nothing can be applied"):
            made.engine.approve(one.id, BY)


def test_evidence_is_put_by_before_anything_is_changed(tmp_path: Path) -> None:
    with rig(tmp_path) as made:
        made.engine.respond_to(attacked(made))
        made.engine.tick()
        (one,) = actions(made)
        (file,) = (made.folder / "evidence").iterdir()
        found = opened(file)
        pods = [body for body in found["objects"] if body["kind"] == "Pod"]
        assert pods[0]["metadata"]["labels"]["app"] == "web"  # as it was before
        assert "SHA-256" in one.steps[0].error and file.stat().st_mode & 0o077 == 0
        assert (made.folder / "evidence").stat().st_mode & 0o777 == 0o700


def test_one_action_at_a_time_does_a_thing(tmp_path: Path) -> None:
    with rig(tmp_path) as made:
        made.engine.respond_to(attacked(made))
        made.engine.tick()
        (first,) = actions(made)
        with pytest.raises(Conflict, match=first.id):
            made.engine.by_hand(want_of(K.ISOLATE, WEB, pods=first.want.pods), by=BY, approve=True)


def test_extend_sets_the_clock_anew(tmp_path: Path) -> None:
    with rig(tmp_path) as made:
        made.engine.respond_to(attacked(made))
        made.engine.tick()
        made.engine.extend(actions(made)[0].id, BY, seconds=7200)
        made.clock.forward(hours=1)
        made.engine.tick()
        assert actions(made)[0].state is A.APPLIED
        made.clock.forward(hours=1, seconds=1)
        made.engine.tick()
        assert actions(made)[0].state is A.UNDONE
        with pytest.raises((Conflict, UsageError)):
            made.engine.extend(actions(made)[0].id, BY, seconds=60)


def test_what_ran_and_is_gone_cannot_be_undone(tmp_path: Path) -> None:
    with rig(tmp_path) as made:
        pod = made.pods()[0]["metadata"]["name"]
        one = made.engine.by_hand(want_of(K.DELETE, WEB, pods=(pod,)), by=BY, approve=True)
        made.engine.tick()
        (one,) = actions(made)
        assert (one.state, one.outcome, one.expires, one.due) == (A.APPLIED, "done", None, None)
        with pytest.raises(Conflict, match="can be undone"):
            made.engine.undo(one.id, BY)


def test_monitoring_is_a_rule_file_that_goes_again(tmp_path: Path) -> None:
    with rig(tmp_path) as made:
        made.engine.by_hand(want_of(K.MONITOR, WEB), by=BY, approve=True)
        made.engine.tick()
        (file,) = made.state.rules.files()
        assert "k8s.ns.name = shop" in file.text and file.by == "haechi-respond"
        made.engine.undo(actions(made)[0].id, BY)
        made.engine.tick()
        assert made.state.rules.files() == [] and actions(made)[0].state is A.UNDONE


def test_monitoring_widens_what_a_sensor_that_follows_the_server_watches(tmp_path: Path) -> None:
    from haechi.cli.sensor_rules import of_rows, wants
    from haechi.runtime.rulebook import Rulebook

    with rig(tmp_path) as made:
        book = Rulebook(made.state.rules, builtin=lambda: None)
        made.engine.ground.__dict__["rules"] = book
        made.engine.by_hand(want_of(K.MONITOR, WEB), by=BY, approve=True)
        before = wants(of_rows(_rows(book)).rules)[0].watch
        made.engine.tick()
        after = wants(of_rows(_rows(book)).rules)[0].watch
        assert not any(one.startswith("/srv") for one in before) and "/srv/" in after
        made.engine.undo(actions(made)[0].id, BY)
        made.engine.tick()
        assert wants(of_rows(_rows(book)).rules)[0].watch == before


def _rows(book: Any) -> list[dict[str, Any]]:
    """As ``GET runtime/rules?resolved=true`` gives them to a sensor."""
    from haechi.server.work.runtime_rows import resolved, rule_rows

    rows = list(resolved(list(rule_rows(book.book, {})), book.book))
    return [msgspec.to_builtins(one) for one in rows]


def test_what_cannot_be_planned_is_told_once(tmp_path: Path) -> None:
    with rig(tmp_path, text=stage("recommend")) as made:
        found = attacked(made, source_ips=("45.33.32.156", "10.0.0.9", "203.0.113.9", "x"))
        for _ in range(3):
            made.engine.respond_to(found)
            made.clock.forward(hours=2)
        refused = made.state.actions.page(ActionFilter(state=(A.REFUSED,))).items
        assert [one.kind for one in refused] == [K.BLOCK]
        assert "cannot be blocked here" in refused[0].why and refused[0].steps == []
        assert refused[0].want.address == "45.33.32.156"  # the others are nobody's out there


def test_an_event_is_answered_by_the_guides_names(tmp_path: Path) -> None:
    with rig(tmp_path, text=stage("recommend")) as made:
        container = made.container(made.pods()[0])
        event = Event(
            id="e-1", ts_ns=1, source="haechi", type="execve", cluster=CLUSTER, namespace="shop",
            resource=WEB, container_id=container, rule="Shell", fields={"fd.cip": ATTACKER},
        )  # fmt: skip
        made.engine.respond(event, ThreatLevel.CRITICAL)
        made.engine.respond(event, ThreatLevel.CRITICAL)
        assert [one.kind for one in actions(made)] == [K.ISOLATE]
        for one in (
            made.engine.isolate_workload(WEB),
            made.engine.enable_enhanced_monitoring(WEB),
            made.engine.enable_verbose_logging(WEB),
        ):
            assert one is not None and one.state is A.RECOMMENDED and one.stage is Stage.RECOMMEND


@pytest.mark.parametrize("key", ["", "web", "file:-/x", "k8s:prod/x", "host:"])
def test_what_is_no_key_is_refused(key: str) -> None:
    with pytest.raises(UsageError, match="no key"):
        want_of(K.ISOLATE, key)
