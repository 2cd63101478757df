"""Builds small BTF blobs for tests."""

from __future__ import annotations

import struct

from haechi.world.sensor import btf


class BlobBuilder:
    """Types in order, the first is number 1."""

    def __init__(self) -> None:
        self._types = b""
        self._names = b"\0"
        self._count = 0

    def name(self, text: str) -> int:
        if not text:
            return 0
        place = len(self._names)
        self._names += text.encode() + b"\0"
        return place

    def add(
        self,
        kind: int,
        name: str = "",
        third: int = 0,
        *,
        vlen: int = 0,
        tail: bytes = b"",
        flag: int = 0,
    ) -> int:
        info = flag << 31 | kind << 24 | vlen
        self._types += struct.pack("<III", self.name(name), info, third) + tail
        self._count += 1
        return self._count

    def integer(self, name: str, size: int = 4) -> int:
        return self.add(btf.INT, name, size, tail=struct.pack("<I", size * 8))

    def struct(
        self,
        name: str,
        size: int,
        members: list[tuple[str, int, int]],
        *,
        kind: int = btf.STRUCT,
        flag: int = 0,
    ) -> int:
        """Members are (name, type, offset in bits)."""
        tail = b"".join(struct.pack("<III", self.name(n), t, bits) for n, t, bits in members)
        return self.add(kind, name, size, vlen=len(members), tail=tail, flag=flag)

    def blob(self) -> bytes:
        head = struct.pack(
            "<HBBIIIII", 0xEB9F, 1, 0, 24, 0, len(self._types), len(self._types), len(self._names)
        )
        return head + self._types + self._names


def small() -> BlobBuilder:
    """A struct with a typedef'd inner struct, an anonymous union, a bit field and a function."""
    made = BlobBuilder()
    number = made.integer("int")
    inner = made.struct("inner", 8, [("a", number, 0), ("b", number, 32)])
    alias = made.add(btf.TYPEDEF, "inner_t", inner)
    constant = made.add(btf.CONST, "", alias)
    union = made.struct("", 8, [("left", number, 0), ("right", constant, 0)], kind=btf.UNION)
    made.struct("outer", 32, [("first", number, 0), ("in", constant, 64), ("", union, 128)])
    made.struct("bits", 8, [("low", number, 3 << 24), ("whole", number, 32)], flag=1)
    proto = made.add(btf.PROTOTYPE, "", number, vlen=2, tail=struct.pack("<IIII", 0, 1, 0, 1))
    made.add(btf.FUNCTION, "do_it", proto)
    made.add(btf.TYPEDEF, "btf_trace_it", made.add(btf.POINTER, "", proto))
    return made
