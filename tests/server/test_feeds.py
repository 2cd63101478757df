"""Feeds over HTTP as the products send them; what is posted is judged, counted, kept."""

from __future__ import annotations

import gzip
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import msgspec
import pytest

from haechi.server.api import all_operations
from tests.server.serving import Running, by_word, real_world, serving

RULES = """
- rule: Secrets listed
  desc: secrets were listed
  condition: ka.verb = list and ka.target.resource = secrets
  output: secrets were listed by %ka.user.name
  priority: WARNING
  source: k8s_audit
"""


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Running]:
    with (
        real_world(tmp_path / "store") as world,
        serving(world, operations=all_operations(), authenticate=by_word()) as running,
    ):
        yield running


def falco(number: int = 0, **fields: str) -> dict[str, Any]:
    """An alert as http_output sends it."""
    return {
        "hostname": "node-7",
        "output": f"shell {number}",
        "priority": "Critical",
        "rule": "Terminal shell in container",
        "source": "syscall",
        "tags": ["shell"],
        "time": f"2026-11-22T04:00:{number:02}.000000001Z",
        "output_fields": {"evt.type": "execve", "k8s.ns.name": "shop", **fields},
    }


def audited(number: int, verb: str = "list") -> dict[str, Any]:
    """An audit event of Kubernetes."""
    return {
        "kind": "Event",
        "apiVersion": "audit.k8s.io/v1",
        "level": "Metadata",
        "auditID": f"0000-{number}",
        "stage": "ResponseComplete",
        "requestURI": "/api/v1/namespaces/shop/secrets",
        "verb": verb,
        "user": {"username": "eve"},
        "sourceIPs": ["10.0.0.7"],
        "objectRef": {"resource": "secrets", "namespace": "shop", "apiVersion": "v1"},
        "responseStatus": {"code": 200},
        "requestReceivedTimestamp": "2026-11-22T04:00:00.000000Z",
        "stageTimestamp": f"2026-11-22T04:00:0{number}.000000Z",
    }


def send(
    server: Running, kind: str, body: bytes, who: str = "operator", **headers: str
) -> httpx.Response:
    """The answer to a post."""
    shown = {"Content-Type": "application/json"}
    shown |= {name.replace("_", "-"): value for name, value in headers.items()}
    with server.client(who, timeout=60) as client:
        return client.post(f"/api/v1/feeds/{kind}", content=body, headers=shown)


def items(server: Running, path: str, who: str = "admin") -> list[dict[str, Any]]:
    """A list of the API's."""
    with server.client(who, timeout=60) as client:
        answer = client.get(f"/api/v1/{path}")
        assert answer.status_code == 200, answer.text
        found: list[dict[str, Any]] = answer.json()["items"]
        return found


def test_every_form_of_a_body_is_taken_and_a_repeat_counts_once(server: Running) -> None:
    alerts = [falco(number) for number in range(3)]
    lines = b"\n".join(msgspec.json.encode(one) for one in alerts)
    answer = send(server, "falco?cluster=east", msgspec.json.encode(alerts[0]))
    assert answer.json() == {
        "accepted": 1,
        "duplicates": 0,
        "refused": [],
        "skipped": 0,
        "lost": 0,
        "detections": 0,
        "by_rule": {},
    }
    assert send(server, "falco?cluster=east", lines).json()["accepted"] == 2
    for body, headers in (
        (msgspec.json.encode(alerts), {}),
        (gzip.compress(lines), {"Content_Encoding": "gzip"}),
        (lines, {"Content_Type": "application/x-ndjson"}),
    ):
        again = send(server, "falco?cluster=east", body, **headers).json()
        assert (again["accepted"], again["duplicates"]) == (0, 3)
    [feed] = items(server, "feeds")
    assert (feed["id"], feed["cluster"], feed["way"], feed["state"]) == (
        "falco",
        "east",
        "http",
        "fresh",
    )
    assert feed["counts"] == {
        "accepted": 3,
        "duplicates": 10,
        "refused": 0,
        "skipped": 0,
        "lost": 0,
    }
    assert feed["lag_s"] is not None
    event = items(server, "events?source=falco&limit=1")[0]["event"]
    assert (event["rule"], event["namespace"]) == ("Terminal shell in container", "shop")


