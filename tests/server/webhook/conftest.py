"""A webhook that runs in a thread of the test, with policies that behave as the test wants."""

from __future__ import annotations

import asyncio
import http.client
import json
import ssl
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from msgspec import structs

from haechi.server.webhook.certificates.bundle import Trust
from haechi.server.webhook.certificates.keeper import Keeper
from haechi.server.webhook.jobs import Limits
from haechi.server.webhook.reporting import Reporting
from haechi.server.webhook.serve import Options, Webhook
from haechi.server.webhook.sources import Source
from haechi.server.webhook.sources.files import Files
from haechi.server.webhook.sources.store import StoreWaivers

Json = dict[str, Any]
NURSERY = (sys.executable, "-m", "tests.server.webhook.nursery")
NAME = "haechi-webhook.haechi.svc"
LIMITS = Limits(workers=1, spares=1, policy_s=0.3, review_s=0.8)


def trial(name: str, act: str, **spec: Any) -> Json:
    """A policy that does what ``nursery.ACTS`` names."""
    return {
        "apiVersion": "haechi.dev/v1alpha1",
        "kind": "Trial",
        "metadata": {"name": name},
        "spec": {"act": act, **spec},
    }


def write(folder: Path, *documents: Json) -> Path:
    """A folder of policies."""
    folder.mkdir(exist_ok=True)
    for document in documents:
        path = folder / f"{document['metadata']['name']}.json"
        path.write_text(json.dumps(document))
    return folder


def request(name: str = "ok", **more: Any) -> Json:
    """An AdmissionReview that creates a pod."""
    body = {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": name, "namespace": "default"},
        "spec": {"containers": [{"name": "c", "image": "registry.example/a:1"}]},
    }
    asked: Json = {
        "uid": f"uid-{name}",
        "kind": {"group": "", "version": "v1", "kind": "Pod"},
        "resource": {"group": "", "version": "v1", "resource": "pods"},
        "name": name,
        "namespace": "default",
        "operation": "CREATE",
        "userInfo": {"username": "ann"},
        "object": body,
        "oldObject": None,
        "dryRun": False,
    }
    return {"apiVersion": "admission.k8s.io/v1", "kind": "AdmissionReview", "request": asked | more}


class Peer:
    """A connection that stays open, as an API server's."""

    def __init__(
        self, port: int, cadata: str, *, timeout: float = 20.0, pair: Path | None = None
    ) -> None:
        context = ssl.create_default_context(cadata=cadata)
        if pair is not None:
            context.load_cert_chain(pair)
        self._http = http.client.HTTPSConnection(
            "127.0.0.1", port, context=context, timeout=timeout
        )
        # The certificate names the service; the address is only the way there.
        self._http._create_connection = self._connected  # type: ignore[attr-defined]
        self._port = port
        self._http.host = NAME

    def _connected(self, address: Any, *more: Any) -> Any:
        import socket

        return socket.create_connection(("127.0.0.1", self._port), *more)

    def connect(self) -> None:
        """Open it now; else the first request does."""
        self._http.connect()

    def post(self, path: str, body: bytes, query: str = "timeout=10s") -> tuple[int, bytes]:
        """Status and body."""
        self._http.request("POST", f"{path}?{query}", body, {"content-type": "application/json"})
        answer = self._http.getresponse()
        return answer.status, answer.read()

    def review(self, path: str, review: Json, query: str = "timeout=10s") -> Json:
        """The response of a review."""
        status, body = self.post(path, json.dumps(review).encode(), query)
        assert status == 200, body
        response: Json = json.loads(body)["response"]
        return response

    def get(self, path: str) -> tuple[int, bytes]:
        """Status and body."""
        self._http.request("GET", path)
        answer = self._http.getresponse()
        return answer.status, answer.read()

    def close(self) -> None:
        """Close the connection."""
        self._http.close()


