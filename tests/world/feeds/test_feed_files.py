"""Standard input; credentials in what is kept of refused records."""

from __future__ import annotations

import os
from collections.abc import Iterator

import pytest

from haechi.engines.masking import announces_credential, masked, printable
from haechi.world.feeds.stream import Stream


@pytest.fixture
def pipe() -> Iterator[tuple[int, int]]:
    ends = os.pipe()
    yield ends
    for end in ends:
        try:
            os.close(end)
        except OSError:
            continue  # the test closed it


def _lines(stream: Stream) -> list[bytes]:
    found = []
    while (batch := stream.poll(0)) is not None:
        found += [line.data for line in batch.lines]
    return found


def test_a_stream_gives_lines_as_they_come(pipe: tuple[int, int]) -> None:
    stream = Stream(pipe[0])
    assert _lines(stream) == []
    os.write(pipe[1], b"a\nb\r\n\nhal")
    assert _lines(stream) == [b"a", b"b"]
    os.write(pipe[1], b"f\nlast")
    assert _lines(stream) == [b"half"]
    os.close(pipe[1])
    assert _lines(stream) == [b"last"]
    assert stream.poll(0) is None
    assert stream.ended


def test_overlong_lines_of_a_stream_are_passed_over(pipe: tuple[int, int]) -> None:
    stream, overlong = Stream(pipe[0], most_line=100), list[bytes]()
    found: list[bytes] = []
    for piece in (b"x" * 60_000, b"x" * 60_000, b"x\nok\n" + b"y" * 101 + b"\nlast\n"):
        os.write(pipe[1], piece)
        batch = stream.poll(0)
        if batch is not None:
            found += [line.data for line in batch.lines]
            overlong += [one.sample[:1] for one in batch.overlong]
    assert (found, overlong) == ([b"ok", b"last"], [b"x", b"y"])


def test_lines_of_a_stream_have_places_of_their_own(pipe: tuple[int, int]) -> None:
    os.write(pipe[1], b"a\na\n")
    batch = Stream(pipe[0]).poll(0)
    assert batch is not None
    assert len({line.place for line in batch.lines}) == 2


def test_the_end_of_the_input_ends_the_last_line(pipe: tuple[int, int]) -> None:
    stream = Stream(pipe[0])
    os.write(pipe[1], b"a\nb")
    batch = stream.poll(0)
    assert (batch is not None and len(batch.lines), stream.ended) == (1, False)
    os.close(pipe[1])
    batch = stream.poll(0)
    assert batch is not None
    assert ([line.data for line in batch.lines], stream.ended) == ([b"b"], True)
    assert stream.poll(0) is None


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("password=hunter2 user=bob", "password=*** user=bob"),
        ('{"token":"hunter2","a":1}', '{"token":***,"a":1}'),
        ("Authorization: Bearer hunter2.x.y", "Authorization: ***"),
        ("header bearer hunter2hunter2", "header bearer ***"),
        ("DB_PASSWORD='hunter2 and more' x", "DB_PASSWORD=*** x"),
        ("api-key: hunter2", "api-key: ***"),
        ("https://bob:hunter2@host/x", "https://bob:***@host/x"),
        ("-----BEGIN RSA PRIVATE KEY-----\nhunter2", "***"),
        ("see eyJhbGciOi.eyJzdWIiOi.hunter2 there", "see *** there"),
        ("nothing to hide: a=1", "nothing to hide: a=1"),
    ],
    ids=["pair", "json", "header", "scheme", "quoted", "colon", "login", "pem", "jwt", "plain"],
)
def test_credentials_are_masked(text: str, wanted: str) -> None:
    assert masked(text) == wanted


@pytest.mark.parametrize(
    ("name", "wanted"),
    [
        ("password", True),
        ("user.passwordHash", True),
        ("X-Api-Key", True),
        ("session_id", True),
        ("clientSecret", True),
        ("user.name", False),
        ("author", False),
        ("compass", False),
        ("pinned", False),
    ],
)
def test_names_that_announce_a_credential(name: str, wanted: bool) -> None:
    assert announces_credential(name) is wanted


@pytest.mark.parametrize("piece", [b'password="', b"token:", b"a=", b"://", b"bearer "])
def test_masking_is_linear_in_hostile_text(piece: bytes) -> None:
    assert len(printable(piece * 100_000, 2_048)) <= 2_048
