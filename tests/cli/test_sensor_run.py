"""The sensor's loop: losses are told soon, not only with the minute's status."""

from __future__ import annotations

import time
from typing import Any, cast

import pytest

from haechi.cli.sensor import LOSS_S, STATUS_S, Run
from haechi.cli.sensor_sinks import Sink
from haechi.model.event import Event


class Quiet:
    """A sensor that makes no events; ``lost`` is what the kernel had no room for."""

    lost = 0
    events_made = 0

    def status_event(self, more: dict[str, object]) -> Event:
        fields = {f"sensor.{name}": value for name, value in more.items()}
        return Event(id="s", ts_ns=1, source="sensor", type="sensor.status", fields=fields)


class Kept(Sink):
    """Keeps what it takes; ``gone`` is what it lost."""

    def __init__(self) -> None:
        self.events: list[Event] = []
        self.gone = 0

    def take(self, events: list[Event]) -> None:
        self.events += events

    @property
    def lost(self) -> int:
        return self.gone


@pytest.mark.parametrize(
    ("age", "ring", "sink", "due"),
    [
        (LOSS_S - 1, 5, 5, False),
        (LOSS_S + 1, 0, 0, False),
        (LOSS_S + 1, 5, 0, True),
        (LOSS_S + 1, 0, 5, True),
        (STATUS_S + 1, 0, 0, True),
    ],
    ids=["too-soon", "nothing-lost", "ring", "sink", "minute"],
)
def test_a_status_is_due(age: float, ring: int, sink: int, due: bool) -> None:
    sensor, kept = Quiet(), Kept()
    run = Run(cast(Any, sensor), [kept], None)
    run._tell_status()
    sensor.lost, kept.gone = ring, sink
    run._last = (time.monotonic() - age, 0)
    assert run._due() is due


def test_a_loss_is_told_once() -> None:
    sensor, kept = Quiet(), Kept()
    run = Run(cast(Any, sensor), [kept], None)
    sensor.lost = 3
    run._last = (time.monotonic() - LOSS_S - 1, 0)
    assert run._due()
    run._tell_status()
    run._last, run._looked = (time.monotonic() - LOSS_S - 1, 0), 0.0
    assert not run._due()
    assert [event.type for event in kept.events] == ["sensor.status"]
