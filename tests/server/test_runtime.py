"""Runtime rules over HTTP: looked at, saved, switched, taken away; filters of lists and streams."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import msgspec
import pytest

from haechi.server.api import all_operations
from haechi.server.readiness import parts
from haechi.server.work import streams
from tests.server.serving import Running, by_word, real_world, serving

SHELL = """
- rule: Shell of ours
  desc: a shell was started
  condition: evt.type = execve and proc.name in (bash, sh)
  output: shell %proc.name
  priority: WARNING
  tags: [process]
"""
NEVER = """
- rule: Never
  desc: a file field on a program's start
  condition: evt.type = execve and fd.name = /etc/shadow
  output: x
  priority: WARNING
"""
BROKEN = "- rule: Broken\n  desc: x\n  condition: proc.name ==\n  output: x\n  priority: INFO\n"


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Running]:
    with (
        real_world(tmp_path / "store") as world,
        serving(world, operations=all_operations(), authenticate=by_word()) as running,
    ):
        yield running


@pytest.fixture
def client(server: Running) -> Iterator[httpx.Client]:
    with server.client("approver", timeout=60) as made:
        made.base_url = httpx.URL(f"{server.url}/api/v1/")
        yield made


def execve(number: int, name: str = "bash", namespace: str = "shop") -> dict[str, Any]:
    """A program was started just now."""
    return {
        "id": f"e{number}",
        "ts_ns": time.time_ns() - 10**9 + number,
        "source": "sensor",
        "type": "execve",
        "cluster": "east",
        "namespace": namespace,
        "fields": {"proc.name": name, "proc.pid": number},
    }


def post(client: httpx.Client, *events: dict[str, Any]) -> dict[str, Any]:
    """What the server says of a batch."""
    body = b"\n".join(msgspec.json.encode(one) for one in events)
    answer = client.post("events", content=body, headers={"Content-Type": "application/x-ndjson"})
    assert answer.status_code == 200, answer.text
    found: dict[str, Any] = answer.json()
    return found


def ids(client: httpx.Client, **query: Any) -> list[str]:
    """Ids of a list of events."""
    answer = client.get("events", params=query)
    assert answer.status_code == 200, answer.text
    return [one["event"]["id"] for one in answer.json()["items"]]


def test_a_rule_is_looked_at_saved_changed_and_taken_away(client: httpx.Client) -> None:
    looked = client.post("runtime/rules/check", json={"text": SHELL, "name": "mine.yaml"}).json()
    assert looked["ok"]
    assert [one["name"] for one in looked["rules"]] == ["Shell of ours"]
    assert {"evt.type", "proc.name"} <= set(looked["fields"])
    saved = client.put("runtime/files/mine.yaml", json={"text": SHELL, "note": "first"})
    assert (saved.status_code, saved.json()["version"]) == (200, 1)
    assert client.put("runtime/files/mine.yaml", json={"text": SHELL}).status_code == 409
    changed = client.put(
        "runtime/files/mine.yaml", json={"text": SHELL.replace("WARNING", "ERROR"), "version": 1}
    )
    assert (changed.status_code, changed.json()["version"]) == (200, 2)
    rule = client.get("runtime/rules/Shell%20of%20ours").json()["rule"]
    assert (rule["priority"], rule["origin"], rule["event_types"]) == ("error", "saved", ["execve"])
    file = client.get("runtime/files/mine.yaml", params={"version": 1}).json()
    assert file["text"] == SHELL
    assert [one["version"] for one in file["versions"]] == [2, 1]
    assert client.delete("runtime/files/mine.yaml", params={"version": 1}).status_code == 409
    assert client.delete("runtime/files/mine.yaml", params={"version": 2}).status_code == 204
    assert client.get("runtime/rules/Shell%20of%20ours").status_code == 404
    assert client.get("runtime/files").json()["items"] == []
    rows = client.get("audit", params={"limit": 10}).json()["items"]
    assert {"runtime.save", "runtime.remove"} <= {one["action"] for one in rows}


def test_a_file_with_errors_is_refused_with_their_places(client: httpx.Client) -> None:
    answer = client.put("runtime/files/bad.yaml", json={"text": BROKEN})
    assert answer.status_code == 400
    assert answer.json()["errors"][0]["where"].startswith("bad.yaml:")
    looked = client.post("runtime/rules/check", json={"text": BROKEN}).json()
    assert not looked["ok"]
    assert looked["problems"][0]["error"]


def test_a_rule_that_can_never_fire_is_named(client: httpx.Client) -> None:
    looked = client.post("runtime/rules/check", json={"text": NEVER}).json()
    assert looked["ok"]
    assert "never" in {one["code"] for one in looked["faults"]}


def test_the_pack_is_listed_with_its_words_and_examples(client: httpx.Client) -> None:
    rows = client.get("runtime/rules", params={"origin": "builtin", "limit": 1000}).json()["items"]
    assert len(rows) >= 60
    found = client.get("runtime/rules/detect-shell-in-container").json()
    assert {one["holds"] for one in found["examples"]} == {True, False}
    assert found["why"]
    assert found["why_ko"]


def test_whole_conditions_are_told_to_who_asks_for_them(client: httpx.Client) -> None:
    from haechi.engines.falco.parse import parse_condition
    from haechi.engines.falco.syntax import Macro

    text = SHELL.replace("evt.type = execve and", "spawned_process and")
    client.put("runtime/files/mine.yaml", json={"text": text})
    query = {"origin": "saved", "resolved": "true"}
    [row] = client.get("runtime/rules", params=query).json()["items"]
    assert "spawned_process" in row["condition"]
    assert not isinstance(parse_condition(row["resolved"]), Macro)
    assert "spawned_process" not in row["resolved"]


def test_a_rule_that_is_off_detects_nothing(client: httpx.Client) -> None:
    client.put("runtime/files/mine.yaml", json={"text": SHELL})
    off = client.patch("runtime/rules/Shell%20of%20ours", json={"enabled": False}).json()
    assert (off["rule"]["enabled"], off["switched_by"]) == (False, "token:approver")
    assert post(client, execve(1))["accepted"] == 1
    assert ids(client, rule="Shell of ours") == []
    client.patch("runtime/rules/Shell%20of%20ours", json={"enabled": True})
    post(client, execve(2))
    assert len(ids(client, rule="Shell of ours")) == 1


def test_a_resend_makes_no_second_detection(client: httpx.Client) -> None:
    client.put("runtime/files/mine.yaml", json={"text": SHELL})
    events = [execve(1), execve(2, "nginx")]
    told = [post(client, *events) for _ in range(2)]
    assert [(one["accepted"], one["duplicates"], one["refused"]) for one in told] == [
        (2, 0, []),
        (0, 2, []),
    ]
    assert [one["by_rule"] for one in told] == [{"Shell of ours": 1}, {}]
    client.put("runtime/files/later.yaml", json={"text": SHELL.replace("of ours", "of later")})
    post(client, *events)
    assert len(ids(client, rule="Shell of ours")) == 1
    assert ids(client, rule="Shell of later") == []


def test_events_are_listed_and_searched_by_a_condition(client: httpx.Client) -> None:
    client.put("runtime/files/mine.yaml", json={"text": SHELL})
    post(client, *(execve(number, "bash" if number % 7 == 0 else "nginx") for number in range(60)))
    condition = "proc.name = bash and proc.pid >= 14"
    every = ids(client, filter=condition, source="sensor", limit=100)
    assert every == [f"e{number}" for number in (56, 49, 42, 35, 28, 21, 14)]
    page = client.get("events", params={"filter": condition, "source": "sensor", "limit": 3}).json()
    assert [one["event"]["id"] for one in page["items"]] == every[:3]
    following = ids(client, filter=condition, source="sensor", limit=3, cursor=page["next"])
    assert following == every[3:6]
    assert len(ids(client, filter=condition, source="haechi")) == 7
    lines = client.get("events/search", params={"filter": condition, "source": "sensor"}).text
    found = [msgspec.json.decode(line) for line in lines.splitlines()]
    assert [one["event"]["event"]["id"] for one in found if "event" in one] == every
    assert found[-1]["done"]["found"] == 7
    csv = client.get("events", params={"filter": condition, "format": "csv", "source": "sensor"})
    assert len(csv.text.splitlines()) == 8
    wrong = client.get("events", params={"filter": "proc.name ="})
    assert wrong.status_code == 400
    assert "filter" in wrong.json()["detail"]


def test_a_live_stream_may_ask_for_some_events(server: Running, client: httpx.Client) -> None:
    query = {"topics": "event", "filter": "proc.name = bash"}
    with server.client("shop", timeout=60) as listener:
        with listener.stream("GET", "/api/v1/stream", params=query) as stream:
            heard = stream.iter_text()
            text = next(heard)
            post(client, execve(1, "nginx"), execve(2, "bash", "pay"))
            post(client, execve(3, "bash"), execve(4, "nginx"))
            while "event: event" not in text:
                text += next(heard)
        assert '"id":"e3"' in text
        assert not {'"id":"e1"', '"id":"e2"', '"id":"e4"'} & set(text.replace(",", " ").split())
        assert listener.get("/api/v1/stream", params={"filter": "("}).status_code == 400
    deadline = time.monotonic() + 20
    while server.world.streams.open_filters and time.monotonic() < deadline:
        time.sleep(0.01)
    assert server.world.streams.open_filters == 0


def test_followed_conditions_are_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(streams, "MOST", 2)
    made = streams.Streams()
    topics = [made.open("proc.name = a"), made.open("proc.name = a"), made.open("proc.name = b")]
    assert len(set(topics)) == 2
    with pytest.raises(Exception, match="filters are followed"):
        made.open("proc.name = c")
    for topic in topics:
        made.close(topic)
    assert made.open_filters == 0


def test_rules_that_cannot_be_loaded_cost_no_event(
    server: Running, client: httpx.Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    from haechi.runtime.rulebook import Rulebook

    def broken(_: Rulebook) -> Any:
        raise RuntimeError("no rules")

    monkeypatch.setattr(Rulebook, "book", property(broken))
    assert post(client, execve(1))["accepted"] == 1
    assert b'haechi_runtime_faults_total{stage="load"} 1.0' in server.world.metrics.text(())
    [told] = [one for one in parts(server.world, write=False) if one.name == "rules"]
    assert told.state == "degraded"
    assert "no rules" in told.what


def test_a_saved_file_that_does_not_load_is_named_by_the_health(server: Running) -> None:
    server.world.store.state.rules.save("bad.yaml", BROKEN, expected=0, by="x")
    assert server.world.watch.rulebook(server.world).book
    [told] = [one for one in parts(server.world, write=False) if one.name == "rules"]
    assert (told.state, "bad.yaml" in told.what) == ("degraded", True)


def test_fields_of_the_language_are_listed(client: httpx.Client) -> None:
    names = {one["name"] for one in client.get("runtime/fields").json()["items"]}
    assert {"proc.name", "ka.verb", "flow.verdict", "app.event"} <= names
