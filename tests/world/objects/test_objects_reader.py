"""Windows over large contents, and parsers of git's output: whatever comes, nothing is lost."""

from __future__ import annotations

import io
from typing import cast

from hypothesis import given
from hypothesis import strategies as st

from haechi.world.objects import walk
from haechi.world.objects.attribution import _author_date
from haechi.world.objects.command import Git, Stream
from haechi.world.objects.reader import ObjectReader, Part
from haechi.world.objects.repository import Repository
from haechi.world.objects.spool import Spool
from haechi.world.objects.walk import Introductions


class FakeStream:
    """What is used of a stream: its output."""

    def __init__(self, data: bytes) -> None:
        self.out = io.BufferedReader(io.BytesIO(data))


def stream(data: bytes) -> Stream:
    return cast(Stream, FakeStream(data))


def parts_of(data: bytes, window: int, overlap: int) -> list[Part]:
    with Spool(40) as spool:
        reader = ObjectReader(cast(Git, None), spool, window=window, overlap=overlap)
        return list(reader._windows(stream(data + b"\n"), b"id", len(data)))


@given(
    st.lists(st.sampled_from([b"a", b"bc", b"\n", b"def\n"]), min_size=1, max_size=80),
    st.integers(4, 20),
    st.integers(1, 4),
)
def test_windows_cover_a_content_and_know_where_they_are(
    pieces: list[bytes], window: int, overlap: int
) -> None:
    data = b"".join(pieces)
    parts = parts_of(data, window, overlap)
    assert b"".join(part.data[part.first : part.last] for part in parts) == data
    for part in parts:
        before = data[: part.offset]
        assert data[part.offset : part.offset + len(part.data)] == part.data
        assert part.lines == before.count(b"\n")
        assert part.column == len(before) - before.rfind(b"\n") - 1
        assert len(part.data) <= window + 2 * overlap


@given(st.text(alphabet="ab글\n", min_size=30, max_size=120), st.sampled_from(["utf-16"]))
def test_utf_16_is_read_as_text(text: str, encoding: str) -> None:
    parts = parts_of(text.encode(encoding), 16, 4)
    assert b"".join(part.data[part.first : part.last] for part in parts) == text.encode()


@given(st.binary(max_size=300))
def test_any_output_of_diff_tree_is_taken(data: bytes) -> None:
    repository = Repository(
        root=cast("object", None), git=None, directory=None, common=None, objects=None,  # type: ignore[arg-type]
        width=40, prefix="", shallow=False, partial=False, borrows=False, head="",
    )  # fmt: skip
    with Spool(40) as spool:
        entries = Introductions(repository, spool)
        for entry in entries._entries(stream(data)):
            assert b"\0" not in entry.path


@given(st.lists(st.binary(min_size=1, max_size=30).filter(lambda t: b"\0" not in t), max_size=20))
def test_names_come_out_as_they_went_in(names: list[bytes]) -> None:
    assert list(walk._tokens(stream(b"".join(name + b"\0" for name in names)))) == names


@given(st.binary(max_size=120), st.binary(max_size=40))
def test_any_commit_has_a_date_or_none(head: bytes, author: bytes) -> None:
    seconds, zone = _author_date(head + b"\nauthor " + author + b"\n\nmessage")
    assert 0 <= seconds < 10**11
    assert -24 * 60 < zone < 24 * 60


def test_a_date_is_read_with_its_zone() -> None:
    head = b"tree x\nauthor A B <a@b> 1700000000 -0330\ncommitter c <c> 1 +0000\n\nauthor x 1 +0\n"
    assert _author_date(head) == (1_700_000_000, -210)


def test_a_spool_gives_back_its_ids() -> None:
    ids = [b"%040x" % n for n in range(100)]
    with Spool(40) as spool:
        spool.extend(ids[:60])
        spool.extend([])
        spool.extend(ids[60:])
        assert spool.count == 100
        assert spool.ids(58, 4) == ids[58:62]
        assert [id_ for chunk in spool.chunks(7) for id_ in chunk] == ids
        assert spool.at(99).read().split() == ids[99:]
