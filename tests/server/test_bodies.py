"""Bodies: too slow, too large, packed; by pieces and by a real server."""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import Iterator
from typing import Any

import pytest
import zstandard
from hypothesis import given
from hypothesis import strategies as st

from haechi.errors import StoreBusy
from haechi.server.bodies import MOST_MEMBERS, Gone, Pace, Room, read_body, unpack
from haechi.server.problems import Refusal
from haechi.server.settings import Limits
from tests.server.serving import Running, bare_world, by_word, local_settings, serving
from tests.server.things import THINGS
from tests.server.wire import exchange, head, packed, status

LIMIT = 10_000
ZERO_BOMB = b"\0" * 50_000_000


@pytest.fixture(scope="module")
def server() -> Iterator[Running]:
    settings = local_settings(limits=Limits(body_seconds=1.0, header_seconds=1.0))
    with serving(bare_world(settings), operations=THINGS, authenticate=by_word()) as running:
        yield running


def read(parts: list[Any], headers: dict[str, str] | None = None, **options: Any) -> bytes:
    """What is read of messages; after the last, nothing comes."""
    left = list(parts)

    async def receive() -> Any:
        if left:
            return left.pop(0)
        return await asyncio.Event().wait()

    return asyncio.run(
        read_body(receive, headers or {}, limit=LIMIT, pace=options.pop("pace", Pace()), **options)
    )


def part(body: bytes, more: bool) -> dict[str, Any]:
    """A message."""
    return {"type": "http.request", "body": body, "more_body": more}


def test_joins_parts() -> None:
    assert read([part(b"a", True), part(b"", True), part(b"bc", False)]) == b"abc"
    assert read([part(b"", False)]) == b""


@pytest.mark.parametrize(
    ("parts", "headers", "wanted"),
    [
        ([part(b"x" * 9_000, True), part(b"x" * 2_000, True)], {}, 413),
        ([], {"content-length": "10001"}, 413),
        ([], {"content-length": "9" * 400}, 413),
        ([], {"content-length": "-1"}, 400),
        ([], {"content-length": "1e3"}, 400),
        ([], {"content-length": "１"}, 400),
        ([part(b"x", True)], {"content-length": "100"}, 408),
    ],
)
def test_refuses(parts: list[Any], headers: dict[str, str], wanted: int) -> None:
    with pytest.raises(Refusal) as refused:
        read(parts, headers, pace=Pace(seconds=0.01, grace=0.01))
    assert refused.value.status == wanted
    assert refused.value.headers["Connection"] == "close"


def test_stops_when_the_sender_hangs_up() -> None:
    with pytest.raises(Gone):
        read([part(b"x", True), {"type": "http.disconnect"}])


@pytest.mark.parametrize(
    ("received", "ends"), [(0, 10.0), (4096 * 5, 15.0), (4096 * 100, 60.0), (10**9, 60.0)]
)
def test_gives_a_body_time_by_what_came_of_it(received: int, ends: float) -> None:
    assert Pace().ends(received) == ends


def test_refuses_a_body_that_comes_by_drops() -> None:
    """A fake clock: each byte takes four seconds, which is under the least rate."""
    times = iter(range(0, 1000, 4))
    with pytest.raises(Refusal) as refused:
        read([part(b"x", True)] * 50, pace=Pace(seconds=600), clock=lambda: float(next(times)))
    assert refused.value.status == 408


def test_holds_no_more_bodies_than_there_is_room_for() -> None:
    room = Room(1000)
    with room.share() as one:
        one(5000)  # alone: it has its own limit
        with room.share() as other, pytest.raises(StoreBusy):
            other(1)
    assert room.held == 0
    with room.share() as one, room.share() as other:
        one(500)
        other(500)
        with pytest.raises(StoreBusy):
            one(1)
    assert room.held == 0


PACKED = b"a" * 3000
ZSTD_OPEN = zstandard.ZstdCompressor(write_content_size=False).compress(PACKED)


@pytest.mark.parametrize(
    ("body", "encoding", "size"),
    [
        (PACKED, "", 3000),
        (PACKED, "identity", 3000),
        (packed(PACKED), "gzip", 3000),
        (packed(PACKED) * 2, "x-gzip", 6000),
        (zstandard.compress(PACKED), "zstd", 3000),
        (zstandard.compress(PACKED) * 3, " ZSTD ", 9000),
        (ZSTD_OPEN, "zstd", 3000),
        (packed(b"") * MOST_MEMBERS, "gzip", 0),
        (b"", "gzip", 0),
        (b"", "zstd", 0),
    ],
)
def test_unpacks(body: bytes, encoding: str, size: int) -> None:
    assert len(unpack(body, encoding, limit=LIMIT)) == size


