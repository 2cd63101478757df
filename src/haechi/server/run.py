"""The server's process: opens the store, listens, works by the clock, and stops without loss.

What was acknowledged is durable before the answer goes out, so a stop has nothing to save: it
takes no more connections, ends the live streams, gives running requests a moment, and closes
the store. A second signal ends the process at once, which loses nothing either.
"""

from __future__ import annotations

import asyncio
import contextlib
import datetime as dt
import logging
import os
import signal
import threading
from collections.abc import Awaitable, Callable, Iterable, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from haechi.engines.addresses import is_loopback
from haechi.errors import ConfigError, HaechiError
from haechi.server import tls
from haechi.server.app import App, Observe, build_app
from haechi.server.endpoint import Operation
from haechi.server.jobs import Job
from haechi.server.listener import Listener, bound
from haechi.server.live import Hub
from haechi.server.routing import Authenticate
from haechi.server.settings import Settings
from haechi.server.work.advisories import keep_advisories
from haechi.server.work.alerting import send_alerts
from haechi.server.work.clusters import follow_clusters
from haechi.server.work.correlating import correlate
from haechi.server.work.followers import follow_feeds
from haechi.server.work.responding import respond
from haechi.server.world import World

if TYPE_CHECKING:
    from starlette.types import ASGIApp

    from haechi.server.tracing import Traces
    from haechi.store.store import Store

log = logging.getLogger("haechi.server")
GRACE_SECONDS = 0.8
"""For running requests at a stop; then they are cut, so that the whole takes under 2 seconds."""
Background = Callable[[World], Awaitable[None]]


def utc_now() -> dt.datetime:
    """The time, aware, in UTC."""
    return dt.datetime.now(dt.UTC)


async def serve(
    folder: Path,
    settings: Settings,
    *,
    ready: Callable[[str], None],
    stop: asyncio.Event | None = None,
    background: Sequence[Background] = (),
    opened: Callable[[World], None] | None = None,
) -> None:
    """Run the server on the store in ``folder`` until ``stop`` is set or a signal comes.

    ``opened`` is called (in a thread) once the store is open, before anything listens: for what
    a first start prints. ``ready`` is told the URL once requests are answered. ``background``
    are tasks beside the server; one that fails is logged. Raises StoreError, ConfigError.
    """
    stop = stop or asyncio.Event()
    from haechi.store.store import Store

    witness = Path(settings.witness.file) if settings.witness.file else None
    store = await asyncio.to_thread(partial(Store.open, folder, witness=witness))
    try:
        world = made_world(store, settings)
        if opened is not None:
            await asyncio.to_thread(opened, world)
        with _signals(stop):
            await serve_world(world, ready=ready, stop=stop, background=background)
    finally:
        await asyncio.to_thread(store.close)
        log.info("stopped")


def made_world(store: Store, settings: Settings) -> World:
    """The world of a server on this store."""
    from haechi.rules.catalogue import load_catalogue

    return World(
        store=store,
        catalogue=load_catalogue(),
        settings=settings,
        hub=Hub(most=settings.limits.streams, most_each=settings.limits.streams_each),
        clock=utc_now,
        started=utc_now(),
        traces=_traces(settings),
    )


def _traces(settings: Settings) -> Traces | None:
    if not settings.tracing.endpoint:
        return None
    from haechi.server.tracing import Traces

    return Traces(settings.tracing.endpoint)


