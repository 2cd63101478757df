"""The collecting loop: nothing goes on before it is durable, and no source holds up another."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec
import pytest

from haechi.errors import StoreBusy
from haechi.model.event import Event
from haechi.runtime.processor import SecurityEvent, SecurityEventProcessor
from haechi.runtime.sources import Batch, FeedSettings, FileSource, QueueSource, Source, opened
from tests.runtime.events import audit, execve


class Sink:
    """Keeps what is delivered; fails as often as it is told to."""

    def __init__(self, fail: int = 0) -> None:
        self.fail = fail
        self.events: list[Event] = []
        self.places: dict[str, Any] = {}

    async def __call__(self, source: Source, batch: Batch) -> None:
        if self.fail:
            self.fail -= 1
            raise StoreBusy("full")
        self.events += batch.events
        if batch.checkpoint is not None:
            self.places[source.id] = batch.checkpoint


def queue_of(kind: str, *events: Event) -> QueueSource:
    """A source that holds these."""
    source = QueueSource(kind)
    for event in events:
        assert source.put(event)
    return source


def flow() -> Event:
    """A connection."""
    fields = {"fd.cip": "10.0.0.7", "fd.sip": "10.0.0.9"}
    return execve(number=7, source="hubble", type="flow", fields=fields)


def test_each_method_collects_from_its_own_sources() -> None:
    async def main() -> dict[str, list[str]]:
        sources = [
            queue_of("falco", execve(number=1)),
            queue_of("hubble", flow()),
            queue_of("application", execve(number=2)),
            queue_of("kubernetes-audit", audit(3)),
        ]
        processor = SecurityEventProcessor(sources, deliver=Sink())
        return {
            name: [one.id for one in await getattr(processor, name)()]
            for name in (
                "get_falco_events",
                "get_network_events",
                "get_application_security_events",
                "collect_security_events",
                "collect_security_events",
            )
        } | {"rest": [one.id for one in await processor.collect_security_events()]}

    assert asyncio.run(main()) == {
        "get_falco_events": ["e1"],
        "get_network_events": ["e7"],
        "get_application_security_events": ["e2"],
        "collect_security_events": [],
        "rest": [],
    }


def test_what_was_not_delivered_comes_again() -> None:
    async def main() -> tuple[Sink, list[str]]:
        sink = Sink(fail=2)
        processor = SecurityEventProcessor([queue_of("falco", execve())], deliver=sink)
        for _ in range(2):
            with pytest.raises(StoreBusy):
                await processor.collect_security_events()
        return sink, [one.id for one in await processor.collect_security_events()]

    sink, ids = asyncio.run(main())
    assert ids == ["e0"]
    assert [event.id for event in sink.events] == ["e0"]


async def until(ready: Callable[[], bool]) -> None:
    """Let the loop run until then."""
    async with asyncio.timeout(20):
        while not ready():
            await asyncio.sleep(0)


@pytest.mark.parametrize(
    ("error", "why"),
    [
        (OSError("gone"), "gone"),
        (ValueError("a text of an event"), "a fault of haechi's own: ValueError"),
    ],
    ids=["unreadable", "own-fault"],
)
def test_a_stuck_source_holds_up_no_other(error: Exception, why: str) -> None:
    class Stuck(QueueSource):
        def take(self) -> Batch:
            raise error

    told: list[tuple[str, str]] = []

    async def failed(source: Source, why: str) -> None:
        told.append((source.kind, why))

    async def main() -> list[str]:
        sink = Sink()
        sources = [Stuck("falco"), queue_of("hubble", flow())]
        processor = SecurityEventProcessor(
            sources, deliver=sink, failed=failed, pause_s=0, after_error_s=0
        )
        loop = asyncio.create_task(processor.process_security_events())
        await until(lambda: bool(sink.events) and bool(told))
        loop.cancel()
        await asyncio.gather(loop, return_exceptions=True)
        return [event.id for event in sink.events]

    assert asyncio.run(main()) == ["e7"]
    assert told == [("falco", why)]


def test_detection_response_and_alerts_see_what_is_durable() -> None:
    seen: list[tuple[str, str, Any]] = []
    counted: list[tuple[str, str]] = []

    class Detector:
        async def analyze(self, event: SecurityEvent) -> str:
            return "HIGH"

    class Responder:
        def respond(self, event: SecurityEvent, level: Any) -> None:
            seen.append(("respond", event.id, level))
            raise RuntimeError("cannot")

    class Alerts:
        async def send_alert(self, event: SecurityEvent, level: Any) -> None:
            seen.append(("alert", event.id, level))

    async def main() -> int:
        processor = SecurityEventProcessor(
            [queue_of("falco", execve())],
            deliver=Sink(),
            detector=Detector(),
            responder=Responder(),
            alerts=Alerts(),
            count=lambda severity, kind: counted.append((severity, kind)),
        )
        await processor.collect_security_events()
        return processor.faults

    assert asyncio.run(main()) == 1
    assert seen == [("respond", "e0", "HIGH"), ("alert", "e0", "HIGH")]
    assert counted == [("high", "execve")]


@pytest.mark.parametrize(
    ("event", "ip", "workload", "severity"),
    [
        (flow(), "10.0.0.7", "", "info"),
        (execve(priority="critical", container_id="c1"), "", "c1", "critical"),
        (audit(resource="k8s:-/x", priority="warning"), "", "k8s:-/x", "medium"),
        (execve(fields={"ka.sourceips": ["10.1.1.1", "2"]}), "10.1.1.1", "", "info"),
    ],
    ids=["a flow", "a container", "a resource", "a caller"],
)
def test_an_event_by_the_guides_names(event: Event, ip: str, workload: str, severity: str) -> None:
    view = SecurityEvent(event)
    assert (view.source_ip, view.workload_id, view.severity) == (ip, workload, severity)
    assert view.timestamp.isoformat().startswith("2026-11-22T12:00:00")
    assert view.event_type == event.type


def alert(number: int) -> bytes:
    """A line of Falco's."""
    record = {
        "time": f"2026-11-22T12:00:{number:02}Z",
        "rule": "Shell",
        "priority": "Warning",
        "output": f"shell {number}",
        "output_fields": {"evt.type": "execve"},
    }
    return msgspec.json.encode(record) + b"\n"


