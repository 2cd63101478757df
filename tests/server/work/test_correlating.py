"""From detections that wait to incidents: exactly once, whatever is killed, full or broken."""

from __future__ import annotations

import json
import random
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import msgspec
import pytest
from bench.incidents_kill import trial

from haechi.errors import StoreFull
from haechi.model.access import EVERYWHERE, Reach
from haechi.model.event import Event
from haechi.model.incident import IncidentState
from haechi.server.readiness import parts
from haechi.server.work import correlating
from haechi.server.work.correlating import Correlating
from haechi.server.work.intake import take
from haechi.store.events import waiting
from haechi.store.state.incidents_records import IncidentFilter, Misplaced
from tests.runtime.incidents.made import detection
from tests.server.api.rig import Rig, rig

ROOT = Path(__file__).resolve().parents[3]


@pytest.fixture
def made(tmp_path: Path) -> Iterator[Rig]:
    with rig(tmp_path) as found:
        yield found


def judged(number: int, **given: Any) -> Event:
    """An alert that somebody else judged."""
    event = detection(number, **given)
    fields = {k: v for k, v in event.fields.items() if not k.startswith("haechi.")}
    return msgspec.structs.replace(event, source="falco", fields=fields)


def taken(made: Rig, *events: Event) -> int:
    """How many were new."""
    world = made.world
    batch = world.store.events.encode_events(events)
    assert not batch.refused
    return take(world, batch, (EVERYWHERE,), made.clock()).result().accepted


def sent(made: Rig, *reaches: Reach, **given: Any) -> None:
    """One event of a sender that reaches so far, and its incident."""
    world = made.world
    body = {
        "id": f"sent-{len(incidents(made))}-{given['fields'].get('proc.pid')}",
        "ts_ns": int(made.clock().timestamp() * 1e9),
        "source": "falco",
        "type": "connect",
        "cluster": "prod",
        "rule": "Miner started",
        "priority": "critical",
        **given,
    }
    batch = world.store.events.encode(msgspec.json.encode(body), within=reaches)
    assert not batch.refused
    take(world, batch, reaches, made.clock()).result()
    world.correlating.drain(world)


def incidents(made: Rig) -> list[Any]:
    every = IncidentFilter(state=list(IncidentState))
    found = made.world.store.state.incidents.each(every, within=(EVERYWHERE,), sort="opened")
    return list(found)


def test_the_recorded_attack_is_one_critical_incident(made: Rig) -> None:
    lines = (ROOT / "examples/attack.events.jsonl").read_text(encoding="utf-8").splitlines()
    told = [json.loads(line) for line in lines]
    later = int(made.clock().timestamp() * 1e9) - told[0]["ts_ns"]
    for one in told:
        one.pop("schema", None)
        one["ts_ns"] += later
    taken(made, *msgspec.convert(told, list[Event]))
    made.world.correlating.drain(made.world)
    (one,) = incidents(made)
    assert (one.level, one.state) == ("critical", IncidentState.OPEN)
    assert one.detections >= 20
    assert len(one.tactics) >= 6
    tree = made.world.store.state.incidents.process_tree(one.id)
    parents = {(node.pid, node.parent) for node in tree}
    assert len({parent for _, parent in parents if parent is not None}) >= 2


def test_an_ordinary_event_does_not_wait(made: Rig) -> None:
    plain = msgspec.structs.replace(judged(1), rule="", priority="")
    taken(made, plain)
    assert made.world.store.events.waiting.figures()["waiting"] == 0
    taken(made, msgspec.structs.replace(plain, id="p2"), judged(2))
    assert made.world.store.events.waiting.figures()["waiting"] == 1


def test_what_is_told_twice_counts_once(made: Rig) -> None:
    world = made.world
    for _ in range(3):
        taken(made, judged(1), judged(2))
        world.correlating.drain(world)
    assert [one.detections for one in incidents(made)] == [2]


SHOP, CLUSTER = Reach(cluster="prod", namespace="shop"), Reach(cluster="prod")
ON_HOST = {"namespace": "-", "node": "node-1", "container_id": "host"}
CHOSEN = {"fd.sip": "8.8.8.8", "fd.rip": "8.8.8.8"}


def test_who_reaches_a_namespace_adds_nothing_to_an_incident_of_a_node(made: Rig) -> None:
    """Saying that the node's processes are its own."""
    sent(made, CLUSTER, **ON_HOST, fields={"proc.pid": 700, "proc.apid": [700, 600]})
    sent(made, SHOP, namespace="shop", node="node-1", fields={"proc.pid": 700, **CHOSEN})
    node, shop = incidents(made)
    assert (node.namespace, node.detections, node.resource) == ("-", 1, "host:prod/node-1")
    full = made.world.store.state.incidents.get(node.id)
    assert full.source_ips == ()
    assert (shop.namespace, shop.detections) == ("shop", 1)
    assert shop.resource == "k8s:prod/core/Namespace/-/shop"