async def serve_world(
    world: World,
    *,
    ready: Callable[[str], None],
    stop: asyncio.Event,
    background: Sequence[Background] = (),
    operations: Iterable[Operation] | None = None,
    authenticate: Authenticate | None = None,
    mounts: dict[str, ASGIApp] | None = None,
    observe: Observe | None = None,
    jobs: Iterable[Job] | None = None,
) -> None:
    """Serve a world whose store is open. The last four are as in ``build_app``; absent ones are
    the server's own."""
    app = _app(world, operations, authenticate, mounts, observe)
    pair = await asyncio.to_thread(certificate, world)
    socket = bound(world.settings.listen.address, world.settings.listen.port)
    unsubscribe = world.store.subscribe(world.hub.publish)
    listener = Listener(app, socket, world.settings, pair)
    if jobs is None:
        jobs = [*own_jobs(world), *_watch_over(pair, world)]
        background = [*background, follow_feeds, follow_clusters, correlate, respond, send_alerts]
        background += [audit, keep_advisories]
    tasks = [
        asyncio.create_task(world.jobs.run(jobs, world.clock)),
        *(asyncio.create_task(_guarded(one, world)) for one in background),
    ]
    try:
        listener.start()
        url = f"{'http' if pair is None else 'https'}://{_shown(world.settings, listener.port)}"
        _say(world, url, pair)
        ready(url)
        await _first(stop.wait(), listener.ended())
    finally:
        world.hub.close()
        for task in tasks:
            task.cancel()
        # What runs beside the server (the sensor) hands over its last events: they are still taken.
        await asyncio.gather(*tasks, return_exceptions=True)
        await _stopped(listener, app)
        await asyncio.to_thread(_kept, world)
        unsubscribe()
        app.close(wait=False)
        if world.traces is not None:
            await asyncio.to_thread(world.traces.close)


def _app(
    world: World,
    operations: Iterable[Operation] | None,
    authenticate: Authenticate | None,
    mounts: dict[str, ASGIApp] | None,
    observe: Observe | None,
) -> App:
    if operations is None:
        from haechi.server.api import all_operations

        operations = all_operations()
    if authenticate is None:
        from haechi.server.auth import authenticate as own

        authenticate = own
    if mounts is None:
        from haechi.server.scrape import Scrape

        mounts = {"/metrics": Scrape(world, authenticate)}
    return build_app(
        world,
        operations=operations,
        authenticate=authenticate,
        mounts=mounts,
        observe=observe or _observer(world),
    )


def _observer(world: World) -> Observe:
    """Counts each request, and tells OpenTelemetry of it where that is set."""
    count, traces = world.metrics.request, world.traces
    if traces is None:
        return count

    def both(operation: str, status: int, seconds: float) -> None:
        count(operation, status, seconds)
        traces.request(operation, status, seconds)

    return both


def certificate(world: World) -> tls.Pair | None:
    """The certificate that the settings ask for."""
    settings = world.settings
    if settings.tls.certificate:
        return tls.given(Path(settings.tls.certificate), Path(settings.tls.key))
    if not settings.tls.self_made:
        return None
    names = {"localhost", "127.0.0.1", "::1", *settings.tls.names, *settings.listen.hosts}
    public = settings.listen.public_url.partition("://")[2].rstrip("/").partition(":")[0]
    address = settings.listen.address
    names |= {public, *(() if address in ("0.0.0.0", "::") else (address,))}  # noqa: S104
    return tls.self_made(world.store.folder.keys, names, world.clock())


def _shown(settings: Settings, port: int) -> str:
    address = settings.listen.address
    address = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(address, address)  # noqa: S104
    return f"[{address}]:{port}" if ":" in address else f"{address}:{port}"


def _say(world: World, url: str, pair: tls.Pair | None) -> None:
    address = world.settings.listen.address
    if is_loopback(address):
        log.info("listens on %s: this machine only", url)
    elif pair is None:
        log.warning("listens on %s without TLS: others can reach it and read along", url)
    else:
        log.info("listens on %s: other machines can reach it", url)
    if pair is not None:
        log.info(
            "certificate until %s, SHA-256 of %s: %s",
            f"{pair.ends:%Y-%m-%d}",
            f"its authority {pair.ca}" if pair.ca else "it",
            pair.fingerprint,
        )


async def _first(*waits: Any) -> None:
    """Until one of them ends."""
    tasks = [asyncio.ensure_future(one) for one in waits]
    try:
        await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for task in tasks:
            task.cancel()


