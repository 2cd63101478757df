"""How the sensors do: what each told last of itself, and when.

A sensor tells its status once a minute and soon after a loss. What it lost is as important as
what it saw, so it is a metric and a part of the health. Kept in memory: a minute after a start
every living sensor has told again.
"""

from __future__ import annotations

import datetime as dt
import logging
from threading import Lock
from typing import TYPE_CHECKING

import msgspec

if TYPE_CHECKING:
    from haechi.store.events.encoding import EncodedBatch

SOURCE, STATUS = "sensor", "sensor.status"
SILENT = dt.timedelta(minutes=5)
FORGOTTEN = dt.timedelta(days=1)
MOST = 2_000
OUTCOMES = ("lost", "shed", "dropped", "refused")
_payload = msgspec.json.Decoder(tuple[str, str, str, str, msgspec.Raw]).decode
log = logging.getLogger("haechi.server.sensors")


class _Told(msgspec.Struct, frozen=True, kw_only=True, rename=lambda name: f"sensor.{name}"):
    way: str = ""
    lost: int = 0
    shed: int = 0
    dropped: int = 0
    refused: int = 0


_read = msgspec.json.Decoder(_Told).decode


class Sensor(msgspec.Struct, frozen=True, kw_only=True):
    """One sensor since its start. ``lost``: by the kernel's ring; ``shed``: what no rule could
    hold for, under load; ``dropped``: what had no room; ``refused``: by this server."""

    cluster: str
    node: str
    way: str
    heard: dt.datetime
    counts: dict[str, int]


class Sensors:
    """The last words of each, by cluster and node."""

    def __init__(self) -> None:
        self._lock = Lock()
        self._known: dict[tuple[str, str], Sensor] = {}

    def hear(self, batch: EncodedBatch, now: dt.datetime) -> None:
        """Take note of the statuses in a batch. Cheap where there are none."""
        if not any(kind[0] == SOURCE and kind[1] == STATUS for kind in batch.kinds):
            return
        for row in batch.rows:
            kind = row[2]
            if kind[0] == SOURCE and kind[1] == STATUS:
                self._told(kind[2], row[4], now)

    def _told(self, cluster: str, payload: bytes, now: dt.datetime) -> None:
        _, node, _, _, fields = _payload(payload)
        try:
            told = _read(fields)
        except msgspec.ValidationError as error:
            log.warning("the status of the sensor at %r cannot be read: %s", node, error)
            return
        counts = {name: getattr(told, name) for name in OUTCOMES}
        sensor = Sensor(cluster=cluster, node=node, way=told.way, heard=now, counts=counts)
        with self._lock:
            self._known.pop((cluster, node), None)
            self._known[cluster, node] = sensor
            if len(self._known) > MOST:
                del self._known[next(iter(self._known))]

    def all(self, now: dt.datetime) -> list[Sensor]:
        """Those of the last day, the one heard longest ago first."""
        with self._lock:
            return [one for one in self._known.values() if now - one.heard <= FORGOTTEN]
