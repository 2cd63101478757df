"""What goes wrong at the door: no wrong permission where policies fail closed, no outage where they
fail open, and all of it counted."""

from __future__ import annotations

import json
import os
import signal
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from haechi.server.webhook.jobs import Limits
from tests.server.webhook.conftest import (
    LIMITS,
    Peer,
    Running,
    Start,
    request,
    threads,
    trial,
    webhooks,
)

FAIL, IGNORE = "/admit/fail", "/admit/ignore"
Json = dict[str, Any]
KIND = {"group": "", "version": "v1", "kind": "Nut"}


@pytest.mark.parametrize(
    ("act", "name", "reason"),
    [
        ("loops", "loop", "it did not end within 0.3 s"),
        ("allocates", "hog", "more memory than it may have"),
        ("raises", "raise", "ValueError: as asked"),
        ("dies", "dead", "its process ended twice"),
    ],
)
def test_a_policy_that_fails_counts_by_its_own_choice_and_the_others_still_judge(
    webhook: Start, act: str, name: str, reason: str
) -> None:
    patient = Limits(workers=1, spares=1, policy_s=5.0, review_s=10.0)
    running = webhook(
        trial("closed", act, failure="Fail"),
        trial("open", act, failure="Ignore"),
        trial("strict", "refuses_bad", failure="Ignore"),
        limits=LIMITS if act == "loops" else patient,
    )
    peer = running.peer()
    refused = peer.review(FAIL, request(name))
    assert (refused["allowed"], refused["status"]["code"]) == (False, 500)
    assert reason in refused["status"]["message"]
    assert "[rules/closed]" in refused["status"]["message"]
    let = peer.review(IGNORE, request(name))
    assert let["allowed"] is True
    assert reason in let["warnings"][0]
    assert peer.review(IGNORE, request("bad"))["allowed"] is False  # the next one is judged
    assert running.total("policy", policy="rules/closed", outcome="error") == 1
    assert running.total("policy", policy="rules/open", outcome="unjudged") == 1


def test_a_policy_that_must_be_stopped_again_and_again_is_switched_off_and_stays_closed(
    webhook: Start,
) -> None:
    running = webhook(trial("closed", "loops"), trial("other", "refuses_bad"))
    peer = running.peer()
    for _ in range(3):
        assert peer.review(FAIL, request("loop"))["allowed"] is False
    refused = peer.review(FAIL, request("ok"))
    assert refused["allowed"] is False  # harmless for the policy, which may not be asked
    assert "switched off" in refused["status"]["message"]
    assert "rules/closed" in running.ready()[1]["switched_off"]
    assert running.total("policy_strikes", policy="rules/closed") == 3
    assert running.total("evaluators_ended", cause="policy past its time") == 3


def test_an_evaluator_that_is_killed_costs_no_answer(webhook: Start) -> None:
    running = webhook(
        trial("strict", "refuses_bad"),
        trial("slow", "waits"),
        limits=Limits(workers=1, spares=1, policy_s=2.0, review_s=4.0),
    )
    answers: list[Json] = []
    peers = [running.peer() for _ in range(4)]

    def ask(number: int) -> None:
        answers.append(peers[number].review(FAIL, request("slow")))
        answers.append(peers[number].review(FAIL, request("bad")))

    with threads(4, ask):
        running.wait(lambda: running.hook.pool.in_flight)
        for pid in running.in_loop(lambda: running.hook.pool.pids):
            os.kill(pid, signal.SIGKILL)
    assert sorted(one["allowed"] for one in answers) == [False] * 4 + [True] * 4
    assert running.total("evaluators_ended") >= 2
    running.wait(lambda: len(running.hook.pool.alive) == 2)


@pytest.mark.parametrize(
    ("limits", "cause"),
    [
        ({"grown_bytes": 12 << 20}, "grown"),
        ({"memory": 128 << 20}, "grown"),
        ({"most_reviews": 32}, "judged enough"),
    ],
    ids=["grown", "half-of-its-limit", "many-reviews"],
)
def test_an_evaluator_that_has_grown_is_replaced_between_reviews(
    webhook: Start, limits: Json, cause: str
) -> None:
    memory = limits.pop("memory", 0)
    running = webhook(
        trial("strict", "keeps"),
        limits=Limits(workers=1, spares=1, policy_s=5.0, review_s=10.0, **limits),
        memory_bytes=memory,
    )
    first = set(running.in_loop(lambda: running.hook.pool.pids))
    peers = [running.peer() for _ in range(3)]

    def ask(number: int) -> None:
        for _ in range(50):
            assert peers[number].review(FAIL, request("keep"))["allowed"] is True

    with threads(3, ask):
        pass
    running.wait(lambda: running.total("evaluators_ended", cause=cause) >= 2)
    running.wait(lambda: len(running.hook.pool.alive) == 2)
    assert set(running.in_loop(lambda: running.hook.pool.pids)) != first
    assert running.total("evaluators_ended") == running.total("evaluators_ended", cause=cause)
    assert running.total("policy_strikes") == running.total("unjudged") == 0


