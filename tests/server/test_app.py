"""What is around every request: ids, hosts, proxies, probes, mounts, the unknown failure."""

from __future__ import annotations

import logging
from typing import Any

import httpx
import pytest
from starlette.responses import PlainTextResponse

from haechi.server.settings import Listen, Tls
from haechi.server.shapes import Part
from haechi.server.world import World
from tests.server.serving import asked, bare_world, local_settings
from tests.server.things import THINGS

ANYWHERE = "0.0.0.0"  # noqa: S104


def get(path: str, world: World | None = None, **headers: str) -> httpx.Response:
    """The answer to an administrator."""
    shown = {name.replace("_", "-"): value for name, value in headers.items()}
    request = httpx.Request(
        "GET", f"http://127.0.0.1{path}", headers={"Authorization": "Bearer admin", **shown}
    )
    return asked(world or bare_world(), request, operations=THINGS)[0]


@pytest.mark.parametrize(
    ("shown", "kept"),
    [
        ("0af7651916cd43dd8448eb211c80319c", True),
        ("build-17.3_x", True),
        ("short", False),
        ("a" * 65, False),
        ("bad id with spaces", False),
        ("inject\tedheader", False),
        ("-leading-dash", False),
    ],
)
def test_keeps_a_sane_request_id_and_makes_one_otherwise(shown: str, kept: bool) -> None:
    answer = get("/api/v1/fail/missing", X_Request_ID=shown)
    assert (answer.headers["x-request-id"] == shown) == kept
    assert answer.json()["request"] == answer.headers["x-request-id"]


def test_tells_nothing_of_an_unknown_failure_but_logs_it(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.ERROR, "haechi"):
        answer = get("/api/v1/fail/unknown", X_Request_ID="request-17")
    assert answer.status_code == 500
    assert "secret" not in answer.text
    assert answer.json()["request"] == "request-17"
    [record] = [one for one in caplog.records if one.exc_info]
    assert "Secret" in record.getMessage()


@pytest.mark.parametrize(
    ("listen", "host", "status"),
    [
        (Listen(), "127.0.0.1", 200),
        (Listen(), "127.0.0.1:8420", 200),
        (Listen(), "LOCALHOST:1", 200),
        (Listen(), "localhost.", 200),
        (Listen(), "[::1]:8420", 200),
        (Listen(), "10.0.0.7", 421),
        (Listen(), "evil.example", 421),
        (Listen(), "127.0.0.1.evil.example", 421),
        (Listen(), "localhost@evil.example", 421),
        (Listen(), "localhost:x@evil.example", 421),
        (Listen(), "[::1].evil.example", 421),
        (Listen(), "", 421),
        (Listen(hosts=["haechi.example"]), "haechi.example", 200),
        (Listen(public_url="https://haechi.example:8443"), "Haechi.Example:8443", 200),
        (Listen(public_url="https://haechi.example"), "other.example", 421),
        (Listen(address=ANYWHERE), "10.0.0.7:8420", 200),
        (Listen(address=ANYWHERE), "[2001:db8::7]", 200),
        (Listen(address=ANYWHERE), "evil.example", 421),
    ],
)
def test_answers_only_to_its_names(listen: Listen, host: str, status: int) -> None:
    world = bare_world(local_settings(listen=listen))
    assert get("/healthz", world, Host=host).status_code == status
    assert get("/api/v1/seen", world, Host=host).status_code == status
    assert get("/", world, Host=host).status_code in ((421,) if status == 421 else (200, 503))


def test_answers_to_the_names_of_its_certificate() -> None:
    world = bare_world(local_settings(tls=Tls(self_made=True, names=["haechi.lan"])))
    assert get("/healthz", world, Host="haechi.lan").status_code == 200


@pytest.mark.parametrize(
    ("proxies", "forwarded", "address", "url"),
    [
        ([], "9.9.9.9", "127.0.0.1", "http://127.0.0.1"),
        (["10.0.0.0/8"], "9.9.9.9", "127.0.0.1", "http://127.0.0.1"),
        (["127.0.0.0/8"], "9.9.9.9", "9.9.9.9", "https://127.0.0.1"),
        (["127.0.0.0/8"], "1.1.1.1, 9.9.9.9", "9.9.9.9", "https://127.0.0.1"),
        (["127.0.0.0/8", "9.0.0.0/8"], "1.1.1.1, 9.9.9.9", "1.1.1.1", "https://127.0.0.1"),
        (["127.0.0.0/8"], "junk", "127.0.0.1", "https://127.0.0.1"),
    ],
)
def test_believes_only_its_own_proxies(
    proxies: list[str], forwarded: str, address: str, url: str
) -> None:
    world = bare_world(local_settings(listen=Listen(trusted_proxies=proxies)))
    seen = get("/api/v1/seen", world, X_Forwarded_For=forwarded, X_Forwarded_Proto="https").json()
    assert (seen["address"], seen["url"]) == (address, url)


def test_a_public_url_is_what_handlers_are_told() -> None:
    world = bare_world(local_settings(listen=Listen(public_url="https://haechi.example/")))
    through = get("/api/v1/seen", world, Host="haechi.example").json()["url"]
    beside = get("/api/v1/seen", world).json()["url"]
    assert (through, beside) == ("https://haechi.example", "http://127.0.0.1")


def test_is_alive_without_a_store_and_ready_only_with_one(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    assert get("/healthz").json() == {"status": "ok"}
    answer = get("/readyz")
    assert answer.status_code == 503
    assert answer.headers["retry-after"]
    assert {"name": "state", "state": "failed"} in answer.json()["parts"]


def test_mounts_answer_at_their_path_and_every_request_is_observed() -> None:
    observed: list[tuple[str, int]] = []
    requests = [
        httpx.Request("GET", f"http://127.0.0.1{path}", headers={"Authorization": "Bearer admin"})
        for path in ("/metrics", "/healthz", "/api/v1/things", "/api/v1/nothing", "/api/v1/fail/x")
    ]
    answers = asked(
        bare_world(),
        requests,
        operations=THINGS,
        mounts={"/metrics": PlainTextResponse("up 1")},
        observe=lambda operation, status, seconds: observed.append((operation, status)),
    )
    assert answers[0].text == "up 1"
    assert observed == [
        ("metrics", 200),
        ("probe", 200),
        ("things.list", 200),
        ("other", 404),
        ("things.fail", 500),
    ]


def test_a_probe_is_only_for_reading() -> None:
    request = httpx.Request("POST", "http://127.0.0.1/healthz")
    assert asked(bare_world(), request, operations=())[0].status_code == 405


def test_health_parts_are_told_to_strangers_by_name_only() -> None:
    from haechi.server.readiness import Readiness

    def look(world: Any) -> list[Part]:
        return [Part(name="disk", state="degraded", what="/secret/place is full", do="make room")]

    async def main() -> Any:
        readiness = Readiness(bare_world(), look)
        try:
            return await readiness.now(), await readiness.now()
        finally:
            readiness.close()

    import asyncio

    first, second = asyncio.run(main())
    assert first.ready
    assert first is second
    assert "secret" not in repr(first)
