"""The process: starts, says where it listens, works by the clock, and stops in time."""

from __future__ import annotations

import asyncio
import datetime as dt
import logging
import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import httpx
import pytest

from haechi.errors import ConfigError, StoreError
from haechi.server.jobs import Job, Jobs
from haechi.server.listener import UNREAD_MS, bound
from haechi.server.run import own_jobs, serve
from haechi.server.settings import Listen, Settings, Tls
from haechi.server.world import World
from tests.server.serving import NOW, bare_world, by_word, real_world, serving
from tests.server.things import THINGS

ROOT = Path(__file__).parents[2]
SERVER = """
import asyncio, sys
from pathlib import Path
from haechi.server.run import serve
from haechi.server.settings import Listen, Settings
asyncio.run(serve(
    Path(sys.argv[1]), Settings(listen=Listen(port=0)), ready=lambda url: print(url, flush=True)
))
"""


def started(folder: Path) -> tuple[subprocess.Popen[str], str]:
    """A server as a process, and its URL."""
    process = subprocess.Popen(
        [sys.executable, "-c", SERVER, str(folder)],
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": str(ROOT / "src")},
    )
    assert process.stdout is not None
    return process, process.stdout.readline().strip()


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_stops_it_and_the_store_is_free(tmp_path: Path, number: signal.Signals) -> None:
    process, url = started(tmp_path / "store")
    with process:
        assert httpx.get(f"{url}/healthz", trust_env=False).status_code == 200
        assert httpx.get(f"{url}/readyz", trust_env=False).json()["ready"] is True
        process.send_signal(number)
        assert process.wait(timeout=30) == 0
    with real_world(tmp_path / "store") as world:
        assert world.store.audit.head().size >= 0


def test_a_second_owner_of_the_store_is_refused(tmp_path: Path) -> None:
    async def main() -> None:
        await serve(tmp_path / "store", Settings(listen=Listen(port=0)), ready=lambda url: None)

    with real_world(tmp_path / "store"), pytest.raises(StoreError, match="in use"):
        asyncio.run(main())


def test_a_taken_port_is_an_error_that_says_what_to_do(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(ConfigError) as raised:
            bound("127.0.0.1", port)
        assert "listen.port" in raised.value.explain()


@pytest.mark.skipif(not hasattr(socket, "TCP_USER_TIMEOUT"), reason="the kernel has no such limit")
def test_a_peer_that_takes_nothing_does_not_hold_its_connection() -> None:
    with bound("127.0.0.1", 0) as listening, socket.create_connection(listening.getsockname()):
        listening.setblocking(True)
        accepted, _ = listening.accept()
        with accepted:
            limit = accepted.getsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT)
    assert limit == UNREAD_MS


def test_it_says_who_can_reach_it(caplog: pytest.LogCaptureFixture) -> None:
    anywhere = "0.0.0.0"  # noqa: S104
    for listen, words in (
        (Listen(port=0), "this machine only"),
        (Listen(port=0, address=anywhere, allow_plain=True), "without TLS"),
    ):
        caplog.clear()
        world = bare_world(Settings(listen=listen))
        with (
            caplog.at_level(logging.INFO, "haechi"),
            serving(world, operations=THINGS, authenticate=by_word()) as running,
        ):
            assert running.url.startswith("http://127.0.0.1:")
        assert any(words in record.getMessage() for record in caplog.records)


def test_it_listens_on_ipv6(caplog: pytest.LogCaptureFixture) -> None:
    try:
        socket.create_server(("::1", 0), family=socket.AF_INET6).close()
    except OSError:
        pytest.skip("this machine has no IPv6")
    world = bare_world(Settings(listen=Listen(port=0, address="::1")))
    with (
        serving(world, operations=THINGS, authenticate=by_word()) as running,
        running.client() as client,
    ):
        assert running.url.startswith("http://[::1]:")
        assert client.get("/healthz").status_code == 200


def test_background_tasks_run_beside_it_and_a_failing_one_is_logged(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    seen: list[str] = []

    async def main() -> None:
        stop = asyncio.Event()

        async def failing(world: World) -> None:
            raise ValueError("of the task")

        async def working(world: World) -> None:
            seen.append(type(world.store).__name__)
            stop.set()

        await serve(
            tmp_path / "store",
            Settings(listen=Listen(port=0)),
            ready=seen.append,
            stop=stop,
            background=[failing, working],
            opened=lambda world: seen.append("opened"),
        )

    with caplog.at_level(logging.ERROR, "haechi"):
        asyncio.run(main())
    assert seen[0] == "opened"
    assert seen[1].startswith("http://")
    assert seen[2] == "Store"
    assert any("background" in record.getMessage() for record in caplog.records)


def test_every_job_of_its_own_runs(tmp_path: Path) -> None:
    async def main(world: World) -> None:
        for job in own_jobs(world):
            await world.jobs.once(job, world.clock)

    with real_world(tmp_path / "store") as world:
        asyncio.run(main(world))
        states = world.jobs.states
        assert set(states) >= {"waivers", "events", "tidy"}
        assert {name: state.error for name, state in states.items()} == dict.fromkeys(states, "")


def test_a_job_that_fails_is_told_and_tried_again() -> None:
    results = [ValueError("once"), None]

    def work() -> None:
        result = results.pop(0)
        if result is not None:
            raise result

    async def main() -> tuple[str, str, int]:
        jobs = Jobs()
        job = Job(name="seal", every=1, work=work)
        await jobs.once(job, lambda: NOW)
        first = jobs.states["seal"].error
        await jobs.once(job, lambda: NOW)
        return first, jobs.states["seal"].error, jobs.states["seal"].failures

    assert asyncio.run(main()) == ("ValueError: once", "", 1)


def test_a_request_that_runs_at_the_stop_is_cut_and_the_server_ends() -> None:
    world = bare_world()
    with serving(world, operations=THINGS, authenticate=by_word()) as running:
        import threading

        outcome: list[object] = []

        def ask() -> None:
            with running.client(timeout=30) as client:
                try:
                    outcome.append(client.get("/api/v1/fail/slow").status_code)
                except httpx.HTTPError as error:
                    outcome.append(type(error).__name__)

        thread = threading.Thread(target=ask)
        thread.start()
        while "haechi-request" not in " ".join(one.name for one in threading.enumerate()):
            time.sleep(0.001)
        running.stop()
        running.thread.join(timeout=30)
        assert not running.thread.is_alive()
        thread.join()
    assert outcome


def test_a_certificate_near_its_end_is_told(tmp_path: Path) -> None:
    from haechi.server.run import _watch_over, certificate

    settings = Settings(listen=Listen(port=0), tls=Tls(self_made=True))
    with real_world(tmp_path / "store", settings) as world:
        pair = certificate(world)
        assert pair is not None
        [job] = _watch_over(pair, world)
        job.work()
        object.__setattr__(world, "clock", lambda: pair.ends - dt.timedelta(days=3))
        with pytest.raises(ConfigError, match="renew"):
            job.work()
