"""What hostile and broken servers may do, and what this client never does."""

from __future__ import annotations

import gzip
import itertools
from collections.abc import Iterator

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from haechi.errors import KubeError, KubeForbidden, KubeUnreachable
from haechi.world.kube.names import POD, SECRET, Ref
from haechi.world.kube.wire import METADATA, METADATA_LIST, Request, Wire, _guard
from tests.world.kube.raw import STREAM, Asked, access_to, answer, client_of, page, serving, thing

PODS = "/api/v1/pods"


def ask(script: object, request: Request, **more: object) -> object:
    with serving(script) as raw:  # type: ignore[arg-type]
        wire = Wire(access_to(raw, **more))
        try:
            return wire.send(request)
        finally:
            wire.close()


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_redirects_are_refused(status: int) -> None:
    seen: list[str] = []

    def script(asked: Asked) -> bytes:
        seen.append(asked.target)
        return answer({}, status, Location=f"http://{asked.headers['host']}/elsewhere")

    with pytest.raises(KubeError, match="sends elsewhere"):
        ask(script, Request(path=PODS))
    assert seen == [PODS]


def test_an_answer_may_be_packed() -> None:
    body = gzip.compress(b'{"a": ' + b"1" * 3_000_000 + b"}")
    found = ask(lambda _: answer(body, Content_Encoding="gzip"), Request(path=PODS))
    assert found.body == gzip.decompress(body)  # type: ignore[attr-defined]


def test_what_unpacks_to_too_much_is_refused_before_it_is_there() -> None:
    bomb = gzip.compress(b"0" * (200 << 20), 9)
    with pytest.raises(KubeError, match="larger than 8 MiB"):
        ask(lambda _: answer(bomb, Content_Encoding="gzip"), Request(path=PODS, limit=8 << 20))


@pytest.mark.parametrize(
    ("body", "encoding", "words"),
    [
        (b"no gzip", "gzip", "cannot be unpacked"),
        (gzip.compress(b"x" * 1000)[:-12], "gzip", "cut off"),
        (b"x", "br", "encoding 'br'"),
    ],
    ids=["garbage", "half", "unknown"],
)
def test_broken_packing_is_an_error(body: bytes, encoding: str, words: str) -> None:
    with pytest.raises(KubeError, match=words):
        ask(lambda _: answer(body, Content_Encoding=encoding), Request(path=PODS))


def test_an_answer_without_end_is_cut_at_the_limit() -> None:
    def script(_: Asked) -> Iterator[bytes]:
        yield STREAM
        yield from itertools.repeat(b"x" * 65536)

    with pytest.raises(KubeError, match="larger than 1 MiB"):
        ask(script, Request(path=PODS, limit=1 << 20))


def test_a_server_that_drips_is_left_at_the_deadline() -> None:
    def script(asked: Asked) -> Iterator[bytes]:
        for byte in b"HTTP/1.1 200 OK\r\nX: " + b"y" * 10_000:
            yield bytes([byte])
            if asked.stopped.wait(0.02):
                return

    with pytest.raises(KubeUnreachable, match="no answer in time") as raised:
        ask(script, Request(path=PODS, seconds=0.3))
    assert raised.value.sent


