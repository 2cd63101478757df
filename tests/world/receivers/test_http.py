"""One request: what is tried again, what never, and what is bounded."""

from __future__ import annotations

import datetime as dt
import socket
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from haechi.world.receivers.http import MOST_ANSWER, Http, retry_after, shown
from haechi.world.receivers.sending import NotSent
from haechi.world.receivers.settings import ReceiverSettings
from tests.fakes.receivers.web import HTML, Answer, web
from tests.world.receivers.made import certified

NOW = dt.datetime(2026, 11, 22, 12, tzinfo=dt.UTC)


def http(*secrets: str, **more: object) -> Http:
    values = {"name": "one", "kind": "otlp", "url": "http://127.0.0.1:1", "timeout": 5.0} | more
    return Http(ReceiverSettings(**values), *secrets)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("answer", "permanent", "after", "words"),
    [
        (Answer(400, b'{"error":"bad"}'), True, 0.0, 'HTTP 400: {"error":"bad"}'),
        (Answer(401, b""), True, 0.0, "HTTP 401"),
        (Answer(404, b"no_service"), True, 0.0, "HTTP 404: no_service"),
        (Answer(408, b""), False, 0.0, "HTTP 408"),
        (Answer(429, b"", {"Retry-After": "17"}), False, 17.0, "HTTP 429"),
        (Answer(429, b"", {"Retry-After": "999999"}), False, 3600.0, "HTTP 429"),
        (Answer(503, b"", {"Retry-After": "soon"}), False, 0.0, "HTTP 503"),
        (Answer(500, b"x" * 9_000), False, 0.0, "HTTP 500: " + "x" * 200),
        (HTML, False, 0.0, "HTTP 502: <html><body>Bad Gateway</body></html>"),
        (
            Answer(302, b"", {"Location": "http://127.0.0.1:1/"}),
            True,
            0.0,
            "HTTP 302: redirects are not followed",
        ),
    ],
    ids=lambda value: str(getattr(value, "status", ""))[:20],
)
def test_a_refusal_says_whether_trying_again_makes_sense(
    answer: Answer, permanent: bool, after: float, words: str
) -> None:
    with web() as server:
        server.script = [answer]
        with pytest.raises(NotSent) as raised:
            http().take("POST", server.url, body=b"{}")
    told = raised.value
    assert (told.permanent, told.retry_after, str(told)) == (permanent, after, words)
    assert len(server.asked) == 1


def test_a_connection_that_breaks_is_tried_again() -> None:
    with web() as server:
        server.script = [Answer(reset=True)]
        with pytest.raises(NotSent) as raised:
            http().take("POST", server.url, body=b"{}")
    assert not raised.value.permanent


def test_nobody_there_is_tried_again_and_the_address_is_not_told() -> None:
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        port = one.getsockname()[1]
    with pytest.raises(NotSent) as raised:
        http().take("POST", f"http://127.0.0.1:{port}/T000/secret-in-the-path")
    assert not raised.value.permanent
    assert "secret-in-the-path" not in str(raised.value)


def test_a_receiver_that_drips_is_cut_at_the_deadline_of_the_whole() -> None:
    with web() as server:
        server.script = [Answer(200, b" " * 100_000, drip=30.0)]
        with pytest.raises(NotSent, match="no answer within 1 s"):
            http(timeout=1.0).take("POST", server.url)


def test_an_answer_is_read_so_far_only() -> None:
    with web() as server:
        server.script = [Answer(200, b"y" * (MOST_ANSWER + 5_000))]
        assert len(http().take("GET", server.url).body) == MOST_ANSWER


@pytest.mark.parametrize("body", [b"", b"<html>", b"{", b"\xff\xfe", b"[" * 5_000], ids=repr)
def test_what_is_no_json_is_told_as_such(body: bytes) -> None:
    with web() as server:
        server.script = [Answer(200, body)]
        with pytest.raises(NotSent, match="no JSON"):
            http().take("GET", server.url).json()


def test_a_secret_in_an_answer_is_not_repeated() -> None:
    with web() as server:
        server.script = [Answer(400, b"your token hunter2hunter2 is wrong")]
        with pytest.raises(NotSent) as raised:
            http("hunter2hunter2").take("POST", server.url)
    assert str(raised.value) == "HTTP 400: your token *** is wrong"


def test_tls_is_verified_against_the_authority_that_is_named(tmp_path: Path) -> None:
    context, ca = certified(tmp_path)
    with web() as server:
        server.secure(context)
        with pytest.raises(NotSent, match=r"(?i)certificate"):
            http().take("GET", server.url)
        assert http(ca_file=ca).take("GET", server.url).status == 200


def test_plain_http_elsewhere_needs_leave() -> None:
    with pytest.raises(NotSent) as raised:
        http().take("GET", "http://192.0.2.1/")
    assert raised.value.permanent


def test_a_ca_file_that_is_none_is_told(tmp_path: Path) -> None:
    file = tmp_path / "ca.pem"
    file.write_text("nothing")
    with web() as server, pytest.raises(NotSent, match="ca_file cannot be used"):
        http(ca_file=str(file)).take("GET", server.url)


@pytest.mark.parametrize(
    ("said", "seconds"),
    [
        ("5", 5.0),
        ("", 0.0),
        ("-3", 0.0),
        ("Sun, 22 Nov 2026 12:00:30 GMT", 30.0),
        ("Sun, 22 Nov 2026 11:00:30 GMT", 0.0),
        ("Sun, 22 Nov 2099 11:00:30 GMT", 3600.0),
        ("٣", 0.0),
    ],
)
def test_retry_after_is_a_number_or_a_date(said: str, seconds: float) -> None:
    assert retry_after({"retry-after": said}, NOW) == seconds


@given(st.text(max_size=80))
def test_retry_after_is_never_more_than_an_hour(said: str) -> None:
    assert 0.0 <= retry_after({"retry-after": said}, NOW) <= 3600.0


@given(st.binary(max_size=400))
def test_what_is_shown_of_an_answer_is_one_printable_line(body: bytes) -> None:
    assert shown(body).isprintable()
    assert len(shown(body)) <= 200
