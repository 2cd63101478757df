"""A shop on the fake API server for tests and the chaos bench: workloads, policies that let
traffic through, a plug-in that enforces them; and an engine over it."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import msgspec

from haechi.model.incident import Incident, IncidentState
from haechi.model.resource import Resource
from haechi.model.response import Stage
from haechi.model.threat import ThreatLevel
from haechi.respond.engine import AutoResponseEngine
from haechi.respond.ground import Ground, Site
from haechi.respond.policy import ResponsePolicy
from haechi.respond.policy_file import parse
from haechi.store.state.state import State
from haechi.world.kube import names
from haechi.world.kube.client import KubernetesClient
from haechi.world.kube.cluster import SourceName, resource_of
from haechi.world.kube.config import from_kubeconfig
from haechi.world.kube.patience import Patience
from tests.fakes.apiserver.server import ApiServer

Json = dict[str, Any]
START = dt.datetime(2026, 11, 22, 12, 0, tzinfo=dt.UTC)
CLUSTER = "prod"
WEB = f"k8s:{CLUSTER}/apps/Deployment/shop/web"
ATTACKER = "203.0.113.9"
KINDS = (
    names.NAMESPACE,
    names.NODE,
    names.POD,
    names.SERVICE,
    names.DEPLOYMENT,
    names.REPLICA_SET,
    names.STATEFUL_SET,
    names.DAEMON_SET,
    names.NETWORK_POLICY,
)
POLICY = b"""
stage: enforce
limits: {pods: 2, percent: 50, healthy: 1, hour: 100, namespace: 100, failures: 1000}
"""


def namespace(name: str) -> Json:
    return {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}}


def deployment(name: str, replicas: int = 4, space: str = "shop") -> Json:
    labels = {"app": name, "tier": "front"}
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": name, "namespace": space},
        "spec": {
            "replicas": replicas,
            "selector": {"matchLabels": {"app": name}},
            "template": {
                "metadata": {"labels": labels},
                "spec": {"containers": [{"name": "main", "image": f"{name}:1"}]},
            },
        },
    }


def policy(name: str, labels: Json, space: str = "shop") -> Json:
    """Lets everything through to and from pods with these labels."""
    return {
        "apiVersion": "networking.k8s.io/v1",
        "kind": "NetworkPolicy",
        "metadata": {"name": name, "namespace": space},
        "spec": {
            "podSelector": {"matchLabels": labels},
            "policyTypes": ["Ingress", "Egress"],
            "ingress": [{"from": [{"ipBlock": {"cidr": "0.0.0.0/0"}}]}],
            "egress": [{"to": [{"ipBlock": {"cidr": "0.0.0.0/0"}}]}],
        },
    }


def plugin() -> Json:
    """A DaemonSet by which one tells that policies are enforced."""
    return {
        "apiVersion": "apps/v1",
        "kind": "DaemonSet",
        "metadata": {"name": "calico-node", "namespace": "kube-system"},
        "spec": {
            "selector": {"matchLabels": {"k8s-app": "calico-node"}},
            "template": {
                "metadata": {"labels": {"k8s-app": "calico-node"}},
                "spec": {"containers": [{"name": "calico-node", "image": "calico/node:v3.28.0"}]},
            },
        },
    }


def shop() -> list[Json]:
    """Its objects."""
    return [
        namespace("shop"),
        plugin(),
        deployment("web"),
        deployment("cart", 2),
        policy("web-open", {"app": "web"}),
        policy("front-open", {"tier": "front"}),
    ]


class Direct:
    """A cluster read from its API server each time: what a mirror would show a moment later."""

    def __init__(self, client: KubernetesClient, source: SourceName = "live") -> None:
        self._client = client
        self.name = CLUSTER
        self.source: SourceName = source
        self.at = START
        self.complete = True
        self.gaps: tuple[str, ...] = ()

    def objects(self, *types: str, namespace: str | None = None) -> list[Resource]:
        """Everything of KINDS."""
        bodies = [
            {**body, "apiVersion": kind.api_version, "kind": kind.kind}
            for kind in KINDS
            for body in self._client.list(kind, namespace)
        ]
        found = (resource_of(body, CLUSTER) for body in bodies)
        every = [one for one in found if one is not None]
        return [one for one in every if not types or one.type in types]


@dataclass
class Clock:
    """A clock that stands still until it is moved."""

    at: dt.datetime = START

    def __call__(self) -> dt.datetime:
        return self.at

    def forward(self, **span: float) -> None:
        """Later."""
        self.at += dt.timedelta(**span)


@dataclass
class Rig:
    """An engine over a store and a fake API server."""

    engine: AutoResponseEngine
    state: State
    server: ApiServer
    client: KubernetesClient
    clock: Clock
    folder: Path
    incidents: dict[str, Incident] = field(default_factory=dict)
    contained: list[tuple[str, bool | None]] = field(default_factory=list)

    def settle(self, *, turns: int = 60) -> None:
        """Let time pass until nothing is due within the next minutes but looks and clocks."""
        for _ in range(turns):
            self.engine.tick()
            due = self.state.actions.next_due()
            if due is None:
                return
            self.clock.at = max(self.clock.at, due)

    def put(self, incident: Incident) -> Incident:
        """An incident that the engine may ask for."""
        self.incidents[incident.id] = incident
        return incident

    def pods(self, app: str = "web") -> list[Json]:
        """Running pods of a Deployment, by their names."""
        found = self.server.list("pods", "shop")
        return sorted(
            (one for one in found if one["metadata"]["name"].startswith(f"{app}-")),
            key=lambda one: str(one["metadata"]["name"]),
        )

    def container(self, pod: Json) -> str:
        """The id of a pod's first container."""
        return str(pod["status"]["containerStatuses"][0]["containerID"]).rpartition("//")[2]


