"""Alerts in the server: one thread that takes news, and one for each receiver that sends.

A receiver that hangs holds up itself alone. All that is to be told stands in the store, so the
threads start from there and may end at any time.
"""

from __future__ import annotations

import asyncio
import datetime as dt
import logging
import threading
import time
from collections.abc import Callable
from typing import TYPE_CHECKING

import msgspec

from haechi.errors import HaechiError, StoreError

if TYPE_CHECKING:
    from haechi.respond.alerts.alerting import SecurityAlertManager
    from haechi.server.world import World
    from haechi.store.records import Notice

log = logging.getLogger("haechi.server.alerts")
TOPICS = frozenset({"incident", "response", "alert"})
_LOOK_S, _IDLE_S, _PAUSE_S = 2.0, 5.0, 5.0
_LOGGED_EVERY = dt.timedelta(minutes=5)
_OUTCOMES = "haechi_alerts_total"


class ReceiverState(msgspec.Struct, kw_only=True):
    """How a receiver did last, in this process."""

    state: str = "idle"
    error: str = ""


class Alerting:
    """One per world. ``manager`` is made when it is first asked for."""

    def __init__(self) -> None:
        self.unrouted = 0
        self.states: dict[str, ReceiverState] = {}
        self._manager: SecurityAlertManager | None = None
        self._making = threading.Lock()
        self._stop = threading.Event()
        self._news = threading.Event()
        self._wakes: dict[str, threading.Event] = {}
        self._threads: list[threading.Thread] = []
        self._unsubscribe: Callable[[], None] | None = None

    def manager(self, world: World) -> SecurityAlertManager:
        """The whole of alerts."""
        with self._making:
            if self._manager is None:
                self._manager = _made(world)
            return self._manager

    def state(self, name: str) -> ReceiverState:
        """How the receiver does."""
        return self.states.setdefault(name, ReceiverState())

    def start(self, world: World) -> None:
        """Begin to take and to send."""
        manager = self.manager(world)
        self._stop.clear()
        names = list(manager.receivers)
        world.store.state.alerts.orphans(names, world.clock())
        self._unsubscribe = world.store.state.subscribe(self._heard)
        self._wakes = {name: threading.Event() for name in names}
        works = [("news", lambda: self._taking(world, manager))]
        works += [(name, _bound(self._sending, world, manager, name)) for name in names]
        for name, work in works:
            thread = threading.Thread(target=work, name=f"haechi-alerts-{name}", daemon=True)
            thread.start()
            self._threads.append(thread)

    def stop(self, seconds: float = 0.8) -> None:
        """End; who is in the middle of a message may finish it, for so long."""
        self._stop.set()
        if self._unsubscribe is not None:
            self._unsubscribe()
        self._news.set()
        for wake in self._wakes.values():
            wake.set()
        end = time.monotonic() + seconds
        for thread in self._threads:
            thread.join(max(0.0, end - time.monotonic()))
        self._threads.clear()

    def _heard(self, notice: Notice) -> None:
        """In the store's writer thread: quick."""
        if notice.topic == "alert":
            for wake in self._wakes.values():
                wake.set()
        elif notice.topic in TOPICS:
            self._news.set()

    def _taking(self, world: World, manager: SecurityAlertManager) -> None:
        while not self._stop.is_set():
            self._news.clear()
            more = False
            try:
                taken = manager.take(world.clock())
                more = taken.more
                self.unrouted += taken.unrouted
            except StoreError as error:
                log.warning("news are not taken for now: %s", error)
            except Exception:  # the boundary of a thread
                if not self._stop.is_set():
                    log.exception("news could not be taken")
            if not more:
                self._news.wait(_LOOK_S)

    def _sending(self, world: World, manager: SecurityAlertManager, name: str) -> None:
        courier, reconciler = manager.courier(name)
        wake, state = self._wakes[name], self.state(name)
        while not self._stop.is_set():
            wake.clear()
            wait = _PAUSE_S
            now = world.clock()
            try:
                step = courier.turn(now)
                if step.outcome != "nothing":
                    world.metrics.count(_OUTCOMES, name, step.outcome, by=step.news)
                    state.error = step.error
                    state.state = "failing" if step.error else "well"
                    self._say(name, step.outcome, step.error)
                again = step.next_at
                if again is None or again > now:
                    later = self._looked(reconciler, now, state)
                    again = later if again is None else min(again, later)
                wait = (again - world.clock()).total_seconds()
            except StoreError as error:
                state.error = str(error)
                if self._stop.is_set():
                    return
                log.warning("alerts to %s wait for the store: %s", name, error)
            except Exception as error:  # the boundary of a thread
                if not self._stop.is_set():
                    state.error = f"{type(error).__name__}: {error}"[:300]
                    log.exception("an alert to %s failed", name)
            if state.error:
                state.state = "failing"
            if wait > 0:
                wake.wait(min(wait, _IDLE_S))

    def _looked(self, reconciler: object, now: dt.datetime, state: ReceiverState) -> dt.datetime:
        try:
            return reconciler.turn(now)  # type: ignore[attr-defined,no-any-return]
        except StoreError:
            raise
        except HaechiError as error:  # the receiver cannot be asked: its messages say so, too
            state.error = str(error)
            return now + dt.timedelta(seconds=_PAUSE_S)

    def _say(self, name: str, outcome: str, error: str) -> None:
        if outcome == "dead":
            log.warning("an alert to %s is given up: %s", name, error)
        elif outcome == "later":
            log.info("an alert to %s is tried again: %s", name, error)


