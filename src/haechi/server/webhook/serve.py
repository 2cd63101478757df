"""The webhook's process, put together: policies and certificates that change, readiness, the stop.

Everything that waits (files, git, a cluster, handshakes) runs in threads; the event loop belongs to
reviews. Ready means what an API server needs to know: policies are loaded, evaluators live, and a
handshake with this port succeeds under the ``caBundle`` that the API servers have.
"""

from __future__ import annotations

import asyncio
import contextlib
import datetime as dt
import logging
import signal
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

import msgspec

from haechi import __version__
from haechi.errors import ConfigError, HaechiError, KubeError
from haechi.model.decision_record import WebhookState
from haechi.server.listener import bound
from haechi.server.webhook.certificates.authority import pem, service_names
from haechi.server.webhook.certificates.bundle import Trust
from haechi.server.webhook.certificates.given import Given, Watched
from haechi.server.webhook.certificates.keeper import Held, Keeper, Lives
from haechi.server.webhook.certificates.served import fault_of
from haechi.server.webhook.figures import Figures
from haechi.server.webhook.frames import Changes, Known, Setup
from haechi.server.webhook.front import Front
from haechi.server.webhook.generation import NURSERY
from haechi.server.webhook.jobs import Limits
from haechi.server.webhook.listening import Chain, Port
from haechi.server.webhook.pool import Pool
from haechi.server.webhook.reporting import Reporting
from haechi.server.webhook.sources import Policies, Source
from haechi.server.webhook.sources.store import StoreWaivers
from haechi.server.webhook.telling import Telling

log = logging.getLogger("haechi.webhook")
POLL_S, CERTIFICATES_S, GATHER_S, AGAIN_S = 2.0, 10.0, 0.05, 30.0
STOP_S = 10.0
"""For reviews in flight at a stop; API servers wait no longer for most."""
LEAVE_S = 2.0
"""From not being ready to taking no more connections: endpoints are told of it meanwhile."""


class Options(msgspec.Struct, frozen=True, kw_only=True):
    """How to serve. Exactly one of ``certificates`` (a folder of our own) and ``certificate`` with
    ``key`` (a user's files). ``configuration`` names the webhook configurations in the cluster."""

    address: str = "0.0.0.0"  # noqa: S104 - a service of the cluster; --listen narrows it
    port: int = 8443
    service: str = "haechi-webhook"
    namespace: str = "haechi"
    configuration: str = "haechi-webhook"
    certificates: Path | None = None
    certificate: Path | None = None
    key: Path | None = None
    client_ca: Path | None = None
    lives: Lives = Lives()
    packs: tuple[str, ...] = ()
    memory_bytes: int = 512 << 20
    limits: Limits = Limits()
    cluster: str = ""
    records: bool = False
    bodies: bool = True
    leave_s: float = LEAVE_S
    poll_s: float = POLL_S
    certificates_s: float = CERTIFICATES_S
    drain_s: float = 5.0
    nursery: tuple[str, ...] = NURSERY


