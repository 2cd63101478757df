"""Each credential once, each provider seldom, nothing remembered that could leak."""

from __future__ import annotations

import datetime as dt
import gc
import pickle
import threading
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from haechi.world.verify.conditions import Life
from haechi.world.verify.providers import Ask, Condition, Provider, known_providers
from haechi.world.verify.request import Answer, Request
from haechi.world.verify.transport import Unanswered
from haechi.world.verify.verifier import (
    INTERVAL,
    MAX_FAILURES,
    MAX_REQUESTS,
    SystemClock,
    Verifier,
    online_verifier,
)

from .conftest import HOST
from .conftest import Provider as Server

VALUE = "".join(("sekr", "it-", "0123456789"))


class FakeClock:
    def __init__(self) -> None:
        self.time = 100.0
        self.slept: list[float] = []

    def now(self) -> dt.datetime:
        return dt.datetime(2026, 1, 1, tzinfo=dt.UTC)

    def monotonic(self) -> float:
        return self.time

    def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        self.time += seconds


class FakeTransport:
    """Answers by host or by what was sent; None is no answer."""

    def __init__(self, reply: Callable[[Request], int | None]) -> None:
        self.reply = reply
        self.sent: list[Request] = []

    def send(self, request: Request) -> Answer:
        self.sent.append(request)
        status = self.reply(request)
        if status is None:
            raise Unanswered("no answer within 10 seconds")
        return Answer(status=status, body=b"{}")


def provider(name: str = "acme", regions: int = 1, **more: Any) -> Provider:
    return Provider(
        name=name,
        title=name.title(),
        documentation="https://docs.example",
        asks=[
            Ask(url=f"https://r{i}.{name}.example/me", headers={"X-Key": "{secret}"})
            for i in range(regions)
        ],
        live=[Condition(status=[200])],
        dead=[Condition(status=[401])],
        **more,
    )


def verifier(
    reply: Callable[[Request], int | None], *providers: Provider
) -> tuple[Verifier, FakeTransport, FakeClock]:
    transport, clock = FakeTransport(reply), FakeClock()
    table = {entry.name: entry for entry in providers or (provider(),)}
    return Verifier(transport, table, clock), transport, clock


@pytest.mark.parametrize(
    ("status", "state"),
    [
        (200, Life.LIVE),
        (401, Life.DEAD),
        (403, Life.UNKNOWN),
        (302, Life.UNKNOWN),
        (429, Life.UNKNOWN),
        (500, Life.UNKNOWN),
        (None, Life.UNKNOWN),
    ],
)
def test_the_state_follows_the_answer(status: int | None, state: Life) -> None:
    asked, transport, _ = verifier(lambda request: status)
    found = asked.verify("acme", {"secret": VALUE})
    assert found.state is state
    assert "r0.acme.example" in found.detail
    assert VALUE not in found.detail
    assert len(transport.sent) == 1  # nothing is retried


def test_equal_credentials_are_asked_about_once() -> None:
    asked, transport, _ = verifier(lambda request: 200)
    first = asked.verify("acme", {"secret": VALUE})
    assert asked.verify("acme", {"secret": VALUE}) == first
    asked.verify("acme", {"secret": VALUE + "x"})
    assert len(transport.sent) == 2


def test_requests_to_a_provider_are_spaced() -> None:
    asked, transport, clock = verifier(lambda request: 401, provider(), provider("other"))
    for number in range(3):
        asked.verify("acme", {"secret": f"{VALUE}{number}"})
    assert clock.slept == [INTERVAL, INTERVAL]
    asked.verify("other", {"secret": VALUE})
    assert clock.slept == [INTERVAL, INTERVAL]  # another provider does not wait
    clock.time += 10
    asked.verify("acme", {"secret": "later"})
    assert clock.slept == [INTERVAL, INTERVAL]
    assert len(transport.sent) == 5


def test_a_provider_is_asked_so_often_and_no_more() -> None:
    asked, transport, _ = verifier(lambda request: 401)
    states = [
        asked.verify("acme", {"secret": f"{VALUE}{number}"}) for number in range(MAX_REQUESTS + 5)
    ]
    assert len(transport.sent) == MAX_REQUESTS
    assert states[MAX_REQUESTS - 1].state is Life.DEAD
    assert states[-1].state is Life.UNKNOWN
    assert states[-1].detail == f"not asked: Acme was asked {MAX_REQUESTS} times in this run"


def test_who_asks_to_slow_down_is_left_alone() -> None:
    asked, transport, _ = verifier(lambda request: 429)
    asked.verify("acme", {"secret": VALUE})
    found = asked.verify("acme", {"secret": VALUE + "x"})
    assert len(transport.sent) == 1
    assert (found.state, found.detail) == (
        Life.UNKNOWN,
        "not asked: r0.acme.example asked to slow down",
    )


