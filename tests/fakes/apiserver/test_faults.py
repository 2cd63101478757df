"""Faults: by script, by seed, on the wire; stopped and started; and the log of it all."""

from __future__ import annotations

import hashlib
import threading
from typing import Any

import httpx
import pytest

from tests.fakes.apiserver import ApiServer, Fault
from tests.fakes.apiserver.manifests import CONFIGS, PODS, config, pod

Json = dict[str, Any]
MERGE = {"content-type": "application/merge-patch+json"}


@pytest.mark.parametrize("code", [401, 403, 409, 429, 500, 503, 504])
def test_a_status_is_answered_in_the_shape_of_the_real_one(
    server: ApiServer, http: httpx.Client, code: int
) -> None:
    server.faults.add(code=code, retry_after=7 if code == 429 else 0)
    failed, fine = http.get(CONFIGS), http.get(CONFIGS)
    assert (failed.status_code, fine.status_code) == (code, 200)
    assert (failed.json()["kind"], failed.json()["code"]) == ("Status", code)
    assert failed.headers.get("retry-after") == ("7" if code == 429 else None)


def test_a_fault_hits_what_it_names_and_when(server: ApiServer, http: httpx.Client) -> None:
    fault = server.faults.add(verb="create", resource="configmaps", after=1, times=2, code=503)
    http.post(PODS, json=pod("p"))
    http.get(CONFIGS)
    codes = [http.post(CONFIGS, json=config(f"c{n}")).status_code for n in range(4)]
    assert codes == [201, 503, 503, 201]
    assert (fault.seen, fault.hits) == (4, 2)


def test_a_fault_may_ask_for_anything(server: ApiServer, http: httpx.Client) -> None:
    server.faults.add(when=lambda entry: entry.dry, code=500, times=0)
    assert http.post(CONFIGS, json=config("c"), params={"dryRun": "All"}).status_code == 500
    assert http.post(CONFIGS, json=config("c")).status_code == 201


@pytest.mark.parametrize(
    ("kind", "stored"),
    [("reset", False), ("reset_after", True), ("timeout", False), ("timeout_after", True)],
)
def test_no_answer_before_or_after_the_write_took_effect(
    server: ApiServer, http: httpx.Client, kind: Any, stored: bool
) -> None:
    server.faults.add(Fault(kind=kind, verb="create", seconds=0.05))
    with pytest.raises(httpx.TransportError):
        http.post(CONFIGS, json=config("c"))
    assert (server.get("configmaps", "c") is not None) is stored
    entry = server.log.all(verb="create")[0]
    assert (entry.fault, entry.code) == (kind, 0)


def test_a_client_that_gives_up_is_not_held(server: ApiServer, http: httpx.Client) -> None:
    server.faults.add(kind="timeout", seconds=0)
    with pytest.raises(httpx.ReadTimeout):
        http.get(CONFIGS, timeout=0.05)
    assert http.get(CONFIGS).status_code == 200


def test_garbage_and_expired_tokens(server: ApiServer, http: httpx.Client) -> None:
    server.faults.add(kind="garbage")
    with pytest.raises(ValueError, match=r"utf-8|Invalid|decode"):
        http.get(CONFIGS).json()
    server.faults.add(kind="expired")
    assert http.get(CONFIGS).json()["reason"] == "Unauthorized"


def test_a_slow_body_arrives_whole(server: ApiServer, http: httpx.Client) -> None:
    server.put(config("c", a="x" * 500))
    server.faults.add(kind="slow", seconds=0.001)
    assert http.get(f"{CONFIGS}/c").json()["data"]["a"] == "x" * 500


def test_a_watch_is_cut_after_so_many_events(server: ApiServer, http: httpx.Client) -> None:
    for name in "abc":
        server.put(config(name))
    server.faults.add(kind="cut", verb="watch", events=2)
    lines: list[str] = []
    with (
        pytest.raises(httpx.TransportError),
        http.stream("GET", CONFIGS, params={"watch": "1"}) as answer,
    ):
        lines.extend(answer.iter_lines())
    assert len(lines) == 2


def test_chaos_is_drawn_from_its_seed_alone() -> None:
    def run(seed: int) -> list[str]:
        with ApiServer(controllers=False) as server, httpx.Client(base_url=server.url) as http:
            server.faults.chaos(seed, share=0.4, kinds=("status",), when=lambda e: e.writes)
            answers = [http.post(CONFIGS, json=config(f"c{n}")) for n in range(20)]
            assert http.get(CONFIGS).status_code == 200
            return [str(each.status_code) for each in answers]

    first = run(7)
    assert first == run(7)
    assert first != run(8)
    assert {"201"} < set(first)


def test_the_state_outlives_the_server(server: ApiServer, http: httpx.Client) -> None:
    server.put(config("c"))
    version, port = server.world.store.version, server.port
    server.kill()
    with pytest.raises(httpx.TransportError):
        http.get(CONFIGS)
    server.start()
    assert server.port == port
    assert http.get(CONFIGS).json()["metadata"]["resourceVersion"] == str(version)


def test_stopping_ends_open_watches(server: ApiServer, http: httpx.Client) -> None:
    with (
        pytest.raises(httpx.TransportError),
        http.stream("GET", CONFIGS, params={"watch": "1"}) as answer,
    ):
        server.stop()
        list(answer.iter_lines())


def test_a_paused_server_answers_when_it_goes_on(server: ApiServer, http: httpx.Client) -> None:
    server.pause()
    with pytest.raises(httpx.ReadTimeout):
        http.get(CONFIGS, timeout=0.05)
    late = threading.Timer(0.05, server.resume)
    late.start()
    assert http.get(CONFIGS).status_code == 200
    late.join()


def test_the_log_tells_who_asked_what(server: ApiServer, http: httpx.Client) -> None:
    token = server.user("ann", ["team"])
    head = {"authorization": f"Bearer {token}", "user-agent": "haechi/1"}
    http.post(CONFIGS, json=config("c"), headers=head, params={"dryRun": "All"})
    http.patch(f"{CONFIGS}/c/", json={}, headers=MERGE)
    answer = http.post(CONFIGS, json=config("c"), headers=head)
    entry = server.log.all(verb="create", dry=False)[0]
    assert (entry.user, entry.agent, entry.resource, entry.code) == (
        "ann",
        "haechi/1",
        "configmaps",
        201,
    )
    assert entry.body_hash == hashlib.sha256(answer.request.content).hexdigest()
    assert [each.number for each in server.log.writes()] == [1, 2]
