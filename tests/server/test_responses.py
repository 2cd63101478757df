"""Responses through the server: planned for incidents, approved, applied by the thread's turn,
undone; rights; the switch. Against the fake API server."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest

from haechi.errors import Conflict, Forbidden, StoreFull, UsageError
from haechi.model.access import Grant, Principal, Reach, Role
from haechi.model.event import Event
from haechi.model.incident import IncidentState
from haechi.model.response import ActionKind, ActionState
from haechi.respond.ground import Site
from haechi.server.readiness import parts
from haechi.server.shapes import Part
from haechi.server.shapes_responses import (
    HaltRequest,
    ResponseApproval,
    ResponseAsk,
    ResponseDecision,
    ResponseExtension,
    ResponseRequest,
)
from haechi.server.work.containing import contained_of
from haechi.server.world import World
from haechi.store.state.action_records import StoredAction
from tests.fakes.apiserver.server import ApiServer
from tests.respond.cluster import CLUSTER, WEB, Direct, client_of, incident_of, reopened, shop
from tests.server.api.rig import Rig, rig

A = ActionState
OPERATOR = Principal(id="user:op", name="op", grants=(Grant(role=Role.OPERATOR),))
PAY = Principal(
    id="user:pay",
    name="pay",
    grants=(Grant(role=Role.APPROVER, reach=Reach(cluster=CLUSTER, namespace="pay")),),
)


@pytest.fixture(scope="module")
def server() -> Iterator[ApiServer]:
    with ApiServer(objects=shop()) as made:
        yield made


@pytest.fixture
def made(tmp_path: Path, server: ApiServer, monkeypatch: pytest.MonkeyPatch) -> Iterator[Rig]:
    """A server's world whose cluster is the fake one."""
    with rig(tmp_path / "store") as one, client_of(server, tmp_path) as client:
        site = lambda name: (  # noqa: E731
            Site(name=name, reader=Direct(client), client=client) if name == CLUSTER else None
        )
        monkeypatch.setattr("haechi.server.work.responding._sites", lambda world: site)
        yield one


def by_hand(made: Rig, **values: Any) -> Any:
    given: dict[str, Any] = {"kind": ActionKind.ISOLATE, "resource": WEB}
    given |= {"pods": [_pod(made)], "accept": ["blast_radius", "healthy"]}
    return made.call("responses.create", ResponseRequest(**(given | values)))


def _pod(made: Rig) -> str:
    site = made.world.respond.engine(made.world).ground.sites(CLUSTER)
    assert site is not None
    pods = [one.name for one in site.objects if one.type == "core/Pod"]
    return min(name for name in pods if name.startswith("web-"))


def turn(made: Rig) -> None:
    made.world.respond.turn(made.world)


def state(made: Rig, id_: str) -> Any:
    return made.call("responses.show", params={"id": id_})


def test_a_plan_is_shown_with_its_diff_and_nothing_is_kept(made: Rig, server: ApiServer) -> None:
    server.log.clear()
    ask = ResponseAsk(kind=ActionKind.ISOLATE, resource=WEB, pods=[_pod(made)])
    (plan,) = made.call("responses.plan", ask)
    assert plan.contained is True and not plan.residual and plan.ttl_s == 1800
    lines = [(line.sign, line.text) for step in plan.steps for line in step.diff]
    assert ("-", "/metadata/labels/app: web") in lines and ("+", "kind: NetworkPolicy") in lines
    assert {one.name for one in plan.checks} >= {"protected", "rights", "dry_run", "healthy"}
    assert server.log.writes() == []
    assert made.call("responses.list").items == []


def test_approved_applied_looked_at_extended_and_undone(made: Rig, server: ApiServer) -> None:
    one = by_hand(made).action
    assert (one.state, one.bars) == (A.RECOMMENDED, [])
    turn(made)
    assert state(made, one.id).action.state is A.RECOMMENDED  # nobody has approved it
    approved = made.call("responses.approve", ResponseApproval(note="go"), params={"id": one.id})
    assert (approved.action.state, approved.action.approver) == (A.APPROVED, "user:ana")
    turn(made)
    detail = state(made, one.id)
    assert (detail.action.state, detail.action.outcome) == (A.APPLIED, "contained")
    assert detail.left_s == 1800.0 and set(detail.may) == {"undo", "extend"}
    assert all(step.inverse is not None for step in detail.plan.steps if step.reversible)
    policies = server.list("networkpolicies.networking.k8s.io", "shop")
    assert any(p["metadata"]["name"].startswith("haechi-quarantine-") for p in policies)
    later = made.call("responses.extend", ResponseExtension(seconds=60), params={"id": one.id})
    assert later.left_s == 60.0
    made.call("responses.undo", ResponseDecision(note="enough"), params={"id": one.id})
    turn(made)
    assert state(made, one.id).action.state is A.UNDONE
    policies = server.list("networkpolicies.networking.k8s.io", "shop")
    assert not any(p["metadata"]["name"].startswith("haechi-quarantine-") for p in policies)