class Webhook:
    """One replica. ``run`` it; everything else is asked by ``Front``."""

    def __init__(
        self,
        options: Options,
        source: Source,
        *,
        trust: Trust | None = None,
        clock: Callable[[], dt.datetime] = lambda: dt.datetime.now(dt.UTC),
    ) -> None:
        self.options, self._source, self._trust, self._clock = options, source, trust, clock
        self.figures = Figures()
        self.telling: Telling | None = None
        self.waivers: StoreWaivers | None = None
        self.reporting: Reporting | None = None
        self.pool = Pool(
            self.figures, limits=options.limits, told=self._told, nursery=options.nursery
        )
        self.front = Front(self.pool, self.figures, self)
        self.port: Port | None = None
        self.names = service_names(options.service, options.namespace)
        self._keeper: Keeper | None = None
        self._watched: Watched | None = None
        if options.certificate is not None and options.key is not None:
            self._watched = Watched(options.certificate, options.key, self.names)
        elif options.certificates is not None:
            self._keeper = Keeper(options.certificates, self.names, lives=options.lives)
        else:
            raise ConfigError("no certificate", do="give --certificates, or --cert and --key")
        self._leaf = ""
        self._ends: dt.datetime | None = None
        self._chain_fault = "nothing is served yet"
        self._trust_fault = ""
        self._source_fault = ""
        self._origin = ""
        self._leaving = False
        self._news: list[Known] = []
        self._unknown: list[tuple[str, str]] | None = None
        self._cluster_known = False
        self._gathering = False
        self._loop: asyncio.AbstractEventLoop | None = None

    # --- what the front asks ---------------------------------------------------------------

    def ready(self) -> tuple[bool, Mapping[str, Any]]:
        """Whether API servers should ask this replica, and why not."""
        pool, loaded = self.pool, self.pool.loaded
        why: list[str] = []
        if self._leaving:
            why.append("it is about to stop")
        if loaded is None:
            why.append(f"no policies are loaded yet {pool.fault or self._source_fault}".strip())
        elif hasattr(self._source, "wants") and not self._cluster_known:
            why.append("the cluster's namespaces are not known yet")
        elif not pool.alive:
            why.append("no evaluator is alive")
        if self._chain_fault:
            why.append(self._chain_fault)
        details = {
            "ready": not why,
            "why": why,
            "version": __version__,
            "generation": loaded.generation if loaded else "",
            "loads": pool.number,
            "policies": len(loaded.policies) if loaded else 0,
            "mutations": len(loaded.mutators) if loaded else 0,
            "faults": len(loaded.faults) if loaded else 0,
            "source": self._origin,
            "not_in_force": pool.fault or self._source_fault,
            "switched_off": pool.strikes.off(),
            "waivers": {
                "files": loaded.waivers if loaded else 0,
                "server": self.waivers.state() if self.waivers is not None else None,
            },
            "evaluators": len(pool.alive),
            "waiting": pool.waiting,
            "certificate_ends": self._ends.isoformat() if self._ends else "",
            "certificate_fault": self._trust_fault,
            "status_fault": self.reporting.fault if self.reporting is not None else "",
        }
        return not why, details

    def gauges(self) -> Mapping[str, tuple[str, float]]:
        """Figures of the moment."""
        pool, loaded, told = self.pool, self.pool.loaded, self.waivers
        ends = self._ends.timestamp() if self._ends else 0.0
        return {
            "haechi_admission_ready": ("1 when ready", float(self.ready()[0])),
            "haechi_admission_loads": ("Sets of policies that came into force", pool.number),
            "haechi_admission_policies": ("Policies", len(loaded.policies) if loaded else 0),
            "haechi_admission_policy_faults": (
                "Documents that are no policy though they look like one",
                len(loaded.faults) if loaded else 0,
            ),
            "haechi_admission_policies_stale": (
                "1 when newer policies could not be loaded",
                float(bool(pool.fault or self._source_fault)),
            ),
            "haechi_admission_waivers": (
                "Waivers of files and of the server",
                (loaded.waivers if loaded else 0) + (len(told.known or ()) if told else 0),
            ),
            "haechi_admission_waivers_stale": (
                "1 when the server could not be asked for waivers",
                float(bool(told and told.fault)),
            ),
            "haechi_admission_policies_off": ("Switched off", len(pool.strikes.off())),
            "haechi_admission_evaluators": ("Evaluators alive", len(pool.alive)),
            "haechi_admission_waiting": ("Reviews without an evaluator", pool.waiting),
            "haechi_admission_in_flight": ("Reviews without an answer", pool.in_flight),
            "haechi_admission_certificate_expiry_timestamp_seconds": ("When it ends", ends),
        }

    def state(self) -> WebhookState:
        """What the server is told of this replica."""
        ready, details = self.ready()
        loaded = self.pool.loaded
        return WebhookState(
            ready=ready,
            why="; ".join(details["why"])[:2000],
            generation=loaded.generation if loaded else "",
            source=self._origin[:400],
            started_ns=int(self.figures.started * 1e9),
            queue=self.pool.waiting,
            policies=tuple(loaded.policies[:2000]) if loaded else None,
            faults=tuple(loaded.faults[:2000]) if loaded else None,
        )

    def _told(self, *notes: Any) -> None:
        if self.telling is not None:
            self.telling.told(*notes)

    # --- life ------------------------------------------------------------------------------

    async def run(
        self,
        *,
        ready: Callable[[int], None] = lambda port: None,
        stop: asyncio.Event | None = None,
    ) -> None:
        """Serve until ``stop`` is set or a signal comes. ``ready`` is told the port once it
        listens. Raises ConfigError when it cannot begin."""
        stop = stop or asyncio.Event()
        self._loop = asyncio.get_running_loop()
        chain = await asyncio.to_thread(self._chain)
        port = Port(
            bound(self.options.address, self.options.port),
            self.front.app,
            drain_s=self.options.drain_s,
        )
        self.port = port
        tasks: list[asyncio.Task[None]] = []
        try:
            await port.serve(Chain(chain.certificate, chain.key, self.options.client_ca))
            self._leaf, self._ends = chain.leaf, chain.ends
            ready(port.number)
            tasks = [
                asyncio.create_task(self._follow_policies()),
                asyncio.create_task(self._follow_certificates(port)),
                *self._follow_others(),
            ]
            with _signals(stop):
                await stop.wait()
                self._leaving = True
                await asyncio.sleep(self.options.leave_s)
        finally:
            await _ended(tasks)
            await port.close(STOP_S)
            await self.pool.close(STOP_S)
            await asyncio.to_thread(self._source.close)
            if self.reporting is not None:
                await asyncio.to_thread(self.reporting.close)
            if self.waivers is not None:
                await asyncio.to_thread(self.waivers.close)
            if self.telling is not None:
                await asyncio.to_thread(self.telling.close)

    # --- policies --------------------------------------------------------------------------

    async def _follow_policies(self) -> None:
        pending: Policies | None = None
        tried = 0.0
        while True:
            try:
                found = await asyncio.to_thread(self._source.poll)
                self._source_fault = ""
                if found is None and time.monotonic() - tried >= AGAIN_S:
                    found = pending  # it may have been the machine, not the policies
                if found is not None:
                    tried = time.monotonic()
                    pending = None if await self._load(found) else found
            except HaechiError as error:
                if not self._source_fault:
                    log.warning("policies cannot be read: %s", error.explain())
                self._source_fault = error.explain()
            except Exception as error:  # the boundary of a task
                log.exception("following the policies failed")
                self._source_fault = f"a fault of haechi: {type(error).__name__}"
            await asyncio.sleep(self.options.poll_s)

    async def _load(self, found: Policies) -> bool:
        options = self.options
        setup = Setup(
            texts=list(found.texts),
            waivers=list(found.waivers),
            packs=list(options.packs),
            memory_bytes=options.memory_bytes,
            cluster=options.cluster,
            records=options.records,
            bodies=options.bodies,
        )
        if not await self.pool.load(setup):
            if self.reporting is not None:
                old = self.pool.loaded
                self.reporting.refused(
                    found.texts, old.generation if old is not None else "", self.pool.fault
                )
            return False
        self._origin = found.origin
        loaded = self.pool.loaded
        if loaded is None:
            return False
        if self.reporting is not None:
            self.reporting.tell(found.texts, loaded)
        for fault in loaded.faults[:20]:
            log.warning("%s:%d: %s %s", fault.file, fault.line, fault.what, fault.why)
        wants = getattr(self._source, "wants", None)
        if wants is not None:
            wants(loaded.reads)
        return True

    def _follow_others(self) -> Iterator[asyncio.Task[None]]:
        if self.reporting is not None:
            yield asyncio.create_task(self.reporting.follow())
        if self.waivers is not None:

            def counted(result: str) -> None:
                self.figures.count("waiver_polls", result=result)

            yield asyncio.create_task(self.waivers.follow(self.pool.news, counted))

    def tell(self, changes: Changes) -> None:
        """News of the cluster, from any thread: gathered, and given on together."""
        if self._loop is not None:
            with contextlib.suppress(RuntimeError):
                self._loop.call_soon_threadsafe(self._heard, changes)

    async def knows(self) -> None:
        """Wait until what was told of the cluster has been given on to the evaluators."""
        while not self._cluster_known or self._gathering:
            await asyncio.sleep(GATHER_S / 5)

    def _heard(self, changes: Changes) -> None:
        self._news += changes.objects
        if changes.unknown is not None:
            self._unknown = changes.unknown
        if not self._gathering and self._loop is not None:
            self._gathering = True
            self._loop.call_later(GATHER_S, self._give_on)

    def _give_on(self) -> None:
        self._gathering = False
        news, self._news = self._news, []
        for start in range(0, len(news), 1000):
            self.pool.news(Changes(news[start : start + 1000]))
        if self._unknown is not None:
            self.pool.news(Changes([], self._unknown))
            self._cluster_known = True
            self._unknown = None

    # --- certificates ----------------------------------------------------------------------

    def _chain(self) -> Held | Given:
        now = self._clock()
        if self._watched is not None:
            return self._watched.look(now)
        confirmed = None
        if self._trust is not None:
            confirmed = self._trust.confirmed
        if self._keeper is None:
            raise ConfigError("no certificate")
        return self._keeper.step(now, confirmed)

    async def _follow_certificates(self, port: Port) -> None:
        while True:
            try:
                await self._certificates(port)
            except HaechiError as error:
                if error.what != self._trust_fault:
                    log.warning("certificates: %s", error.explain())
                self._trust_fault = error.what
            except Exception as error:  # the boundary of a task
                log.exception("following the certificates failed")
                self._chain_fault = f"a fault of haechi: {type(error).__name__}"
            soon = min(1.0, self.options.certificates_s) if self._chain_fault else 0.0
            await asyncio.sleep(soon or self.options.certificates_s)

    async def _certificates(self, port: Port) -> None:
        chain = await asyncio.to_thread(self._chain)
        if self._watched is not None:
            self._trust_fault = self._watched.fault
        if chain.leaf != self._leaf:
            try:
                await port.serve(Chain(chain.certificate, chain.key, self.options.client_ca))
            except (OSError, ValueError) as error:  # the files changed again since they were read
                self.figures.count("certificate_reloads", result="failed")
                raise ConfigError("the new certificate cannot be served", why=str(error)) from error
            self._leaf, self._ends = chain.leaf, chain.ends
            self.figures.count("certificate_reloads", result="ok")
            log.info("another certificate is served, until %s", chain.ends.isoformat())
        bundle = await asyncio.to_thread(self._trusted, chain)
        if chain.ends <= self._clock():
            self._chain_fault = f"the served certificate expired at {chain.ends.isoformat()}"
        elif bundle is None:
            self._chain_fault = self._trust_fault
        else:
            self._chain_fault = await asyncio.to_thread(
                fault_of, port.number, bundle, self.names[0], host=self._own_address()
            )

    def _trusted(self, chain: Held | Given) -> bytes | None:
        """What API servers trust; None while that cannot be told. Raises KubeError."""
        own = chain.authorities if isinstance(chain, Held) else ()
        if self._trust is None:
            # Nobody to ask: what is served must at least be whole and in time.
            if isinstance(chain, Held):
                return pem(own)
            return chain.chain
        retired = chain.retired if isinstance(chain, Held) else ()
        try:
            self._trust.step(own, retired, self._clock())
            self._trust_fault = self._trust.fault
        except KubeError as error:
            # An API server that restarts does not make a served chain wrong.
            self._trust_fault = error.what
        return self._trust.bundle

    def _own_address(self) -> str:
        address = self.options.address
        return {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(address, address)  # noqa: S104


async def _ended(tasks: Iterable[asyncio.Task[None]]) -> None:
    several = list(tasks)
    for task in several:
        task.cancel()
    await asyncio.gather(*several, return_exceptions=True)


@contextlib.contextmanager
def _signals(stop: asyncio.Event) -> Iterator[None]:
    loop = asyncio.get_running_loop()
    held: list[signal.Signals] = []
    for number in (signal.SIGTERM, signal.SIGINT):
        with contextlib.suppress(ValueError, RuntimeError):  # not in the main thread
            loop.add_signal_handler(number, stop.set)
            held.append(number)
    try:
        yield
    finally:
        for number in held:
            loop.remove_signal_handler(number)
