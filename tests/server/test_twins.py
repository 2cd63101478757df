"""CSV and NDJSON of lists: form, guard against formulas, choice, and bounded memory."""

from __future__ import annotations

import asyncio
import csv
import datetime as dt
import io
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import httpx
import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from haechi.model.event import Event
from haechi.server import twins
from haechi.server.problems import Refusal
from haechi.server.shapes import EventPage
from haechi.store.records import Page, StoredEvent, StoredFinding
from tests.server.serving import Running, bare_world, by_word, serving
from tests.server.things import THINGS, Colour, Thing
from tests.server.wire import exchange, head


@pytest.fixture(scope="module")
def server() -> Iterator[Running]:
    with serving(bare_world(), operations=THINGS, authenticate=by_word()) as running:
        yield running


def lines(rows: list[Any], row_type: Any = Thing) -> list[list[str]]:
    """The cells as a reader of CSV sees them."""
    text = b"".join(twins.table(rows, row_type)).decode("utf-8-sig")
    return list(csv.reader(io.StringIO(text, newline="")))


@pytest.mark.parametrize(
    ("name", "cell"),
    [
        ("plain", "plain"),
        ("=1+1", "'=1+1"),
        ("+1", "'+1"),
        ("-1", "'-1"),
        ("@SUM(A1)", "'@SUM(A1)"),
        ("\t=1", "'\t=1"),
        ("\r=1", "'\r=1"),
        ('a"b, c\r\nd', 'a"b, c\r\nd'),
        ("", ""),
        ("한국", "한국"),
    ],
)
def test_a_cell_is_itself_and_never_a_formula(name: str, cell: str) -> None:
    assert lines([Thing(name=name)])[1][0] == cell


def test_plain_values_are_plain_and_others_are_json() -> None:
    thing = Thing(name="a", colour=Colour.BLUE, at=dt.date(2026, 3, 31), tags=["x", "y"])
    assert lines([thing, Thing(name="b")]) == [
        ["name", "colour", "at", "tags"],
        ["a", "blue", "2026-03-31", '["x","y"]'],
        ["b", "red", "", ""],
    ]


def test_a_struct_is_spread_over_columns() -> None:
    event = Event(id="e", ts_ns=5, source="falco", type="syscall", fields={"a": -1})
    header, row = lines([StoredEvent(seq=-7, event=event)], StoredEvent)
    cells = dict(zip(header, row, strict=True))
    assert (cells["seq"], cells["event.id"], cells["event.fields"]) == ("-7", "e", '{"a":-1}')


@pytest.mark.parametrize(
    ("answer", "row"), [(Page[StoredFinding], StoredFinding), (EventPage, StoredEvent)]
)
def test_finds_the_type_of_the_rows(answer: Any, row: Any) -> None:
    assert twins.row_type(answer) is row


def test_lines_end_and_begin_as_the_standard_says() -> None:
    data = b"".join(twins.table([Thing(name="a")], Thing))
    assert data.startswith(b"\xef\xbb\xbfname,")
    assert data.count(b"\r\n") == 2
    assert b"".join(twins.table([], Thing, bom=False)) == b"name,colour,at,tags\r\n"


@given(st.lists(st.text(st.characters(codec="utf-8"), max_size=20), max_size=5))
def test_every_text_comes_back(names: list[str]) -> None:
    shown = [row[0] for row in lines([Thing(name=name) for name in names])[1:]]
    assert [cell.removeprefix("'") for cell in shown] == [name.removeprefix("'") for name in names]
    assert not any(cell.startswith(("=", "+", "-", "@", "\t", "\r")) for cell in shown)


@pytest.mark.parametrize(
    ("accept", "formats", "chosen"),
    [
        ("", [], "json"),
        ("*/*", [], "json"),
        ("text/csv", [], "csv"),
        ("application/x-ndjson", [], "ndjson"),
        ("text/csv;q=0.5, application/json;q=0.9", [], "json"),
        ("text/csv;q=0.9;x=1, application/json;q=0.5", [], "csv"),
        ("text/csv;q=0", [], "json"),
        ("text/csv;q=odd", [], "json"),
        ("text/csv", ["json"], "json"),
        ("", ["ndjson"], "ndjson"),
    ],
)
def test_chooses_the_form(accept: str, formats: list[str], chosen: str) -> None:
    assert twins.chosen(accept, formats) == chosen


@pytest.mark.parametrize("formats", [["xml"], ["csv", "csv"], [""]])
def test_refuses_other_forms(formats: list[str]) -> None:
    with pytest.raises(Refusal):
        twins.chosen("", formats)


def test_all_rows_come_in_each_form(server: Running) -> None:
    with server.client() as client:
        as_csv = client.get("/api/v1/things", params={"format": "csv", "size": 5000})
        as_lines = client.get(
            "/api/v1/things", params={"size": 5000}, headers={"Accept": "application/x-ndjson"}
        )
    assert as_csv.headers["content-type"].startswith("text/csv; charset=utf-8")
    assert as_csv.headers["content-disposition"] == 'attachment; filename="things-list.csv"'
    assert as_csv.text.count("\r\n") == 5001
    decoded = [msgspec.json.decode(line, type=Thing) for line in as_lines.text.splitlines()]
    assert [one.name for one in decoded] == [f"thing {number}" for number in range(5000)]


def test_a_failure_before_the_first_row_is_told(server: Running) -> None:
    with server.client() as client:
        for form in ("csv", "ndjson"):
            answer = client.get(f"/api/v1/things?format={form}&size=5&text=missing")
            assert (answer.status_code, answer.json()["title"]) == (404, "Not Found")


def test_a_failure_in_the_middle_cuts_the_answer(server: Running) -> None:
    with server.client() as client, pytest.raises(httpx.RemoteProtocolError):
        client.get("/api/v1/things?format=csv&size=50000&text=broken")
    answer = exchange(server.port, head("GET", "/api/v1/things?format=csv&size=50000&text=broken"))
    assert b"\r\n0\r\n\r\n" not in answer[-20:]
    assert b"secret" not in answer


def test_many_readers_that_stop_reading_leave_the_server_free(server: Running) -> None:
    """More than there are places for downloads; each takes a little and hangs up."""
    with server.client() as client:
        for _ in range(12):
            with client.stream("GET", "/api/v1/things?format=csv&size=1000000") as answer:
                next(answer.iter_bytes())
        answer = client.get("/api/v1/things?format=csv&size=3")
        while answer.status_code == 503:  # until the last hang-up was noticed
            answer = client.get("/api/v1/things?format=csv&size=3")
    assert answer.text.count("\r\n") == 4


def test_a_slow_reader_slows_the_rows_instead_of_filling_memory() -> None:
    made = 0
    full, ended = threading.Event(), threading.Event()

    def parts() -> Iterator[bytes]:
        nonlocal made
        try:
            while True:
                made += 1
                if made == 12:
                    full.set()
                yield b"x" * 100
        finally:
            ended.set()

    async def main() -> tuple[int, bytes]:
        pipe = twins.Pipe(asyncio.get_running_loop(), size=1000)
        with ThreadPoolExecutor(1) as executor:
            pipe.start(executor, parts)
            while not full.wait(0.01) and made < 11:
                await asyncio.sleep(0)
            before = made
            first = await pipe.read()
            pipe.close()
            await asyncio.to_thread(ended.wait)
        return before, first

    before, first = asyncio.run(main())
    assert before <= 12
    assert len(first) == 1000
    assert ended.is_set()
