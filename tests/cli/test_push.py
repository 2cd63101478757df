"""``haechi scan --push``: the server's waivers count in the gate, and what it says is told."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from haechi.cli.scan import command
from haechi.client import http
from haechi.client.answers import ServerRefused
from haechi.client.waivers import waivers_of
from tests.client.peer import Peer, Reply, peer
from tests.trees import write

POD = """\
apiVersion: v1
kind: Pod
metadata: {name: web, namespace: shop}
spec:
  containers:
    - name: web
      image: example.org/web@sha256:%s
      securityContext: {privileged: true}
""" % ("0" * 64)
ROW = {
    "id": "w1",
    "rule": "*",
    "path": "pod.yaml",
    "fingerprints": [],
    "resource": "",
    "source": "",
    "reason": "replaced next month",
    "owner": "ana",
    "expires": "2999-01-01",
    "reach": {"cluster": "*", "namespace": "*"},
}
TAKEN = {"scan": {"changes": {"new": 3, "fixed": 0}}, "url": "https://h.example.org/scans/1"}


def _page(*rows: dict[str, Any]) -> Reply:
    return Reply(body=json.dumps({"items": rows, "next": None}).encode())


@pytest.fixture(autouse=True)
def _environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HAECHI_TOKEN", "t")
    monkeypatch.setattr(http, "PATIENCE", 0.0)
    for name in ("GITHUB_WORKSPACE", "CI_PROJECT_DIR"):
        monkeypatch.delenv(name, raising=False)


def _scan(root: Path, server: Peer) -> Result:
    write(root, {"pod.yaml": POD})
    words = [str(root), "--only", "iac", "--format", "json", "--push", server.url]
    return CliRunner().invoke(command, words, catch_exceptions=False)


def test_a_run_sends_what_it_found_and_saw(tmp_path: Path) -> None:
    with peer(_page(), Reply(status=201, body=json.dumps(TAKEN).encode())) as server:
        done = _scan(tmp_path, server)
        assert [(seen.method, seen.path.partition("?")[0]) for seen in server.seen] == [
            ("GET", "/api/v1/waivers"),
            ("POST", "/api/v1/scans"),
        ]
        sent = json.loads(server.seen[1].body)
    assert done.exit_code == 1  # the gate's word
    assert sent["schema"] == "haechi.push/1"
    assert sent["origin"]["repository"] == f"dir:{tmp_path.name}"
    assert sent["scope"]["domains"] == ["iac"]
    assert any(one["kind"] == "Pod" for one in sent["resources"])
    assert "pushed to https://h.example.org/scans/1 (3 new)" in done.stderr


def test_a_waiver_of_the_server_counts_in_the_gate(tmp_path: Path) -> None:
    with peer(_page(ROW), Reply(status=201, body=json.dumps(TAKEN).encode())) as server:
        done = _scan(tmp_path, server)
    assert done.exit_code == 0
    report = json.loads(done.stdout)
    assert {finding["state"] for finding in report["findings"]} == {"waived"}
    assert {waiver["origin"] for waiver in report["waivers"]} == {"store"}


def test_a_server_that_is_away_is_told_and_gives_3(tmp_path: Path) -> None:
    with peer(Reply(hang_up=True)) as server:
        write(tmp_path, {"empty.yaml": "a: 1\n"})
        words = [str(tmp_path), "--only", "iac", "--push", server.url]
        done = CliRunner().invoke(command, words, catch_exceptions=False)
    assert done.exit_code == 3
    assert "the server's waivers are not known" in done.stderr


def test_a_token_without_the_right_stops_before_the_scan(tmp_path: Path) -> None:
    write(tmp_path, {"empty.yaml": "a: 1\n"})
    with peer(Reply(status=403)) as server:
        done = CliRunner().invoke(command, [str(tmp_path), "--push", server.url])
    assert isinstance(done.exception, ServerRefused)
    assert done.exception.exit_code == 2


@pytest.mark.parametrize(
    ("change", "cluster", "expected"),
    [
        ({}, "-", [(None, None)]),
        ({"fingerprints": ["a" * 32, "b" * 32]}, "-", [("a" * 32, None), ("b" * 32, None)]),
        ({"reach": {"cluster": "prod", "namespace": "*"}}, "-", []),
        ({"reach": {"cluster": "prod", "namespace": "pay"}}, "prod", [(None, "pay")]),
    ],
)
def test_a_waiver_keeps_its_reach(
    change: dict[str, Any], cluster: str, expected: list[tuple[str | None, str | None]]
) -> None:
    made = [(one.fingerprint, one.namespace) for one in waivers_of({**ROW, **change}, cluster)]
    assert made == expected