async def _stopped(listener: Listener, app: App) -> None:
    if await listener.stop(GRACE_SECONDS):
        return
    log.warning("%s requests were still running and are cut", app.cut())
    if not await listener.stop(GRACE_SECONDS / 2):
        await listener.abandon()


def _kept(world: World) -> None:
    """What was learnt of behaviour lives in memory: the one thing that a stop has to save."""
    try:
        world.behaviour.save()
    except HaechiError:
        log.exception("what was learnt of behaviour since its last save is lost")


async def audit(world: World) -> None:
    """Judge followed clusters by their policies; nothing is imported where there are none."""
    if world.settings.admission.audit and world.settings.clusters.followed:
        from haechi.server.work.auditing import audit_clusters

        await audit_clusters(world)


async def _guarded(one: Background, world: World) -> None:
    try:
        await one(world)
    except Exception:  # the boundary of a background task
        log.exception("a background task failed")


def own_jobs(world: World) -> list[Job]:
    """What the server does by the clock."""
    store, keep = world.store, world.settings.store

    def expired() -> None:
        from haechi.server.work.matching import StoreWaivers

        today = world.clock().date()
        if store.state.waivers.expire(today=today, waived=StoreWaivers(today)):
            world.advising.wake()

    def tended() -> None:
        store.events.tend(world.clock(), days=keep.retention_days, max_bytes=keep.max_bytes)

    def refreshed() -> None:
        world.watch.rulebook(world).refresh()

    def forgotten() -> None:
        clusters = world.settings.clusters
        store.state.objects.tidy(
            world.clock(),
            days=clusters.history_days,
            most=clusters.history_rows,
            followed=[one.name for one in clusters.followed],
        )

    def decided_long_ago() -> None:
        door = world.settings.admission
        store.state.decisions.tidy(
            world.clock(),
            days=door.decision_days,
            most=door.decision_rows,
            review_days=door.review_days,
            review_bytes=door.review_bytes,
        )

    def noted() -> None:
        store.state.feeds.flush()

    def told_long_ago() -> None:
        kept = dt.timedelta(days=world.settings.alerts.keep_days)
        store.state.alerts.forget(world.clock() - kept)

    return [
        Job(name="rules", every=60, work=refreshed, first=0),
        Job(name="feeds", every=30, work=noted, first=30),
        Job(name="waivers", every=60, work=expired),
        Job(name="behaviour", every=300, work=world.behaviour.save, first=300),
        Job(name="clusters", every=3600, work=forgotten, first=300),
        Job(name="tidy", every=86_400, work=store.state.tidy, first=600),
        Job(name="events", every=60, work=tended, first=20),
        Job(name="evidence", every=3600, work=world.respond.tidied(world), first=1200),
        Job(name="alerts", every=3600, work=told_long_ago, first=900),
        Job(name="decisions", every=3600, work=decided_long_ago, first=1500),
        Job(name="packages", every=86_400, work=store.state.bills.tidy, first=1800),
    ]


def _watch_over(pair: tls.Pair | None, world: World) -> list[Job]:
    """The certificate is read at the start, so its end is told in time in the health."""
    if pair is None:
        return []

    def looked() -> None:
        left = pair.ends - world.clock()
        if left < dt.timedelta(days=14):
            raise ConfigError(
                f"the server's certificate ends on {pair.ends:%Y-%m-%d}: renew it and restart"
            )

    return [Job(name="certificate", every=3600, work=looked)]


@contextlib.contextmanager
def _signals(stop: asyncio.Event) -> Any:
    """The first SIGINT or SIGTERM sets ``stop``, the second ends the process."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    loop = asyncio.get_running_loop()

    def told(number: int) -> None:
        if stop.is_set():
            os._exit(128 + number)
        stop.set()

    numbers = (signal.SIGINT, signal.SIGTERM)
    for number in numbers:
        loop.add_signal_handler(number, partial(told, number))
    try:
        yield
    finally:
        for number in numbers:
            loop.remove_signal_handler(number)