def test_who_reaches_a_namespace_draws_no_detection_of_a_node_into_its_own(made: Rig) -> None:
    """Having claimed its processes before."""
    sent(made, SHOP, namespace="shop", node="node-1", fields={"proc.pid": 700, **CHOSEN})
    sent(made, CLUSTER, **ON_HOST, fields={"proc.pid": 700, "proc.apid": [700, 600]})
    found = {(one.namespace, one.resource): one.detections for one in incidents(made)}
    assert found == {
        ("shop", "k8s:prod/core/Namespace/-/shop"): 1,
        ("-", "host:prod/node-1"): 1,
    }


def test_who_reaches_a_namespace_adds_nothing_to_an_incident_that_left_it(made: Rig) -> None:
    """An escape is seen by the node's own sensor; what the namespace says then is its own."""
    web = {"namespace": "shop", "node": "node-1", "resource": "k8s:prod/apps/Deployment/shop/web"}
    sent(made, CLUSTER, **web, fields={"proc.pid": 700})
    sent(made, CLUSTER, **ON_HOST, fields={"proc.pid": 701, "proc.apid": [701, 700]})
    (escape,) = incidents(made)
    assert (escape.namespace, escape.detections) == ("-", 2)
    for pid in (700, 702):
        sent(made, SHOP, **web, fields={"proc.pid": pid, **CHOSEN})
    known = made.world.store.state.incidents
    told = {one.namespace: known.get(one.id) for one in incidents(made)}
    assert {name: (one.detections, one.source_ips) for name, one in told.items()} == {
        "-": (2, ()),
        "shop": (2, ("8.8.8.8",)),
    }


def test_a_fold_waits_for_more_only_while_events_come_fast(
    made: Rig, monkeypatch: pytest.MonkeyPatch
) -> None:
    world, found = made.world, []
    moments = iter((100.0, 101.0, 110.0, 111.0))
    monkeypatch.setattr(correlating, "FAST", 10)
    monkeypatch.setattr(correlating, "time", SimpleNamespace(monotonic=lambda: next(moments)))
    pacing = Correlating()
    for number in (20, 20, 0):
        world.store.events._since_start["accepted"] += number
        found.append(pacing._fast(world))
    assert found == [True, False, False]


def test_sealing_and_retention_do_not_matter(made: Rig) -> None:
    world = made.world
    taken(made, *(judged(n) for n in range(1, 6)))
    world.store.events.seal(2**62)
    assert world.store.events.retain(made.clock(), days=1, max_bytes=0) == 5
    world.correlating.drain(world)
    assert [one.detections for one in incidents(made)] == [5]


def test_a_process_that_begins_anew_goes_on_where_the_other_ended(made: Rig) -> None:
    world = made.world
    taken(made, judged(1))
    world.correlating.drain(world)
    taken(made, judged(2))
    other = Correlating()
    other.drain(world)
    assert [one.detections for one in incidents(made)] == [2]
    # the first does not know that somebody else folded: it must not do it again
    taken(made, judged(3))
    with pytest.raises(Misplaced):
        world.correlating.turn(world)
    other.drain(world)
    assert [one.detections for one in incidents(made)] == [3]


def test_a_new_hot_db_counts_from_one(tmp_path: Path) -> None:
    with rig(tmp_path) as made:
        taken(made, judged(1), judged(2))
        made.world.correlating.drain(made.world)
    for name in ("hot.db", "hot.db-wal", "hot.db-shm"):
        (tmp_path / name).unlink(missing_ok=True)
        for file in tmp_path.rglob(name):
            file.unlink()
    with rig(tmp_path) as made:
        taken(made, judged(3))
        made.world.correlating.drain(made.world)
        assert [one.detections for one in incidents(made)] == [3]


def test_a_row_that_cannot_be_read_costs_itself(made: Rig) -> None:
    world = made.world
    taken(made, judged(1), judged(2), judged(3))
    world.store.events._writer.run(
        lambda c: c.execute("UPDATE waiting SET payload = x'00' WHERE seq = 2").rowcount
    )
    world.correlating.drain(world)
    assert [one.detections for one in incidents(made)] == [2]
    assert world.correlating.faults == 1
    assert world.correlating.waiting == 0


def test_a_detection_that_cannot_be_written_costs_itself(
    made: Rig, monkeypatch: pytest.MonkeyPatch
) -> None:
    world = made.world
    several = [(n, f"k8s:prod/a/B/shop/w{n}") for n in range(1, 9)]
    taken(made, *(judged(n, resource=key, container_id=f"c{n}") for n, key in several))
    fold = world.store.state.incidents.fold

    def failing(one: Any) -> int:
        if any(row.event == "d5" for row in one.rows):
            raise ValueError("a fault")
        return fold(one)

    monkeypatch.setattr(world.store.state.incidents, "fold", failing)
    world.correlating.drain(world)
    assert len(incidents(made)) == 7
    assert world.correlating.faults == 1


