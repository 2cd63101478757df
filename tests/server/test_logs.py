"""The log's lines: their fields, and that no secret is ever in one."""

from __future__ import annotations

import io
import logging
from collections.abc import Iterator
from typing import Any

import httpx
import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from haechi.server import logs
from tests.server.serving import asked, bare_world, by_word
from tests.server.things import THINGS

TOKEN = "haechi_api_3fQzYx81LmPq72Rt"


@pytest.fixture
def lines() -> Iterator[io.StringIO]:
    stream = io.StringIO()
    handler = logs.set_up(level="debug", form="json", stream=stream)
    yield stream
    logs.take_down(handler)


def decoded(stream: io.StringIO) -> list[dict[str, Any]]:
    """The lines as objects."""
    return [msgspec.json.decode(line) for line in stream.getvalue().splitlines()]


def ask(path: str, **options: Any) -> None:
    """One request."""
    headers = {"Authorization": "Bearer admin", **options.pop("headers", {})}
    request = httpx.Request("GET", f"http://127.0.0.1{path}", headers=headers, **options)
    asked(bare_world(), request, operations=THINGS, authenticate=by_word())


def test_a_request_is_one_line_with_its_fields(lines: io.StringIO) -> None:
    trace = "0af7651916cd43dd8448eb211c80319c"
    ask(
        "/api/v1/things?text=abc",
        headers={"X-Request-ID": "request-17", "traceparent": f"00-{trace}-b7ad6b7169203331-01"},
    )
    [line] = decoded(lines)
    assert {key: line[key] for key in ("level", "request", "trace", "principal", "method")} == {
        "level": "info",
        "request": "request-17",
        "trace": trace,
        "principal": "token:admin",
        "method": "GET",
    }
    assert (line["route"], line["status"]) == ("/api/v1/things", 200)
    assert line["bytes"] > 0
    assert line["ms"] >= 0
    assert "abc" not in lines.getvalue()


def test_a_route_stands_for_the_path_so_ids_are_not_logged(lines: io.StringIO) -> None:
    ask("/api/v1/fail/some-id")
    assert decoded(lines)[-1]["route"] == "/api/v1/fail/{how}"


def test_no_secret_of_a_request_is_in_the_log(lines: io.StringIO) -> None:
    for path in (
        f"/api/v1/things?text={TOKEN}",
        f"/api/v1/{TOKEN}",
        f"/{TOKEN}",
        "/api/v1/fail/unknown",  # its exception holds a token
        f"/api/v1/things?limit={TOKEN}",
    ):
        ask(path, headers={"Cookie": f"haechi_session={TOKEN}", "X-CSRF-Token": TOKEN})
        ask(path, headers={"Authorization": f"Bearer {TOKEN}"})
    text = lines.getvalue()
    assert len(text.splitlines()) >= 10
    assert TOKEN not in text
    assert "haechi_api_" not in text
    assert "Secret" in text  # the exception itself is there


@pytest.mark.parametrize(
    ("header", "trace"),
    [
        ("00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01", True),
        ("cc-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01-what-comes", True),
        ("ff-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01", False),
        ("00-00000000000000000000000000000000-b7ad6b7169203331-01", False),
        ("00-0af7651916cd43dd8448eb211c80319c-0000000000000000-01", False),
        ("00-0AF7651916CD43DD8448EB211C80319C-b7ad6b7169203331-01", False),
        ("junk", False),
        ("", False),
    ],
)
def test_takes_the_trace_of_a_traceparent(header: str, trace: bool) -> None:
    ids = ("0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331")
    assert logs.trace_ids(header) == (ids if trace else ("", ""))


@pytest.mark.parametrize(
    "text",
    [
        f"Bearer {TOKEN}",
        f"token {TOKEN}.",
        f"Cookie: haechi_session={TOKEN}; a=b",
        f"Authorization: Basic {TOKEN}",
        "id eyJhbGciOiJSUzI1NiJ9.eyJzdWIiOiIxIn0.c2lnbmF0dXJl",
    ],
)
def test_blanks_out_what_looks_like_a_credential(text: str) -> None:
    assert "[secret]" in logs.scrubbed(text)
    assert TOKEN not in logs.scrubbed(text)
    assert "c2lnbmF0dXJl" not in logs.scrubbed(text)


@given(st.text(max_size=200))
def test_any_message_is_one_line_in_both_forms(text: str) -> None:
    record = logging.LogRecord("haechi", logging.INFO, "", 0, "%s", (text,), None)
    plain = logs.PlainLines().format(record)
    assert len(plain.splitlines()) == 1
    assert "\x1b" not in plain
    try:
        text.encode()
    except UnicodeEncodeError:
        return
    assert "\n" not in logs.JsonLines().format(record)


def test_the_form_is_json_unless_it_is_a_terminal() -> None:
    class Terminal(io.StringIO):
        def isatty(self) -> bool:
            return True

    for stream, form, is_json in (
        (io.StringIO(), "auto", True),
        (Terminal(), "auto", False),
        (io.StringIO(), "text", False),
        (Terminal(), "json", True),
    ):
        handler = logs.set_up(level="info", form=form, stream=stream)
        logging.getLogger("haechi.server").info("words")
        logging.getLogger("haechi.server").debug("hidden")
        logs.take_down(handler)
        assert stream.getvalue().startswith("{") == is_json
        assert "hidden" not in stream.getvalue()


def test_fields_and_errors_stand_in_the_line(lines: io.StringIO) -> None:
    try:
        raise ValueError(f"with {TOKEN}")
    except ValueError:
        logging.getLogger("haechi.x").exception("it failed", extra={"fields": {"job": "seal"}})
    [line] = decoded(lines)
    assert (line["message"], line["job"], line["level"]) == ("it failed", "seal", "error")
    assert "ValueError" in line["error"]
    assert TOKEN not in line["error"]