@pytest.mark.parametrize(
    "script",
    [
        lambda _: iter([b"SSH-2.0-OpenSSH\r\n"]),
        lambda _: iter([b""]),
        lambda _: iter([b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nhalf"]),
        lambda _: iter([b"HTTP/1.1 200 OK\r\nContent-Length: -5\r\n\r\n"]),
        lambda _: iter([b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nZZ\r\n"]),
        lambda _: iter([b"HTTP/1.1 200 OK\r\n" + b"A: " + b"a" * 500_000]),
    ],
    ids=["other", "nothing", "half", "length", "chunk", "head"],
)
def test_what_is_no_whole_answer_is_unreachable(script: object) -> None:
    with pytest.raises(KubeUnreachable) as raised:
        ask(script, Request(path=PODS, seconds=5))
    assert raised.value.sent


def test_a_port_without_server_is_unreachable_and_nothing_was_sent() -> None:
    with serving(lambda _: b"") as raw:
        access = access_to(raw)
    wire = Wire(access)
    with pytest.raises(KubeUnreachable, match="cannot be reached") as raised:
        wire.send(Request(method="POST", path=PODS, body=b"{}"))
    assert not raised.value.sent
    wire.close()


def test_cookies_are_not_kept_and_connections_are() -> None:
    with client_of(lambda _: page_with_cookie()) as (client, raw):
        list(client.list(POD))
        list(client.list(POD))
    assert all("cookie" not in one.headers for one in raw.asked)
    assert (len(raw.asked), raw.connections) == (2, 1)


def page_with_cookie() -> bytes:
    return answer({"metadata": {"resourceVersion": "1"}, "items": None}, Set_Cookie="a=b; Path=/")


@pytest.mark.parametrize("body", [b"<html>", b"[1]", b'{"items": [1}', b"\xff", b"[" * 100_000])
def test_an_answer_that_is_no_list_is_an_error(body: bytes) -> None:
    with client_of(lambda _: answer(body)) as (client, _), pytest.raises(KubeError):
        list(client.list(POD))


def test_secrets_are_listed_as_metadata_and_their_values_not_kept() -> None:
    def script(asked: Asked) -> bytes:
        assert asked.headers["accept"] in (METADATA, METADATA_LIST)
        return page([thing("a", 1)]) if asked.path.endswith("secrets") else answer(thing("a", 1))

    with client_of(script) as (client, raw):
        assert [one["metadata"]["name"] for one in client.list(SECRET)] == ["a"]
        found = client.get(Ref(kind="Secret", namespace="shop", name="a"))
    assert found is not None and found["kind"] == "Secret" and "data" not in found
    assert len(raw.asked) == 2


def test_a_secret_cannot_be_written() -> None:
    body = {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "a", "namespace": "b"}}
    ref = Ref(kind="Secret", namespace="b", name="a")
    with client_of(lambda _: answer({})) as (client, raw):
        for work in (
            lambda: client.create(body),
            lambda: client.apply(body, field_manager="x"),
            lambda: client.patch(ref, [{"op": "remove", "path": "/data"}]),
            lambda: client.delete(ref),
        ):
            with pytest.raises(KubeForbidden, match="values of Secrets"):
                work()
    assert raw.asked == []


ESCAPES = st.sampled_from(["secrets", "%73ecrets", "secret%73", "%73%65crets"])
PLACES = st.sampled_from(
    ["", "namespaces/a/", "namespaces/secrets/", "watch/", "watch/namespaces/b/"]
)
TAILS = st.sampled_from(["", "/a", "/a/status", "/secrets"])
ACCEPTS = st.sampled_from(["application/json", "*/*", f"{METADATA},application/json", METADATA])
METHODS = st.sampled_from(["GET", "POST", "PUT", "PATCH", "DELETE", "HEAD"])


@given(PLACES, ESCAPES, TAILS, ACCEPTS, METHODS)
@settings(max_examples=200)
def test_no_way_to_values_of_secrets(
    place: str, plural: str, tail: str, accept: str, method: str
) -> None:
    request = Request(method=method, path=f"/api/v1/{place}{plural}{tail}", accept=accept)
    if method == "GET" and accept == METADATA and not place.startswith("watch"):
        _guard(request)
        return
    with pytest.raises(KubeForbidden):
        _guard(request)


@pytest.mark.parametrize(
    "path",
    [
        "/api/v1/namespaces/secrets",
        "/api/v1/namespaces/secrets/pods/secrets",
        "/apis/apps/v1/namespaces/secrets/deployments/secrets",
        "/api/v1/configmaps",
    ],
)
def test_what_is_only_called_secrets_is_no_secret(path: str) -> None:
    _guard(Request(path=path))


def test_the_request_is_a_plain_value() -> None:
    assert msgspec.structs.asdict(Request(path="/x"))["method"] == "GET"
