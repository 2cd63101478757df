"""A server that follows a cluster in which a workload was attacked: an incident with its plan,
alerts that were told, and some that could not be. The cluster is the fake API server, the attack
the recorded one of ``examples``, the receivers listen on loopback."""

from __future__ import annotations

import http.server
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

import msgspec

from haechi.model.access import Grant, Role
from haechi.respond.alerts.settings import Match, Route
from haechi.server.auth import ensure_admin
from haechi.server.settings import Alerts, ClusterSettings, ClustersSection
from haechi.world.receivers.settings import ReceiverSettings
from tests.e2e.site import Site
from tests.fakes.apiserver import ApiServer
from tests.server.serving import local_settings, real_world, serving

ATTACK = Path(__file__).parents[2] / "examples" / "attack.events.jsonl"
POD = "cart-7d4b9c8f6d-x2x4z"
"""In which the recorded attack happened."""
HOSTILE = "<img src=x onerror=alert(1)> {{7*7}} \u202e</script><script>alert(2)</script>"
WAIT_S = 60
BOOKMARKS_S = 15
T = TypeVar("T")


@dataclass
class Attacked(Site):
    """``cluster`` is the API server, ``incident`` what the attack became."""

    cluster: ApiServer = field(kw_only=True)
    incident: str = field(default="", kw_only=True)

    def event(self, **parts: Any) -> str:
        """Send one event of Falco's, with the id that it gets."""
        self.sent += 1
        body = {
            "id": f"attacked-{self.sent}",
            "ts_ns": time.time_ns(),
            "source": "falco",
            "type": "syscall",
            "cluster": "prod",
            "namespace": "shop",
            "rule": "Terminal shell in container",
            "priority": "critical",
            "message": "a shell in a container",
            **parts,
        }
        self.ask("POST", "/events", msgspec.json.encode(body), "application/x-ndjson")
        return str(body["id"])

    def attack(self) -> None:
        """What the recording holds, as if it happened now in a pod of the cluster."""
        pods = [one["metadata"]["name"] for one in self.cluster.list("pods", "shop")]
        pod = next(name for name in pods if name.startswith("cart-"))
        recorded = [msgspec.json.decode(line) for line in ATTACK.read_bytes().splitlines()]
        behind = time.time_ns() - max(one["ts_ns"] for one in recorded)
        lines = [
            msgspec.json.encode({**one, "cluster": "prod", "ts_ns": one["ts_ns"] + behind}).replace(
                POD.encode(), pod.encode()
            )
            for one in recorded
        ]
        self.ask("POST", "/events", b"\n".join(lines), "application/x-ndjson")

    def followed(self) -> bool:
        """The cluster's objects are there."""
        states = [one["state"] for one in self.ask("GET", "/clusters")["items"]]
        return states == ["connected"]

    def incidents(self) -> list[dict[str, Any]]:
        """The open ones."""
        found: list[dict[str, Any]] = self.ask("GET", "/incidents")["items"]
        return found

    def responses(self, incident: str = "") -> list[dict[str, Any]]:
        """Actions, of one incident."""
        asked = f"?incident={incident}" if incident else ""
        found: list[dict[str, Any]] = self.ask("GET", f"/responses{asked}")["items"]
        return found


def until(look: Callable[[], T | None], what: str) -> T:
    """What ``look`` gives once it gives something."""
    end = time.monotonic() + WAIT_S
    while time.monotonic() < end:
        found = look()
        if found:
            return found
        time.sleep(0.05)
    raise AssertionError(f"{what} did not come within {WAIT_S} s")


