"""One request, one bounded answer, one deadline; nothing is sent to who is not the provider."""

from __future__ import annotations

import ssl
from collections.abc import Callable

import pytest

from haechi.world.verify.request import Request
from haechi.world.verify.transport import (
    MAX_BODY,
    HttpsTransport,
    Unanswered,
    trusted_context,
)

from .conftest import HOST, Provider, Script

Start = Callable[[Script], Provider]
VALUE = "".join(("sekr", "it-", "0123456789"))


def request(**changes: str) -> Request:
    target = changes.get("target", "/whoami")
    host = changes.get("host", HOST)
    return Request(host=host, target=target, headers=(("Authorization", f"Bearer {VALUE}"),))


def replying(*blocks: bytes) -> Script:
    def script(sock: ssl.SSLSocket) -> None:
        for block in blocks:
            sock.sendall(block)

    return script


def answer(status: str, body: bytes = b"{}", *headers: str) -> Script:
    lines = [f"HTTP/1.1 {status}", f"Content-Length: {len(body)}", *headers, "", ""]
    return replying("\r\n".join(lines).encode() + body)


@pytest.mark.parametrize("status", ["200 OK", "401 Unauthorized", "429 Slow", "503 Busy"])
def test_any_status_is_an_answer(provider: Start, status: str) -> None:
    server = provider(answer(status, b'{"a":1}'))
    found = server.transport().send(request())
    assert (found.status, found.body, found.cut) == (int(status[:3]), b'{"a":1}', False)


def test_the_request_is_what_it_says(provider: Start) -> None:
    server = provider(answer("200 OK"))
    server.transport().send(
        Request(
            host=HOST,
            target="/a?b=c",
            method="POST",
            headers=(("Authorization", f"Bearer {VALUE}"), ("X-More", "yes")),
            body=b'{"q":1}',
        )
    )
    head, _, body = server.asked[0].partition(b"\r\n\r\n")
    lines = head.decode().split("\r\n")
    assert lines[0] == "POST /a?b=c HTTP/1.1"
    assert f"Host: {HOST}" in lines
    assert f"Authorization: Bearer {VALUE}" in lines
    assert "X-More: yes" in lines
    assert "Connection: close" in lines
    assert lines.count("Content-Length: 7") == 1
    assert body == b'{"q":1}'


@pytest.mark.parametrize("status", ["301 Moved", "302 Found", "307 Moved", "308 Moved"])
def test_redirects_are_not_followed(provider: Start, status: str) -> None:
    server = provider(answer(status, b"", f"Location: https://{HOST}/elsewhere"))
    assert server.transport().send(request()).status == int(status[:3])
    assert server.connections == 1


def test_no_proxy_is_asked(provider: Start, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("HTTPS_PROXY", "https_proxy", "ALL_PROXY", "all_proxy"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")
    server = provider(answer("200 OK"))
    assert server.transport().send(request()).status == 200


@pytest.mark.parametrize("chunked", [False, True])
def test_a_body_is_read_to_a_bound(provider: Start, chunked: bool) -> None:
    def script(sock: ssl.SSLSocket) -> None:
        head = "Transfer-Encoding: chunked" if chunked else "Content-Length: 999999999999"
        sock.sendall(f"HTTP/1.1 200 OK\r\n{head}\r\n\r\n".encode())
        block = b"x" * 65536
        while True:  # ends when the client hangs up
            sock.sendall(b"10000\r\n" + block + b"\r\n" if chunked else block)

    found = provider(script).transport().send(request())
    assert found.cut
    assert len(found.body) == MAX_BODY


def silent(server: list[Provider]) -> Script:
    def script(sock: ssl.SSLSocket) -> None:
        server[0].stopped.wait(60)

    return script


def dripping(first: bytes, drop: bytes) -> Callable[[list[Provider]], Script]:
    def made(server: list[Provider]) -> Script:
        def script(sock: ssl.SSLSocket) -> None:
            sock.sendall(first)
            while not server[0].stopped.wait(0.02):
                sock.sendall(drop)

        return script

    return made


@pytest.mark.parametrize(
    "made",
    [
        silent,
        dripping(b"HTTP/1.1 200 OK\r\nX-Long: ", b"x"),
        dripping(b"HTTP/1.1 200 OK\r\nContent-Length: 9999\r\n\r\n", b"x"),
        dripping(b"HTTP/1.1 100 Continue\r\n\r\n", b"HTTP/1.1 100 Continue\r\n\r\n"),
    ],
    ids=["silent", "headers", "body", "continue"],
)
def test_the_deadline_is_for_the_whole_exchange(
    provider: Start, made: Callable[[list[Provider]], Script]
) -> None:
    place: list[Provider] = []
    server = provider(made(place))
    place.append(server)
    with pytest.raises(Unanswered, match=r"no answer within 0\.5 seconds"):
        server.transport(timeout=0.5).send(request())


@pytest.mark.parametrize(
    "reply",
    [
        b"",
        b"SSH-2.0-OpenSSH\r\n",
        b"HTTP/1.1 abc\r\n\r\n",
        b"HTTP/1.1 200 OK\r\n" + b"X: y\r\n" * 500 + b"\r\n",
        b"HTTP/1.1 200 OK\r\nX: " + b"y" * 100_000 + b"\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
    ],
    ids=["nothing", "other", "status", "many-headers", "long-header", "bad-chunk"],
)
def test_what_is_no_http_is_no_answer(provider: Start, reply: bytes) -> None:
    server = provider(replying(reply))
    with pytest.raises(Unanswered) as caught:
        server.transport().send(request())
    assert VALUE not in "".join(map(str, (caught.value, caught.value.explain())))
    assert caught.value.__cause__ is None
    assert caught.value.__context__ is None


def test_a_certificate_of_another_name_gets_nothing(provider: Start) -> None:
    server = provider(answer("200 OK"))
    with pytest.raises(Unanswered, match="certificate is not trusted, so nothing was sent"):
        server.transport().send(request(host="api.other.example"))
    assert server.asked == []


def test_a_certificate_that_nobody_vouches_for_gets_nothing(provider: Start) -> None:
    server = provider(answer("200 OK"))
    place = server.transport().place
    with pytest.raises(Unanswered, match="certificate is not trusted"):
        HttpsTransport(context=trusted_context(), place=place).send(request())
    assert server.asked == []


def test_the_default_context_checks_names_and_keeps_no_keys(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("SSLKEYLOGFILE", "/nowhere/keys")
    context = trusted_context()
    assert context.check_hostname
    assert context.verify_mode is ssl.CERT_REQUIRED
    assert not context.keylog_filename
    assert context.minimum_version >= ssl.TLSVersion.TLSv1_2


def test_nobody_there_is_no_answer(provider: Start) -> None:
    server = provider(answer("200 OK"))
    transport = HttpsTransport(context=server.trusted, place=lambda host: ("127.0.0.1", 1))
    with pytest.raises(Unanswered, match="cannot be reached"):
        transport.send(request())


def test_what_cannot_stand_in_a_request_is_not_quoted(provider: Start) -> None:
    server = provider(answer("200 OK"))
    broken = Request(host=HOST, target="/", headers=(("Authorization", f"{VALUE}\r\nX: y"),))
    with pytest.raises(Unanswered) as caught:
        server.transport().send(broken)
    assert VALUE not in repr(caught.value) + str(caught.value)
    assert caught.value.__context__ is None


def test_requests_and_answers_do_not_show_themselves() -> None:
    shown = repr(request(target=f"/bot{VALUE}")) + str(request().__rich_repr__())
    assert VALUE not in shown
    assert HOST in shown
