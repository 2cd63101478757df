"""Behaviour in a server: learnt from what comes in, told on detections, kept over restarts, and
shown to those whose workload it is."""

from __future__ import annotations

import dataclasses
import datetime as dt
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest
from sqlalchemy import update

from haechi.errors import Forbidden, NotFound
from haechi.model.access import EVERYWHERE, Grant, Principal, Reach, Role
from haechi.model.event import Event
from haechi.server.run import _kept, made_world, own_jobs
from haechi.server.scrape import figures
from haechi.server.settings import Runtime
from haechi.server.shapes_profiles import ProfileChange
from haechi.server.work.intake import Taken, take
from haechi.store.state.engine import Transaction
from haechi.store.state.profile_tables import profile as table
from haechi.store.store import Store
from tests.runtime.profile.doings import connected, opened, started, usual
from tests.server.api.rig import START, Clock, Rig
from tests.server.serving import local_settings

RULES = """
- rule: Program started
  desc: a program was started
  condition: evt.type = execve
  output: started %proc.exepath
  priority: WARNING
"""
RUNTIME = Runtime(learn_hours=1.0, learn_events=200)
WEB = "k8s:-/apps/Deployment/shop/web"


@pytest.fixture
def rig_(tmp_path: Path) -> Iterator[Rig]:
    clock = Clock()
    store = Store.open(tmp_path / "store", clock=clock)
    try:
        yield made(store, clock)
    finally:
        store.close()


def made(store: Store, clock: Clock, runtime: Runtime = RUNTIME) -> Rig:
    """A server's world on the store, with one rule of our own."""
    world = made_world(store, local_settings(runtime=runtime))
    world = dataclasses.replace(world, clock=clock)
    if not store.state.rules.files():
        store.state.rules.save("own.yaml", RULES, expected=0, by="test")
    return Rig(world=world, clock=clock)


_numbers = iter(range(10**9))


def send(rig: Rig, *events: Event) -> Taken:
    """Taken as any way in takes them."""
    fresh = [
        msgspec.structs.replace(
            one, id=f"e{next(_numbers)}", ts_ns=int(rig.clock().timestamp() * 1e9)
        )
        for one in events
    ]
    batch = rig.world.store.events.encode_events(fresh)
    assert not batch.refused
    return take(rig.world, batch, (EVERYWHERE,), rig.clock()).result(timeout=30)


def learnt(rig: Rig, hours: int = 8, **more: Any) -> None:
    for _ in range(hours * 2):
        rig.clock.pass_(dt.timedelta(minutes=30))
        send(rig, *usual(50, **more))


def newest(rig: Rig, text: str) -> Event:
    """The newest detection with such a message."""
    found = rig.call("events.list", source=["haechi"], text=text, limit=1).items
    assert found
    event: Event = found[0].event
    return event


def test_detections_tell_how_usual_they_are_once_it_is_known(rig_: Rig) -> None:
    send(rig_, *usual(50))
    assert "haechi.behaviour" not in newest(rig_, "/usr/bin/gzip").fields
    learnt(rig_)
    send(rig_, started("/bin/nc"))
    rare = newest(rig_, "/bin/nc").fields
    assert rare["haechi.behaviour"] > 0.95
    assert rare["haechi.behaviour.why"][0].startswith("first ")
    assert len(rare["haechi.behaviour.why"]) <= 3
    send(rig_, *usual(50))
    assert newest(rig_, "/usr/bin/gzip").fields["haechi.behaviour"] < 0.9


def test_behaviour_alone_makes_no_detection(rig_: Rig) -> None:
    learnt(rig_)
    taken = send(rig_, opened("/etc/shadow-of-a-doubt"), connected("203.0.113.9", 4444))
    assert taken.detections == 0


def test_a_sender_cannot_say_how_usual_its_events_are(rig_: Rig) -> None:
    send(rig_, started("/bin/nc", haechi__behaviour=0.01))
    assert "haechi.behaviour" not in newest(rig_, "/bin/nc").fields


@pytest.mark.parametrize("off", [{"behaviour": False}, {"judge": False}], ids=["off", "no judging"])
def test_where_it_is_off_nothing_is_learnt(tmp_path: Path, off: dict[str, Any]) -> None:
    clock = Clock()
    store = Store.open(tmp_path / "store", clock=clock)
    try:
        rig = made(store, clock, Runtime(**off))
        send(rig, *usual(50))
        assert rig.call("profiles.list").items == []
        with pytest.raises(NotFound):
            rig.call("profiles.show", params={"id": "0" * 24})
        assert rig.world.behaviour.hold([WEB]) == 0
    finally:
        store.close()


def test_a_restart_goes_on_where_the_last_save_was(tmp_path: Path) -> None:
    clock = Clock()
    store = Store.open(tmp_path / "store", clock=clock)
    try:
        rig = made(store, clock)
        learnt(rig)
        before = rig.call("profiles.list").items
        _kept(rig.world)
        send(rig, *usual(50))  # what a crash would lose
    finally:
        store.close()
    store = Store.open(tmp_path / "store", clock=clock)
    try:
        rig = made(store, clock)
        after = rig.call("profiles.list").items
        assert [(one.id, one.state, one.events) for one in after] == [
            (one.id, one.state, one.events) for one in before
        ]
        send(rig, started("/bin/nc"))
        assert newest(rig, "/bin/nc").fields["haechi.behaviour"] > 0.95
    finally:
        store.close()


