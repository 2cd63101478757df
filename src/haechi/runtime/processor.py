"""The loop from all sources to the store and on to detection, response and alerts, under the names
of the guide: ``SecurityEventProcessor`` and ``SecurityEvent``.

    processor = SecurityEventProcessor(sources, deliver=deliver)
    await processor.process_security_events()

Each source has a loop of its own, so one that is stuck or floods holds up no other. ``deliver``
makes a batch durable; only then is its source told to go on, and only then do the detector, the
responder and the alerts see its events. Those three are optional, plain (then they run in a
thread) or asynchronous; an event that no detector gave a level has that of its priority.
"""

from __future__ import annotations

import asyncio
import datetime as dt
import inspect
import logging
from collections.abc import Awaitable, Callable, Iterable, Sequence
from typing import Any, Protocol

import msgspec

from haechi.errors import HaechiError
from haechi.model.event import SEVERITY_OF_PRIORITY, Event
from haechi.model.threat import ThreatLevel
from haechi.runtime.sources import NETWORK, Batch, Source

log = logging.getLogger("haechi.runtime")
PAUSE_S, AFTER_ERROR_S = 0.25, 2.0
_EPOCH = dt.datetime(1970, 1, 1, tzinfo=dt.UTC)


class SecurityEvent(msgspec.Struct, frozen=True):
    """A view of an ``Event`` by the guide's names; ``event`` is all of it."""

    event: Event

    @property
    def id(self) -> str:
        """Unique within its cluster and source."""
        return self.event.id

    @property
    def event_type(self) -> str:
        """What happened: ``execve``, ``create``, ``flow`` …"""
        return self.event.type

    @property
    def timestamp(self) -> dt.datetime:
        """When it happened, in UTC."""
        return _EPOCH + dt.timedelta(microseconds=self.event.ts_ns // 1000)

    @property
    def workload_id(self) -> str:
        """The workload's ``Resource.key`` where it is known, else the container's id."""
        return self.event.resource or self.event.container_id

    @property
    def source_ip(self) -> str:
        """Where it came from: the client of a connection, the caller of an API, the user of an
        application; empty where nobody is named."""
        return _first(self.event, ("fd.cip", "ka.sourceips", "app.ip"))

    @property
    def destination_ip(self) -> str:
        """The server of a connection."""
        return _first(self.event, ("fd.sip",))

    @property
    def severity(self) -> str:
        """By its priority: critical, high, medium, low, info."""
        return SEVERITY_OF_PRIORITY.get(self.event.priority, "info")

    @property
    def rule(self) -> str:
        """The rule that a source or haechi judged it by."""
        return self.event.rule

    @property
    def namespace(self) -> str:
        """Of its workload; ``-`` outside of any."""
        return self.event.namespace

    @property
    def message(self) -> str:
        """One line for people."""
        return self.event.message


def _first(event: Event, names: Sequence[str]) -> str:
    for name in names:
        value = event.fields.get(name)
        if isinstance(value, list):
            value = value[0] if value else None
        if isinstance(value, str) and value:
            return value
    return ""


class Detector(Protocol):
    """Gives an event a level. ``ThreatDetector`` is one."""

    def analyze(self, event: SecurityEvent) -> Any:
        """The level, or an awaitable of it."""


class Responder(Protocol):
    """Acts on an event. ``AutoResponseEngine`` is one."""

    def respond(self, event: SecurityEvent, level: Any) -> Any:
        """Nothing, or an awaitable."""


class Alerts(Protocol):
    """Tells people of an event. ``SecurityAlertManager`` is one."""

    def send_alert(self, event: SecurityEvent, level: Any) -> Any:
        """Nothing, or an awaitable."""


Deliver = Callable[[Source, Batch], Awaitable[None]]
"""Makes a batch durable. It may raise haechi's errors: then the batch is tried again."""
Count = Callable[[str, str], None]
"""``security_events_total``: told of each event's severity and type."""
Failed = Callable[[Source, str], Awaitable[None]]


class SecurityEventProcessor:
    """Collects from its sources. All methods belong to one event loop."""

    def __init__(
        self,
        sources: Iterable[Source],
        *,
        deliver: Deliver,
        detector: Detector | None = None,
        responder: Responder | None = None,
        alerts: Alerts | None = None,
        count: Count | None = None,
        failed: Failed | None = None,
        pause_s: float = PAUSE_S,
        after_error_s: float = AFTER_ERROR_S,
    ) -> None:
        self.sources = tuple(sources)
        self.faults = 0
        """How often the detector, the responder or the alerts failed on an event."""
        self._deliver, self._count, self._failed = deliver, count, failed
        self._detector, self._responder, self._alerts = detector, responder, alerts
        self._pause_s, self._after_error_s = pause_s, after_error_s
        self._pending: dict[str, Batch] = {}
        self._errors: dict[str, str] = {}
        self._turns = {source.id: asyncio.Lock() for source in self.sources}

    async def process_security_events(self) -> None:
        """Collect from all sources until cancelled."""
        try:
            async with asyncio.TaskGroup() as group:
                for source in self.sources:
                    group.create_task(self._follow(source))
        finally:
            for source in self.sources:
                source.close()

    async def collect_security_events(self) -> list[SecurityEvent]:
        """One round over all sources: what is there by now, durable when it is given."""
        return await self._round(self.sources)

    async def get_falco_events(self) -> list[SecurityEvent]:
        """One round over the sources of Falco's alerts."""
        return await self._round(one for one in self.sources if one.kind == "falco")

    async def get_network_events(self) -> list[SecurityEvent]:
        """One round over the sources of flows."""
        return await self._round(one for one in self.sources if one.kind in NETWORK)

    async def get_application_security_events(self) -> list[SecurityEvent]:
        """One round over the sources of applications."""
        return await self._round(one for one in self.sources if one.kind == "application")

    def update_security_metrics(self, event: SecurityEvent, level: Any) -> None:
        """Count an event under its level, or its severity where nothing gave it a level."""
        if self._count is not None:
            named = getattr(level, "name", level)
            severity = str(named).lower() if named is not None else event.severity
            self._count(severity, event.event_type)

    async def _round(self, sources: Iterable[Source]) -> list[SecurityEvent]:
        several = await asyncio.gather(*(self._collected(source) for source in sources))
        return [event for events in several for event in events]

    async def _follow(self, source: Source) -> None:
        """A source's loop; it goes on whatever the source or the store does."""
        while True:
            pause = 0.0
            try:
                if not await self._collected(source):
                    pause = self._pause_s
                await self._told(source, str(getattr(source, "error", "")))
            except (HaechiError, OSError) as error:
                pause = self._after_error_s
                await self._told(source, str(error))
            except Exception as error:  # the boundary of a source: the others go on
                pause = self._after_error_s
                why = f"a fault of haechi's own: {type(error).__name__}"
                if self._errors.get(source.id) != why:
                    log.exception("the feed %s", source.id)
                await self._told(source, why)
            await asyncio.sleep(pause)

    async def _told(self, source: Source, error: str) -> None:
        """Say once that a source has begun to fail, or goes on."""
        if self._errors.get(source.id, "") == error:
            return
        self._errors[source.id] = error
        if error:
            log.warning("the feed %s: %s", source.id, error)
        else:
            log.info("the feed %s goes on", source.id)
        if self._failed is not None:
            try:
                await self._failed(source, error)
            except HaechiError as again:  # a full disk is why it failed in the first place
                log.warning("the feed %s: this could not be kept: %s", source.id, again)

    async def _collected(self, source: Source) -> list[SecurityEvent]:
        """What a source has, delivered. A batch that could not be delivered comes first again."""
        async with self._turns[source.id]:
            batch = self._pending.get(source.id)
            if batch is None:
                batch = await asyncio.to_thread(source.take)
            if batch.empty:
                return []
            self._pending[source.id] = batch
            await self._deliver(source, batch)
            del self._pending[source.id]
            source.done(batch)
        events = [SecurityEvent(event) for event in batch.events]
        for event in events:
            await self._handled(event)
        return events

    async def _handled(self, event: SecurityEvent) -> None:
        """Detection, response, alert and metric of one event; a fault in one is counted, logged,
        and costs neither the others nor the loop."""
        level: Any = None
        if self._detector is not None:
            level = await self._tried(self._detector.analyze, event)
        if level is None:
            level = ThreatLevel[event.severity.upper()]
        if self._responder is not None:
            await self._tried(self._responder.respond, event, level)
        if self._alerts is not None:
            await self._tried(self._alerts.send_alert, event, level)
        self.update_security_metrics(event, level)

    async def _tried(self, work: Callable[..., Any], *words: Any) -> Any:
        try:
            if not inspect.iscoroutinefunction(work):  # they read stores and clusters
                found = await asyncio.to_thread(work, *words)
            else:
                found = work(*words)
            return await found if inspect.isawaitable(found) else found
        except Exception:  # the boundary of what others plug in
            self.faults += 1
            log.exception(
                "an event could not be handled by %s", getattr(work, "__qualname__", work)
            )
            return None