@pytest.mark.parametrize(
    ("body", "encoding", "wanted"),
    [
        (packed(ZERO_BOMB), "gzip", 413),
        (packed(PACKED) * 4, "gzip", 413),
        (zstandard.compress(ZERO_BOMB), "zstd", 413),
        (zstandard.compress(PACKED) * 4, "zstd", 413),
        (packed(b"") * (MOST_MEMBERS + 1), "gzip", 413),
        (zstandard.compress(b"") * (MOST_MEMBERS + 1), "zstd", 413),
        (packed(PACKED)[:-4], "gzip", 400),
        (packed(PACKED) + b"more", "gzip", 400),
        (zstandard.compress(PACKED)[:-1], "zstd", 400),
        (zstandard.compress(PACKED) + b"more", "zstd", 400),
        (b"plain", "gzip", 400),
        (b"plain", "zstd", 400),
        (b"plain", "br", 415),
        (b"plain", "gzip, gzip", 415),
    ],
)
def test_refuses_what_does_not_unpack_to_a_bounded_body(
    body: bytes, encoding: str, wanted: int
) -> None:
    with pytest.raises(Refusal) as refused:
        unpack(body, encoding, limit=LIMIT)
    assert refused.value.status == wanted


def test_members_of_all_sizes_follow_one_another() -> None:
    sizes = [0, 1, 255, 256, 70_000, 0, 200_000, 3]
    parts = [hashlib.shake_128(b"part").digest(size) for size in sizes]
    assert unpack(b"".join(map(packed, parts)), "gzip", limit=1 << 20) == b"".join(parts)


@given(st.binary(max_size=300), st.sampled_from(["gzip", "zstd"]))
def test_whatever_is_sent_unpacks_or_is_refused(body: bytes, encoding: str) -> None:
    try:
        assert len(unpack(body, encoding, limit=LIMIT)) <= LIMIT
    except Refusal as refused:
        assert refused.status in (400, 413)


@given(st.binary(max_size=3000), st.integers(1, 3))
def test_packing_and_unpacking_is_the_same(body: bytes, times: int) -> None:
    assert unpack(packed(body) * times, "gzip", limit=LIMIT) == body * times
    assert unpack(zstandard.compress(body) * times, "zstd", limit=LIMIT) == body * times


def post(length: int | str, **headers: str) -> bytes:
    """The head of a request that makes a thing."""
    return head(
        "POST",
        "/api/v1/things/a",
        content_type="application/json",
        content_length=str(length),
        **headers,
    )


def test_a_server_refuses_a_body_that_does_not_come(server: Running) -> None:
    answer = exchange(server.port, post(1000), b'{"name"')
    assert status(answer) == 408
    assert b"still open" not in answer


def test_a_server_closes_on_a_head_that_does_not_come(server: Running) -> None:
    assert exchange(server.port, b"GET /healthz HTTP/1.1\r\nHost: 127") == b""


def test_a_server_refuses_large_bodies_before_and_while_they_come(server: Running) -> None:
    announced = exchange(server.port, post(10**9))
    chunked = head(
        "POST", "/api/v1/things/a", content_type="application/json", transfer_encoding="chunked"
    )
    chunk = b"8000\r\n" + b"x" * 0x8000 + b"\r\n"
    streamed = exchange(server.port, chunked, chunk * 3, b"0\r\n\r\n")
    assert [status(announced), status(streamed)] == [413, 413]
    assert b"still open" not in announced + streamed


def test_a_server_reads_no_body_of_a_stranger(server: Running) -> None:
    answer = exchange(
        server.port,
        head(
            "POST",
            "/api/v1/things/a",
            who="",
            content_type="application/json",
            content_length="1000000000",
        ),
    )
    assert status(answer) == 401
    assert b"still open" not in answer


def test_a_server_refuses_a_bomb(server: Running) -> None:
    bomb = packed(ZERO_BOMB)
    answer = exchange(server.port, post(len(bomb), content_encoding="gzip"), bomb)
    assert status(answer) == 413


def test_a_server_takes_packed_bodies(server: Running) -> None:
    with server.client() as client:
        for name, body in (
            ("gzip", packed(b'{"name":"x"}')),
            ("zstd", zstandard.compress(b'{"name":"x"}')),
        ):
            headers = {"Content-Type": "application/json", "Content-Encoding": name}
            answer = client.post("/api/v1/things/a", content=body, headers=headers)
            assert answer.json()["name"] == "a:x"


@pytest.mark.parametrize(
    ("request_", "wanted"),
    [
        (post("-5"), 400),
        (post("5", transfer_encoding="chunked") + b"0\r\n\r\n", 400),
        (b"GET /healthz HTTP/1.1\r\nHost: a\r\nHost: 127.0.0.1\r\n\r\n", 400),
        (head("GET", "/healthz", x="a" * 40_000), 431),
        (head("GET", "/" + "a" * 5_000), 400),
        (b"\x16\x03\x01\x02\x00\x01\x00", 400),
    ],
)
def test_a_server_refuses_requests_that_are_none(
    server: Running, request_: bytes, wanted: int
) -> None:
    assert status(exchange(server.port, request_)) == wanted


@pytest.mark.parametrize("body", [b"zz\r\n", b"5\r\nab\r\n0\r\n\r\n", b"-1\r\n\r\n"])
def test_a_broken_chunk_is_the_senders_fault(server: Running, body: bytes) -> None:
    start = head(
        "POST", "/api/v1/things/a", content_type="application/json", transfer_encoding="chunked"
    )
    answer = exchange(server.port, start, body)
    assert status(answer) == 400, answer[:200]
