"""Requests to operations: who may, what is decoded, how answers look. Without a socket."""

from __future__ import annotations

from typing import Any

import httpx
import msgspec
import pytest

from haechi.model.access import Principal, Reach, Role
from haechi.server.settings import Limits
from tests.server.serving import PRINCIPALS, asked, bare_world, local_settings
from tests.server.things import THINGS


def request(method: str, path: str, who: str = "admin", **options: Any) -> httpx.Request:
    """A request with the token ``who``."""
    headers = {**({"Authorization": f"Bearer {who}"} if who else {}), **options.pop("headers", {})}
    return httpx.Request(method, f"http://127.0.0.1/api/v1{path}", headers=headers, **options)


def ask(method: str, path: str, who: str = "admin", **options: Any) -> httpx.Response:
    """The answer to one request."""
    return asked(bare_world(), request(method, path, who, **options), operations=THINGS)[0]


@pytest.mark.parametrize(
    ("method", "path", "who", "status"),
    [
        ("GET", "/things", "", 401),
        ("GET", "/things", "nobody", 401),
        ("GET", "/things", "viewer", 200),
        ("GET", "/things", "narrow", 200),
        ("GET", "/things/count", "narrow", 403),
        ("POST", "/things/a", "viewer", 403),
        ("POST", "/things/a", "operator", 201),
        ("DELETE", "/things/a", "approver", 403),
        ("DELETE", "/things/a", "shop", 403),  # an admin, but not everywhere
        ("DELETE", "/things/a", "admin", 204),
        ("GET", "/open", "", 200),
        ("GET", "/nothing", "admin", 404),
        ("GET", "/things/a", "admin", 405),
        ("PUT", "/things", "admin", 405),
        ("OPTIONS", "/things", "admin", 405),
    ],
)
def test_lets_in_who_has_the_role_and_the_reach(
    method: str, path: str, who: str, status: int
) -> None:
    body = {"json": {"name": "x"}} if method == "POST" else {}
    answer = ask(method, path, who, **body)
    assert answer.status_code == status
    assert (answer.headers.get("www-authenticate") is not None) == (status == 401)
    if status >= 400:
        assert answer.headers["content-type"] == "application/problem+json"
        assert answer.json()["status"] == status


def test_names_the_methods_that_are_there() -> None:
    assert ask("PUT", "/things").headers["allow"] == "GET, HEAD"


def test_narrows_the_call_to_the_reach_of_the_role() -> None:
    assert ask("GET", "/seen", "shop").json()["within"] == [["east", "shop"]]
    assert ask("GET", "/seen", "viewer").json()["within"] == [["*", "*"]]


def test_refuses_a_principal_whose_time_is_over() -> None:
    world = bare_world()
    over = msgspec.structs.replace(PRINCIPALS["admin"], expires=world.clock())

    def authenticate(request: Any, world: Any, **_: bool) -> Principal:
        return over

    [answer] = asked(world, request("GET", "/things"), operations=THINGS, authenticate=authenticate)
    assert answer.status_code == 401


@pytest.mark.parametrize(
    ("query", "where"),
    [
        ("txt=a", "query.txt"),
        ("text=a&text=b", "query.text"),
        ("limit=0", "query.limit"),
        ("limit=1001", "query.limit"),
        ("limit=", "query.limit"),
        ("limit=ten", "query.limit"),
        ("colour=green", "query.colour"),
        ("colour=red&colour=", "query.colour"),
        ("big=maybe", "query.big"),
        ("big=null", "query.big"),
        ("day=2026-02-30", "query.day"),
        ("since=yesterday", "query.since"),
        ("size=99999999999999999999", "query.size"),
        ("format=xml", "query.format"),
        ("format=csv&format=json", "query.format"),
        ("text=a%00b", "query.'text'"),
    ],
)
def test_refuses_a_query_and_names_the_key(query: str, where: str) -> None:
    answer = ask("GET", f"/things?{query}")
    assert answer.status_code == 400
    assert [error["where"] for error in answer.json()["errors"]] == [where]


def test_tells_all_faults_of_a_query_at_once() -> None:
    errors = ask("GET", "/things?limit=0&colour=green&txt=a").json()["errors"]
    assert {error["where"] for error in errors} == {"query.limit", "query.colour", "query.txt"}


@pytest.mark.parametrize("query", ["a=%ff", "%ff=a", "text=" + "a" * 5000, "a=1&" * 300])
def test_refuses_a_query_that_is_none(query: str) -> None:
    assert ask("GET", f"/things?{query}").status_code == 400


def test_refuses_a_query_where_none_is_taken() -> None:
    assert ask("GET", "/things/count?limit=5").status_code == 400


