"""The ring's reader over memory that the test lays out as the kernel would."""

from __future__ import annotations

import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from haechi.world.sensor.ring import BUSY, DISCARDED, Ring

SIZE = 4096
BASE = 64


class FakeKernelRing:
    """Writes records as the kernel does, data mapped twice."""

    def __init__(self) -> None:
        self.consumer = bytearray(8)
        self.data = bytearray(BASE + 2 * SIZE)
        self.ring = Ring(self.consumer, self.data, BASE, SIZE)
        self._end = 0

    def start(self, place: int) -> None:
        """As after ``place`` bytes that were written and read."""
        struct.pack_into("Q", self.consumer, 0, place)
        self.move_end(place)

    def move_end(self, place: int) -> None:
        self._end = place
        struct.pack_into("Q", self.data, 0, place)

    def write(self, raw: bytes, flags: int = 0) -> None:
        piece = struct.pack("II", len(raw) | flags, 0) + raw
        for index, byte in enumerate(piece):
            place = (self._end + index) % SIZE
            self.data[BASE + place] = self.data[BASE + SIZE + place] = byte
        self.move_end(self._end + (len(piece) + 7 & ~7))

    def read(self, limit: int = 100) -> list[bytes]:
        found: list[bytes] = []
        count = self.ring.take(lambda raw: found.append(bytes(raw)), limit)
        assert count == len(found)
        return found

    @property
    def place(self) -> int:
        return int(struct.unpack_from("Q", self.consumer)[0])


def test_reads_in_order_and_gives_the_room_back() -> None:
    kernel = FakeKernelRing()
    for raw in (b"one", b"", b"three" * 9):
        kernel.write(raw)
    assert kernel.read() == [b"one", b"", b"three" * 9]
    assert kernel.place == 16 + 8 + 56
    assert kernel.read() == []


def test_a_record_that_wraps_around_is_whole() -> None:
    kernel = FakeKernelRing()
    kernel.start(SIZE - 16)
    kernel.write(b"0123456789" * 5)
    assert kernel.read() == [b"0123456789" * 5]


def test_stops_before_what_is_still_written() -> None:
    kernel = FakeKernelRing()
    kernel.write(b"done")
    kernel.write(b"busy", BUSY)
    kernel.write(b"behind")
    assert kernel.read() == [b"done"]
    struct.pack_into("I", kernel.data, BASE + 16, 4)
    assert kernel.read() == [b"busy", b"behind"]


def test_skips_what_was_thrown_away() -> None:
    kernel = FakeKernelRing()
    kernel.write(b"gone", DISCARDED)
    kernel.write(b"here")
    assert kernel.read() == [b"here"]


def test_takes_no_more_than_the_limit() -> None:
    kernel = FakeKernelRing()
    for number in range(5):
        kernel.write(bytes([number]))
    assert kernel.read(2) == [b"\0", b"\1"]
    assert kernel.read() == [b"\2", b"\3", b"\4"]


@pytest.mark.parametrize(("here", "end"), [(0, SIZE + 8), (64, 8)], ids=["too-much", "backwards"])
def test_senseless_counters_are_survived(here: int, end: int) -> None:
    kernel = FakeKernelRing()
    kernel.start(here)
    kernel.move_end(end)
    assert kernel.read() == []
    assert kernel.ring.damaged == 1
    assert kernel.place == end


def test_a_length_over_the_end_is_survived() -> None:
    kernel = FakeKernelRing()
    kernel.write(b"fine")
    kernel.write(b"bad")
    struct.pack_into("I", kernel.data, BASE + 16, 5000)
    assert kernel.read() == [b"fine"]
    assert kernel.ring.damaged == 1
    kernel.write(b"next")
    assert kernel.read() == [b"next"]


def test_a_size_that_is_no_power_of_two_is_refused() -> None:
    with pytest.raises(ValueError, match="power of two"):
        Ring(bytearray(8), bytearray(8), 0, 5000)


@given(st.lists(st.binary(max_size=200), max_size=12), st.integers(0, 1 << 40))
def test_everything_written_is_read(pieces: list[bytes], place: int) -> None:
    kernel = FakeKernelRing()
    kernel.start(place & ~7)
    for raw in pieces:
        kernel.write(raw)
    assert kernel.read() == pieces


@given(st.binary(min_size=64, max_size=512), st.integers(0, 512))
def test_any_content_is_survived(raw: bytes, end: int) -> None:
    kernel = FakeKernelRing()
    kernel.data[BASE : BASE + len(raw)] = raw
    kernel.move_end(end)
    kernel.read()
    assert kernel.place <= end