class Running:
    """A webhook at work."""

    def __init__(self, hook: Webhook, folder: Path) -> None:
        self.hook, self.folder = hook, folder
        self.port = 0
        self._peers: list[Peer] = []
        self._loop: asyncio.AbstractEventLoop | None = None
        self._stop: asyncio.Event | None = None
        self._begun = threading.Event()
        self.failure: BaseException | None = None
        self.thread = threading.Thread(target=self._run, daemon=True)

    def _run(self) -> None:
        try:
            asyncio.run(self._main())
        except BaseException as error:  # noqa: BLE001 - shown by the test's thread
            self.failure = error
        finally:
            self._begun.set()

    async def _main(self) -> None:
        self._loop, self._stop = asyncio.get_running_loop(), asyncio.Event()
        await self.hook.run(ready=self._listens, stop=self._stop)

    def _listens(self, port: int) -> None:
        self.port = port
        self._begun.set()

    def start(self) -> None:
        self.thread.start()
        assert self._begun.wait(20)
        if self.failure is not None:
            raise self.failure

    def stop(self) -> None:
        for peer in self._peers:
            peer.close()
        if self._loop is not None and self._stop is not None and self.thread.is_alive():
            self._loop.call_soon_threadsafe(self._stop.set)
        self.thread.join(30)
        assert not self.thread.is_alive()
        if self.failure is not None:
            raise self.failure

    def in_loop(self, act: Callable[[], Any]) -> Any:
        """What ``act`` gives in the webhook's event loop."""

        async def called() -> Any:
            return act()

        assert self._loop is not None
        return asyncio.run_coroutine_threadsafe(called(), self._loop).result(10)

    @property
    def cadata(self) -> str:
        """What to trust."""
        return "".join(
            path.read_text()
            for path in (self.folder / "ca.crt", self.folder / "next.crt", self.folder / "old.crt")
            if path.exists()
        )

    def peer(self) -> Peer:
        """A new connection; closed with the webhook."""
        made = Peer(self.port, self.cadata)
        self._peers.append(made)
        return made

    def ready(self) -> tuple[bool, Mapping[str, Any]]:
        found: tuple[bool, Mapping[str, Any]] = self.in_loop(self.hook.ready)
        return found

    def wait(self, holds: Callable[[], Any], seconds: float = 20.0) -> None:
        """Until something holds."""
        end = time.monotonic() + seconds
        while not holds():
            assert time.monotonic() < end, self.ready()
            time.sleep(0.01)

    def port_is_draining(self) -> bool:
        """Whether a server with another certificate still answers."""
        port = self.hook.port
        return port is None or port.draining

    def total(self, name: str, **labels: str) -> int:
        """A counter."""
        return self.hook.figures.total(name, **labels)


Start = Callable[..., Running]


@contextmanager
def webhooks(tmp_path: Path) -> Iterator[Start]:
    """Starts webhooks; each is stopped at the end."""
    running: list[Running] = []

    def start(
        *documents: Json,
        source: Source | None = None,
        trust: Trust | None = None,
        store: StoreWaivers | None = None,
        reporting: Reporting | None = None,
        wait: bool = True,
        **more: Any,
    ) -> Running:
        folder = tmp_path / "certificates"
        options = Options(
            address="127.0.0.1",
            port=0,
            certificates=folder,
            limits=LIMITS,
            leave_s=0.0,
            poll_s=0.05,
            certificates_s=0.2,
            drain_s=0.3,
            nursery=NURSERY,
            memory_bytes=160 << 20,
        )
        options = structs.replace(options, **more)
        policies = write(tmp_path / "policies", *documents)
        hook = Webhook(options, source or Files([policies]), trust=trust)
        hook.waivers, hook.reporting = store, reporting
        made = Running(hook, folder)
        running.append(made)
        made.start()
        if wait:
            made.wait(lambda: made.ready()[0])
        return made

    yield start
    for each in running:
        each.stop()


@contextmanager
def threads(count: int, work: Callable[[int], None]) -> Iterator[None]:
    """Several of them at once; failures come out at the end."""
    failed: list[BaseException] = []

    def run(number: int) -> None:
        try:
            work(number)
        except BaseException as error:  # noqa: BLE001 - raised in the test's thread
            failed.append(error)

    several = [threading.Thread(target=run, args=(n,), daemon=True) for n in range(count)]
    for one in several:
        one.start()
    yield
    for one in several:
        one.join(60)
    assert not failed, failed[0]


@pytest.fixture
def webhook(tmp_path: Path) -> Iterator[Start]:
    """Starts webhooks for one test."""
    with webhooks(tmp_path) as start:
        yield start


__all__ = ["Keeper", "Running", "Start", "request", "threads", "trial", "webhooks", "write"]