def test_a_nursery_that_is_killed_is_replaced(webhook: Start) -> None:
    running = webhook(trial("strict", "refuses_bad"))
    nursery = running.hook.pool._current
    assert nursery is not None
    assert nursery._process is not None
    nursery._process.kill()
    for pid in running.in_loop(lambda: running.hook.pool.pids):
        os.kill(pid, signal.SIGKILL)
    assert running.peer().review(FAIL, request("bad"))["status"]["code"] == 403
    running.wait(lambda: len(running.hook.pool.alive) == 2)


def test_ten_times_too_much_is_answered_by_group_and_in_time(webhook: Start) -> None:
    running = webhook(
        trial("closed", "waits", failure="Fail"),
        trial("open", "waits", failure="Ignore"),
        limits=Limits(workers=1, spares=0, queue=4, policy_s=2.0, review_s=4.0),
    )
    answers: dict[str, list[Json]] = {FAIL: [], IGNORE: []}
    peers = [running.peer() for _ in range(24)]

    def ask(number: int) -> None:
        path = (FAIL, IGNORE)[number % 2]
        answers[path].append(peers[number].review(path, request("slow"), "timeout=1s"))

    with threads(len(peers), ask):
        pass
    judged = running.total("requests", outcome="allowed")
    unjudged = running.total("unjudged")
    assert judged + unjudged == 24
    assert running.total("unjudged", reason="overload") > 0
    assert all(one["allowed"] for one in answers[IGNORE])
    assert any(one.get("warnings") for one in answers[IGNORE])
    closed = [one for one in answers[FAIL] if not one["allowed"]]
    assert closed
    assert {one["status"]["code"] for one in closed} == {500}
    assert len(answers[FAIL]) - len(closed) <= judged  # only what was judged came through


def test_what_lies_behind_a_slow_review_is_judged_elsewhere(webhook: Start) -> None:
    running = webhook(
        trial("loop", "loops"),
        trial("strict", "refuses_bad"),
        limits=Limits(workers=1, spares=1, ahead=4, policy_s=0.5, review_s=2.0),
    )
    slow = running.peer()
    asked = threading.Thread(target=lambda: slow.review(FAIL, request("loop")))
    asked.start()
    running.wait(lambda: running.hook.pool.in_flight)
    assert running.peer().review(FAIL, request("bad"))["status"]["code"] == 403
    asked.join(20)
    assert running.total("unjudged") == 0


