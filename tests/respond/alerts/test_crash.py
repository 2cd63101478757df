"""``kill -9`` at any moment, and a full disk: nothing is lost, nothing is told as another message.

The receivers are real ones on loopback in the test's process; a child opens incidents and sends.
A webhook may come twice (that is at least once), but always as the same delivery; a ticket is
made once, although the child died between making it and writing that down.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path

import pytest

from haechi.errors import StoreFull
from haechi.model.access import EVERYWHERE
from haechi.store.state.alerts import AlertFilter
from haechi.store.state.state import State
from tests.fakes.receivers import trackers
from tests.fakes.receivers.web import Answer, Asked, Web, web
from tests.respond.alerts.made import Clock, Desk, opened, route, webhook
from tests.world.receivers.made import secret_in

CHILD = """
import datetime as dt, sys, threading, time
from pathlib import Path
from haechi.respond.alerts import delivery
from haechi.respond.alerts.alerting import SecurityAlertManager
from haechi.store.state.state import State
from haechi.world.receivers.settings import ReceiverSettings
from tests.respond.alerts.made import opened, route

folder, url, secret, kind, round_, count = sys.argv[1:]
delivery.FIRST_WAIT = 0.2
state = State(Path(folder) / "state.db", backups=Path(folder) / "backup")
more = {"repository": "acme/shop"} if kind == "github" else {}
hook = ReceiverSettings(name="one", kind=kind, url=url, secret_file=secret, rate=6000, **more)
manager = SecurityAlertManager(state.alerts, receivers=[hook], routes=[route("all", "one")])
courier, _ = manager.courier("one")
now = lambda: dt.datetime.now(dt.UTC)

def make():
    for n in range(int(count)):
        ns = int(now().timestamp() * 1e9)
        print(opened(state, f"{round_}-{n}", opened_ns=ns, first_ns=ns, last_ns=ns), flush=True)

threading.Thread(target=make, daemon=True).start()
quiet = 0
while int(count) or quiet < 3:
    taken = manager.take(now())
    step = courier.turn(now())
    idle = step.outcome == "nothing"
    quiet = 0 if taken.rows or not idle or step.next_at else quiet + 1
    time.sleep(0.01 if idle else 0)
print("done", flush=True)
"""
ROUNDS, COUNT = 2, 15


class Child:
    """A process that opens incidents and tells of them."""

    def __init__(self, folder: Path, url: str, kind: str, round_: int, count: int) -> None:
        root = Path(__file__).parents[3]
        paths = os.pathsep.join(str(path) for path in (root, root / "src"))
        secret = secret_in(folder)
        self.process = subprocess.Popen(
            [sys.executable, "-c", CHILD, folder, url, secret, kind, str(round_), str(count)],
            stdout=subprocess.PIPE,
            text=True,
            env={**os.environ, "PYTHONPATH": paths},
        )

    def killed(self) -> list[str]:
        """What it said before it died."""
        assert self.process.stdout is not None
        self.process.send_signal(signal.SIGKILL)
        with self.process.stdout as lines:
            said = [line.strip() for line in lines if line.endswith("\n")]
        self.process.wait()
        return said

    def finished(self) -> None:
        assert self.process.stdout is not None
        try:
            assert self.process.wait(60) == 0
        finally:
            self.process.kill()
            with self.process.stdout as lines:
                assert lines.read().splitlines()[-1:] == ["done"]


class Trigger:
    """Lets so many requests through, then has the child killed in the middle of the next one:
    the receiver did what was asked, and nobody hears its answer."""

    def __init__(self, inner: Callable[[Asked], Answer]) -> None:
        self.inner = inner
        self.left = -1
        self.reached = threading.Event()

    def __call__(self, asked: Asked) -> Answer:
        answer = self.inner(asked)
        if asked.method == "POST" and self.left >= 0:
            self.left -= 1
            if self.left < 0:
                self.reached.set()
                return Answer(reset=True)
        return answer


def crashed(folder: Path, server: Web, trigger: Trigger, kind: str) -> list[str]:
    """Children that die in the middle of a message, and one that finishes; what was opened."""
    told: list[str] = []
    for round_ in range(ROUNDS):
        trigger.reached.clear()
        trigger.left = 3 + 2 * round_
        child = Child(folder, server.url, kind, round_, COUNT)
        assert trigger.reached.wait(30)
        told += child.killed()
    Child(folder, server.url, kind, ROUNDS, 0).finished()
    return told


def test_a_webhook_hears_of_everything_and_knows_what_came_twice(tmp_path: Path) -> None:
    trigger = Trigger(lambda _: Answer())
    with web(trigger) as server:
        told = crashed(tmp_path, server, trigger, "webhook")
        asked = list(server.asked)
    deliveries: dict[str, bytes] = {}
    by_incident: dict[str, set[str]] = {}
    for one in asked:
        id_ = one.headers["x-haechi-delivery"]
        assert deliveries.setdefault(id_, one.body) == one.body
        for item in one.json["items"]:
            by_incident.setdefault(item["news"]["incident"], set()).add(id_)
    assert len(asked) > len(deliveries)  # some did come twice
    assert set(told) <= set(by_incident)
    assert {len(ids) for ids in by_incident.values()} == {1}
    state = State(tmp_path / "state.db", backups=tmp_path / "backup")
    page = state.alerts.page(AlertFilter(), within=(EVERYWHERE,), limit=1_000)
    state.close()
    assert {one.state for one in page.items} == {"sent"}
    assert {one.incident for one in page.items} == set(by_incident)


def test_a_tracker_has_one_ticket_for_each_incident(tmp_path: Path) -> None:
    fake = trackers.GitHub()
    trigger = Trigger(fake)
    with web(trigger) as server:
        told = crashed(tmp_path, server, trigger, "github")
    marks = [one.body.partition("<!-- ")[2].partition(" -->")[0] for one in fake.issues.values()]
    assert len(marks) == len(set(marks)) >= len(set(told))
    assert all(not one.comments for one in fake.issues.values())


def test_a_full_disk_loses_nothing_and_tells_nothing_twice(
    state: State, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    desk = Desk(state, clock, [webhook()], [route()])
    hook = desk.recorders["hook"]
    opened(state)

    def full(_: object) -> None:
        raise StoreFull("no room")

    with monkeypatch.context() as patch:
        patch.setattr(state.alerts._database, "write", full)
        with pytest.raises(StoreFull):
            desk.take()
    assert desk.take() == 1
    with monkeypatch.context() as patch:
        patch.setattr(state.alerts._database, "write", full)
        with pytest.raises(StoreFull):
            desk.turn()  # it cannot be written down, so it is not sent
    assert hook.tried == []
    assert desk.run() == ["sent"]


def test_what_was_sent_while_the_disk_filled_up_comes_again_as_the_same(
    state: State, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    desk = Desk(state, clock, [webhook()], [route()])
    hook = desk.recorders["hook"]
    opened(state)
    desk.take()

    def full(*_: object) -> None:
        raise StoreFull("no room")

    with monkeypatch.context() as patch:
        patch.setattr(state.alerts, "sent", full)
        with pytest.raises(StoreFull):
            desk.turn()
    assert desk.run() == ["sent"]
    assert hook.sent[0] == hook.sent[1]
