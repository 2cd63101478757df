"""The classes by the guide's names, put together as the guide does, over real parts: Falco's file,
a store, an API server, a receiver."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import msgspec
import pytest

from haechi.errors import UsageError
from haechi.model.access import EVERYWHERE
from haechi.model.event import Event
from haechi.model.response import ActionKind, ActionState
from haechi.model.threat import ThreatLevel
from haechi.respond.alerts.alerting import SecurityAlertManager
from haechi.respond.engine import AutoResponseEngine
from haechi.runtime.processor import SecurityEvent, SecurityEventProcessor
from haechi.runtime.sources import Batch, FeedSettings, Source, opened
from haechi.runtime.threat import ThreatDetector
from haechi.runtime.threat_facts import StoredFacts
from haechi.store.events.shapes import EventFilter
from haechi.store.records import StoredEvent
from haechi.store.state.action_records import ActionFilter
from haechi.store.store import Store
from haechi.world.kube.client import KubernetesClient
from haechi.world.kube.policies import NetworkPolicyManager
from haechi.world.receivers.settings import ReceiverSettings
from tests.fakes.apiserver.server import ApiServer
from tests.fakes.receivers.web import Web
from tests.respond.alerts.made import opened as incident_in
from tests.respond.alerts.made import route
from tests.respond.cluster import (
    CLUSTER,
    POLICY,
    START,
    WEB,
    Clock,
    client_of,
    engine_over,
    policy,
    shop,
)

A, K = ActionState, ActionKind
PUBLIC = "45.33.32.156"


@dataclass
class Guide:
    """The guide's parts over one store."""

    store: Store
    server: ApiServer
    client: KubernetesClient
    hook: Web
    engine: AutoResponseEngine
    alerts: SecurityAlertManager
    folder: Path
    counted: list[tuple[str, str]] = field(default_factory=list)

    @property
    def pod(self) -> str:
        """A pod of web."""
        names = [str(one["metadata"]["name"]) for one in self.server.list("pods", "shop")]
        return min(name for name in names if name.startswith("web-"))

    def processor(self, source: Source) -> SecurityEventProcessor:
        """The guide's loop."""

        async def deliver(source: Source, batch: Batch) -> None:
            await asyncio.wrap_future(self.store.events.append(batch.events))

        return SecurityEventProcessor(
            [source],
            deliver=deliver,
            detector=ThreatDetector(StoredFacts(self.store.state)),
            responder=self.engine,
            alerts=self.alerts,
            count=lambda severity, kind: self.counted.append((severity, kind)),
        )

    def actions(self) -> dict[ActionKind, ActionState]:
        """What became of it."""
        page = self.store.state.actions.page(ActionFilter())
        return {one.kind: one.state for one in page.items}


@pytest.fixture
def guide(tmp_path: Path) -> Iterator[Guide]:
    clock = Clock()
    store = Store.open(tmp_path / "store", clock=clock)
    hook = Web()
    try:
        with ApiServer(objects=shop()) as server, client_of(server, tmp_path) as client:
            text = POLICY.replace(b"enforce", b"recommend")
            alerts = SecurityAlertManager(
                store.state.alerts,
                receivers=[ReceiverSettings(name="hook", kind="slack", url=hook.url)],
                routes=[route(level="high")],
            )
            engine = engine_over(store.state, store.folder.path, client, clock, text=text)
            yield Guide(store, server, client, hook, engine, alerts, tmp_path)
    finally:
        hook.close()
        store.close()


def falco_alert(pod: str, priority: str) -> bytes:
    """A line of Falco's about a pod."""
    record = {
        "time": f"{START:%Y-%m-%dT%H:%M:%SZ}",
        "rule": "Terminal shell in container",
        "priority": priority,
        "output": "a shell",
        "source": "syscall",
        "hostname": "node-1",
        "tags": ["mitre_execution", "T1059"],
        "output_fields": {
            "evt.type": "execve",
            "container.id": "abcdef123456",
            "k8s.ns.name": "shop",
            "k8s.pod.name": pod,
            "proc.name": "bash",
            "fd.cip": PUBLIC,
        },
    }
    return msgspec.json.encode(record) + b"\n"


