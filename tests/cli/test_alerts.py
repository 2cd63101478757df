"""``haechi alerts`` against a server: what it shows, a test's answer, dead letters."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest
from click.testing import CliRunner, Result

from haechi.cli.alerts import command
from haechi.errors import HaechiError, UsageError
from haechi.respond.alerts.settings import Match, Route
from haechi.server.settings import Alerts
from haechi.server.work.alerting import Alerting
from haechi.server.world import World
from haechi.world.receivers.settings import ReceiverSettings
from tests.fakes.receivers.web import Answer, Web, web
from tests.respond.alerts.made import opened
from tests.server.serving import by_word, real_world, serving
from tests.world.receivers.made import secret_in


@pytest.fixture
def hook() -> Iterator[Web]:
    with web() as made:
        yield made


@pytest.fixture
def world(tmp_path: Path, hook: Web, monkeypatch: pytest.MonkeyPatch) -> Iterator[World]:
    with real_world(tmp_path / "store") as bare:
        one = ReceiverSettings(
            name="hook", kind="webhook", url=hook.url, secret_file=secret_in(tmp_path)
        )
        alerts = Alerts(
            receivers=[one],
            routes=[Route(name="bad", receivers=["hook"], match=Match(level="high"), group_wait=0)],
        )
        settings = msgspec.structs.replace(bare.settings, alerts=alerts)
        made = dataclasses.replace(bare, settings=settings, alerting=Alerting())
        with serving(made, authenticate=by_word()) as running:
            monkeypatch.setenv("HAECHI_SERVER", running.url)
            monkeypatch.setenv("HAECHI_TOKEN", "admin")
            yield made


def run(*words: str) -> Result:
    result = CliRunner().invoke(command, list(words))
    if isinstance(result.exception, HaechiError):
        raise result.exception
    return result


def told(world: World) -> None:
    """An incident, taken and sent."""
    now = int(world.clock().timestamp() * 1e9)
    opened(world.store.state, "inc-1", opened_ns=now, first_ns=now, last_ns=now)
    manager = world.alerting.manager(world)
    manager.take(world.clock())
    manager.courier("hook")[0].turn(world.clock())


def test_routes_and_why(world: World) -> None:
    told(world)
    shown = run("routes").output
    assert "hook                 webhook" in shown
    assert "bad                  level >= high -> hook" in shown
    assert run("routes", "--incident", "inc-1").output.splitlines()[-1] == "told to hook"


def test_a_test_prints_the_answer_and_fails_when_it_is_a_no(world: World, hook: Web) -> None:
    good = run("test", "hook")
    assert (good.exit_code, "hook took it in" in good.output) == (0, True)
    hook.responder = lambda _: Answer(404, b"no such hook")
    bad = run("test", "hook")
    assert (bad.exit_code, "HTTP 404: no such hook" in bad.output) == (1, True)


def test_dead_letters_are_shown_and_retried(world: World, hook: Web) -> None:
    hook.responder = lambda _: Answer(400, b"\x1b[31mno")
    told(world)
    shown = run("deliveries", "--state", "dead").output
    assert "after 1 tries: HTTP 400" in shown
    assert "\x1b" not in shown
    id_ = shown.splitlines()[1].strip()
    assert run("retry", id_).output == "it waits to be sent\n"
    assert run("retry", "--all", "--receiver", "hook").output == "0 wait to be sent\n"
    rows = run("deliveries", "--format", "json").output.splitlines()
    assert [msgspec.json.decode(row)["state"] for row in rows] == ["waiting"]


@pytest.mark.parametrize("words", [(), ("x", "--all"), ("--receiver", "x")], ids=str)
def test_a_retry_of_nothing_in_particular_is_refused(words: tuple[str, ...]) -> None:
    with pytest.raises(UsageError):
        run("retry", *words)