def _objects() -> Iterator[dict[str, Any]]:
    """A shop behind a policy, in a cluster whose network plug-in enforces policies."""
    yield {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "shop"}}
    accounts = (("shop", "cart"), ("shop", "web"), ("kube-system", "calico-node"))
    for namespace, name in accounts:
        meta = {"name": name, "namespace": namespace}
        yield {"apiVersion": "v1", "kind": "ServiceAccount", "metadata": meta}
    for name, replicas in (("cart", 3), ("web", 2)):
        yield _workload("Deployment", "shop", name, f"registry.shop.example/{name}", replicas)
    yield _workload("DaemonSet", "kube-system", "calico-node", "docker.io/calico/node:v3.28.0")
    yield {
        "apiVersion": "networking.k8s.io/v1",
        "kind": "NetworkPolicy",
        "metadata": {"name": "cart-from-web", "namespace": "shop"},
        "spec": {
            "podSelector": {"matchLabels": {"app": "cart"}},
            "policyTypes": ["Ingress"],
            "ingress": [{"from": [{"podSelector": {"matchLabels": {"app": "web"}}}]}],
        },
    }


def _workload(kind: str, namespace: str, name: str, image: str, replicas: int = 0) -> Any:
    labels = {"app": name}
    return {
        "apiVersion": "apps/v1",
        "kind": kind,
        "metadata": {"name": name, "namespace": namespace, "labels": labels},
        "spec": {
            **({"replicas": replicas} if replicas else {}),
            "selector": {"matchLabels": labels},
            "template": {
                "metadata": {"labels": labels},
                "spec": {
                    "serviceAccountName": name,
                    "containers": [{"name": name, "image": image}],
                },
            },
        },
    }


class _Receiver(http.server.BaseHTTPRequestHandler):
    """Takes what comes to ``/taken`` and refuses everything else for good."""

    def do_POST(self) -> None:
        """One message."""
        self.rfile.read(int(self.headers.get("content-length", 0)))
        self.send_response(200 if self.path == "/taken" else 400)
        self.send_header("content-length", "0")
        self.end_headers()

    def log_message(self, format: str, *args: Any) -> None:
        """Quiet."""


@contextmanager
def _receiving() -> Iterator[str]:
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), _Receiver)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def _alerts(url: str) -> Alerts:
    def chat(name: str, path: str) -> ReceiverSettings:
        return ReceiverSettings(name=name, kind="slack", url=f"{url}/{path}", allow_http=True)

    return Alerts(
        receivers=[chat("on-call", "taken"), chat("old-chat", "gone")],
        routes=[
            Route(
                name="shop",
                receivers=["on-call"],
                match=Match(level="high", namespaces=["shop"]),
                continue_=True,
                group_wait=0,
            ),
            Route(name="everything", receivers=["old-chat"], group_wait=0),
        ],
    )


@contextmanager
def _bookmarking(cluster: ApiServer) -> Iterator[None]:
    """Bookmarks as a real API server sends them: a watch that hears nothing is no longer trusted,
    and the fake one sends them when told only."""
    over = threading.Event()

    def send() -> None:
        while not over.wait(BOOKMARKS_S):
            cluster.bookmark()

    thread = threading.Thread(target=send, daemon=True)
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join()


@contextmanager
def attacked_site(folder: Path) -> Iterator[Attacked]:
    """The server, once the incident is there with its plan and its alerts."""
    with ApiServer(objects=_objects()) as cluster, _bookmarking(cluster), _receiving() as url:
        kubeconfig = cluster.kubeconfig(folder / "kubeconfig")
        followed = [ClusterSettings(name="prod", kubeconfig=str(kubeconfig))]
        settings = local_settings(clusters=ClustersSection(followed=followed), alerts=_alerts(url))
        with real_world(folder / "store", settings) as world, serving(world, jobs=None) as running:
            token = ensure_admin(world.store.state)
            assert token
            site = Attacked(running=running, shop=folder, token=token, viewer="", cluster=cluster)
            site.viewer = site.ask(
                "POST",
                "/tokens",
                msgspec.json.encode({"name": "looker", "grants": [Grant(role=Role.VIEWER)]}),
            )["secret"]
            until(site.followed, "the cluster")
            site.attack()
            site.incident = until(site.incidents, "the incident")[0]["id"]
            until(lambda: site.responses(site.incident), "the plan")
            until(lambda: site.ask("GET", "/alerts/deliveries?state=dead")["items"], "a refusal")
            yield site
