"""Field offsets and ids out of BTF that the test builds, and hostile blobs."""

from __future__ import annotations

import struct
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from haechi.world.sensor import btf
from haechi.world.sensor.btf import Btf, BtfError
from tests.world.sensor.btf_blobs import BlobBuilder, small

OFFSETS = [
    ("outer.first", 0),
    ("outer.in", 8),
    ("outer.in.b", 12),
    ("outer.left", 16),
    ("outer.right.b", 20),
    ("inner.b", 4),
    ("bits.whole", 4),
]


@pytest.mark.parametrize(("path", "expected"), OFFSETS, ids=[each[0] for each in OFFSETS])
def test_finds_offsets_by_dotted_path(path: str, expected: int) -> None:
    assert Btf(small().blob()).offset(path) == expected


MISSING = [
    ("outer.nothing", "no field 'nothing'"),
    ("nothing.a", "no struct nothing"),
    ("outer.first.deeper", "no field 'deeper'"),
    ("bits.low", "bit field"),
    ("do_it.a", "no struct do_it"),
]


@pytest.mark.parametrize(("path", "message"), MISSING, ids=[each[0] for each in MISSING])
def test_says_which_field_is_missing(path: str, message: str) -> None:
    types = Btf(small().blob())
    with pytest.raises(BtfError, match=message):
        types.offset(path)
    assert not types.has(path)


def test_finds_functions_and_their_parameters() -> None:
    types = Btf(small().blob())
    function = types.identify("do_it", btf.FUNCTION)
    assert function is not None
    assert types.parameters(function) == 2
    tracepoint = types.identify("btf_trace_it", btf.TYPEDEF)
    assert tracepoint is not None
    assert types.parameters(tracepoint) == 2
    assert types.identify("do_it", btf.STRUCT) is None
    assert types.identify("absent", btf.FUNCTION) is None
    with pytest.raises(BtfError, match="not a function"):
        types.parameters(1)


def test_tells_sizes_and_counts() -> None:
    types = Btf(small().blob())
    assert types.size("outer") == 32
    assert len(types) == 12


def test_a_name_within_a_longer_one_is_not_taken_for_it() -> None:
    made = BlobBuilder()
    made.struct("task_struct_extra", 4, [])
    made.struct("task_struct", 64, [])
    assert Btf(made.blob()).size("task_struct") == 64


def test_circles_end() -> None:
    made = BlobBuilder()
    made.struct("loop", 8, [("me", 2, 0)])
    made.add(btf.TYPEDEF, "loop_t", 3)
    made.add(btf.CONST, "", 2)
    with pytest.raises(BtfError, match="circle"):
        Btf(made.blob()).offset("loop.me.x")


def test_structs_that_hold_themselves_end() -> None:
    made = BlobBuilder()
    made.struct("outer", 8, [("", 2, 0)])
    made.struct("", 8, [("", 2, 0)])
    with pytest.raises(BtfError, match="too deeply"):
        Btf(made.blob()).offset("outer.x")


def _header(**change: int) -> bytes:
    fields = dict.fromkeys(("types", "names"), 0) | {
        "magic": 0xEB9F,
        "version": 1,
        "types_size": 0,
        "names_size": 1,
    }
    fields |= change
    return (
        struct.pack(
            "<HBBIIIII",
            fields["magic"],
            fields["version"],
            0,
            24,
            fields["types"],
            fields["types_size"],
            fields["names"],
            fields["names_size"],
        )
        + b"\0"
    )


def _one_type(info: int) -> bytes:
    return _header(types_size=12, names=12)[:24] + struct.pack("<III", 0, info, 0) + b"\0"


BROKEN = [
    ("empty", b"", "too short"),
    ("other-order", _header(magic=0x9FEB), "byte order"),
    ("version", _header(version=2), "version 2"),
    ("types-outside", _header(types_size=4096), "past the end"),
    ("names-outside", _header(names=1 << 31), "past the end"),
    ("half-a-type", _header(types_size=1), "middle"),
    ("unknown-kind", _one_type(31 << 24), "kind 31"),
    ("members-outside", _one_type(btf.STRUCT << 24 | 5), "past the end"),
]


@pytest.mark.parametrize(
    ("blob", "message"), [each[1:] for each in BROKEN], ids=[each[0] for each in BROKEN]
)
def test_refuses_broken_blobs(blob: bytes, message: str) -> None:
    with pytest.raises(BtfError, match=message):
        Btf(blob)


def _ask(blob: bytes) -> None:
    """Whatever the blob is, the answer is an answer or BtfError."""
    try:
        types = Btf(blob)
    except BtfError:
        return
    for path in ("outer.right.b", "outer.first", "bits.low", "outer.x"):
        types.has(path)
    for kind in (btf.FUNCTION, btf.TYPEDEF, btf.STRUCT):
        number = types.identify("do_it", kind)
        if number is not None:
            try:
                types.parameters(number)
            except BtfError:
                continue


@given(st.binary(max_size=400))
def test_any_types_are_survived(raw: bytes) -> None:
    names = b"\0outer\0do_it\0right\0b\0"
    head = struct.pack("<HBBIIIII", 0xEB9F, 1, 0, 24, 0, len(raw), len(raw), len(names))
    _ask(head + raw + names)


@given(st.lists(st.tuples(st.integers(0, 10_000), st.integers(0, 255)), max_size=6))
def test_damage_is_survived(changes: list[tuple[int, int]]) -> None:
    blob = bytearray(small().blob())
    for place, value in changes:
        blob[place % len(blob)] = value
    _ask(bytes(blob))


def test_an_unreadable_place_is_told(tmp_path: Path) -> None:
    with pytest.raises(BtfError, match="cannot be read"):
        Btf.of_kernel(tmp_path / "vmlinux")


@pytest.mark.skipif(not btf.PLACE.exists(), reason="this kernel has no BTF")
def test_reads_the_running_kernel() -> None:
    types = Btf.of_kernel()
    assert types.offset("pt_regs.orig_ax" if types.has("pt_regs.orig_ax") else "pt_regs.regs") >= 0
    assert types.offset("task_struct.thread_info") == 0
    assert types.identify("btf_trace_sys_exit", btf.TYPEDEF) is not None
