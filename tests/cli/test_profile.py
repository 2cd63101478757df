"""``haechi profile``: over the API of a real server, and offline over recordings."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest
from click.testing import CliRunner, Result

from haechi.cli.profile import command
from haechi.errors import HaechiError, NotFound, UsageError
from haechi.model.event import Event
from haechi.runtime.profile.profile import Habits
from haechi.server.settings import Runtime
from tests.runtime.profile.doings import opened, started, usual
from tests.server.serving import Running, by_word, local_settings, real_world, serving


def run(*words: str) -> Result:
    return CliRunner().invoke(command, list(words))


def raised(*words: str) -> HaechiError:
    error = run(*words).exception
    assert isinstance(error, HaechiError)
    return error


@pytest.fixture
def server(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Running]:
    settings = local_settings(runtime=Runtime(learn_hours=0.0, learn_events=100))
    with (
        real_world(tmp_path / "store", settings) as world,
        serving(world, authenticate=by_word()) as running,
    ):
        monkeypatch.setenv("HAECHI_SERVER", running.url)
        monkeypatch.setenv("HAECHI_TOKEN", "operator")
        world.behaviour.observe([*usual(300), started("/bin/nc")])
        world.behaviour.observe(usual(30, image="shop/cart", container="feed12345678"))
        events = world.store.events
        events.append([msgspec.structs.replace(started("/bin/nc"), id="attack-1")]).result(30)
        yield running


def test_profiles_are_listed_and_shown(server: Running) -> None:
    listed = run("show")
    assert listed.exit_code == 0, listed.output
    assert "east/shop/web" in listed.output
    assert "2 profiles" in listed.output
    assert "east/shop/web" not in run("show", "--state", "learning").output
    shown = run("show", "shop/web").output
    assert "reads /etc/hosts" in shown
    assert "new          1  /bin/nc" in shown
    assert (
        json.loads(run("show", "shop/web", "--format", "json").output)["profile"]["name"] == "web"
    )


@pytest.mark.parametrize(
    ("what", "told"),
    [
        ("freeze", "is frozen"),
        ("unfreeze", "is active"),
        ("learn", "is learning"),
        ("forget", "is forgotten"),
    ],
    ids=["freeze", "unfreeze", "learn", "forget"],
)
def test_states_are_changed(server: Running, what: str, told: str) -> None:
    assert told in run(what, "shop/web").output


def test_an_event_is_explained(server: Running) -> None:
    text = run("explain", "attack-1").output
    assert "rarer than" in text
    assert "first exec of /bin/nc by web" in text


def test_a_workload_has_to_be_one(server: Running) -> None:
    assert isinstance(raised("show", "nobody"), NotFound)
    assert isinstance(raised("freeze", "shop"), UsageError)


def recording(path: Path, events: list[Event]) -> Path:
    lines = [
        msgspec.json.encode(
            msgspec.structs.replace(one, id=f"r{number}", ts_ns=(170_000_000 + number) * 10**10)
        )
        for number, one in enumerate(events)
    ]
    path.write_bytes(b"\n".join(lines))
    return path


def test_a_recording_is_explained_without_a_server(tmp_path: Path) -> None:
    normal = recording(tmp_path / "normal.jsonl", list(usual(600)))
    attack = recording(
        tmp_path / "attack.jsonl", [*usual(30), started("/bin/nc"), opened("/etc/shadow")]
    )
    found = run("explain", "--events", str(attack), "--normal", str(normal), "--format", "json")
    rows = json.loads(found.output)
    assert [one["event"] for one in rows[:2]] == ["r30", "r31"]
    assert rows[0]["why"][0].startswith("first ")
    assert "r30" in run("explain", "--events", str(attack), "--normal", str(normal)).output


@pytest.mark.parametrize("words", [(), ("x", "--events", "a", "--normal", "b"), ("--events", "a")])
def test_what_is_explained_has_to_be_named(words: tuple[str, ...]) -> None:
    assert isinstance(raised("explain", *words), UsageError)


def test_defaults_of_learning_are_those_of_the_settings() -> None:
    assert Habits().learn_events == Runtime().learn_events
    assert Habits().learn_s == Runtime().learn_hours * 3600
