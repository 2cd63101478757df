"""Both clients against a peer that misbehaves in every way a network can."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from typing import Any

import pytest

from haechi.client import http
from haechi.client.answers import ServerRefused, ServerUnreachable
from haechi.client.asks import ask
from haechi.client.http import AsyncClient, Client
from tests.client.peer import Reply, peer

Calls = Callable[[str, str, str, Any], Any]


def _sync(url: str, method: str, path: str, body: Any = None) -> Any:
    with Client(url, "t0ken") as client:
        return client.request(method, path, body=body)


def _async(url: str, method: str, path: str, body: Any = None) -> Any:
    async def run() -> Any:
        async with AsyncClient(url, "t0ken") as client:
            return await client.request(method, path, body=body)

    return asyncio.run(run())


@pytest.fixture(params=[_sync, _async], ids=["sync", "async"])
def call(request: pytest.FixtureRequest) -> Any:
    return request.param


@pytest.fixture(autouse=True)
def _no_waiting(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(http, "PATIENCE", 0.0)


def test_a_value_comes_back_and_the_token_goes_along(call: Calls) -> None:
    with peer(Reply(body=b'{"a": 1}')) as server:
        assert call(server.url, "GET", "now", None) == {"a": 1}
        seen = server.seen[0]
    assert (seen.method, seen.path) == ("GET", "/api/v1/now")
    assert seen.headers["authorization"] == "Bearer t0ken"


def test_a_busy_server_is_asked_again(call: Calls) -> None:
    busy = Reply(status=503, headers={"retry-after": "9"})
    with peer(busy, busy, Reply(body=b"[]")) as server:
        assert call(server.url, "GET", "now", None) == []
        assert len(server.seen) == 3


def test_what_must_not_happen_twice_is_sent_once(call: Calls) -> None:
    with peer(Reply(status=503)) as server:
        with pytest.raises(ServerRefused) as caught:
            call(server.url, "POST", "waivers", {"rule": "x"})
        assert len(server.seen) == 1
    assert caught.value.status == 503


def test_a_broken_connection_says_that_nothing_is_known(call: Calls) -> None:
    with peer(Reply(hang_up=True)) as server:
        with pytest.raises(ServerUnreachable) as caught:
            call(server.url, "GET", "now", None)
        assert len(server.seen) == http.TRIES
    assert caught.value.exit_code == 3
    assert "t0ken" not in caught.value.explain()


def test_a_problem_document_becomes_an_error_that_teaches(call: Calls) -> None:
    problem = {
        "title": "Unprocessable",
        "status": 422,
        "detail": "the waiver is not valid",
        "do": "shorten it",
        "errors": [{"where": "body.expires", "what": "more than 365 days ahead"}],
    }
    reply = Reply(status=422, body=json.dumps(problem).encode(), type="application/problem+json")
    with peer(reply) as server, pytest.raises(ServerRefused) as caught:
        call(server.url, "POST", "waivers", {})
    text = caught.value.explain()
    assert "the waiver is not valid" in text
    assert "body.expires: more than 365 days ahead" in text
    assert "shorten it" in text


@pytest.mark.parametrize(
    "reply",
    [
        Reply(body=b"<html>", type="text/html"),
        Reply(body=b"{", type="application/json"),
        Reply(status=500, body=b"\xff", type="application/problem+json"),
        Reply(status=404, body=b"[1]", type="application/problem+json"),
    ],
)
def test_an_answer_of_something_else_is_refused(call: Calls, reply: Reply) -> None:
    with peer(reply) as server, pytest.raises(ServerRefused):
        call(server.url, "GET", "now", None)


def test_a_list_is_read_page_by_page() -> None:
    pages = [Reply(body=b'{"items": [1, 2], "next": "c"}'), Reply(body=b'{"items": [3]}')]
    with peer(*pages) as server, Client(server.url, "t") as client:
        rows: list[Any] = list(client.each("findings", severity=["high", "low"], overdue=True))
        assert rows == [1, 2, 3]
        paths = [seen.path for seen in server.seen]
    first = "/api/v1/findings?severity=high&severity=low&overdue=true"
    assert paths == [first, f"{first}&cursor=c"]


def test_a_list_is_read_page_by_page_async() -> None:
    async def run(url: str) -> list[Any]:
        async with AsyncClient(url, "t") as client:
            return [row async for row in client.each("scans")]

    with peer(Reply(body=b'{"items": [1], "next": "c"}'), Reply(body=b'{"items": [2]}')) as server:
        assert asyncio.run(run(server.url)) == [1, 2]


def test_lines_come_one_by_one_and_errors_are_told() -> None:
    lines = Reply(body=b'{"event": 1}\n\n{"done": true}\n', type="application/x-ndjson")
    with peer(lines) as server, Client(server.url, "t") as client:
        assert list(client.search_events(text="x")) == [{"event": 1}, {"done": True}]
    with (
        peer(Reply(status=403)) as server,
        Client(server.url, "t") as client,
        pytest.raises(ServerRefused),
    ):
        list(client.search_events())


def test_events_go_as_lines() -> None:
    with peer(Reply(body=b'{"accepted": 2}')) as server, Client(server.url, "t") as client:
        client.send_events([{"id": "1"}, {"id": "2"}])
        seen = server.seen[0]
    assert seen.headers["content-type"] == "application/x-ndjson"
    assert seen.body == b'{"id":"1"}\n{"id":"2"}'


def test_github_gives_the_token_when_none_is_set(
    call: Calls, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("HAECHI_TOKEN", raising=False)
    monkeypatch.delenv("HAECHI_TOKEN_FILE", raising=False)
    with peer(Reply(body=b'{"value": "from-github"}')) as github, peer() as server:
        monkeypatch.setenv("ACTIONS_ID_TOKEN_REQUEST_URL", f"{github.url}/token?api=2")
        monkeypatch.setenv("ACTIONS_ID_TOKEN_REQUEST_TOKEN", "asking")
        with Client(server.url) as client:
            client.send(ask("GET", "now"))
            client.send(ask("GET", "now"))
        assert len(github.seen) == 1
        assert github.seen[0].headers["authorization"] == "Bearer asking"
        assert "audience=" in github.seen[0].path
        assert [seen.headers["authorization"] for seen in server.seen] == ["Bearer from-github"] * 2