def test_malformed_records_cost_no_other_and_are_kept(server: Running) -> None:
    body = b"\n".join([b"{broken", msgspec.json.encode(falco()), b'{"no": "alert"}'])
    answer = send(server, "falco?cluster=east", body).json()
    assert answer["accepted"] == 1
    assert [one["index"] for one in answer["refused"]] == [0, 1]
    letters = items(server, "feeds/letters?feed=falco")
    assert len(letters) == 2
    assert all(one["why"] and one["cluster"] == "east" for one in letters)


def test_an_audit_webhook_is_judged_in_the_same_commit(server: Running) -> None:
    with server.client("admin") as client:
        saved = client.put("/api/v1/runtime/files/audit.yaml", json={"text": RULES})
        assert saved.status_code == 200, saved.text
    webhook = {
        "kind": "EventList",
        "apiVersion": "audit.k8s.io/v1",
        "items": [audited(1), audited(2, "get"), audited(3)],
    }
    answer = send(server, "kubernetes-audit?cluster=east", msgspec.json.encode(webhook))
    assert answer.json()["accepted"] == 3
    assert (answer.json()["detections"], answer.json()["by_rule"]) == (2, {"Secrets listed": 2})
    found = items(server, "events?source=haechi&rule=Secrets+listed")
    assert len(found) == 2
    event = found[0]["event"]
    assert event["message"].endswith("secrets were listed by eve")
    assert event["fields"]["haechi.source"] == "kubernetes-audit"
    assert "jevt.obj" not in event["fields"]
    again = send(server, "kubernetes-audit?cluster=east", msgspec.json.encode(webhook)).json()
    assert (again["detections"], again["by_rule"]) == (0, {})
    assert len(items(server, "events?source=haechi&rule=Secrets+listed")) == 2
    row = next(
        one
        for one in items(server, "runtime/rules?origin=saved")
        if one["name"] == "Secrets listed"
    )
    assert row["hits"] == 2
    assert server.world.metrics.text(()).count(b'rule="Secrets listed"') >= 1


def test_what_a_source_says_it_lost_is_counted(server: Running) -> None:
    record = {"rate_limit_info": {"number_of_dropped_process_events": "7"}, "node_name": "n"}
    record["time"] = "2026-11-22T04:00:00Z"
    answer = send(server, "tetragon?cluster=east", msgspec.json.encode(record))
    assert answer.status_code == 200, answer.text
    assert answer.json()["lost"] == 7
    flows = b'{"lost_events": {"num_events_lost": "5"}, "node_name": "n"}'
    assert send(server, "hubble?cluster=east", flows).json()["lost"] == 5
    counted = {one["kind"]: one["counts"]["lost"] for one in items(server, "feeds")}
    assert counted == {"hubble": 5, "tetragon": 7}
    text = server.world.metrics.text(())
    for kind, number in counted.items():
        said = f'haechi_feed_records_total{{feed="{kind}",outcome="lost"}} {number}.0'
        assert said.encode() in text
    with server.client("admin", timeout=60) as client:
        parts = client.get("/api/v1/health").json()["parts"]
    [part] = [one for one in parts if one["name"] == "feeds"]
    assert part["figures"]["lost"] == 12


@pytest.mark.parametrize(
    ("kind", "who", "status"),
    [
        ("falco", "viewer", 403),
        ("falco?cluster=west", "shop", 403),
        ("splunk", "operator", 404),
        ("falco?mapping=x", "operator", 400),
        ("application", "operator", 400),
        ("falco?cluster=*", "operator", 400),
        ("falco?token=haechi_x", "operator", 400),
    ],
)
def test_refuses(server: Running, kind: str, who: str, status: int) -> None:
    assert send(server, kind, msgspec.json.encode(falco()), who).status_code == status


def test_a_scoped_sender_sends_for_its_own_places_only(server: Running) -> None:
    body = msgspec.json.encode([falco(1), falco(2, **{"k8s.ns.name": "pay"})])
    answer = send(server, "falco?cluster=east", body, "shop").json()
    assert answer["accepted"] == 1
    assert len(answer["refused"]) == 1
    assert "reach" in answer["refused"][0]["why"]
