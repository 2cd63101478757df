"""Files that the server reads itself: nothing is lost when it is killed, nothing counts twice, and
a file that is not there costs no other."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec
import pytest

from haechi.model.access import EVERYWHERE
from haechi.runtime.sources import FeedSettings
from haechi.server.settings import Runtime
from haechi.server.work.followers import follow_feeds, processor_of
from haechi.server.world import World
from haechi.store.events.shapes import EventFilter
from haechi.store.records import FeedStatus
from haechi.store.store import Store
from tests.server.serving import local_settings, real_world

CHILD = """
import asyncio, sys
from pathlib import Path
from haechi.server.work.followers import follow_feeds
from tests.server.test_followers import settings_of
from haechi.server.run import made_world
from haechi.store.store import Store

store = Store.open(Path(sys.argv[1]))
world = made_world(store, settings_of(Path(sys.argv[2])))
[feed] = world.settings.runtime.feeds

async def tell():
    while True:
        known = store.state.feeds.checkpoint(feed.cluster, feed.id) is not None
        print(store.events.figures()["hot_events"] if known else -1, flush=True)
        await asyncio.sleep(0.01)

async def main():
    await asyncio.gather(follow_feeds(world), tell())

asyncio.run(main())
"""
"""Follows a file and says all the while how many events are stored; -1 before it has a place."""


def settings_of(*files: Path) -> Any:
    """These files are followed; rules do not judge."""
    feeds = [FeedSettings(kind="falco", file=str(file), cluster="east") for file in files]
    return local_settings(runtime=Runtime(judge=False, feeds=feeds))


def alert(number: int) -> bytes:
    """A line of Falco's."""
    record = {
        "time": f"2026-11-21T{number // 3600 % 24:02}:{number // 60 % 60:02}:{number % 60:02}Z",
        "rule": "Shell",
        "priority": "Warning",
        "output": f"shell {number}",
        "output_fields": {"evt.type": "execve", "n": number},
    }
    return msgspec.json.encode(record) + b"\n"


def append(log: Path, numbers: range) -> None:
    """Write these alerts at the end."""
    with log.open("ab") as stream:
        for number in numbers:
            stream.write(alert(number))


def messages(folder: Path) -> list[str]:
    """Of everything that is in the store."""
    store = Store.open(folder)
    try:
        found = store.events.page(EventFilter(), within=(EVERYWHERE,), limit=100_000, deadline_s=60)
        return sorted(one.event.message for one in found.items)
    finally:
        store.close()


def test_nothing_is_lost_when_the_server_is_killed(tmp_path: Path) -> None:
    """Killed in the middle of reading, three times, while the file grows and is rotated."""
    folder, log = tmp_path / "store", tmp_path / "falco.json"
    log.touch()
    size = 6_000
    for turn in range(3):
        with subprocess.Popen(
            [sys.executable, "-c", CHILD, str(folder), str(log)],
            stdout=subprocess.PIPE,
            cwd=Path(__file__).parents[2],
        ) as child:
            assert child.stdout is not None
            while int(child.stdout.readline()) < 0:
                continue
            append(log, range(turn * size, turn * size + size // 2))
            if turn == 1:
                log.replace(tmp_path / "falco.json.1")
            append(log, range(turn * size + size // 2, (turn + 1) * size))
            while int(child.stdout.readline()) <= turn * size // 2:
                continue
            os.kill(child.pid, signal.SIGKILL)
    wanted = sorted(f"shell {number}" for number in range(3 * size))
    with real_world(folder, settings_of(log)) as world:
        assert world.store.events.figures()["hot_events"] < len(wanted)
        asyncio.run(until_read(world, len(wanted)))
    assert messages(folder) == wanted


async def until_read(world: World, count: int) -> None:
    """Follow until so many events are in the store."""
    await until(world, lambda: world.store.events.figures()["hot_events"] >= count)


async def until(world: World, ready: Callable[[], bool]) -> None:
    """Follow until then."""
    loop = asyncio.create_task(follow_feeds(world))
    async with asyncio.timeout(60):
        while not ready():
            assert not loop.done()
            await asyncio.sleep(0.02)
    loop.cancel()
    await asyncio.gather(loop, return_exceptions=True)


def status(world: World) -> dict[str, FeedStatus]:
    """Feeds by the name of their file."""
    rows = world.store.state.feeds.all(within=(EVERYWHERE,))
    return {Path(one.place).name: one for one in rows}


def test_a_file_that_cannot_be_read_costs_no_other(tmp_path: Path) -> None:
    good, bad = tmp_path / "good.json", tmp_path / "bad.json"
    bad.mkdir()
    append(good, range(3))
    good.write_bytes(good.read_bytes() + b"{broken\n")
    with real_world(tmp_path / "store", settings_of(bad, good)) as world:

        def both() -> bool:
            found = status(world)
            read = "good.json" in found and found["good.json"].counts.accepted == 3
            return read and "bad.json" in found

        asyncio.run(until(world, both))
        found = status(world)
        assert found["good.json"].counts.refused == 1
        assert found["good.json"].state in ("fresh", "silent")
        assert found["bad.json"].state == "failed"
        [letter] = world.store.state.feeds.letters(within=(EVERYWHERE,))
        assert "broken" in letter.sample


def test_a_full_queue_holds_a_feed_up_and_loses_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from haechi.errors import StoreBusy
    from haechi.store.events.events import Events

    log = tmp_path / "falco.json"
    append(log, range(5))
    submit, refused = Events.append, [2]

    def busy(self: Events, batch: Any) -> Any:
        if refused[0]:
            refused[0] -= 1
            raise StoreBusy("full")
        return submit(self, batch)

    monkeypatch.setattr(Events, "append", busy)

    async def main(world: World) -> int:
        processor = processor_of(world)
        assert await processor.collect_security_events() == []  # its place is kept first
        for _ in range(2):
            with pytest.raises(StoreBusy):
                await processor.collect_security_events()
        events = await processor.collect_security_events()
        for source in processor.sources:
            source.close()
        return len(events)

    with real_world(tmp_path / "store", settings_of(log)) as world:
        assert asyncio.run(main(world)) == 5
        assert status(world)["falco.json"].counts.accepted == 5


def test_all_that_a_followed_file_was_refused_is_counted(tmp_path: Path) -> None:
    log = tmp_path / "log.json"
    log.write_bytes(b"no json\n" * 1_500)
    with real_world(tmp_path / "store", settings_of(log)) as world:

        def counted() -> int:
            return sum(one.counts.refused for one in status(world).values())

        asyncio.run(until(world, lambda: counted() >= 1_500))
        assert counted() == 1_500