def test_who_does_not_answer_is_left_alone() -> None:
    asked, transport, _ = verifier(lambda request: None)
    for number in range(10):
        found = asked.verify("acme", {"secret": f"{VALUE}{number}"})
        assert found.state is Life.UNKNOWN
    assert len(transport.sent) == MAX_FAILURES


@pytest.mark.parametrize(
    ("answers", "state", "requests"),
    [
        ([200, 401, 401], Life.LIVE, 1),
        ([401, 401, 200], Life.LIVE, 3),
        ([401, 401, 401], Life.DEAD, 3),
        ([401, None, 401], Life.UNKNOWN, 3),
        ([500, 401, 200], Life.LIVE, 3),
        ([401, 429, 200], Life.UNKNOWN, 2),
    ],
)
def test_of_several_regions_one_that_accepts_is_enough_and_all_must_refuse(
    answers: list[int | None], state: Life, requests: int
) -> None:
    def reply(request: Request) -> int | None:
        return answers[int(request.host[1])]

    asked, transport, _ = verifier(reply, provider(regions=3))
    assert asked.verify("acme", {"secret": VALUE}).state is state
    assert len(transport.sent) == requests


@pytest.mark.parametrize(
    ("values", "detail"),
    [
        ({}, "Acme can only be asked with the id and the secret"),
        ({"secret": VALUE}, "Acme can only be asked with the id"),
        ({"secret": VALUE, "id": ""}, "Acme can only be asked with the id"),
        ({"secret": VALUE + "\n", "id": "x"}, "not asked: the secret is nothing that can be sent"),
    ],
)
def test_what_cannot_be_asked_is_unknown(values: dict[str, str], detail: str) -> None:
    asked, transport, _ = verifier(lambda request: 200, provider(needs=("id", "secret")))
    found = asked.verify("acme", values)
    assert (found.state, found.detail) == (Life.UNKNOWN, detail)
    assert transport.sent == []


def test_only_who_is_in_the_table_is_asked() -> None:
    asked, transport, _ = verifier(lambda request: 200)
    assert asked.verify("github", {"secret": VALUE}).state is Life.UNKNOWN
    assert transport.sent == []


def test_threads_ask_about_a_credential_once() -> None:
    asked, transport, _ = verifier(lambda request: 200)
    threads = [
        threading.Thread(target=asked.verify, args=("acme", {"secret": VALUE})) for _ in range(8)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(transport.sent) == 1


def test_nothing_that_stays_holds_the_value() -> None:
    asked, transport, _ = verifier(lambda request: 401)
    asked.verify("acme", {"secret": VALUE})
    transport.sent.clear()
    gc.collect()
    kept = list(_reachable(asked))
    assert any(isinstance(item, bytes) for item in kept)  # the walk does see what is kept
    assert not [item for item in kept if isinstance(item, str) and VALUE in item]
    assert not [item for item in kept if isinstance(item, bytes) and VALUE.encode() in item]
    assert VALUE not in repr(asked)


def _reachable(root: object) -> Iterator[object]:
    """What a verifier keeps, classes and modules apart."""
    seen: set[int] = set()
    pending: list[object] = [root]
    while pending:
        item = pending.pop()
        if id(item) in seen or isinstance(item, type) or callable(item):
            continue
        seen.add(id(item))
        yield item
        pending.extend(gc.get_referents(item))


def test_a_verification_can_be_stored_and_says_nothing() -> None:
    asked, _, _ = verifier(lambda request: 401)
    stored = pickle.dumps(asked.verify("acme", {"secret": VALUE}))
    assert VALUE.encode() not in stored


def test_over_real_tls(provider: Callable[..., Server]) -> None:
    """The whole way: table, request, TLS, answer."""
    body = b'{"username":"x"}'
    head = f"HTTP/1.1 200 OK\r\nContent-Length: {len(body)}\r\n\r\n".encode()
    server = provider(lambda sock: sock.sendall(head + body))
    entry = known_providers()["npm"]
    local = Provider(
        name="npm",
        title="npm",
        documentation=entry.documentation,
        asks=[Ask(url=f"https://{HOST}/-/whoami", headers=entry.asks[0].headers)],
        live=entry.live,
        dead=entry.dead,
    )
    asked = Verifier(server.transport(), {"npm": local}, FakeClock())
    assert asked.verify("npm", {"secret": VALUE}).state is Life.LIVE
    assert f"Authorization: Bearer {VALUE}".encode() in server.asked[0]
    assert server.asked[0].startswith(b"GET /-/whoami HTTP/1.1\r\n")


def test_the_machines_clock_tells_utc_and_runs_forward() -> None:
    clock = SystemClock()
    before = clock.monotonic()
    clock.sleep(0)
    assert clock.monotonic() >= before
    assert clock.now().utcoffset() == dt.timedelta(0)


def test_the_online_verifier_asks_whom_it_is_given() -> None:
    assert repr(online_verifier({"github": known_providers()["github"]})) == "Verifier(github)"
