"""The fake API server: one object a test starts, talks to, breaks and asks what happened."""

from __future__ import annotations

import copy
import ssl
import tempfile
import threading
import uuid
from collections.abc import Iterable
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from tests.fakes.apiserver import certificates, fixtures, kubeconfig
from tests.fakes.apiserver.admission import Webhooks
from tests.fakes.apiserver.api import Api
from tests.fakes.apiserver.clock import Clock
from tests.fakes.apiserver.controllers import Actor, Controller, Controllers
from tests.fakes.apiserver.crds import Definitions
from tests.fakes.apiserver.endpoints import Budgets, Endpoints
from tests.fakes.apiserver.faults import Faults, Log
from tests.fakes.apiserver.garbage import Garbage, Namespaces
from tests.fakes.apiserver.nodes import Kubelet, Scheduler
from tests.fakes.apiserver.rbac import Authorizer
from tests.fakes.apiserver.request import User
from tests.fakes.apiserver.singles import DaemonSets, Jobs, StatefulSets
from tests.fakes.apiserver.status import ApiError
from tests.fakes.apiserver.tokens import Tokens
from tests.fakes.apiserver.wire import Sockets
from tests.fakes.apiserver.workloads import Deployments, ReplicaSets
from tests.fakes.apiserver.world import World

Json = dict[str, Any]