@pytest.mark.parametrize(
    ("content", "kind", "status"),
    [
        (b'{"name":"x"}', "application/json", 201),
        (b'{"name":"x"}', 'Application/JSON; charset="UTF-8"', 201),
        (b'{"name":"x"}', "application/json; charset=latin-1", 415),
        (b'{"name":"x"}', "text/plain", 415),
        (b'{"name":"x"}', "", 415),
        (b"", "application/json", 400),
        (b"{", "application/json", 400),
        (b'{"name":"\xff"}', "application/json", 400),
        (b'{"name":"\\ud800"}', "application/json", 400),
        (b'{"name":NaN}', "application/json", 400),
        (b"[" * 50_000, "application/json", 413),
        (b'{"name":"x","tags":' + b"[" * 5_000 + b"]" * 5_000 + b"}", "application/json", 413),
        (b'{"name":5}', "application/json", 422),
        (b"[]", "application/json", 422),
        (b'{"name":"x","colour":"green"}', "application/json", 422),
        (b'{"name":"x","color":"red"}', "application/json", 422),
        (b'{"name":1e999}', "application/json", 422),
        (b'{"name":"' + b"x" * 70_000 + b'"}', "application/json", 413),
    ],
)
def test_decodes_a_body_strictly(content: bytes, kind: str, status: int) -> None:
    headers = {"Content-Type": kind} if kind else {}
    answer = ask("POST", "/things/a", content=content, headers=headers)
    assert answer.status_code == status, answer.text


def test_tells_all_faults_of_a_body_and_the_likely_key() -> None:
    problem = ask("POST", "/things/a", json={"name": 5, "colour": "green"}).json()
    assert {error["where"] for error in problem["errors"]} == {"body.name", "body.colour"}
    problem = ask("POST", "/things/a", json={"name": "a", "color": "red"}).json()
    assert "colour" in problem["do"]


def test_takes_an_id_with_a_slash_and_prefers_fixed_parts() -> None:
    assert ask("POST", "/things/a%2Fb%20c", json={"name": "x"}).json()["name"] == "a/b c:x"
    assert ask("GET", "/things/count").json() == 7


@pytest.mark.parametrize(
    "path", ["/things/%2e%2e", "/things/..%2f", "/things/a%00", "/things/%ff", "/" + "a" * 5000]
)
def test_refuses_tricks_in_a_path(path: str) -> None:
    answer = ask("POST", path, json={"name": "x"})
    assert answer.status_code in (400, 404, 405) or answer.json()["name"] == "../:x"


def test_answers_unchanged_things_with_304() -> None:
    tag = ask("GET", "/things").headers["etag"]
    for shown in (tag, f'"x", {tag}', "*", tag.removeprefix("W/")):
        answer = ask("GET", "/things", headers={"If-None-Match": shown})
        assert (answer.status_code, answer.content) == (304, b"")
    other = ask("GET", "/things?text=other", headers={"If-None-Match": tag})
    assert other.status_code == 200


def test_answers_a_head_without_a_body() -> None:
    for path in ("/things", "/things?format=csv&size=5", "/told", "/fail/conflict"):
        answer = ask("HEAD", path)
        assert answer.content == b""
    assert ask("HEAD", "/things").headers["content-length"] == str(
        len(ask("GET", "/things").content)
    )
    assert ask("HEAD", "/fail/conflict").status_code == 409


def test_links_the_following_page() -> None:
    answer = ask("GET", "/things?cursor=a%2Fb&colour=red&colour=blue")
    link = '</api/v1/things?colour=red&colour=blue&cursor=a%2Fb>; rel="next"'
    assert answer.headers["link"] == link
    assert "link" not in ask("GET", "/things").headers


def test_says_that_nothing_may_be_kept() -> None:
    for path in ("/things", "/told", "/fail/missing"):
        assert ask("GET", path).headers["cache-control"] == "no-store"


def test_streams_what_a_handler_yields() -> None:
    answer = ask("GET", "/told")
    assert answer.headers["content-type"] == "application/x-ndjson"
    assert answer.text == '{"line":0}\n{"line":1}\n{"line":2}\n'


def test_sends_every_cookie_and_the_headers_of_an_answer() -> None:
    answer = ask("GET", "/open", "")
    assert answer.headers.get_list("set-cookie") == ["a=1; Path=/", "b=2; Path=/"]
    away = ask("GET", "/away", "")
    assert (away.status_code, away.content) == (303, b"")
    assert away.headers.get_list("referrer-policy") == ["no-referrer"]


def test_ends_waiting_for_a_handler_that_takes_too_long() -> None:
    world = bare_world(local_settings(limits=Limits(seconds=1.0)))
    [answer] = asked(world, request("GET", "/fail/slow"), operations=THINGS)
    assert answer.status_code == 503
    assert int(answer.headers["retry-after"]) > 0


def test_no_two_operations_share_a_place() -> None:
    twice = (*THINGS, msgspec.structs.replace(THINGS[0], id="things.again"))
    with pytest.raises(ValueError, match="two operations"):
        asked(bare_world(), [], operations=twice)


def test_principals_of_these_tests_are_what_they_say() -> None:
    assert PRINCIPALS["shop"].within(Role.ADMIN) == (Reach(cluster="east", namespace="shop"),)