def incident_of(pod: str = "", **values: Any) -> Incident:
    """A critical incident in web."""
    ns = int(START.timestamp() * 1e9)
    given: dict[str, Any] = {
        "id": "i-1",
        "cluster": CLUSTER,
        "namespace": "shop",
        "resource": WEB,
        "container_id": pod,
        "title": "a shell in web",
        "level": ThreatLevel.CRITICAL,
        "score": 80.0,
        "opened_ns": ns,
        "first_ns": ns,
        "last_ns": ns,
        "rules": {"Shell in a container": 3},
        "tactics": ("mitre_execution",),
        "source_ips": (ATTACKER,),
    }
    return Incident(**(given | values))


def client_of(server: ApiServer, folder: Path) -> KubernetesClient:
    """A client that does not wait between its tries."""
    path = server.kubeconfig(folder / "kubeconfig")
    patience = Patience(sleep=lambda seconds: None, tries=2)
    return KubernetesClient(from_kubeconfig(path), patience=patience)


def policy_of(text: bytes = POLICY) -> ResponsePolicy:
    """A policy of this text."""
    return ResponsePolicy(parse(text, "policy.yaml"), origin="policy.yaml", text=text.decode())


def engine_over(
    state: State,
    folder: Path,
    client: KubernetesClient,
    clock: Callable[[], dt.datetime],
    *,
    text: bytes = POLICY,
    at: Callable[[str], None] = lambda point: None,
    **ground: Any,
) -> AutoResponseEngine:
    """An engine over a store and a client."""
    given: dict[str, Any] = {
        "state": state,
        "events": None,
        "folder": folder,
        "clock": clock,
        "sites": lambda name: (
            Site(name=name, reader=Direct(client), client=client) if name == CLUSTER else None
        ),
    }
    return AutoResponseEngine(
        Ground(**(given | ground)), policy_of(text), most=Stage.ENFORCE, at=at
    )


@contextmanager
def rig(
    folder: Path,
    *,
    text: bytes = POLICY,
    objects: list[Json] | None = None,
    at: Callable[[str], None] = lambda point: None,
    **ground: Any,
) -> Iterator[Rig]:
    """All of it, ended at the end."""
    clock = Clock()
    store = folder / "store"
    store.mkdir(mode=0o700, exist_ok=True)
    state = State(store / "state.db", backups=folder / "backup", clock=clock)
    try:
        with (
            ApiServer(objects=shop() if objects is None else objects) as server,
            client_of(server, folder) as client,
        ):
            incidents: dict[str, Incident] = {}
            contained: list[tuple[str, bool | None]] = []
            given = {
                "incidents": incidents.get,
                "contained": lambda action, good, words: contained.append((action.id, good)),
            }
            yield Rig(
                engine=engine_over(
                    state, store, client, clock, text=text, at=at, **(given | ground)
                ),
                state=state,
                server=server,
                client=client,
                clock=clock,
                folder=store,
                incidents=incidents,
                contained=contained,
            )
    finally:
        state.close()


def reopened(found: Incident, state: IncidentState) -> Incident:
    """The incident in another state."""
    return msgspec.structs.replace(found, state=state)


VOLATILE = ("resourceVersion", "managedFields", "generation")


def world_of(server: ApiServer) -> dict[str, Json]:
    """All objects that responses may touch, without what every write changes."""
    found = {}
    for kind in ("pods", "nodes", "deployments.apps", "networkpolicies.networking.k8s.io"):
        for body in server.list(kind):
            plain = msgspec.json.decode(msgspec.json.encode(body))
            for name in VOLATILE:
                plain["metadata"].pop(name, None)
            if kind != "pods":
                plain.pop("status", None)
            meta = plain["metadata"]
            found[f"{kind}/{meta.get('namespace', '')}/{meta['name']}"] = plain
    return found