def test_a_damaged_profile_is_counted_and_learnt_anew(tmp_path: Path) -> None:
    clock = Clock()
    store = Store.open(tmp_path / "store", clock=clock)
    try:
        rig = made(store, clock)
        learnt(rig, hours=2)
        assert rig.world.behaviour.save() == 1
        assert rig.world.behaviour.save() == 0, "nothing changed since"

        def damage(transaction: Transaction) -> None:
            transaction.connection.execute(update(table).values(body=b"damaged"))

        store.state.write(damage)
        again = made(store, clock)
        assert again.call("profiles.list").items == []
        faults = [line for line in again.world.metrics.text(()).splitlines() if b"stage=" in line]
        assert b'haechi_runtime_faults_total{stage="profile"} 1.0' in faults
        send(again, *usual(10))
        assert again.call("profiles.list").items[0].state == "learning"
    finally:
        store.close()


def test_incidents_freeze_and_release(rig_: Rig) -> None:
    learnt(rig_, resource=WEB)
    assert rig_.world.behaviour.hold([WEB]) == 1
    row = rig_.call("profiles.list", state="frozen").items[0]
    assert row.held
    assert not row.frozen_by_hand
    send(rig_, *usual(50, resource=WEB))
    assert rig_.call("profiles.list").items[0].events == row.events
    assert rig_.world.behaviour.hold([]) == 0
    assert rig_.call("profiles.list").items[0].state == "active"


def test_what_is_normal_is_shown(rig_: Rig) -> None:
    learnt(rig_)
    send(rig_, started("/bin/nc"))
    row = rig_.call("profiles.list").items[0]
    found = rig_.call("profiles.show", params={"id": row.id})
    families = {one.name: one for one in found.families}
    assert [one.value for one in families["program"].values] == ["/usr/bin/gzip"]
    assert [one.value for one in families["program"].fresh] == ["/bin/nc"]
    assert {one.value for one in families["file"].values} == {
        "reads /srv/www/", "writes /var/log/nginx/", "reads /etc/hosts",
    }  # fmt: skip
    assert [one.value for one in families["peer"].values] == ["10.2.0.0/16:5432"]
    assert {one.kind for one in found.scores} == {"exec", "file", "network", "other"}
    assert 0 < row.bytes < 100_000
    assert row.name == "web"


def test_a_stored_event_is_explained_and_a_detection_as_it_was_told(rig_: Rig) -> None:
    learnt(rig_)
    send(rig_, started("/bin/nc"))
    detection = newest(rig_, "/bin/nc")
    told = rig_.call("profiles.explain", event=detection.id)
    assert told.told
    assert told.behaviour == detection.fields["haechi.behaviour"]
    assert told.why == detection.fields["haechi.behaviour.why"]
    now = rig_.call("profiles.explain", event=detection.fields["haechi.event"])
    assert not now.told
    assert now.behaviour > 0.95
    assert now.profile is not None
    assert {one.family for one in now.parts} == {"program", "lineage", "order"}
    with pytest.raises(NotFound):
        rig_.call("profiles.explain", event="no such event")


def test_changing_is_for_operators_and_is_audited(rig_: Rig) -> None:
    learnt(rig_, hours=2)
    id_ = rig_.call("profiles.list").items[0].id

    def change(to: Any, **more: Any) -> Any:
        return rig_.call("profiles.change", ProfileChange(to=to), params={"id": id_}, **more)

    assert change("freeze").frozen_by_hand
    assert change("unfreeze").state == "active"
    assert change("learn").state == "learning"
    viewer = Principal(id="user:v", name="v", grants=(Grant(role=Role.VIEWER),))
    with pytest.raises(Forbidden):
        change("forget", who=viewer)
    change("forget")
    assert rig_.call("profiles.list").items == []
    assert list(rig_.world.store.state.profiles.each(most=10)) == []
    rig_.world.store.state.write(lambda _: None)
    actions = [one.action for one in rig_.world.store.audit.rows(limit=100)]
    assert [one for one in actions if one.startswith("profile.")] == [
        "profile.freeze", "profile.unfreeze", "profile.learn", "profile.forget",
    ]  # fmt: skip


def test_a_workload_of_another_place_is_not_there(rig_: Rig) -> None:
    learnt(rig_, hours=2)
    send(rig_, started("/bin/nc"))
    event = newest(rig_, "/bin/nc").id
    id_ = rig_.call("profiles.list").items[0].id
    thaw = ProfileChange(to="unfreeze")
    for reach, seen in (
        (Reach(cluster="east", namespace="shop"), True),
        (Reach(cluster="east", namespace="pay"), False),
        (Reach(cluster="west", namespace="*"), False),
    ):
        who = Principal(id="t", name="t", grants=(Grant(role=Role.OPERATOR, reach=reach),))
        assert [one.id for one in rig_.call("profiles.list", who=who).items] == [id_] * seen
        if seen:
            rig_.call("profiles.show", who=who, params={"id": id_})
            rig_.call("profiles.explain", who=who, event=event)
            rig_.call("profiles.change", thaw, who=who, params={"id": id_})
            continue
        with pytest.raises(NotFound):
            rig_.call("profiles.show", who=who, params={"id": id_})
        with pytest.raises(NotFound):
            rig_.call("profiles.explain", who=who, event=event)
        with pytest.raises(NotFound):
            rig_.call("profiles.change", thaw, who=who, params={"id": id_})


def test_it_is_saved_by_the_clock_and_counted(rig_: Rig) -> None:
    learnt(rig_, hours=2)
    job = next(one for one in own_jobs(rig_.world) if one.name == "behaviour")
    job.work()
    assert [one.state for one in rig_.world.store.state.profiles.each(most=9)] == ["active"]
    samples = {(name, labels): value for name, labels, value in figures(rig_.world)}
    assert samples["haechi_profiles", ("active",)] == 1.0
    assert rig_.clock() > START