def test_a_file_is_followed_from_its_place_through_rotation(tmp_path: Path) -> None:
    log = tmp_path / "falco.json"
    settings = FeedSettings(kind="falco", file=str(log), cluster="east")
    log.write_bytes(alert(1) + b"{bad\n" + alert(2))

    async def collected(place: Any, more: Callable[[], None]) -> tuple[list[str], Any, int]:
        source = opened(settings, {}, checkpoint=place)
        assert isinstance(source, FileSource)
        sink = Sink()
        refused: list[int] = []

        async def deliver(source: Source, batch: Batch) -> None:
            refused.append(len(batch.refusals))
            await sink(source, batch)

        processor = SecurityEventProcessor([source], deliver=deliver)
        while await processor.collect_security_events():
            pass
        more()
        for _ in range(8):
            await processor.collect_security_events()
        source.close()
        messages = [event.message for event in sink.events]
        return messages, sink.places.get(settings.id), sum(refused)

    def append() -> None:
        with log.open("ab") as stream:
            stream.write(alert(3))

    messages, place, refused = asyncio.run(collected(None, append))
    assert (messages, refused) == (["shell 1", "shell 2", "shell 3"], 1)
    append_place = msgspec.json.decode(msgspec.json.encode(place))
    with log.open("ab") as stream:
        stream.write(alert(4))
    log.replace(tmp_path / "falco.json.1")
    log.write_bytes(alert(5))
    messages, _, _ = asyncio.run(collected(append_place, lambda: None))
    assert messages[0] == "shell 4"
