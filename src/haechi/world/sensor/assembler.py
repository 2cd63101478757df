"""A two-pass assembler for eBPF: instructions by method, jumps by label, checked as they are made.

Every value comes from haechi itself (offsets out of the kernel's type information, constants of
the programs), but an offset that does not fit must fail here, with the instruction named, and
not be cut to 16 bits and read another field. Encoding: RFC 9669 (BPF instruction set).
"""

from __future__ import annotations

import struct

R0, R1, R2, R3, R4, R5, R6, R7, R8, R9, R10 = range(11)
"""R0 is the result, R1-R5 arguments (lost at calls), R6-R9 are kept, R10 is the frame."""

SIZES = {1: 0x10, 2: 0x08, 4: 0x00, 8: 0x18}
OPERATIONS = {
    "+": 0x00,
    "-": 0x10,
    "*": 0x20,
    "/": 0x30,
    "|": 0x40,
    "&": 0x50,
    "<<": 0x60,
    ">>": 0x70,
    "%": 0x90,
    "^": 0xA0,
    "=": 0xB0,
    "s>>": 0xC0,
}
COMPARISONS = {
    "==": 0x10,
    ">": 0x20,
    ">=": 0x30,
    "&": 0x40,
    "!=": 0x50,
    "s>": 0x60,
    "s>=": 0x70,
    "<": 0xA0,
    "<=": 0xB0,
    "s<": 0xC0,
    "s<=": 0xD0,
}
PSEUDO_MAP, PSEUDO_CALL = 1, 1
MAX_INSTRUCTIONS = 65_536

_INSTRUCTION = struct.Struct("<BBhi")


class AssemblyError(ValueError):
    """The program cannot be encoded: a fault in haechi or a kernel structure out of reach."""


