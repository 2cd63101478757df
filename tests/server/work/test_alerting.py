"""Alerts in a server: threads that begin and end with it, and what hangs holds up itself alone."""

from __future__ import annotations

import asyncio
import threading
from pathlib import Path
from typing import Any

import msgspec
import pytest

from haechi.errors import StoreFull
from haechi.respond.alerts.settings import Match, Route
from haechi.server.settings import Alerts
from haechi.server.work.alerting import Alerting, send_alerts
from haechi.server.world import World
from haechi.world.receivers.settings import ReceiverSettings
from tests.fakes.receivers.web import Answer, Asked, Web, web
from tests.respond.alerts.made import opened
from tests.server.api.rig import rig
from tests.world.receivers.made import secret_in


def world_with(world: World, alerts: Alerts) -> World:
    """The same world, told to tell."""
    import dataclasses

    settings = msgspec.structs.replace(world.settings, alerts=alerts)
    return dataclasses.replace(world, settings=settings, alerting=Alerting())


def hook(name: str, server: Web, folder: Path, **more: Any) -> ReceiverSettings:
    return ReceiverSettings(
        name=name, kind="webhook", url=server.url, secret_file=secret_in(folder), **more
    )


def everything(*names: str) -> Route:
    return Route(name="all", receivers=list(names), match=Match(), group_wait=0)


class Told:
    """Answers yes, and says when so many came."""

    def __init__(self, count: int) -> None:
        self._left = count
        self.all = threading.Event()

    def __call__(self, asked: Asked) -> Answer:
        self._left -= 1
        if self._left == 0:
            self.all.set()
        return Answer()


def test_a_new_incident_is_told_though_another_receiver_hangs(tmp_path: Path) -> None:
    told, held = Told(2), threading.Event()

    def hang(_: Asked) -> Answer:
        held.wait(20)
        return Answer()

    with rig(tmp_path / "store") as made, web(told) as good, web(hang) as bad:
        receivers = [hook("good", good, tmp_path), hook("bad", bad, tmp_path, timeout=20)]
        world = world_with(
            made.world, Alerts(receivers=receivers, routes=[everything("good", "bad")])
        )
        world.alerting.start(world)
        try:
            opened(world.store.state, "inc-1")
            opened(world.store.state, "inc-2")
            assert told.all.wait(15)
        finally:
            held.set()
            world.alerting.stop(10)
    assert {one.json["items"][0]["news"]["incident"] for one in good.asked} == {"inc-1", "inc-2"}


def test_a_store_that_takes_nothing_for_now_is_asked_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with rig(tmp_path / "store") as made, web() as server:
        alerts = Alerts(receivers=[hook("well", server, tmp_path)], routes=[everything("well")])
        world = world_with(made.world, alerts)
        answers: list[Exception | None] = [StoreFull("the disk is full"), None]

        def orphans(*given: Any) -> None:
            if (error := answers.pop(0)) is not None:
                raise error

        monkeypatch.setattr(world.store.state.alerts, "orphans", orphans)
        monkeypatch.setattr("haechi.server.work.alerting._PAUSE_S", 0.0)

        async def main() -> None:
            task = asyncio.create_task(send_alerts(world))
            while answers or not world.alerting._threads:
                await asyncio.sleep(0)
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)

        asyncio.run(main())
        assert not world.alerting._threads


def test_a_stop_ends_all_threads_and_a_start_goes_on_where_it_was(tmp_path: Path) -> None:
    first, second = Told(1), Told(1)
    with rig(tmp_path / "store") as made:
        before = {one.name for one in threading.enumerate()}
        for number, told in enumerate((first, second)):
            with web(told) as server:
                alerts = Alerts(
                    receivers=[hook("good", server, tmp_path)], routes=[everything("good")]
                )
                world = world_with(made.world, alerts)
                opened(world.store.state, f"inc-{number}")  # while nobody tells
                world.alerting.start(world)
                assert told.all.wait(15)
                world.alerting.stop(10)
            assert len(server.asked) == 1
        left = {one.name for one in threading.enumerate()} - before
    assert not [name for name in left if name.startswith("haechi-alerts")]