def test_a_full_disk_holds_it_up_and_loses_nothing(
    made: Rig, monkeypatch: pytest.MonkeyPatch
) -> None:
    world = made.world
    taken(made, judged(1))
    fold = world.store.state.incidents.fold

    def full(one: Any) -> int:
        raise StoreFull("full")

    monkeypatch.setattr(world.store.state.incidents, "fold", full)
    with pytest.raises(StoreFull):
        world.correlating.turn(world)
    assert world.correlating.waiting == 1
    monkeypatch.setattr(world.store.state.incidents, "fold", fold)
    world.correlating.drain(world)
    assert [one.detections for one in incidents(made)] == [1]


def test_a_change_by_a_person_in_between_is_seen(
    made: Rig, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Somebody closes the incident after the correlator looked and before it writes."""
    world, state = made.world, made.world.store.state
    taken(made, judged(1))
    world.correlating.drain(world)
    (first,) = incidents(made)
    taken(made, judged(2))
    fold = state.incidents.fold
    done: list[bool] = []

    def late(one: Any) -> int:
        if not done:
            done.append(True)
            state.incidents.set_state(first.id, IncidentState.RESOLVED, "user:ana")
        return fold(one)

    monkeypatch.setattr(state.incidents, "fold", late)
    world.correlating.drain(world)
    old, new = incidents(made)[::-1] if incidents(made)[0].former else incidents(made)
    assert (old.id, old.state, old.detections) == (first.id, IncidentState.RESOLVED, 1)
    assert (new.former, new.state, new.detections) == (first.id, IncidentState.OPEN, 1)


def test_one_that_is_reopened_is_joined_again(made: Rig) -> None:
    world, state = made.world, made.world.store.state.incidents
    taken(made, judged(1))
    world.correlating.drain(world)
    (one,) = incidents(made)
    state.set_state(one.id, IncidentState.RESOLVED, "user:ana")
    world.correlating.drain(world)
    state.set_state(one.id, IncidentState.OPEN, "user:ana")
    taken(made, judged(2))
    world.correlating.drain(world)
    assert [(one.id, one.detections) for one in incidents(made)] == [(one.id, 2)]
    assert len(state.timeline(one.id).items) == 1


def test_a_flood_is_joined_and_told(made: Rig, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(waiting, "FINE", 50)
    intake = made.world.store.events._writer.inserter.waiting
    intake._fine, intake._coarse, intake._most = 50, 100, 150
    for start in range(1, 2_001, 200):
        taken(made, *(judged(n, pids=(n,)) for n in range(start, start + 200)))
    figures = made.world.store.events.waiting.figures()
    assert figures["waiting"] <= 150
    assert figures["joined"] is (figures["waiting"] > 50)
    made.world.correlating.drain(made.world)
    (one,) = incidents(made)
    assert one.detections + figures["left_out"] == 2_000
    assert figures["left_out"] == 0


def test_what_has_no_room_at_all_is_counted_and_told(made: Rig) -> None:
    world = made.world
    world.correlating.drain(world)
    assert world.correlating.figures()["left_out"] == 0
    intake = world.store.events._writer.inserter.waiting
    intake._fine = intake._coarse = intake._most = 3
    events = [judged(n, resource=f"k8s:prod/a/B/shop/w{n}") for n in range(1, 11)]
    taken(made, *events[:3])
    taken(made, *events[3:])
    figures = world.correlating.figures()
    assert figures["left_out"] == 7
    (part,) = [one for one in parts(world, write=False) if one.name == "incidents"]
    assert part.state == "degraded"
    assert "7 detections" in part.what


def test_a_store_of_version_1_is_migrated(tmp_path: Path) -> None:
    with rig(tmp_path) as made:
        taken(made, judged(1))
        made.world.correlating.drain(made.world)
        made.world.store.events._writer.run(
            lambda c: [
                c.execute("DROP TABLE waiting"),
                c.execute("DELETE FROM meta WHERE name = 'epoch'"),
                c.execute("PRAGMA user_version=1"),
            ]
        )
    with rig(tmp_path) as made:
        assert made.world.store.events.waiting.epoch()
        taken(made, judged(2))
        made.world.correlating.drain(made.world)
        assert [one.detections for one in incidents(made)] == [2]


def test_killed_at_any_time_nothing_is_lost_or_counted_twice(tmp_path: Path) -> None:
    randomly = random.Random(5)  # noqa: S311
    first = 0
    for turn in range(3):  # more: ./dev bench incidents --kills 50
        found, first = trial(tmp_path / "s", first, randomly.uniform(0.02, 0.4), seal=turn == 1)
        assert found.well, found
        assert found.stored > 0