class Assembler:
    """Collects instructions; ``assemble`` resolves the labels and gives the bytes."""

    def __init__(self) -> None:
        self._code: list[tuple[int, int, int, int]] = []
        self._labels: dict[str, int] = {}
        self._jumps: list[tuple[int, str]] = []
        self._calls: list[tuple[int, str]] = []
        self._fresh = 0

    def __len__(self) -> int:
        return len(self._code)

    def fresh(self, stem: str) -> str:
        """A label that nothing else has."""
        self._fresh += 1
        return f"{stem}.{self._fresh}"

    def label(self, name: str) -> None:
        if name in self._labels:
            raise AssemblyError(f"label {name!r} is defined twice")
        self._labels[name] = len(self._code)

    # moves and arithmetic
    def set(self, target: int, value: int) -> None:
        """``target`` = ``value``; takes two slots when it does not fit into 32 signed bits."""
        if -(1 << 31) <= value < 1 << 31:
            self.compute(target, "=", value)
        else:
            self._wide(target, 0, value)

    def move(self, target: int, source: int) -> None:
        self._emit(0xBF, target, source, 0, 0)

    def compute(self, target: int, operation: str, value: int) -> None:
        """64-bit ``target`` = ``target`` operation constant."""
        if target == R10:
            raise AssemblyError("R10 (the frame) cannot be changed")
        self._emit(0x07 | OPERATIONS[operation], target, 0, 0, value)

    def combine(self, target: int, operation: str, source: int) -> None:
        """64-bit ``target`` = ``target`` operation register."""
        if target == R10:
            raise AssemblyError("R10 (the frame) cannot be changed")
        self._emit(0x0F | OPERATIONS[operation], target, source, 0, 0)

    def low32(self, target: int) -> None:
        """Clear the upper half."""
        self._emit(0xBC, target, target, 0, 0)

    def load_map(self, target: int, fd: int) -> None:
        self._wide(target, PSEUDO_MAP, fd)

    # memory
    def load(self, size: int, target: int, source: int, offset: int = 0) -> None:
        self._emit(0x61 & ~0x18 | self._size(size), target, source, offset, 0)

    def store(self, size: int, target: int, offset: int, source: int) -> None:
        self._emit(0x63 & ~0x18 | self._size(size), target, source, offset, 0)

    def store_value(self, size: int, target: int, offset: int, value: int) -> None:
        self._emit(0x62 & ~0x18 | self._size(size), target, 0, offset, value)

    def atomic_add(self, size: int, target: int, offset: int, source: int) -> None:
        if size not in (4, 8):
            raise AssemblyError(f"atomic addition of {size} bytes")
        self._emit(0xC3 & ~0x18 | self._size(size), target, source, offset, 0)

    # flow
    def jump(self, label: str) -> None:
        self._jumps.append((len(self._code), label))
        self._emit(0x05, 0, 0, 0, 0)

    def jump_if(self, left: int, comparison: str, right: int, label: str) -> None:
        """Compare a register (64 bits) with a constant."""
        self._jumps.append((len(self._code), label))
        self._emit(0x05 | COMPARISONS[comparison], left, 0, 0, right)

    def jump_if_register(self, left: int, comparison: str, right: int, label: str) -> None:
        self._jumps.append((len(self._code), label))
        self._emit(0x0D | COMPARISONS[comparison], left, right, 0, 0)

    def call(self, helper: int) -> None:
        self._emit(0x85, 0, 0, 0, helper)

    def call_label(self, label: str) -> None:
        """Call a function of the same program (a frame of its own; R6-R9 are kept)."""
        self._calls.append((len(self._code), label))
        self._emit(0x85, 0, PSEUDO_CALL, 0, 0)

    def exit(self, value: int | None = None) -> None:
        if value is not None:
            self.set(R0, value)
        self._emit(0x95, 0, 0, 0, 0)

    def assemble(self) -> bytes:
        if not self._code or self._code[-1][0] not in (0x95, 0x05):
            raise AssemblyError("the program runs off its end")
        if len(self._code) > MAX_INSTRUCTIONS:
            raise AssemblyError(f"{len(self._code)} instructions; at most {MAX_INSTRUCTIONS}")
        code = list(self._code)
        for place, label in self._jumps:
            opcode, registers, _, immediate = code[place]
            distance = self._place(label) - place - 1
            if not -(1 << 15) <= distance < 1 << 15:
                raise AssemblyError(f"jump from {place} to {label!r} is {distance} instructions")
            code[place] = (opcode, registers, distance, immediate)
        for place, label in self._calls:
            opcode, registers, offset, _ = code[place]
            code[place] = (opcode, registers, offset, self._place(label) - place - 1)
        return b"".join(_INSTRUCTION.pack(*each) for each in code)

    def _place(self, label: str) -> int:
        place = self._labels.get(label)
        if place is None:
            raise AssemblyError(f"label {label!r} is not defined")
        return place

    @staticmethod
    def _size(size: int) -> int:
        if size not in SIZES:
            raise AssemblyError(f"no access of {size} bytes")
        return SIZES[size]

    def _wide(self, target: int, pseudo: int, value: int) -> None:
        if not -(1 << 63) <= value < 1 << 64:
            raise AssemblyError(f"{value} does not fit into 64 bits")
        value &= (1 << 64) - 1
        low, high = value & 0xFFFFFFFF, value >> 32
        self._emit(0x18, target, pseudo, 0, _signed(low))
        self._code.append((0, 0, 0, _signed(high)))

    def _emit(self, opcode: int, target: int, source: int, offset: int, immediate: int) -> None:
        if not (0 <= target <= R10 and 0 <= source <= R10):
            raise AssemblyError(f"instruction {len(self._code)}: no such register")
        if not -(1 << 15) <= offset < 1 << 15:
            raise AssemblyError(f"instruction {len(self._code)}: offset {offset} over 16 bits")
        if not -(1 << 31) <= immediate < 1 << 31:
            raise AssemblyError(f"instruction {len(self._code)}: {immediate} over 32 bits")
        self._code.append((opcode, source << 4 | target, offset, immediate))


def _signed(value: int) -> int:
    return value - (1 << 32) if value >= 1 << 31 else value
