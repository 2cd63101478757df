"""Incidents in a store, receivers that answer as they are told, and a clock that stands still."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping
from typing import Any

import msgspec

from haechi.model.alert import Message
from haechi.model.incident import Incident, IncidentState
from haechi.model.threat import Reason, ThreatLevel
from haechi.respond.alerts.alerting import SecurityAlertManager
from haechi.respond.alerts.delivery import Courier, How, Step
from haechi.respond.alerts.settings import Match, Route
from haechi.store.state.incidents_records import Counted, Fold, Kept, Memory, Row, Told
from haechi.store.state.state import State
from haechi.world.receivers.sending import Known, NotSent, Sent, Stood
from haechi.world.receivers.settings import ReceiverSettings

START = dt.datetime(2026, 11, 22, 12, tzinfo=dt.UTC)
START_NS = int(START.timestamp()) * 10**9


class Clock:
    """Stands still until it is moved. Couriers and the store share it."""

    def __init__(self) -> None:
        self.now = START

    def __call__(self) -> dt.datetime:
        return self.now

    def forward(self, seconds: float) -> dt.datetime:
        self.now += dt.timedelta(seconds=seconds)
        return self.now


class Recorder:
    """A receiver. ``script`` are failures to come, None is a yes. ``there`` are its tickets:
    None was deleted."""

    def __init__(self) -> None:
        self.sent: list[Message] = []
        self.tried: list[Message] = []
        self.known: list[dict[str, Known]] = []
        self.script: list[NotSent | None] = []
        self.there: dict[str, bool | None] = {}
        self.keeps = False

    def send(self, message: Message, known: Mapping[str, Known]) -> Sent:
        self.tried.append(message)
        self.known.append(dict(known))
        if self.script and (failure := self.script.pop(0)) is not None:
            raise failure
        self.sent.append(message)
        if not self.keeps:
            return Sent(status="200")
        stands = {}
        for topic in message.latest:
            was = known.get(topic)
            remote = was.remote if was is not None and was.remote else f"T-{len(self.there) + 1}"
            made = remote not in self.there
            self.there.setdefault(remote, True)
            stands[topic] = Stood(remote=remote, url=f"https://t.example/{remote}", made=made)
        return Sent(status="200", stands=stands)

    def look(self, remote: str) -> bool | None:
        return self.there[remote]

    @property
    def whats(self) -> list[list[str]]:
        """What each message told."""
        return [[one.news.what for one in message.items] for message in self.sent]


def webhook(name: str = "hook", **more: Any) -> ReceiverSettings:
    return ReceiverSettings(
        name=name, kind="webhook", url="https://hook.example", secret_env="KEY", **more
    )


def slack(name: str = "chat", **more: Any) -> ReceiverSettings:
    return ReceiverSettings(name=name, kind="slack", url="https://chat.example", **more)


def github(name: str = "issues", **more: Any) -> ReceiverSettings:
    return ReceiverSettings(
        name=name, kind="github", repository="acme/shop", secret_env="TOKEN", **more
    )


def route(name: str = "all", *receivers: str, **more: Any) -> Route:
    """One that takes everything at once unless it says otherwise."""
    match = {key: more.pop(key) for key in list(more) if key in Match.__struct_fields__}
    values: dict[str, Any] = {"group_wait": 0, "group_interval": 0} | more
    return Route(name=name, receivers=list(receivers) or ["hook"], match=Match(**match), **values)


class Desk:
    """Everything over one store: intake, couriers, and their receivers."""

    def __init__(
        self,
        state: State,
        clock: Clock,
        receivers: list[ReceiverSettings],
        routes: list[Route],
        **how: Any,
    ) -> None:
        self.state, self.clock = state, clock
        self.noted: list[tuple[str, str, str]] = []
        self.recorders = {one.name: Recorder() for one in receivers}
        self.manager = SecurityAlertManager(
            state.alerts,
            receivers=receivers,
            routes=routes,
            how=How(public_url="https://haechi.example", **how),
            open_=lambda one: self.recorders[one.name],
            note=lambda *told: self.noted.append(told),
        )
        self.pairs = {one.name: self.manager.courier(one.name) for one in receivers}
        for courier, _ in self.pairs.values():
            courier._jitter = lambda: 0.0

    def courier(self, name: str) -> Courier:
        return self.pairs[name][0]

    def take(self) -> int:
        return self.manager.take(self.clock()).rows

    def turn(self, name: str = "hook") -> Step:
        return self.courier(name).turn(self.clock())

    def run(self, name: str = "hook", *, most: int = 500) -> list[str]:
        """Turns until nothing is left to do now."""
        outcomes: list[str] = []
        for _ in range(most):
            step = self.turn(name)
            if step.outcome == "nothing":
                return outcomes
            outcomes.append(step.outcome)
        raise AssertionError("it does not end")

    def reconcile(self, name: str) -> None:
        self.pairs[name][1].turn(self.clock())


def opened(state: State, id_: str = "inc-1", cause: str = "", **more: Any) -> str:
    """A new incident, as the correlator writes it."""
    loaded = state.incidents.load()
    values: dict[str, Any] = {
        "id": id_,
        "cluster": "prod",
        "namespace": "shop",
        "resource": "k8s:prod/apps/Deployment/shop/web",
        "title": "Shell in web",
        "level": ThreatLevel.HIGH,
        "score": 70.0,
        "reasons": (Reason(kind="priority", text="a shell", points=60.0),),
        "opened_ns": START_NS,
        "first_ns": START_NS,
        "last_ns": START_NS,
        "detections": 1,
        "rules": {"Terminal shell in container": 1},
        "tactics": ("mitre_execution",),
        "techniques": ("T1059",),
    }
    incident = Incident(**(values | more))
    n = loaded.next_incident
    state.incidents.fold(
        Fold(
            place=(loaded.epoch, loaded.seq),
            epoch="epoch",
            seq=loaded.seq + 1,
            seen=loaded.seen,
            opened=[Kept(n=n, incident=incident, cause=cause or id_, memory=Memory())],
            rows=[
                Row(
                    incident=n,
                    signature="s",
                    counted=Counted(loaded.next_row, 2, START_NS, START_NS),
                    rule="Terminal shell in container",
                    priority="warning",
                    message="bash started by nginx password=hunter2hunter2",
                )
            ],
            steps=[Told(incident=n, what="opened", before="", after=incident.level.word)],
        )
    )
    return id_


def raised(state: State, id_: str, level: ThreatLevel) -> None:
    """It got worse."""
    loaded = state.incidents.load()
    (mine,) = [one for one in loaded.kept if one.incident.id == id_]
    worse = msgspec.structs.replace(mine.incident, level=level)
    was = mine.incident.level.word
    state.incidents.fold(
        Fold(
            place=(loaded.epoch, loaded.seq),
            epoch="epoch",
            seq=loaded.seq + 1,
            seen=loaded.seen,
            changed=[msgspec.structs.replace(mine, incident=worse)],
            steps=[Told(incident=mine.n, what="raised", before=was, after=level.word)],
        )
    )


def moved(state: State, id_: str, to: IncidentState, note: str = "") -> None:
    """Somebody changed its state."""
    state.incidents.set_state(id_, to, "user:ana", note)
