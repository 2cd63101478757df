"""What a sensor asks its server: whole rules, again only when they changed."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from haechi.cli.sensor_rules import known, of_rows
from haechi.cli.sensor_shedding import Matters
from haechi.cli.sensor_update import RulePages, ServerRules
from haechi.client.http import Client
from haechi.server.api import all_operations
from haechi.world.sensor.sensor import Wants
from tests.server.serving import Running, by_word, real_world, serving

RULES = """
- list: key_places
  items: [/srv/keys/, /opt/keys/]
- macro: reading
  condition: evt.type = openat and evt.is_open_read = true
- rule: Keys read
  desc: x
  condition: reading and fd.name startswith {place}
  output: read %fd.name
  priority: WARNING
"""


@pytest.fixture
def server(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Running]:
    monkeypatch.setenv("HAECHI_TOKEN", "operator")
    with (
        real_world(tmp_path / "store") as world,
        serving(world, operations=all_operations(), authenticate=by_word()) as running,
    ):
        yield running


def save(server: Running, place: str, version: int = 0) -> int:
    """Save the file anew; its version."""
    with server.client("admin", timeout=60) as client:
        body = {"text": RULES.format(place=place), "version": version}
        answer = client.put("/api/v1/runtime/files/keys.yaml", json=body)
        assert answer.status_code == 200, answer.text
        return int(answer.json()["version"])


def asked(rules: ServerRules) -> Wants | None:
    """What an ask came to, without its thread."""
    rules.ask()
    return None if rules._answers.empty() else rules._answers.get()


def test_places_behind_the_servers_macros_are_watched_and_follow_changes(
    server: Running, capsys: pytest.CaptureFixture[str]
) -> None:
    version = save(server, "/srv/keys/")
    none = known((), builtin=False)
    rules = ServerRules(server.url, none, (), "/", Matters(()))
    first = asked(rules)
    assert first is not None
    assert "/srv/keys/" in first.watch
    assert asked(rules) is None, "nothing changed"
    save(server, "/opt/keys/", version)
    second = asked(rules)
    assert second is not None
    assert ("/opt/keys/" in second.watch, "/srv/keys/" in second.watch) == (True, False)
    assert capsys.readouterr().err == ""


def test_detections_are_no_news_of_the_rules(server: Running) -> None:
    save(server, "/srv/keys/")
    pages = RulePages()
    with Client(server.url, token="operator") as client:
        assert pages.news(client)
        event: dict[str, Any] = {
            "id": "a",
            "ts_ns": int(server.world.clock().timestamp() * 1e9),
            "cluster": "-",
        }
        event |= {"source": "sensor", "type": "openat"}
        event["fields"] = {"fd.name": "/srv/keys/a", "evt.is_open_read": True}
        assert client.send_events([event])["by_rule"] == {"Keys read": 1}
        assert pages.news(client) is None


def test_a_rule_that_is_turned_off_is_news(server: Running) -> None:
    save(server, "/srv/keys/")
    pages = RulePages()
    with Client(server.url, token="admin") as client:
        before = pages.news(client)
        assert before is not None
        assert "Keys read" in {row["name"] for row in before}
        client.request("PATCH", "runtime/rules/Keys read", body={"enabled": False})
        after = pages.news(client)
    assert after is not None
    assert "Keys read" not in {row["name"] for row in after}


@pytest.mark.parametrize(
    "row",
    [
        {"name": "a", "condition": "no_such_macro and fd.name=/x", "origin": "saved"},
        {"name": "a", "condition": "((", "origin": "saved"},
        {"condition": 7},
        {},
    ],
    ids=["macro", "broken", "number", "empty"],
)
def test_rows_that_make_no_rule_are_told_and_cost_no_other(row: dict[str, Any]) -> None:
    good = {"name": "b", "origin": "saved", "resolved": "evt.type=openat and fd.name=/etc/shadow"}
    found = of_rows([row, good])
    assert ([rule.name for rule in found.rules], found.untold) == (["b"], 1)


def test_a_server_that_is_away_is_told_once_and_changes_nothing(
    server: Running, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HAECHI_TOKEN", "nobody")
    rules = ServerRules(server.url, known((), builtin=False), (), "/", Matters(()))
    assert (asked(rules), asked(rules)) == (None, None)
    assert capsys.readouterr().err.count("the server's rules are not known") == 1
