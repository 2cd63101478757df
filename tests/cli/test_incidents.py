"""``haechi incidents``: a person's day with them, from a shell, against a server."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest
from click.testing import CliRunner, Result

from haechi.cli.incidents import command
from haechi.client.answers import ServerRefused
from haechi.model.access import EVERYWHERE
from haechi.server.work.intake import take
from tests.runtime.incidents.made import detection
from tests.server.serving import Running, by_word, real_world, serving


@pytest.fixture
def server(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Running]:
    with real_world(tmp_path / "store") as world:
        now = int(world.clock().timestamp() * 1e9)
        image = {"container.image.repository": "docker.io/app", "falco.source": "syscall"}
        events = []
        for number in range(1, 4):
            one = detection(
                number,
                ts_ns=now - number * 10**9,
                pids=(9, 8),
                names=("sh\x1b[2J", "java"),
                program="sh",
                message="a shell \x1b]0;title\x07",
                fields=image,
            )
            fields = {k: v for k, v in one.fields.items() if not k.startswith("haechi.")}
            events.append(msgspec.structs.replace(one, source="falco", fields=fields))
        batch = world.store.events.encode_events(events)
        assert not batch.refused
        take(world, batch, (EVERYWHERE,), world.clock()).result()
        world.correlating.drain(world)
        with serving(world, authenticate=by_word()) as running:
            monkeypatch.setenv("HAECHI_SERVER", running.url)
            monkeypatch.setenv("HAECHI_TOKEN", "operator")
            yield running


def run(*words: str) -> Result:
    return CliRunner().invoke(command, list(words), catch_exceptions=False)


def _listed(*words: str) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = json.loads(run("list", "--format", "json", *words).stdout)[
        "items"
    ]
    return found


@pytest.mark.usefixtures("server")
def test_a_person_goes_through_an_incident() -> None:
    (one,) = _listed()
    id_ = one["id"]
    text = run("list").stdout
    assert id_ in text
    assert "Shell started: Deployment shop/web" in text
    assert "acknowledged" in run("ack", id_, "--owner", "ana", "--note", "looking").stdout
    assert _listed("--owner", "ana")[0]["state"] == "acknowledged"
    assert run("note", id_, "seen before").exit_code == 0
    assert "@bob" in run("assign", id_, "bob").stdout
    shown = run("show", id_).stdout
    for words in ("why this level:", "8 java", "9 sh", "note", "seen before", "by "):
        assert words in shown
    assert "resolved" in run("resolve", id_, "--note", "image rebuilt").stdout
    assert _listed() == []
    assert len(_listed("--state", "resolved")) == 1
    assert "open" in run("reopen", id_).stdout


@pytest.mark.usefixtures("server")
def test_what_a_process_is_called_does_not_reach_the_terminal() -> None:
    (one,) = _listed()
    for words in (("list",), ("show", one["id"])):
        assert "\x1b" not in run(*words).stdout
        assert "\x07" not in run(*words).stdout


@pytest.mark.usefixtures("server")
def test_a_false_positive_becomes_an_exception(tmp_path: Path) -> None:
    (one,) = _listed()
    run("false-positive", one["id"])
    file = tmp_path / "falco.yaml"
    result = run("exceptions", "--no-noisy", "--falco", "-o", str(file))
    assert "would silence 3 of 3 detections" in result.stdout
    assert "3 of 3" in result.stderr
    assert "override:" in file.read_text(encoding="utf-8")
    told = json.loads(run("exceptions", "--no-noisy", "--format", "json").stdout)
    assert told["proposals"][0]["incidents"] == [one["id"]]


@pytest.mark.usefixtures("server")
def test_an_unknown_incident_is_told() -> None:
    with pytest.raises(ServerRefused, match="no incident"):
        run("show", "nope/../..")