@pytest.fixture(scope="module")
def door(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    """A webhook that no test changes."""
    with webhooks(tmp_path_factory.mktemp("door")) as start:
        yield start(
            trial("closed", "refuses_bad"),
            trial("open", "loops", failure="Ignore"),
            limits=Limits(workers=1, spares=0),
        )


DEEP = json.dumps(request("deep")).replace(
    '"containers"', '"deep": ' + "[" * 5000 + "]" * 5000 + ', "containers"'
)
V1BETA1 = json.dumps(request() | {"apiVersion": "admission.k8s.io/v1beta1"})


@pytest.mark.parametrize(
    ("body", "status", "fail", "ignore"),
    [
        (b"", 400, None, None),
        (b"\xff\xfe", 400, None, None),
        (b"[]", 400, None, None),
        (b'{"apiVersion":"admission.k8s.io/v1","kind":"AdmissionReview"}', 400, None, None),
        (json.dumps(request(uid="")).encode(), 400, None, None),
        (json.dumps(request(uid=7)).encode(), 400, None, None),
        (V1BETA1.encode(), 400, None, None),
        (json.dumps(request())[:-9].encode(), 400, None, None),
        (DEEP.encode(), 200, False, True),
        (json.dumps(request(object=None)).encode(), 400, None, None),
        (json.dumps(request(kind=None)).encode(), 400, None, None),
        (json.dumps(request(resource=[])).encode(), 400, None, None),
        (json.dumps(request(operation="create")).encode(), 400, None, None),
        (json.dumps(request(userInfo=3)).encode(), 200, True, True),
    ],
    ids=[
        "empty",
        "not-text",
        "list",
        "no-request",
        "no-uid",
        "uid-number",
        "v1beta1",
        "cut-off",
        "deep",
        "no-object",
        "no-kind",
        "resource-list",
        "operation",
        "user-number",
    ],
)
def test_malformed_reviews_are_refused_or_answered_by_group(
    door: Running, body: bytes, status: int, fail: bool | None, ignore: bool | None
) -> None:
    refused = door.total("refused")
    peer = door.peer()
    for path, allowed in ((FAIL, fail), (IGNORE, ignore)):
        got, answer = peer.post(path, body)
        assert got == status, answer
        if allowed is not None:
            assert json.loads(answer)["response"]["allowed"] is allowed
    if status == 400:
        assert door.total("refused") >= refused + 2
    assert peer.review(FAIL, request("bad"))["allowed"] is False


def test_a_body_over_the_limit_is_not_read(door: Running, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(door.hook.front, "_most_body", 100_000)
    peer = door.peer()
    peer._http.putrequest("POST", FAIL)
    peer._http.putheader("content-length", "200000")
    peer._http.endheaders(b"{")  # the answer comes before the rest is sent
    answer = peer._http.getresponse()
    assert (answer.status, answer.read()) == (413, b"over 100,000 bytes\n")
    assert door.total("refused", reason="too-large") == 1


def test_other_paths_and_methods_are_told_apart(door: Running) -> None:
    peer = door.peer()
    assert peer.get("/healthz")[0] == 200
    assert peer.get("/readyz")[0] == 200
    assert peer.get("/nothing")[0] == 404
    assert peer.get(FAIL)[0] == 405
    bad = request("bad")
    peer.review(FAIL, bad | {"request": bad["request"] | {"kind": KIND}})
    page = peer.get("/metrics")[1].decode()
    assert (
        'haechi_admission_requests_total{route="/admit/fail",outcome="allowed",kind="Nut"} 1'
        in page
    )
    assert "haechi_admission_duration_seconds_count" in page


def test_a_stop_answers_what_is_in_flight(webhook: Start) -> None:
    running = webhook(
        trial("slow", "waits"), limits=Limits(workers=1, spares=0, policy_s=2.0, review_s=4.0)
    )
    answers: list[Json] = []
    peer = running.peer()
    asked = threading.Thread(target=lambda: answers.append(peer.review(FAIL, request("slow"))))
    asked.start()
    running.wait(lambda: running.hook.pool.in_flight)
    assert running._stop is not None
    running.in_loop(running._stop.set)
    asked.join(20)
    assert answers[0]["allowed"] is True


def test_policies_that_do_not_load_leave_the_old_ones_in_force(
    webhook: Start, tmp_path: Path
) -> None:
    running = webhook(trial("strict", "refuses_bad"))
    before = running.ready()[1]["generation"]
    peer = running.peer()
    broken = tmp_path / "policies" / "zz.json"
    broken.write_text(json.dumps(trial("zz", "no-such-act")))
    running.wait(lambda: running.ready()[1]["not_in_force"])
    assert running.ready()[0] is True
    assert peer.review(FAIL, request("bad"))["auditAnnotations"]["generation"] == before
    broken.write_text(json.dumps(trial("zz", "waits")))
    running.wait(lambda: running.ready()[1]["generation"] != before)
    details = running.ready()[1]
    assert (details["policies"], details["loads"], details["not_in_force"]) == (2, 2, "")
    answer = peer.review(FAIL, request("bad"))
    assert answer["auditAnnotations"]["generation"] == details["generation"]


def test_reloading_under_load_loses_no_request(webhook: Start, tmp_path: Path) -> None:
    running = webhook(trial("strict", "refuses_bad"), limits=LIMITS)
    over = threading.Event()
    peers = [running.peer() for _ in range(3)]

    def ask(number: int) -> None:
        while not over.is_set():
            assert peers[number].review(FAIL, request("bad"))["status"]["code"] == 403

    with threads(3, ask):
        for count in range(3):
            (tmp_path / "policies" / f"n{count}.json").write_text(
                json.dumps(trial(f"n{count}", "waits"))
            )
            running.wait(lambda count=count: running.ready()[1]["loads"] == count + 2)  # type: ignore[misc]
        over.set()
    assert running.total("unjudged") == 0


def test_a_peer_that_sends_nothing_costs_the_others_nothing(door: Running) -> None:
    running = door
    idle = [Peer(running.port, running.cadata) for _ in range(5)]
    for peer in idle:
        peer._http.connect()
    assert running.peer().review(FAIL, request("bad"))["allowed"] is False
    for peer in idle:
        peer.close()