class ApiServer:
    """Serves on loopback between `start` and `stop`; the state outlives both.

    `controllers=True` runs the workload controllers and a kubelet's stand-in after every write;
    `objects` are put in before the server listens.
    """

    def __init__(
        self,
        *,
        tls: bool = False,
        rbac: bool = False,
        controllers: bool = True,
        objects: Iterable[Json] = (),
        nodes: int = 2,
        port: int = 0,
        seed: int = 1,
        history: int = 100_000,
        bookmark_every: float = 60.0,
        anonymous: bool = True,
        now: float | None = None,
    ) -> None:
        self.tls, self.port = tls, port
        self.clock = Clock(now)
        self.world = World(clock=self.clock, seed=seed, history=history)
        self.tokens = Tokens(self.world, anonymous=anonymous)
        self.authorizer = Authorizer(self.world, enabled=rbac)
        self.api = Api(self.world, self.tokens, self.authorizer, bookmark_every=bookmark_every)
        self.faults, self.log = Faults(), Log()
        self.bugs: list[Exception] = []  # the fake's own failures: answered 500, never meant
        self.webhooks = self.world.webhooks = Webhooks(self.world)
        self.world.registered = Definitions(self.world).registered
        self._sockets: Sockets | None = None
        self._thread: threading.Thread | None = None
        self._running = threading.Event()
        self._running.set()
        self.kubelet: Kubelet | None = None
        self.failures: list[ApiError] = []
        if controllers:
            self._run_controllers()
        for each in [*fixtures.cluster(nodes), *objects]:
            self.api.put(each)

    def _run_controllers(self) -> None:
        world, api = self.world, self.api
        actor = Actor(world, api.writer, api.deleter)
        self.failures, world.plugins = actor.failures, True
        self.kubelet = kubelet = Kubelet(world, actor)
        parts: list[Controller] = [
            Namespaces(world, actor),
            Garbage(world, actor),
            Deployments(world, actor),
            ReplicaSets(world, actor),
            StatefulSets(world, actor),
            DaemonSets(world, actor),
            Jobs(world, actor),
            Scheduler(world, actor),
            kubelet,
            Endpoints(world, actor),
            Budgets(world, actor),
        ]
        running = Controllers(world, parts)
        running.every(lambda: ((kubelet, key) for key in kubelet.leaving()))
        api.settle = running.settle

    # -- life

    def start(self) -> Self:
        """Listen (again on the same port, after a first time) and serve."""
        context = self._context() if self.tls else None
        self._sockets = Sockets(self.port, self, context)
        self.port = int(self._sockets.server_address[1])
        self.api.base = self.url
        sockets = self._sockets
        self._thread = threading.Thread(
            target=sockets.serve_forever, args=(0.02,), name="fake-apiserver", daemon=True
        )
        self._thread.start()
        return self

    def stop(self) -> None:
        """Stop at once, as `kill -9` does: connections are reset. The state is kept."""
        sockets, self._sockets = self._sockets, None
        if sockets is None:
            return
        sockets.stopping.set()
        self._running.set()
        self.world.store.wake()
        sockets.shutdown()
        sockets.server_close()
        sockets.break_all()
        if self._thread is not None:
            self._thread.join(5)

    kill = stop

    def pause(self) -> None:
        """Take requests and answer none until `resume` (or `stop`)."""
        self._running.clear()

    def resume(self) -> None:
        self._running.set()

    def wait_while_paused(self) -> None:
        self._running.wait()

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.stop()

    def _context(self) -> ssl.SSLContext:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        pair = certificates.server_pair()
        with tempfile.TemporaryDirectory() as folder:
            chain, key = Path(folder) / "crt", Path(folder) / "key"
            chain.write_bytes(pair.certificate)
            key.write_bytes(pair.key)
            context.load_cert_chain(chain, key)
        context.load_verify_locations(cadata=certificates.authority().certificate.decode())
        context.verify_mode = ssl.CERT_OPTIONAL
        return context

    # -- access

    @property
    def url(self) -> str:
        return f"{'https' if self.tls else 'http'}://127.0.0.1:{self.port}"

    @property
    def ca(self) -> bytes:
        """The authority's certificate (PEM) a client must trust when `tls`."""
        return certificates.authority().certificate

    def audit_id(self) -> str:
        return str(uuid.uuid4())

    def user(self, name: str, groups: Iterable[str] = ()) -> str:
        """A static token for a user; `admin` is in system:masters."""
        held = tuple(groups) or (("system:masters",) if name == "admin" else ())
        return self.tokens.issue(User(name=name, groups=(*held, "system:authenticated")))

    def account_token(self, namespace: str, name: str, **spec: Any) -> str:
        """A ServiceAccount's token, as TokenRequest gives it."""
        found = self.tokens.request(namespace, name, {"spec": spec})
        return str(found["status"]["token"])

    def kubeconfig(
        self,
        path: Path,
        user: str = "admin",
        groups: Iterable[str] = (),
        *,
        certificate: bool = False,
        token: str = "",
    ) -> Path:
        """Write a kubeconfig for this user: by token, or by client certificate (TLS only)."""
        held = tuple(groups) or (("system:masters",) if user == "admin" else ())
        if certificate:
            pair = certificates.authority().client(user, held)
            text = kubeconfig.written(self.url, user, ca=self.ca if self.tls else None, pair=pair)
        else:
            secret = token or self.user(user, held)
            text = kubeconfig.written(
                self.url, user, ca=self.ca if self.tls else None, token=secret
            )
        path.write_text(text)
        path.chmod(0o600)
        return path

    # -- objects

    def put(self, body: Json) -> Json:
        """Create or replace an object, its status too. Objects given and taken are copies."""
        return copy.deepcopy(self.api.put(copy.deepcopy(body)))

    def get(self, kind: str, name: str, namespace: str = "") -> Json | None:
        """An object by plural (`pods`, `networkpolicies.networking.k8s.io`) and name."""
        plural, _, group = kind.partition(".")
        for one in self.world.catalogue.all():
            if one.plural == plural and (not group or one.group == group):
                space = (namespace or "default") if one.namespaced else ""
                return copy.deepcopy(self.world.store.get(one.place, (space, name)))
        raise KeyError(kind)

    def list(self, kind: str, namespace: str = "") -> list[Json]:
        plural, _, group = kind.partition(".")
        for one in self.world.catalogue.all():
            if one.plural == plural and (not group or one.group == group):
                return copy.deepcopy(self.world.store.all(one.place, namespace))
        raise KeyError(kind)

    def remove(self, kind: str, name: str, namespace: str = "") -> None:
        """Take an object away at once, finalizers or not."""
        body = self.get(kind, name, namespace)
        if body is not None:
            served = self.world.served(body["apiVersion"], body["kind"])
            key = body["metadata"].get("namespace", ""), name
            live = self.world.store.get(served.place, key)
            if live is not None:
                self.world.store.drop(served.place, key, seen=live)
            self.api.settle()

    def route(self, namespace: str, service: str, address: str) -> None:
        """Where a webhook's service is reached from here (`host:port`)."""
        self.webhooks.routes[namespace, service] = address

    # -- time

    def advance(self, seconds: float) -> None:
        """Move the server's clock on: tokens expire, graces end."""
        self.clock.advance(seconds)
        self.api.settle()

    def compact(self) -> None:
        """Forget history: watches and pages of before answer 410."""
        self.world.store.compact()

    def bookmark(self) -> None:
        self.api.watcher.bookmark()
