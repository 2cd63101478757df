"""Encodings against bytes known from RFC 9669, and what must not assemble."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from haechi.world.sensor.assembler import (
    COMPARISONS,
    OPERATIONS,
    R0,
    R1,
    R2,
    R3,
    R6,
    R10,
    Assembler,
    AssemblyError,
)

ENCODINGS: list[tuple[str, Callable[[Assembler], None], str]] = [
    ("set", lambda a: a.set(R0, 0), "b700000000000000"),
    ("set-negative", lambda a: a.set(R3, -100), "b70300009cffffff"),
    ("set-wide", lambda a: a.set(R1, 0x1122334455667788), "18010000887766550000000044332211"),
    ("set-unsigned-32", lambda a: a.set(R2, 0xFFFFFF9C), "180200009cffffff0000000000000000"),
    ("move", lambda a: a.move(R6, R1), "bf16000000000000"),
    ("add", lambda a: a.compute(R2, "+", -16), "07020000f0ffffff"),
    ("shift", lambda a: a.compute(R0, ">>", 32), "7700000020000000"),
    ("subtract-register", lambda a: a.combine(R1, "-", R2), "1f21000000000000"),
    ("low-half", lambda a: a.low32(R1), "bc11000000000000"),
    ("map", lambda a: a.load_map(R1, 7), "18110000070000000000000000000000"),
    ("load-8", lambda a: a.load(8, R1, R6, 112), "7961700000000000"),
    ("load-4", lambda a: a.load(4, R1, R6, 8), "6161080000000000"),
    ("load-2", lambda a: a.load(2, R1, R6, -2), "6961feff00000000"),
    ("load-1", lambda a: a.load(1, R1, R6), "7161000000000000"),
    ("store-8", lambda a: a.store(8, R10, -8, R0), "7b0af8ff00000000"),
    ("store-4", lambda a: a.store(4, R10, -8, R0), "630af8ff00000000"),
    ("store-value-4", lambda a: a.store_value(4, R10, -16, 5), "620af0ff05000000"),
    ("store-value-8", lambda a: a.store_value(8, R10, -16, 0), "7a0af0ff00000000"),
    ("store-value-1", lambda a: a.store_value(1, R1, 0, 47), "720100002f000000"),
    ("atomic-add", lambda a: a.atomic_add(8, R0, 0, R1), "db10000000000000"),
    ("call", lambda a: a.call(14), "850000000e000000"),
]


@pytest.mark.parametrize(
    ("write", "expected"), [each[1:] for each in ENCODINGS], ids=[each[0] for each in ENCODINGS]
)
def test_encodes(write: Callable[[Assembler], None], expected: str) -> None:
    code = Assembler()
    write(code)
    code.exit()
    assert code.assemble().hex() == expected + "9500000000000000"


def test_jumps_reach_their_labels_in_both_directions() -> None:
    code = Assembler()
    code.label("again")
    code.compute(R1, "-", 1)
    code.jump_if(R1, "!=", 0, "again")
    code.jump_if_register(R1, "s<", R2, "out")
    code.jump("out")
    code.set(R0, 1)
    code.label("out")
    code.exit()
    lines = [code.assemble()[place : place + 8].hex() for place in range(0, 48, 8)]
    assert lines[1] == "5501feff00000000"  # two back, itself included
    assert lines[2] == "cd21020000000000"
    assert lines[3] == "0500010000000000"


def test_a_wide_constant_counts_as_two_for_jumps() -> None:
    code = Assembler()
    code.jump_if(R1, "==", 0, "out")
    code.set(R0, 1 << 40)
    code.label("out")
    code.exit()
    assert code.assemble()[:8].hex() == "1501020000000000"


def test_calls_to_functions_are_relative() -> None:
    code = Assembler()
    code.call_label("inner")
    code.exit()
    code.label("inner")
    code.exit(3)
    assert code.assemble()[:8].hex() == "8510000001000000"


def _label_twice(code: Assembler) -> None:
    code.label("x")
    code.label("x")


REFUSED: list[tuple[str, Callable[[Assembler], None], str]] = [
    ("register", lambda a: a.move(11, R1), "no such register"),
    ("frame", lambda a: a.compute(R10, "+", 8), "R10"),
    ("frame-register", lambda a: a.combine(R10, "+", R1), "R10"),
    ("offset", lambda a: a.load(8, R1, R2, 40_000), "over 16 bits"),
    ("constant", lambda a: a.compute(R1, "+", 1 << 31), "over 32 bits"),
    ("comparison", lambda a: a.jump_if(R1, "==", 1 << 32, "x"), "over 32 bits"),
    ("wide", lambda a: a.set(R1, 1 << 64), "64 bits"),
    ("size", lambda a: a.load(3, R1, R2), "3 bytes"),
    ("atomic", lambda a: a.atomic_add(2, R1, 0, R2), "2 bytes"),
    ("label-twice", _label_twice, "twice"),
]


@pytest.mark.parametrize(
    ("write", "message"), [each[1:] for each in REFUSED], ids=[each[0] for each in REFUSED]
)
def test_refuses_what_does_not_fit(write: Callable[[Assembler], None], message: str) -> None:
    with pytest.raises(AssemblyError, match=message):
        write(Assembler())


def test_refuses_unknown_labels() -> None:
    for write in (Assembler.jump, Assembler.call_label):
        code = Assembler()
        write(code, "nowhere")
        code.exit()
        with pytest.raises(AssemblyError, match="nowhere"):
            code.assemble()


def test_refuses_a_jump_too_far() -> None:
    code = Assembler()
    code.jump("out")
    for _ in range(1 << 15):
        code.set(R1, 0)
    code.label("out")
    code.exit()
    with pytest.raises(AssemblyError, match="is 32768 instructions"):
        code.assemble()


def test_refuses_a_program_that_runs_off_its_end_or_is_too_long() -> None:
    code = Assembler()
    with pytest.raises(AssemblyError, match="off its end"):
        code.assemble()
    for _ in range(65_537):
        code.set(R1, 0)
    with pytest.raises(AssemblyError, match="off its end"):
        code.assemble()
    code.exit()
    with pytest.raises(AssemblyError, match="at most"):
        code.assemble()


def test_fresh_labels_differ() -> None:
    code = Assembler()
    assert len({code.fresh("x") for _ in range(50)}) == 50


@given(
    st.sampled_from(sorted(OPERATIONS)),
    st.sampled_from(sorted(COMPARISONS)),
    st.integers(0, 9),
    st.integers(0, 10),
    st.integers(-(1 << 31), (1 << 31) - 1),
    st.integers(-(1 << 15), (1 << 15) - 1),
)
def test_every_encoding_holds_what_was_given(
    operation: str, comparison: str, target: int, source: int, constant: int, offset: int
) -> None:
    code = Assembler()
    code.label("start")
    code.compute(target, operation, constant)
    code.load(8, target, source, offset)
    code.jump_if(target, comparison, constant, "start")
    code.exit()
    raw = code.assemble()
    assert len(raw) == 8 * len(code)
    assert int.from_bytes(raw[4:8], "little", signed=True) == constant
    assert raw[9] == source << 4 | target
    assert int.from_bytes(raw[10:12], "little", signed=True) == offset
    assert int.from_bytes(raw[18:20], "little", signed=True) == -3