def test_its_time_is_over_without_anybody(made: Rig) -> None:
    one = by_hand(made, approve=True, ttl_s=120).action
    turn(made)
    assert state(made, one.id).action.state is A.APPLIED
    import datetime as dt

    made.clock.pass_(dt.timedelta(seconds=121))
    turn(made)
    assert state(made, one.id).action.state is A.UNDONE


def test_every_step_is_in_the_audit_log(made: Rig) -> None:
    one = by_hand(made, approve=True).action
    turn(made)
    made.call("responses.undo", ResponseDecision(), params={"id": one.id})
    turn(made)
    rows = made.call("audit.list", limit=200).items
    mine = [(row.action, row.actor) for row in rows if row.object == one.id]
    words = [action for action, _ in mine]
    for verb in ("approved", "applying", "applied", "undoing", "undone"):
        assert f"response.{verb}" in words
    assert ("response.approved", "user:ana") in mine
    assert words.count("response.step") == 10  # two for each of three done, two for each undone


def test_an_incident_is_answered_by_recommending_and_no_more(
    made: Rig, server: ApiServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    world = made.world
    pod = server.get("pods", _pod(made), "shop")
    assert pod is not None
    container = pod["status"]["containerStatuses"][0]["containerID"].rpartition("//")[2]
    found = incident_of(container)
    monkeypatch.setattr(world.store.state.incidents, "get", lambda id_, **more: found)
    world.respond._respond(world, world.respond.engine(world), found.id)
    listed = made.call("responses.list").items
    kinds = {one.kind: one for one in listed}
    assert kinds[ActionKind.ISOLATE].state is A.RECOMMENDED
    assert kinds[ActionKind.ISOLATE].level == "critical"
    server.log.clear()
    turn(made)
    world.respond._respond(world, world.respond.engine(world), found.id)
    assert made.call("responses.list").items == listed
    assert server.log.writes() == []


def test_what_is_new_after_a_start_goes_before_what_was_open(
    made: Rig, monkeypatch: pytest.MonkeyPatch
) -> None:
    """However many incidents are open: each turn looks at some of them, and first at the news."""
    world = made.world

    def alert(number: int) -> Event:
        return Event(
            id=f"a{number}",
            ts_ns=int(made.clock().timestamp() * 1e9),
            source="falco",
            type="execve",
            cluster="prod",
            namespace="shop",
            resource=f"k8s:prod/apps/Deployment/shop/w{number}",
            rule="A shell",
            priority="critical",
        )

    def told(*numbers: int) -> None:
        world.store.events.append(
            world.store.events.encode_events([alert(n) for n in numbers])
        ).result()
        world.correlating.drain(world)

    answered: list[str] = []
    engine = world.respond.engine(world)
    monkeypatch.setattr(engine, "respond_to", lambda one: answered.append(one.resource[-2:]))
    monkeypatch.setattr("haechi.server.work.responding.TEND_S", 0.0)
    told(1, 2, 3)
    turn(made)
    told(4)
    turn(made)
    assert answered == ["w4"]
    monkeypatch.setattr("haechi.server.work.responding.TEND_S", 60.0)
    turn(made)
    turn(made)
    assert answered[0] == "w4" and sorted(answered[1:]) == ["w1", "w2", "w3"]


def test_who_may_not_approve_cannot_do_it_by_creating(made: Rig) -> None:
    body = ResponseRequest(kind=ActionKind.ISOLATE, resource=WEB, approve=True)
    with pytest.raises(Forbidden):
        made.call("responses.create", body, who=OPERATOR)
    with pytest.raises(Forbidden):
        made.call("responses.create", body, who=PAY)
    with pytest.raises(UsageError):
        made.call("responses.create", ResponseRequest(resource=WEB))


def test_checks_that_bar_are_told_and_can_be_accepted_by_name(made: Rig) -> None:
    with pytest.raises(Conflict, match="blast_radius"):
        by_hand(made, pods=[], approve=True, accept=[])
    one = by_hand(made, pods=[], approve=True, accept=["blast_radius", "healthy"]).action
    assert one.state is A.APPROVED
    made.call("responses.dismiss", ResponseDecision(), params={"id": one.id})


def test_the_switch_and_the_file_stop_automation(made: Rig) -> None:
    status = made.call("responses.halt", HaltRequest(stopped=True, why="drill"), who=OPERATOR)
    assert [(one.scope, one.stopped) for one in status.words] == [("*", True)]
    with pytest.raises(Forbidden):
        made.call("responses.halt", HaltRequest(stopped=False), who=OPERATOR)
    with pytest.raises(Forbidden):
        made.call("responses.halt", HaltRequest(stopped=True), who=PAY)
    assert made.call("responses.halt", HaltRequest(stopped=False)).words[0].stopped is False
    (made.world.store.folder.path / "HALT").touch()
    assert made.call("responses.halts").file is True


def test_what_holds_responses_up_is_told_by_health(
    made: Rig, monkeypatch: pytest.MonkeyPatch
) -> None:
    responding = made.world.respond

    def part() -> Part:
        return next(one for one in parts(made.world, write=False) if one.name == "responses")

    assert part().state == "ok"

    def turn(world: World) -> None:
        responding.stop()
        raise StoreFull("the disk is full")

    monkeypatch.setattr(responding, "turn", turn)
    responding.run(made.world)
    assert part().state == "degraded" and "the disk is full" in part().what


def test_the_policy_is_explained(made: Rig) -> None:
    answer = made.call("responses.policy", level="critical", namespace="shop", label=["app=web"])
    assert [one.kind for one in answer.entries] == [ActionKind.ISOLATE, ActionKind.BLOCK]
    assert {one.stage.value for one in answer.entries} == {"recommend"}
    assert answer.why[0].startswith("levels.critical") and "stage:" in answer.text
    with pytest.raises(UsageError):
        made.call("responses.policy", level="bad")
    with pytest.raises(UsageError):
        made.call("responses.policy", level="high", label=["app"])


@pytest.fixture
def stood(made: Rig, monkeypatch: pytest.MonkeyPatch) -> Stood:
    """An incident that answers with what it was told to be, and an isolation of one of its pods."""
    stood = Stood(made.world, made.world.store.state.actions.get(by_hand(made).action.id))
    monkeypatch.setattr(made.world.store.state.incidents, "get", lambda id_, **more: stood.incident)
    monkeypatch.setattr(made.world.store.state.incidents, "set_state", stood.set_state)
    return stood


class Stood:
    """See ``stood``."""

    def __init__(self, world: World, action: StoredAction) -> None:
        self.world = world
        self.action = msgspec.structs.replace(action, incident="i-1")
        self.incident = incident_of()
        self.notes: list[str] = []
        engine = world.respond.engine(world)
        self.told = contained_of(world, engine.ground.sites)

    def set_state(self, id_: str, state: IncidentState, by: str, note: str) -> None:
        self.incident = reopened(self.incident, state)
        self.notes.append(note)

    def state(self) -> IncidentState:
        """The incident's."""
        return self.incident.state

    def seen_in(self, *containers: str) -> None:
        """Detections of the incident in these containers."""
        found = self.incident
        several = [
            Event(
                id=f"d-{container}", ts_ns=found.first_ns, source="falco", type="alert",
                cluster=CLUSTER, namespace="shop", resource=WEB, container_id=container,
                rule=next(iter(found.rules)), priority="critical",
            )
            for container in containers
        ]  # fmt: skip
        self.world.store.events.append(several).result()


S = IncidentState


@pytest.mark.parametrize(
    ("looks", "expected"),
    [
        ([("", True)], S.CONTAINED),
        ([("", False)], S.NOT_CONTAINED),
        ([("", None)], S.OPEN),
        ([("", True), ("contained", None)], S.ACKNOWLEDGED),
        ([("", True), ("contained", False), ("not_contained", True)], S.CONTAINED),
    ],
    ids=["cut-off", "open", "undone-before", "undone-after", "mended"],
)
def test_the_incident_follows_what_was_achieved(
    stood: Stood, looks: list[tuple[str, bool | None]], expected: IncidentState
) -> None:
    for before, good in looks:
        stood.told(msgspec.structs.replace(stood.action, outcome=before), good, "x")
    assert stood.state() == expected


def test_an_incident_in_two_pods_is_not_contained_by_cutting_one_off(
    made: Rig, stood: Stood, server: ApiServer
) -> None:
    pods = [
        one for one in server.list("pods", "shop") if one["metadata"]["name"].startswith("web-")
    ]
    ids = {
        str(one["metadata"]["name"]): str(
            one["status"]["containerStatuses"][0]["containerID"]
        ).rpartition("//")[2]
        for one in pods
    }
    (mine,), other = stood.action.want.pods, max(ids)
    stood.seen_in(ids[mine], "of-a-pod-that-is-gone")
    stood.told(stood.action, True, "")
    assert stood.state() == S.CONTAINED
    again = msgspec.structs.replace(stood.action, outcome="contained")
    stood.seen_in(ids[other])
    stood.told(again, True, "")
    assert stood.state() == S.NOT_CONTAINED and other in stood.notes[-1]


def test_what_was_seen_since_is_not_taken_back_by_another_look(stood: Stood) -> None:
    stood.told(stood.action, True, "")
    stood.incident = reopened(stood.incident, S.NOT_CONTAINED)  # a connection after it
    stood.told(msgspec.structs.replace(stood.action, outcome="contained"), True, "")
    assert stood.state() == S.NOT_CONTAINED