async def run(processor: SecurityEventProcessor) -> list[SecurityEvent]:
    """Rounds until something came, and one more."""
    found: list[SecurityEvent] = []
    for _ in range(5):
        found += await processor.collect_security_events()
    return found


@pytest.mark.parametrize(
    ("priority", "level", "answers", "told"),
    [
        ("Critical", "critical", {K.ISOLATE: A.RECOMMENDED, K.BLOCK: A.REFUSED}, 1),
        ("Error", "high", {K.MONITOR: A.RECOMMENDED, K.LIMIT: A.REFUSED}, 1),
        ("Warning", "medium", {K.VERBOSE: A.RECOMMENDED}, 0),
        ("Debug", "info", {}, 0),
    ],
    ids=["critical", "high", "medium", "info"],
)
def test_the_loop_stores_judges_answers_and_tells(
    guide: Guide, priority: str, level: str, answers: dict[ActionKind, ActionState], told: int
) -> None:
    log = guide.folder / "falco.json"
    log.write_bytes(falco_alert(guide.pod, priority) * 2)
    source = opened(FeedSettings(kind="falco", file=str(log), cluster=CLUSTER), {})
    processor = guide.processor(source)
    event = asyncio.run(run(processor))[0]
    source.close()
    assert processor.faults == 0
    assert (event.source_ip, event.namespace) == (PUBLIC, "shop")
    assert event.workload_id == f"k8s:{CLUSTER}/core/Pod/shop/{guide.pod}"
    found = guide.store.events.search(EventFilter(), within=(EVERYWHERE,))
    assert [one.event.id for one in found if isinstance(one, StoredEvent)] == [event.id]
    assert guide.counted == [(level, "execve")] * 2
    assert guide.actions() == answers
    courier, _ = guide.alerts.courier("hook")
    outcomes = [courier.turn(START).outcome for _ in range(2)]
    assert outcomes == (["sent", "nothing"] if told else ["nothing", "nothing"])
    assert [b"Terminal shell in container" in one.body for one in guide.hook.asked] == [True] * told


def test_a_rule_that_fires_again_and_again_asks_once(guide: Guide) -> None:
    log = guide.folder / "falco.json"
    several = [
        falco_alert(guide.pod, "Critical").replace(b"a shell", b"a %d" % n) for n in range(9)
    ]
    log.write_bytes(b"".join(several))
    source = opened(FeedSettings(kind="falco", file=str(log), cluster=CLUSTER), {})
    assert len(asyncio.run(run(guide.processor(source)))) == 9
    source.close()
    assert guide.store.state.actions.page(ActionFilter()).total == 2


def test_each_action_by_its_name(guide: Guide) -> None:
    engine = guide.engine
    with pytest.raises(UsageError, match="no open incident"):
        engine.limit_traffic(PUBLIC)
    incident_in(guide.store.state, source_ips=(PUBLIC,), resource=WEB)
    made = [
        engine.isolate_workload(WEB),
        engine.block_network_access(PUBLIC),
        engine.limit_traffic(PUBLIC),
        engine.enable_enhanced_monitoring(WEB),
        engine.enable_verbose_logging(WEB),
    ]
    assert [(one.kind, one.resource) for one in made if one is not None] == [
        (K.ISOLATE, WEB),
        (K.BLOCK, "host:-/-"),
        (K.LIMIT, WEB),
        (K.MONITOR, WEB),
        (K.VERBOSE, WEB),
    ]
    assert ThreatDetector().analyze(falco_event()) is ThreatLevel.CRITICAL


def falco_event() -> SecurityEvent:
    """An event by the guide's name."""
    event = Event(id="1", ts_ns=1, source="falco", type="execve", rule="Shell", priority="critical")
    return SecurityEvent(event)


def test_a_policy_is_created_by_either_name(guide: Guide) -> None:
    NetworkPolicyManager(guide.client, namespace="shop").create_network_policy(policy("one", {}))
    guide.client.create_network_policy(policy("two", {}))
    names = {
        str(one["metadata"]["name"])
        for one in guide.server.list("networkpolicies.networking.k8s.io", "shop")
    }
    assert {"one", "two"} <= names
