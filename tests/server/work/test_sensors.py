"""What sensors tell of themselves is a metric and a part of the health."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest

from haechi.model.access import EVERYWHERE
from haechi.server import readiness
from haechi.server.scrape import _sensors as samples
from haechi.server.work.sensors import MOST, Sensors
from haechi.server.world import World
from haechi.store.events.encoding import EncodedBatch
from tests.server.serving import real_world


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    with real_world(tmp_path / "store") as made:
        yield made


def status(world: World, *nodes: str, **fields: Any) -> EncodedBatch:
    """A batch with a status of each node."""
    now_ns = int(world.clock().timestamp() * 1e9)
    rows = [
        {
            "id": f"{node}-{number}",
            "ts_ns": now_ns,
            "source": "sensor",
            "type": "sensor.status",
            "cluster": "east",
            "node": node,
            "fields": {f"sensor.{key}": value for key, value in fields.items()},
        }
        for number, node in enumerate(nodes)
    ]
    return world.store.events.encode(msgspec.json.encode(rows), within=(EVERYWHERE,))


def part(world: World) -> tuple[str, str]:
    found = next(one for one in readiness.parts(world, write=False) if one.name == "sensors")
    return found.state, found.what


def test_losses_are_samples_and_words(world: World) -> None:
    assert part(world) == ("ok", "no sensor has told anything yet")
    told = status(world, "n1", way="ebpf", lost=3, shed=1_200, sent=9, blind=["io"])
    world.sensors.hear(told, world.clock())
    assert part(world) == ("ok", "sensors lost 1,203 events since their start, the rest is seen")
    found = {(name, labels): value for name, labels, value in samples(world)}
    assert found["haechi_sensor_lost_events", ("east", "n1", "shed")] == 1_200
    assert found["haechi_sensor_lost_events", ("east", "n1", "dropped")] == 0
    seen = found["haechi_sensor_last_seen_timestamp_seconds", ("east", "n1", "ebpf")]
    assert seen == world.clock().timestamp() or seen > 0


def test_a_silent_sensor_is_told_until_it_speaks(world: World) -> None:
    before = world.clock() - dt.timedelta(minutes=12, seconds=5)
    world.sensors.hear(status(world, "n1", way="ebpf"), before)
    world.sensors.hear(status(world, "n2", way="audit"), world.clock())
    assert part(world) == ("degraded", "the sensor of node n1 is silent for 12 minutes")
    world.sensors.hear(status(world, "n1", way="ebpf"), world.clock())
    assert part(world) == ("ok", "sensors tell what they see")


def test_one_that_is_gone_for_a_day_is_forgotten(world: World) -> None:
    world.sensors.hear(status(world, "n1"), world.clock() - dt.timedelta(hours=25))
    assert part(world) == ("ok", "no sensor has told anything yet")


@pytest.mark.parametrize("wrong", [{"lost": "many"}, {"lost": None}, {"way": 7}])
def test_a_status_that_is_none_is_left_out(world: World, wrong: dict[str, Any]) -> None:
    world.sensors.hear(status(world, "n1", **wrong), world.clock())
    assert world.sensors.all(world.clock()) == []


def test_names_made_up_by_a_sender_are_bounded(world: World) -> None:
    sensors = Sensors()
    for start in range(0, MOST + 500, 500):
        names = [f"n{number}" for number in range(start, start + 500)]
        sensors.hear(status(world, *names), world.clock())
    kept = sensors.all(world.clock())
    assert len(kept) == MOST
    assert kept[-1].node == f"n{MOST + 499}"
