"""Standard input, checkpoints in files, dead letters, counters."""

from __future__ import annotations

import datetime as dt
import json
import os
import stat
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from haechi.engines.masking import announces_credential, masked, printable
from haechi.errors import InputError
from haechi.world.feeds.checkpoint import CheckpointFile
from haechi.world.feeds.counters import SourceCounters
from haechi.world.feeds.dead_letter import DeadLetters
from haechi.world.feeds.lines import Checkpoint
from haechi.world.feeds.stream import Stream, read

PLACE = Checkpoint(device=1, inode=2, offset=300, head=300, fingerprint="ab", skipping=True)


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


@pytest.mark.parametrize("stopped", [False, True])
def test_reading_ends_with_the_input_or_when_told_to(pipe: tuple[int, int], stopped: bool) -> None:
    stop = threading.Event()
    os.write(pipe[1], b"a\n")
    if stopped:
        stop.set()
    else:
        os.close(pipe[1])
    assert [len(batch.lines) for batch in read(pipe[0], stop=stop)] == ([] if stopped else [1])


def test_a_checkpoint_comes_back_as_it_was_kept(tmp_path: Path) -> None:
    kept = CheckpointFile(tmp_path / "state")
    assert kept.load() is None
    kept.save(PLACE)
    assert kept.load() == PLACE
    assert stat.S_IMODE((tmp_path / "state").stat().st_mode) == 0o600
    assert [path.name for path in tmp_path.iterdir()] == ["state"]


@pytest.mark.parametrize("data", [b"", b"{", b"[]", b'{"device":1}', b"\xff", b"[" * 4_000])
def test_a_damaged_checkpoint_is_none(tmp_path: Path, data: bytes) -> None:
    (tmp_path / "state").write_bytes(data)
    assert CheckpointFile(tmp_path / "state").load() is None


def test_a_checkpoint_is_not_written_through_a_link(tmp_path: Path) -> None:
    (tmp_path / "state.new").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(InputError, match="cannot be kept"):
        CheckpointFile(tmp_path / "state").save(PLACE)
    assert not (tmp_path / "elsewhere").exists()


def _now() -> dt.datetime:
    return dt.datetime(2026, 11, 1, tzinfo=dt.UTC)


def test_dead_letters_say_when_what_and_why_without_credentials(tmp_path: Path) -> None:
    letters = DeadLetters(tmp_path / "dead.jsonl", now=_now)
    assert letters.add("falco", "no JSON", b'{"password": "hunter2hunter2", "x": "\x00\xff\n"')
    text = (tmp_path / "dead.jsonl").read_text()
    letter = json.loads(text)
    assert letter == {
        "when": "2026-11-01T00:00:00.000+00:00",
        "feed": "falco",
        "why": "no JSON",
        "sample": '{"password": ***, "x": "\\x00\\xff\\x0a"',
    }
    assert stat.S_IMODE((tmp_path / "dead.jsonl").stat().st_mode) == 0o600


def test_dead_letters_are_bounded(tmp_path: Path) -> None:
    letters = DeadLetters(tmp_path / "dead.jsonl", most_bytes=20_000, now=_now)
    for number in range(200):
        letters.add("falco", f"number {number}", b"x" * 100_000)
    sizes = [path.stat().st_size for path in tmp_path.iterdir()]
    assert len(sizes) == 2
    assert sum(sizes) <= 20_000
    assert letters.kept == 200
    assert "number 199" in (tmp_path / "dead.jsonl").read_text()


def test_a_letter_that_cannot_be_kept_is_counted(tmp_path: Path) -> None:
    (tmp_path / "dead.jsonl").symlink_to(tmp_path / "elsewhere")
    letters = DeadLetters(tmp_path / "dead.jsonl")
    assert not letters.add("falco", "why", b"x")
    assert (letters.kept, letters.dropped) == (0, 1)
    assert not (tmp_path / "elsewhere").exists()


def test_counters_add_up_and_know_how_late_a_source_is() -> None:
    now = 1_793_556_000 * 10**9
    counters = SourceCounters().plus(
        now_ns=now, received=3, accepted=2, refused=1, newest_ns=now - 5 * 10**8
    )
    assert (counters.received, counters.accepted, counters.lag_s) == (3, 2, 0.5)
    counters = counters.plus(now_ns=now + 10**9, received=1, lost=7)
    assert (counters.received, counters.lost, counters.lag_s) == (4, 7, 0.5)
    assert counters.last_seen == 1_793_556_001
    assert counters.plus(now_ns=now, newest_ns=now + 10**12).lag_s == 0


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