def _bound(
    work: Callable[[World, SecurityAlertManager, str], None],
    world: World,
    manager: SecurityAlertManager,
    name: str,
) -> Callable[[], None]:
    return lambda: work(world, manager, name)


def _made(world: World) -> SecurityAlertManager:
    from haechi.respond.alerts.alerting import SecurityAlertManager
    from haechi.respond.alerts.delivery import How

    settings = world.settings.alerts

    return SecurityAlertManager(
        world.store.state.alerts,
        receivers=settings.receivers,
        routes=settings.routes,
        how=How(
            language=settings.language,
            public_url=world.settings.listen.public_url,
            max_age=dt.timedelta(hours=settings.max_age_hours),
        ),
        note=lambda incident, receiver, url: _noted(world, incident, receiver, url),
    )


def _noted(world: World, incident: str, receiver: str, url: str) -> None:
    """A person closed the ticket: somebody looked at the incident."""
    from haechi.model.incident import IncidentState

    incidents = getattr(world.store.state, "incidents", None)
    if incidents is None:
        return
    note = f"the ticket was closed there: {url}" if url else "the ticket was closed there"
    try:
        incidents.set_state(
            incident, IncidentState.ACKNOWLEDGED, by=f"receiver:{receiver}", note=note
        )
    except HaechiError as error:  # it went on meanwhile
        log.info("a ticket of %s was closed at %s: %s", incident, receiver, error)


def _started(world: World) -> bool:
    """False while the store takes nothing: the next try may be after its disk has room again."""
    try:
        world.alerting.start(world)
    except StoreError as error:
        log.warning("alerts wait for the store: %s", error)
        return False
    return True


async def send_alerts(world: World) -> None:
    """Take news and send them until cancelled. Without receivers and routes nothing runs: news
    stand in the store and are told from the day on which there are some."""
    settings = world.settings.alerts
    if not settings.receivers or not settings.routes:
        return
    starting: asyncio.Future[bool] | None = None
    try:
        while True:
            starting = asyncio.ensure_future(asyncio.to_thread(_started, world))
            if await asyncio.shield(starting):
                break
            await asyncio.sleep(_PAUSE_S)
        await asyncio.Event().wait()
    finally:
        if starting is not None:  # cancelled in the middle of it: first it ends, then it is ended
            await asyncio.wait({starting})
        await asyncio.shield(asyncio.to_thread(world.alerting.stop))
